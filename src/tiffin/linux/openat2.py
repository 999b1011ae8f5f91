"""openat2(2): open a path with limits on how it may be resolved."""

from __future__ import annotations

import ctypes

from tiffin.linux.libc import c_char_p, c_int, c_size_t, c_void_p, declare, encode, raise_errno

RESOLVE_NO_XDEV = 0x01
RESOLVE_NO_MAGICLINKS = 0x02
RESOLVE_NO_SYMLINKS = 0x04
RESOLVE_BENEATH = 0x08
RESOLVE_IN_ROOT = 0x10


class OpenHow(ctypes.Structure):
    """struct open_how, 24 bytes (include/uapi/linux/openat2.h)."""

    _fields_ = [("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64)]


_openat2 = declare("openat2", c_int, c_char_p, c_void_p, c_size_t)


def openat2(dir_fd: int, path: str | bytes, flags: int, mode: int = 0, resolve: int = 0) -> int:
    """openat2(2); returns a descriptor."""
    how = OpenHow(flags, mode, resolve)
    fd = _openat2(dir_fd, encode(path), ctypes.addressof(how), ctypes.sizeof(how))
    if fd < 0:
        raise_errno("openat2", path)
    return fd
