"""The C library and the table of system call numbers: the only place where ctypes meets libc.

`declare` gives one typed function for one call; the modules beside this one wrap each in a Python signature with the
kernel's names. Numbers are per architecture (asm-generic unistd.h has one numbering for everything after 424).
No policy, no state. Source: man 2 pages, include/uapi of Linux.
"""

from __future__ import annotations

import ctypes
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

libc = ctypes.CDLL(None, use_errno=True)

MACHINE = os.uname().machine

_COMMON = {
    "pidfd_send_signal": 424,
    "open_tree": 428,
    "move_mount": 429,
    "fsopen": 430,
    "fsconfig": 431,
    "fsmount": 432,
    "pidfd_open": 434,
    "clone3": 435,
    "close_range": 436,
    "openat2": 437,
    "mount_setattr": 442,
}
_X86_64 = {"clone": 56, "pivot_root": 155, "capset": 126, "seccomp": 317, "execveat": 322, "bpf": 321, "keyctl": 250}
_AARCH64 = {"clone": 220, "pivot_root": 41, "capset": 91, "seccomp": 277, "execveat": 281, "bpf": 280, "keyctl": 219}

SYS: dict[str, int] = {**_COMMON, **(_AARCH64 if MACHINE == "aarch64" else _X86_64)}

c_int, c_uint, c_long, c_ulong = ctypes.c_int, ctypes.c_uint, ctypes.c_long, ctypes.c_ulong
c_char_p, c_void_p, c_size_t = ctypes.c_char_p, ctypes.c_void_p, ctypes.c_size_t


def raise_errno(call: str, path: object = None) -> None:
    """Raise the OSError of the calling thread's errno, naming the call and the object it was about."""
    number = ctypes.get_errno()
    if path is not None:
        raise OSError(number, f"{call}: {os.strerror(number)}", os.fsdecode(path) if isinstance(path, bytes) else path)
    raise OSError(number, f"{call}: {os.strerror(number)}")


def declare(name: str, *argtypes: Any) -> Callable[..., int]:
    """One typed function for the libc wrapper `name`, or for the bare system call where SYS has its number."""
    if name in SYS:
        number = SYS[name]
        function = libc["syscall"]
        function.argtypes = (c_long, *argtypes)
        function.restype = c_long

        def syscall(*args: Any) -> int:
            return int(function(number, *args))

        return syscall
    function = libc[name]
    function.argtypes = argtypes
    function.restype = c_int
    return function


def encode(path: str | bytes | None) -> bytes | None:
    """A path as the kernel wants it."""
    return os.fsencode(path) if isinstance(path, str) else path
