"""The last step before the program: hand a compiled filter to the kernel. Runs in init, lean, imports nothing more.

Without no_new_privs the kernel wants CAP_SYS_ADMIN for this, so init installs the filter before it gives that up, and
the filter has to allow what init still does (capset, setuid, setgroups, prctl, execve: Docker's default does). With
no_new_privs it is the very last call before execve.
"""

from __future__ import annotations

import ctypes
import os

from tiffin.linux.libc import c_uint, c_void_p, declare, raise_errno

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

SECCOMP_SET_MODE_FILTER = 1

FLAGS = {
    "SECCOMP_FILTER_FLAG_TSYNC": 1 << 0,
    "SECCOMP_FILTER_FLAG_LOG": 1 << 1,
    "SECCOMP_FILTER_FLAG_SPEC_ALLOW": 1 << 2,
}

_seccomp = declare("seccomp", c_uint, c_uint, c_void_p)


class SockFprog(ctypes.Structure):
    """struct sock_fprog, 16 bytes on 64-bit: number of instructions and where they are."""

    _fields_ = [("len", ctypes.c_ushort), ("filter", ctypes.c_void_p)]


class Prepared:
    """A program in memory that ctypes owns, made while memory may still be allocated; `install` only calls."""

    __slots__ = ("_address", "_buffer", "_program", "flags")

    def __init__(self, bpf: bytes, flags: int = 0) -> None:
        self._buffer = ctypes.create_string_buffer(bpf, len(bpf))
        self._program = SockFprog(len(bpf) // 8, ctypes.addressof(self._buffer))
        self._address = ctypes.addressof(self._program)
        self.flags = flags

    @property
    def bpf(self) -> bytes:
        """The program."""
        return self._buffer.raw

    def install(self) -> None:
        """seccomp(SECCOMP_SET_MODE_FILTER) for the calling thread and what it becomes; irrevocable."""
        if _seccomp(SECCOMP_SET_MODE_FILTER, self.flags, self._address) != 0:
            raise_errno("seccomp")


def install(bpf: bytes, flags: int = 0) -> None:
    """Install a program at once; OSError EACCES without CAP_SYS_ADMIN and no_new_privs, EINVAL for a bad program."""
    Prepared(bpf, flags).install()


def load(path: str) -> Prepared:
    """What FilterCache keeps: `<hash>[-<flags in hex>].bpf`."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        bpf = os.read(fd, os.fstat(fd).st_size)
    finally:
        os.close(fd)
    _, _, flags = path.rpartition("/")[2].removesuffix(".bpf").partition("-")
    return Prepared(bpf, int(flags or "0", 16))


def filter_flags(names: Iterable[str] | None) -> int:
    """The `flags` of an OCI linux.seccomp as the kernel's bits; KeyError for one that is not supported."""
    bits = 0
    for name in names or ():
        bits |= FLAGS[name]
    return bits
