"""Unpack a tar stream below a directory descriptor: a layer as overlayfs wants it, or a plain tree.

The archive is foreign. Nothing outside of the root is touched even without a locked-in process around this (which
there is, worker_jail.py): names are resolved by the kernel inside the root, the last component never through a
symlink, existing files are replaced and not written through.

What an archive means is as in Docker's overlay2, which unpacks every layer alone into its own directory:
  - whiteouts become character devices 0:0, an opaque marker becomes an attribute of its directory (layer_format.py),
    whatever the order of the members: a whiteout never hides what the same layer has;
  - a symlink on the way is followed if this layer has it; one that only a lower layer has is not seen, the name becomes
    a directory of this layer;
  - a directory over a directory keeps its content, anything else replaces what was there; the last of equals wins;
  - the root's own mode, owner and time stay as they are (an archive of a `mktemp -d` must not make / private);
  - directories that are only implied are root's, 0755, or as the lower layers have them (Docker does only the former).
"""

from __future__ import annotations

import errno
import os
import stat

from tiffin.errors import SystemFailure
from tiffin.store.archive_path import clean, display
from tiffin.store.directories import OPEN_DIRECTORY, Directories, is_whiteout, open_in_root, remove
from tiffin.store.layer_format import OPAQUE_MARKER, OPAQUE_XATTR, WHITEOUT, WHITEOUT_META, keeps_xattr
from tiffin.store.lower_layers import LowerLayers, copy_up
from tiffin.wire.tar.layout import (
    BLOCK_DEVICE,
    CHAR_DEVICE,
    DIRECTORY,
    FIFO,
    HARD_LINK,
    REGULAR,
    SYMLINK,
    Entry,
    TarError,
)
from tiffin.wire.tar.reader import END_OF_ARCHIVE, END_OF_ENTRY, NEED_DATA, Hole, Reader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Final

_NEW_FILE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_NODE_KINDS: Final = {CHAR_DEVICE: stat.S_IFCHR, BLOCK_DEVICE: stat.S_IFBLK, FIFO: stat.S_IFIFO}

# An id of 2**32-1 means "leave it" to chown; Linux device numbers have 12 and 20 bits.
_MAX_ID: Final = 0xFFFFFFFE
_MAX_MAJOR: Final = 0xFFF
_MAX_MINOR: Final = 0xFFFFF

# The kernel's words for "this cannot be in a file system": the archive's fault. All others are the machine's.
_ARCHIVE_ERRORS: Final = frozenset(
    (
        errno.EEXIST,
        errno.EINVAL,
        errno.EISDIR,
        errno.ELOOP,
        errno.EMFILE,  # only a tree that is removed again opens many files: one for each level
        errno.EMLINK,
        errno.ENAMETOOLONG,
        errno.ENOENT,
        errno.ENOTDIR,
    )
)


class Limits:
    """Bounds on what an archive may ask for. The defaults are far above real images, and below a machine's end."""

    __slots__ = ("entries", "size")

    def __init__(self, entries: int = 8_000_000, size: int = 1 << 40) -> None:
        self.entries = entries  # each costs an inode, a directory also about 200 bytes of memory
        self.size = size  # of all regular files, holes included; the disk itself ends sooner


