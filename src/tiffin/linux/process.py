"""Processes: prctl, pidfds, execveat, close_range, host name. One function per call, kernel names."""

from __future__ import annotations

import ctypes
import os

from tiffin.linux.libc import c_char_p, c_int, c_size_t, c_uint, c_ulong, c_void_p, declare, encode, raise_errno

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_KEEPCAPS = 8
PR_SET_NAME = 15
PR_CAPBSET_DROP = 24
PR_SET_NO_NEW_PRIVS = 38
PR_SET_CHILD_SUBREAPER = 36
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_CLEAR_ALL = 4

CLOSE_RANGE_CLOEXEC = 4
AT_EMPTY_PATH = 0x1000

_prctl = declare("prctl", c_int, c_ulong, c_ulong, c_ulong, c_ulong)
_prctl_name = declare("prctl", c_int, c_char_p)
_pidfd_send_signal = declare("pidfd_send_signal", c_int, c_int, c_void_p, c_uint)
_close_range = declare("close_range", c_uint, c_uint, c_uint)
_sethostname = declare("sethostname", c_char_p, c_size_t)
_setdomainname = declare("setdomainname", c_char_p, c_size_t)
_execveat = declare("execveat", c_int, c_char_p, c_void_p, c_void_p, c_int)


def prctl(option: int, arg2: int = 0, arg3: int = 0) -> int:
    """prctl(2) with integer arguments."""
    result = _prctl(option, arg2, arg3, 0, 0)
    if result < 0:
        raise_errno("prctl", str(option))
    return result


def set_name(name: str) -> None:
    """prctl(PR_SET_NAME): what `ps` shows in comm, at most 15 bytes."""
    if _prctl_name(PR_SET_NAME, encode(name)) < 0:
        raise_errno("prctl", name)


def pidfd_send_signal(pidfd: int, signal: int) -> None:
    """pidfd_send_signal(2)."""
    if _pidfd_send_signal(pidfd, signal, None, 0) < 0:
        raise_errno("pidfd_send_signal", str(signal))


def close_range(first: int, last: int = 0xFFFFFFFF, flags: int = 0) -> None:
    """close_range(2); with CLOSE_RANGE_CLOEXEC the descriptors are only marked (Linux 5.11)."""
    if _close_range(first, last, flags) < 0:
        raise_errno("close_range")


def sethostname(name: str) -> None:
    """sethostname(2) in the caller's UTS namespace."""
    raw = name.encode()
    if _sethostname(raw, len(raw)) < 0:
        raise_errno("sethostname", name)


def setdomainname(name: str) -> None:
    """setdomainname(2) in the caller's UTS namespace."""
    raw = name.encode()
    if _setdomainname(raw, len(raw)) < 0:
        raise_errno("setdomainname", name)


def execveat(fd: int, argv: list[str], env: dict[str, str]) -> None:
    """execveat(2) of the file behind `fd` itself (AT_EMPTY_PATH); returns only by raising."""
    arguments = (c_char_p * (len(argv) + 1))(*[os.fsencode(a) for a in argv], None)
    environment = (c_char_p * (len(env) + 1))(*[os.fsencode(f"{k}={v}") for k, v in env.items()], None)
    _execveat(fd, b"", ctypes.addressof(arguments), ctypes.addressof(environment), AT_EMPTY_PATH)
    raise_errno("execveat", argv[0])
