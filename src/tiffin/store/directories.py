"""Directories of a tree that is being filled, by descriptor: opened, made where missing, never outside of the root.

Every path is resolved by the kernel with RESOLVE_IN_ROOT: symlinks work as in a chroot, `..` stops at the root. A few
descriptors are kept, because an archive's members come directory by directory.
"""

from __future__ import annotations

import errno
import os
import stat

from tiffin.linux.openat2 import RESOLVE_IN_ROOT, RESOLVE_NO_MAGICLINKS, openat2
from tiffin.store.archive_path import display, follow
from tiffin.store.layer_format import OPAQUE_XATTR
from tiffin.wire.tar.layout import TarError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from tiffin.store.lower_layers import LowerLayers

OPEN_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_IN_ROOT: Final = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS
_KEPT_OPEN: Final = 64
_MAX_LINKS: Final = 40  # the kernel's own MAXSYMLINKS
_MAX_TRIES: Final = 16  # openat2 gives EAGAIN when a rename elsewhere races with `..` in a path


def open_in_root(root_fd: int, path: bytes, flags: int) -> int:
    """openat2 of a clean path below `root_fd`; b"" is the root itself."""
    for _ in range(_MAX_TRIES):
        try:
            return openat2(root_fd, path or b".", flags, resolve=_IN_ROOT)
        except BlockingIOError:
            continue
    return openat2(root_fd, path or b".", flags, resolve=_IN_ROOT)


class Directories:
    """The directories below one root, by their clean archive path."""

    __slots__ = ("_lower", "_open", "root_fd", "whiteouts")

    def __init__(self, root_fd: int, lower: LowerLayers | None, whiteouts: bool) -> None:
        self.root_fd = root_fd
        self.whiteouts = whiteouts
        self._lower = lower
        self._open: dict[bytes, int] = {}

    def close(self) -> None:
        """Close what is kept open."""
        for fd in self._open.values():
            os.close(fd)
        self._open.clear()

    def forget(self, in_use: int) -> None:
        """A directory or a symlink was removed in the directory `in_use`: what led through it leads elsewhere now.

        `in_use` itself is still where its path leads, as nothing above it has changed.
        """
        for path, fd in list(self._open.items()):
            if fd != in_use:
                del self._open[path]
                os.close(fd)

    def keep(self, path: bytes, fd: int) -> None:
        """Take over an open directory."""
        if path in self._open:
            os.close(self._open.pop(path))
        elif len(self._open) >= _KEPT_OPEN:
            os.close(self._open.pop(next(iter(self._open))))
        self._open[path] = fd

    def get(self, path: bytes) -> int:
        """The directory's descriptor, valid until the next call of any method; made with its parents if missing."""
        fd = self._open.get(path)
        if fd is None:
            try:
                fd = open_in_root(self.root_fd, path, OPEN_DIRECTORY)
            except (FileNotFoundError, NotADirectoryError):
                fd = self._make(path, 0)
            self.keep(path, fd)
        return fd

    def _make(self, path: bytes, links: int) -> int:
        """Walk down one component at a time, by descriptor: linear in the length of the path."""
        fd = os.open(b".", OPEN_DIRECTORY, dir_fd=self.root_fd)
        try:
            lower = self._lower
            start = 0
            while start <= len(path):
                end = path.find(b"/", start)
                end = len(path) if end < 0 else end
                try:
                    below = os.open(path[start:end], OPEN_DIRECTORY | os.O_NOFOLLOW, dir_fd=fd)
                except FileNotFoundError:
                    below, found = self._make_one(fd, path[start:end], path[:end], lower)
                    lower = lower if found else None
                except OSError as error:
                    if error.errno not in (errno.ENOTDIR, errno.ELOOP):
                        raise
                    below = self._step_over(fd, path[start:end], path[:start].rstrip(b"/"), path[:end], links)
                os.close(fd)
                fd = below
                start = end + 1
            return fd
        except BaseException:
            os.close(fd)
            raise

    def _make_one(self, fd: int, name: bytes, path: bytes, lower: LowerLayers | None) -> tuple[int, bool]:
        """A directory that the archive only implies: like the one in the layers below if there is one, else 0755."""
        os.mkdir(name, 0o755, dir_fd=fd)
        below = os.open(name, OPEN_DIRECTORY | os.O_NOFOLLOW, dir_fd=fd)
        model = lower.directory(path) if lower is not None else None
        if model is None:
            return below, False
        try:
            os.fchown(below, model.st_uid, model.st_gid)
            os.fchmod(below, stat.S_IMODE(model.st_mode))
            os.utime(below, ns=(model.st_mtime_ns, model.st_mtime_ns))
        except BaseException:
            os.close(below)
            raise
        return below, True

    def _step_over(self, fd: int, name: bytes, directory: bytes, path: bytes, links: int) -> int:
        """What stands where a directory should be: a symlink is followed inside the root, a whiteout gives way."""
        found = os.lstat(name, dir_fd=fd)
        if stat.S_ISLNK(found.st_mode):
            try:
                return open_in_root(self.root_fd, path, OPEN_DIRECTORY)
            except FileNotFoundError:
                if links >= _MAX_LINKS:
                    raise
            return self._make(follow(directory, os.readlink(name, dir_fd=fd)), links + 1)
        if self.whiteouts and is_whiteout(found):
            os.unlink(name, dir_fd=fd)
            os.mkdir(name, 0o755, dir_fd=fd)
            below = os.open(name, OPEN_DIRECTORY | os.O_NOFOLLOW, dir_fd=fd)
            os.setxattr(below, OPAQUE_XATTR, b"y")
            return below
        raise TarError(f"invalid tar archive: {display(path)} is not a directory")


def is_whiteout(found: os.stat_result) -> bool:
    """Whether a file is overlayfs's sign for "gone"."""
    return stat.S_ISCHR(found.st_mode) and found.st_rdev == 0


def remove(dir_fd: int, name: bytes) -> None:
    """Remove a file or a whole tree, by descriptor and without following a symlink."""
    try:
        os.unlink(name, dir_fd=dir_fd)
        return
    except IsADirectoryError:
        pass
    # One descriptor per level: a tree deeper than RLIMIT_NOFILE is an error, not a recursion.
    levels: list[tuple[int, bytes, list[str]]] = []
    try:
        _push(levels, dir_fd, name)
        while levels:
            fd, own_name, names = levels[-1]
            if names:
                child = os.fsencode(names.pop())
                try:
                    os.unlink(child, dir_fd=fd)
                except IsADirectoryError:
                    _push(levels, fd, child)
                continue
            levels.pop()
            os.close(fd)
            os.rmdir(own_name, dir_fd=levels[-1][0] if levels else dir_fd)
    finally:
        for fd, _, _ in levels:
            os.close(fd)


def _push(levels: list[tuple[int, bytes, list[str]]], dir_fd: int, name: bytes) -> None:
    fd = os.open(name, OPEN_DIRECTORY | os.O_NOFOLLOW, dir_fd=dir_fd)
    levels.append((fd, name, []))
    levels[-1][2].extend(os.listdir(fd))
