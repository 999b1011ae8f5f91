"""syncfs(2): flush one file system."""

from __future__ import annotations

from tiffin.linux.libc import c_int, declare, raise_errno

_syncfs = declare("syncfs", c_int)


def syncfs(fd: int) -> None:
    """syncfs(2): everything written to the file system of `fd` is on the disk when this returns."""
    if _syncfs(fd) < 0:
        raise_errno("syncfs", f"fd {fd}")
