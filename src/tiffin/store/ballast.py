"""Ballast: 16 MiB of real disk blocks that are given back when the disk is full, so that `rm` and `prune` still work.

    <data-root>/ballast

Not a reservation for anyone in particular: whoever fails to commit to the database first asks for it.
"""

from __future__ import annotations

import os

SIZE = 16 << 20
ROOM = 4 * SIZE  # it is made again only where this much is free: not to fill a disk that was just relieved


class Ballast:
    """The ballast file of one data root."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._path = os.path.join(root, "ballast")

    def ensure(self) -> bool:
        """Allocate it unless it is there or room is short. Returns whether it is there now."""
        try:
            if os.stat(self._path).st_size == SIZE:
                return True
        except FileNotFoundError:
            pass
        free = os.statvfs(self._root)
        if free.f_bavail * free.f_frsize < ROOM:
            return False
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, SIZE)
        except OSError:
            os.unlink(self._path)
            return False
        finally:
            os.close(descriptor)
        return True

    def release(self) -> bool:
        """Give the blocks back. Returns whether there were any."""
        try:
            os.unlink(self._path)
        except FileNotFoundError:
            return False
        return True