class Unpacker:
    """Unpacks one archive: `feed` pieces of it, then `finish`. `close` in any case.

    Assumes umask 0. `layer` turns whiteout names into what overlayfs understands; without it they are ordinary names.
    `size` is the bytes of regular files, as Docker counts a layer's size.
    """

    def __init__(
        self, root_fd: int, *, lower_fds: Sequence[int] = (), layer: bool = True, limits: Limits | None = None
    ) -> None:
        self.entries = 0
        self.size = 0
        self.root_opaque = False
        self.dropped_xattrs = 0
        self._reader = Reader()
        self._layer = layer
        self._limits = limits or Limits()
        self._lower = LowerLayers(root_fd, lower_fds) if lower_fds else None
        self._root_fd = root_fd
        self._directories = Directories(root_fd, self._lower, layer)
        self._times: dict[bytes, int] = {}  # of directories; set at the end, when nothing changes them any more
        self._ids = (os.geteuid(), os.getegid())
        # A directory with the setgid bit gives its group to what is made in it; then every owner must be set.
        self._inherits_group = bool(os.fstat(root_fd).st_mode & stat.S_ISGID)
        self._entry = Entry(b"")
        self._file = -1

    def feed(self, chunk: bytes | memoryview) -> None:
        """Unpack the next piece. Raises TarError for a bad archive, SystemFailure where the machine fails."""
        self._reader.feed(chunk)
        try:
            self._drain()
        except OSError as error:
            raise self._explain(error) from error

    def finish(self) -> None:
        """The archive ended: check that it is whole, set the directories' times."""
        self._reader.feed_eof()
        try:
            self._drain()
            self._set_times()
        except OSError as error:
            raise self._explain(error) from error

    def close(self) -> None:
        """Close all descriptors that were opened here."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
        self._directories.close()

    # -- events -------------------------------------------------------------------------------------------------------

    def _drain(self) -> None:
        next_event = self._reader.next_event
        while True:
            event = next_event()
            if event is NEED_DATA or event is END_OF_ARCHIVE:
                return
            if event is END_OF_ENTRY:
                if self._file >= 0:
                    self._end_file()
            elif isinstance(event, memoryview):
                if self._file >= 0:
                    written = os.write(self._file, event)
                    while written < len(event):
                        written += os.write(self._file, event[written:])
            elif isinstance(event, Entry):
                self._begin(event)
            elif isinstance(event, Hole) and self._file >= 0:
                os.lseek(self._file, event.length, os.SEEK_CUR)

    def _explain(self, error: OSError) -> TarError | SystemFailure:
        what = display(self._entry.name)
        reason = os.strerror(error.errno) if error.errno else str(error)
        if error.errno in _ARCHIVE_ERRORS:
            return TarError(f"cannot unpack {what}: {reason}")
        return SystemFailure(f"cannot unpack {what}: {reason.lower()}")

    def _begin(self, entry: Entry) -> None:
        self._entry = entry
        self.entries += 1
        self.size += entry.size
        if self.entries > self._limits.entries:
            raise TarError(f"the archive has more than {self._limits.entries} members")
        if self.size > self._limits.size:
            raise TarError(f"the archive's files are larger than {self._limits.size} bytes")
        if not (0 <= entry.uid <= _MAX_ID and 0 <= entry.gid <= _MAX_ID):
            raise TarError(f"invalid tar header: owner {entry.uid}:{entry.gid} of {display(entry.name)}")
        if not -(1 << 63) <= entry.mtime_ns < 1 << 63:
            entry.mtime_ns = 0  # as Docker: a time that the kernel cannot hold
        path = clean(entry.name)
        directory, _, name = path.rpartition(b"/")
        if self._layer and WHITEOUT in path and self._is_mark(directory, name):
            self.size -= entry.size  # what a mark contains is not stored
            return
        if not name:
            if entry.type != DIRECTORY:
                raise TarError(f"invalid tar header: {display(entry.name)} names the root")
            return
        parent = self._directories.get(directory)
        kind = entry.type
        if kind == REGULAR:
            self._begin_file(parent, name)
        elif kind == DIRECTORY:
            self._make_directory(parent, name, path)
        elif kind == SYMLINK:
            self._make_symlink(parent, name)
        elif kind == HARD_LINK:
            self._make_link(directory, name)
        elif kind in _NODE_KINDS:
            self._make_node(parent, name)
        else:
            raise TarError(f"invalid tar header: unknown type {kind!r} of {display(entry.name)}")

    # -- whiteouts ----------------------------------------------------------------------------------------------------

    def _is_mark(self, directory: bytes, name: bytes) -> bool:
        """Deal with a name that is not a file but a mark; False if it is a file after all."""
        for part in directory.split(b"/"):
            if part.startswith(WHITEOUT_META):
                return True
            if part.startswith(WHITEOUT):
                raise TarError(f"invalid tar header: {display(self._entry.name)} is below a whiteout")
        if not name.startswith(WHITEOUT):
            return False
        if name == OPAQUE_MARKER:
            os.setxattr(self._directories.get(directory), OPAQUE_XATTR, b"y")
            # Overlayfs does not look at the attribute of a layer's root; the store may cut the stack there.
            self.root_opaque = self.root_opaque or not directory
        elif not name.startswith(WHITEOUT_META):
            self._white_out(directory, name[len(WHITEOUT) :])
        return True

    def _white_out(self, directory: bytes, name: bytes) -> None:
        if name in (b"", b".", b".."):
            raise TarError(f"invalid tar header: {display(self._entry.name)} is a whiteout of nothing")
        parent = self._directories.get(directory)
        try:
            os.mknod(name, stat.S_IFCHR, 0, dir_fd=parent)
        except FileExistsError:
            # The same layer has the name: a file hides the lower one anyway, a directory must not show its content.
            if stat.S_ISDIR(os.lstat(name, dir_fd=parent).st_mode):
                self._set_opaque(parent, name)

    @staticmethod
    def _set_opaque(parent: int, name: bytes) -> None:
        fd = os.open(name, OPEN_DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)
        try:
            os.setxattr(fd, OPAQUE_XATTR, b"y")
        finally:
            os.close(fd)

    # -- members ------------------------------------------------------------------------------------------------------

    def _replace(self, parent: int, name: bytes) -> bool:
        """Make room for a new file; whether a whiteout stood there."""
        found = os.lstat(name, dir_fd=parent)
        remove(parent, name)
        if stat.S_ISDIR(found.st_mode) or stat.S_ISLNK(found.st_mode):
            # Paths that led through it lead elsewhere now.
            self._directories.forget(parent)
        return self._layer and is_whiteout(found)

    def _begin_file(self, parent: int, name: bytes) -> None:
        mode = self._entry.mode & 0o777
        try:
            self._file = os.open(name, _NEW_FILE, mode, dir_fd=parent)
        except FileExistsError:
            self._replace(parent, name)
            self._file = os.open(name, _NEW_FILE, mode, dir_fd=parent)

    def _end_file(self) -> None:
        fd, entry = self._file, self._entry
        if entry.sparse:
            os.ftruncate(fd, entry.size)
        self._set_metadata(fd, entry.mode & 0o7000)
        os.utime(fd, ns=(entry.mtime_ns, entry.mtime_ns))
        self._file = -1
        os.close(fd)

    def _set_metadata(self, fd: int, chmod: int) -> None:
        """Owner, mode if asked for, attributes: in this order, since chown clears setuid bits and file capabilities."""
        entry = self._entry
        if (entry.uid, entry.gid) != self._ids or self._inherits_group:
            os.fchown(fd, entry.uid, entry.gid)
        if chmod:
            os.fchmod(fd, entry.mode & 0o7777)
        if entry.xattrs:
            for key, value in entry.xattrs.items():
                self._set_xattr(fd, key, value)

    def _set_xattr(self, fd: int, key: bytes, value: bytes) -> None:
        if not keeps_xattr(key):
            self.dropped_xattrs += 1
            return
        try:
            os.setxattr(fd, key, value)
        except OSError as error:
            # A file system without attributes holds the layer all the same; but not without its capabilities.
            if error.errno not in (errno.EPERM, errno.ENOTSUP) or key == b"security.capability":
                raise
            self.dropped_xattrs += 1

    def _make_directory(self, parent: int, name: bytes, path: bytes) -> None:
        entry = self._entry
        opaque = False
        try:
            os.mkdir(name, entry.mode & 0o777, dir_fd=parent)
        except FileExistsError:
            if not stat.S_ISDIR(os.lstat(name, dir_fd=parent).st_mode):
                opaque = self._replace(parent, name)
                os.mkdir(name, entry.mode & 0o777, dir_fd=parent)
        fd = os.open(name, OPEN_DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)
        try:
            if entry.mode & stat.S_ISGID:
                self._inherits_group = True
            os.fchown(fd, entry.uid, entry.gid)
            os.fchmod(fd, entry.mode & 0o7777)
            self._set_metadata(fd, 0)
            if opaque:
                os.setxattr(fd, OPAQUE_XATTR, b"y")
        except BaseException:
            os.close(fd)
            raise
        self._directories.keep(path, fd)
        self._times[path] = entry.mtime_ns

    def _make_symlink(self, parent: int, name: bytes) -> None:
        target = self._entry.linkname
        try:
            os.symlink(target, name, dir_fd=parent)
        except FileExistsError:
            self._replace(parent, name)
            os.symlink(target, name, dir_fd=parent)
        self._set_name_metadata(parent, name)

    def _make_node(self, parent: int, name: bytes) -> None:
        entry = self._entry
        if not (0 <= entry.devmajor <= _MAX_MAJOR and 0 <= entry.devminor <= _MAX_MINOR):
            raise TarError(f"invalid tar header: device number of {display(entry.name)}")
        mode = _NODE_KINDS[entry.type] | (entry.mode & 0o777)
        device = os.makedev(entry.devmajor, entry.devminor)
        try:
            os.mknod(name, mode, device, dir_fd=parent)
        except FileExistsError:
            self._replace(parent, name)
            os.mknod(name, mode, device, dir_fd=parent)
        self._set_name_metadata(parent, name)

    def _set_name_metadata(self, parent: int, name: bytes) -> None:
        """Owner, special mode bits and time of something that is not opened."""
        entry = self._entry
        os.chown(name, entry.uid, entry.gid, dir_fd=parent, follow_symlinks=False)
        if entry.type != SYMLINK and entry.mode & 0o7000:
            os.chmod(name, entry.mode & 0o7777, dir_fd=parent)  # no symlink: made a moment ago, by us
        os.utime(name, ns=(entry.mtime_ns, entry.mtime_ns), dir_fd=parent, follow_symlinks=False)

    def _make_link(self, directory: bytes, name: bytes) -> None:
        """A hard link's metadata are its target's, whatever the header says: no chmod or chown through a link."""
        target = clean(self._entry.linkname)
        source_directory, _, source = target.rpartition(b"/")
        if not source:
            raise TarError(f"invalid tar header: {display(self._entry.name)} is a hard link to the root")
        source_fd = self._source_of_link(source_directory, source, target)
        try:
            parent = self._directories.get(directory)
            try:
                os.link(source, name, src_dir_fd=source_fd, dst_dir_fd=parent, follow_symlinks=False)
            except FileExistsError:
                old, new = os.lstat(name, dir_fd=parent), os.lstat(source, dir_fd=source_fd)
                if (old.st_dev, old.st_ino) == (new.st_dev, new.st_ino):
                    return
                self._replace(parent, name)
                os.link(source, name, src_dir_fd=source_fd, dst_dir_fd=parent, follow_symlinks=False)
        finally:
            os.close(source_fd)

    def _source_of_link(self, directory: bytes, name: bytes, target: bytes) -> int:
        """The directory of a link's target, as a new descriptor; a target that only a lower layer has is copied up."""
        missing = TarError(f"cannot unpack {display(self._entry.name)}: no hard link target {display(target)}")
        try:
            fd = open_in_root(self._root_fd, directory, OPEN_DIRECTORY)
            try:
                found = os.lstat(name, dir_fd=fd)
                if stat.S_ISDIR(found.st_mode) or (self._layer and is_whiteout(found)):
                    raise missing
                return fd
            except BaseException:
                os.close(fd)
                raise
        except (FileNotFoundError, NotADirectoryError):
            pass
        lower = self._lower.regular(target) if self._lower is not None else None
        if lower is None:
            raise missing
        try:
            parent = self._directories.get(directory)
            copy_up(lower, parent, name)
            return os.dup(parent)
        finally:
            os.close(lower)

    def _set_times(self) -> None:
        self._directories.close()
        for path, mtime_ns in self._times.items():
            try:
                fd = open_in_root(self._root_fd, path, OPEN_DIRECTORY | os.O_NOFOLLOW)
            except OSError as error:
                if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                    raise
                continue  # a later member took its place
            try:
                os.utime(fd, ns=(mtime_ns, mtime_ns))
            finally:
                os.close(fd)
