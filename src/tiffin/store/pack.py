"""A directory tree as a tar stream: an export of a whole root, or what a container's upper directory changed.

Deterministic: names in byte order, times in whole seconds, no user names, as in Docker's archives; the same tree gives
the same bytes. The tree may be a container's and may change underneath: nothing is opened through a symlink, a file is
what its descriptor says it is, one that vanished is left out, one that shrank is filled up with zeros. Sockets are left
out, as they mean nothing elsewhere. `changes=True` reads an overlay upper directory and writes whiteouts and opaque
markers (layer_format.py). The root itself has no member.
"""

from __future__ import annotations

import errno
import os
import stat

from tiffin.errors import SystemFailure
from tiffin.store.directories import OPEN_DIRECTORY, is_whiteout
from tiffin.store.layer_format import FOREIGN_OVERLAY_XATTRS, OPAQUE_MARKER, OPAQUE_XATTR, WHITEOUT, keeps_xattr
from tiffin.wire.tar import writer
from tiffin.wire.tar.layout import (
    BLOCK_DEVICE,
    CHAR_DEVICE,
    DIRECTORY,
    FIFO,
    HARD_LINK,
    REGULAR,
    SYMLINK,
    Entry,
    padding,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final

    Write = Callable[[bytes | memoryview], None]

_PIECE: Final = 256 * 1024
# O_NONBLOCK: should the name have become a fifo meanwhile, the open must not hang.
_READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_SECOND: Final = 1_000_000_000
_KINDS: Final = {
    stat.S_IFREG: REGULAR,
    stat.S_IFDIR: DIRECTORY,
    stat.S_IFLNK: SYMLINK,
    stat.S_IFCHR: CHAR_DEVICE,
    stat.S_IFBLK: BLOCK_DEVICE,
    stat.S_IFIFO: FIFO,
}
_ZEROS: Final = bytes(_PIECE)


class _Level:
    """A directory on the way down: its descriptor, its path with a final slash, the names still to come (reversed)."""

    __slots__ = ("fd", "names", "path")

    def __init__(self, fd: int, path: bytes) -> None:
        self.fd = fd
        self.path = path
        self.names = sorted(map(os.fsencode, os.listdir(fd)), reverse=True)


class Packer:
    """Packs the tree below `root_fd` by calling `write` with pieces, each used up when it returns."""

    def __init__(self, root_fd: int, write: Write, *, changes: bool = False) -> None:
        self.entries = 0
        self.size = 0  # bytes of regular files
        self._root_fd = root_fd
        self._write = write
        self._changes = changes
        self._linked: dict[tuple[int, int], bytes] = {}
        self._buffer = memoryview(bytearray(_PIECE))

    def run(self) -> None:
        """Write the whole archive. One descriptor is open per level; a tree too deep for that is an error."""
        levels = [_Level(os.open(b".", OPEN_DIRECTORY, dir_fd=self._root_fd), b"")]
        try:
            while levels:
                level = levels[-1]
                if not level.names:
                    os.close(levels.pop().fd)
                    continue
                below = self._pack(level, level.names.pop())
                if below is not None:
                    levels.append(below)
        except OSError as error:
            raise SystemFailure(f"cannot pack {os.fsdecode(levels[-1].path if levels else b'')!r}: {error}") from error
        finally:
            for level in levels:
                os.close(level.fd)
        self._write(writer.TRAILER)

    def _pack(self, level: _Level, name: bytes) -> _Level | None:
        """One member; the level below it if it is a directory."""
        try:
            found = os.lstat(name, dir_fd=level.fd)
        except FileNotFoundError:
            return None
        kind = stat.S_IFMT(found.st_mode)
        if kind not in _KINDS:
            return None
        if self._changes and is_whiteout(found):
            self._write_mark(level.path + WHITEOUT + name, found)
            return None
        if kind == stat.S_IFDIR:
            return self._pack_directory(level, name)
        entry = _entry(level.path + name, found)
        if found.st_nlink > 1:
            first = self._linked.setdefault((found.st_dev, found.st_ino), entry.name)
            if first is not entry.name:
                entry.type, entry.linkname = HARD_LINK, first
                self._write_header(entry)
                return None
        if kind == stat.S_IFREG:
            if not self._pack_file(level, name, entry) and found.st_nlink > 1:
                del self._linked[found.st_dev, found.st_ino]
            return None
        if kind == stat.S_IFLNK:
            try:
                entry.linkname = os.readlink(name, dir_fd=level.fd)
            except OSError:
                return None  # it is another file by now
        self._write_header(entry)
        return None

    def _pack_directory(self, level: _Level, name: bytes) -> _Level | None:
        try:
            fd = os.open(name, OPEN_DIRECTORY | os.O_NOFOLLOW, dir_fd=level.fd)
        except OSError as error:
            _pass_over(error)
            return None
        try:
            path = level.path + name + b"/"
            found = os.fstat(fd)
            entry = _entry(path, found)
            opaque = self._read_xattrs(fd, entry)
            self._write_header(entry)
            if opaque and self._changes:
                self._write_mark(path + OPAQUE_MARKER, found)
            return _Level(fd, path)
        except BaseException:
            os.close(fd)
            raise

    def _pack_file(self, level: _Level, name: bytes, entry: Entry) -> bool:
        """A regular file; False if it is none any more."""
        fd = _open(name, level.fd)
        if fd < 0:
            return False
        try:
            found = os.fstat(fd)
            if not stat.S_ISREG(found.st_mode):
                return False
            entry = _entry(entry.name, found)
            self._read_xattrs(fd, entry)
            entry.size = found.st_size
            self.size += entry.size
            self._write_header(entry)
            self._write_data(fd, entry.size)
            return True
        finally:
            os.close(fd)

    def _write_data(self, fd: int, size: int) -> None:
        left = size
        while left:
            count = os.readv(fd, [self._buffer[: min(left, _PIECE)]])
            if count == 0:
                break
            self._write(self._buffer[:count])
            left -= count
        while left:
            count = min(left, _PIECE)
            self._write(_ZEROS[:count])
            left -= count
        if padding(size):
            self._write(_ZEROS[: padding(size)])

    def _write_header(self, entry: Entry) -> None:
        self.entries += 1
        self._write(writer.header(entry))

    def _write_mark(self, name: bytes, found: os.stat_result) -> None:
        """A whiteout or opaque marker: an empty file; it has a time so that layers made alike are alike."""
        mark = _entry(name, found)
        mark.type, mark.mode = REGULAR, 0o600
        mark.devmajor = mark.devminor = 0
        self._write_header(mark)

    def _read_xattrs(self, fd: int, entry: Entry) -> bool:
        """Put the attributes into the entry; whether overlayfs's opaque is among them."""
        try:
            keys = os.listxattr(fd)
        except OSError as error:
            if error.errno == errno.ENOTSUP:
                return False
            raise
        opaque = False
        xattrs: dict[bytes, bytes] = {}
        for key in map(os.fsencode, keys):
            if key == OPAQUE_XATTR:
                opaque = _getxattr(fd, key) == b"y"
            elif self._changes and key in FOREIGN_OVERLAY_XATTRS:
                raise SystemFailure(f"{os.fsdecode(entry.name)!r} was written by an overlay with {os.fsdecode(key)}")
            elif keeps_xattr(key):
                value = _getxattr(fd, key)
                if value is not None:
                    xattrs[key] = value
        entry.xattrs = xattrs or None
        return opaque


def _entry(name: bytes, found: os.stat_result) -> Entry:
    kind = _KINDS[stat.S_IFMT(found.st_mode)]
    entry = Entry(name, kind, stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid)
    entry.mtime_ns = found.st_mtime_ns // _SECOND * _SECOND
    if kind in (CHAR_DEVICE, BLOCK_DEVICE):
        entry.devmajor, entry.devminor = os.major(found.st_rdev), os.minor(found.st_rdev)
    return entry


def _open(name: bytes, dir_fd: int) -> int:
    """The file, opened without a trace in its access time; -1 if it vanished or is a symlink by now."""
    try:
        try:
            return os.open(name, _READ | os.O_NOATIME, dir_fd=dir_fd)
        except PermissionError:  # O_NOATIME is for the owner or CAP_FOWNER, and some network file systems refuse it
            return os.open(name, _READ, dir_fd=dir_fd)
    except OSError as error:
        _pass_over(error)
        return -1


def _pass_over(error: OSError) -> None:
    """Pass over a file that was removed or replaced since it was listed; raise everything else."""
    if error.errno not in (errno.ENOENT, errno.ELOOP, errno.ENOTDIR, errno.ENXIO):
        raise error


def _getxattr(fd: int, key: bytes) -> bytes | None:
    try:
        return os.getxattr(fd, key)
    except OSError as error:
        if error.errno == errno.ENODATA:
            return None  # removed since it was listed
        raise
