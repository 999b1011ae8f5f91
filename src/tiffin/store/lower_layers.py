"""The layers below the one being unpacked, read-only, top first: what a path is in them, as overlayfs would see it.

A layer may hard-link to a file that only a lower layer has; on disk it must then hold a copy. Symlinks on the way are
not followed: such a path is simply not found.
"""

from __future__ import annotations

import os
import stat

from tiffin.linux.openat2 import RESOLVE_BENEATH, RESOLVE_NO_SYMLINKS, openat2
from tiffin.store.layer_format import OPAQUE_XATTR, keeps_xattr

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Final

_BENEATH: Final = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS
_PIECE: Final = 1 << 20


class LowerLayers:
    """Directory descriptors of the lower layers, top first. `upper` hides them where it has whiteouts or is opaque."""

    __slots__ = ("_fds", "_upper")

    def __init__(self, upper: int, fds: Sequence[int]) -> None:
        self._upper = upper
        self._fds = list(fds)

    def directory(self, path: bytes) -> os.stat_result | None:
        """The topmost directory of that path, or None if there is none."""
        found = self._find(path)
        return found[1] if found is not None and stat.S_ISDIR(found[1].st_mode) else None

    def regular(self, path: bytes) -> int | None:
        """The topmost regular file of that path, open for reading, or None."""
        found = self._find(path)
        if found is None or not stat.S_ISREG(found[1].st_mode):
            return None
        return openat2(found[0], path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, resolve=_BENEATH)

    def _find(self, path: bytes) -> tuple[int, os.stat_result] | None:
        """The layer that has it and what it is there. O_PATH: a device or a fifo of an image is never opened."""
        if self._hides(self._upper, path.rpartition(b"/")[0]):
            return None
        for fd in self._fds:
            try:
                found = openat2(fd, path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, resolve=_BENEATH)
                try:
                    return fd, os.fstat(found)
                finally:
                    os.close(found)
            except FileNotFoundError:
                if self._hides(fd, path.rpartition(b"/")[0]):
                    return None
            except OSError:
                return None
        return None

    @staticmethod
    def _hides(fd: int, path: bytes) -> bool:
        """Whether a layer has, on the way to `path`, anything that ends the search below it."""
        while path:
            try:
                found = openat2(fd, path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, resolve=_BENEATH)
            except FileNotFoundError:
                pass
            except OSError:
                return True
            else:
                try:
                    if os.getxattr(found, OPAQUE_XATTR) == b"y":
                        return True
                except OSError:
                    pass
                finally:
                    os.close(found)
            path = path.rpartition(b"/")[0]
        return False


def copy_up(source: int, dir_fd: int, name: bytes) -> None:
    """Write a copy of the open file `source`, its metadata included, as `name`, which must not exist."""
    found = os.fstat(source)
    target = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=dir_fd)
    try:
        while os.sendfile(target, source, None, _PIECE):
            pass
        os.fchown(target, found.st_uid, found.st_gid)
        os.fchmod(target, stat.S_IMODE(found.st_mode))
        for key in os.listxattr(source):
            if keeps_xattr(os.fsencode(key)):
                os.setxattr(target, key, os.getxattr(source, key))
        os.utime(target, ns=(found.st_mtime_ns, found.st_mtime_ns))
    finally:
        os.close(target)
