"""Namespaces: unshare, setns and the CLONE_NEW* flags (man 7 namespaces)."""

from __future__ import annotations

from tiffin.linux.libc import c_int, declare, raise_errno

CLONE_NEWTIME = 0x00000080
CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

_unshare = declare("unshare", c_int)
_setns = declare("setns", c_int, c_int)


def unshare(flags: int) -> None:
    """unshare(2)."""
    if _unshare(flags) < 0:
        raise_errno("unshare", f"0x{flags:x}")


def setns(fd: int, flags: int) -> None:
    """setns(2): `fd` is a namespace's descriptor, or a pidfd with any set of CLONE_NEW* flags (Linux 5.8)."""
    if _setns(fd, flags) < 0:
        raise_errno("setns", f"0x{flags:x}")
