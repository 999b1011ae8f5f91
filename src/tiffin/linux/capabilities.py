"""Capability sets of the calling thread: capset(2), the bounding set and the ambient set (man 7 capabilities)."""

from __future__ import annotations

import ctypes

from tiffin.linux.libc import c_void_p, declare, raise_errno
from tiffin.linux.process import PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, PR_CAPBSET_DROP, prctl

_LINUX_CAPABILITY_VERSION_3 = 0x20080522


class CapHeader(ctypes.Structure):
    """struct __user_cap_header_struct, 8 bytes."""

    _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]


class CapData(ctypes.Structure):
    """struct __user_cap_data_struct, 12 bytes; version 3 takes two, low and high 32 bits."""

    _fields_ = [("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32)]


_capset = declare("capset", c_void_p, c_void_p)


def last_cap() -> int:
    """The highest capability number this kernel knows."""
    with open("/proc/sys/kernel/cap_last_cap", encoding="ascii") as file:
        return int(file.read())


def capset(effective: int, permitted: int, inheritable: int) -> None:
    """capset(2) of the calling thread; the arguments are bit masks by capability number."""
    header = CapHeader(_LINUX_CAPABILITY_VERSION_3, 0)
    low, high = 0xFFFFFFFF, 32
    data = (CapData * 2)(
        CapData(effective & low, permitted & low, inheritable & low),
        CapData(effective >> high, permitted >> high, inheritable >> high),
    )
    if _capset(ctypes.addressof(header), ctypes.addressof(data)) < 0:
        raise_errno("capset")


def drop_bounding(keep: int, last: int) -> None:
    """Drop every capability up to `last` that is not in the mask `keep` from the bounding set."""
    for number in range(last + 1):
        if not keep >> number & 1:
            prctl(PR_CAPBSET_DROP, number)


def clear_ambient() -> None:
    """Empty the ambient set."""
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)
