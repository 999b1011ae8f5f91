"""inotify (man 7 inotify): be told of changes in a directory. Reads are plain os.read; `parse` is pure."""

from __future__ import annotations

import os
from struct import Struct

from tiffin.linux.libc import c_char_p, c_int, c_uint, declare, encode, raise_errno

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

IN_MODIFY = 0x00000002
IN_CLOSE_WRITE = 0x00000008
IN_MOVED_FROM = 0x00000040
IN_MOVED_TO = 0x00000080
IN_CREATE = 0x00000100
IN_DELETE = 0x00000200
IN_DELETE_SELF = 0x00000400
IN_MOVE_SELF = 0x00000800
IN_UNMOUNT = 0x00002000
IN_Q_OVERFLOW = 0x00004000
IN_IGNORED = 0x00008000
IN_ONLYDIR = 0x01000000
IN_MASK_ADD = 0x20000000

IN_NONBLOCK = os.O_NONBLOCK
IN_CLOEXEC = os.O_CLOEXEC

_EVENT = Struct("=iIII")  # wd, mask, cookie, length of the name that follows, padded with NULs

_inotify_init1 = declare("inotify_init1", c_int)
_inotify_add_watch = declare("inotify_add_watch", c_int, c_char_p, c_uint)
_inotify_rm_watch = declare("inotify_rm_watch", c_int, c_int)


def inotify_init1(flags: int = IN_NONBLOCK | IN_CLOEXEC) -> int:
    """inotify_init1(2): a descriptor to add watches to and to read events from."""
    fd = _inotify_init1(flags)
    if fd < 0:
        raise_errno("inotify_init1")
    return fd


def inotify_add_watch(fd: int, path: str | bytes, mask: int) -> int:
    """inotify_add_watch(2): the watch's number; watching the same inode again gives the same number."""
    watch = _inotify_add_watch(fd, encode(path), mask)
    if watch < 0:
        raise_errno("inotify_add_watch", path)
    return watch


def inotify_rm_watch(fd: int, watch: int) -> None:
    """inotify_rm_watch(2)."""
    if _inotify_rm_watch(fd, watch) < 0:
        raise_errno("inotify_rm_watch", watch)


def parse(buffer: bytes) -> Iterator[tuple[int, int, int, bytes]]:
    """(watch, mask, cookie, name) of every event in what one read returned."""
    at = 0
    while at + _EVENT.size <= len(buffer):
        watch, mask, cookie, length = _EVENT.unpack_from(buffer, at)
        at += _EVENT.size
        yield watch, mask, cookie, buffer[at : at + length].rstrip(b"\0")
        at += length
