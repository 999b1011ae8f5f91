"""Who a process in a container is: `user[:group]` looked up in the container's own /etc/passwd and /etc/group.

A number means an id, never a name (CVE-2016-3697), and one above 2^32-2 is an error. The two files are the image's,
so they are read by our own parser, only if they are regular files, and only up to a bound.
Source: Docker's USER instruction; man 5 passwd, group.
"""

from __future__ import annotations

import os
import stat

from tiffin.errors import InvalidParameter

_MAX_FILE = 16 << 20
_MAX_ID = 0xFFFFFFFE  # -1 means "do not change" to the kernel
_MAX_DIGITS = 64  # int() refuses thousands of digits with words of its own


class Identity:
    """Resolved credentials of a process."""

    __slots__ = ("gid", "groups", "home", "uid")

    def __init__(self, uid: int, gid: int, groups: list[int], home: str) -> None:
        self.uid = uid
        self.gid = gid
        self.groups = groups
        self.home = home


def read_rows(path: str) -> list[list[str]]:
    """The colon-separated rows of passwd or group; nothing when absent or not a regular file."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError:
        return []
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            return []
        text = os.read(fd, min(status.st_size, _MAX_FILE)).decode("utf-8", "surrogateescape")
    finally:
        os.close(fd)
    return [line.split(":") for line in text.split("\n") if line and not line.startswith("#")]


def _number(text: str, what: str) -> int | None:
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit()):
        return None
    value = int(text) if len(text) <= _MAX_DIGITS else -1
    if not 0 <= value <= _MAX_ID:
        raise InvalidParameter(f"{what} must be in range 0-{_MAX_ID}, but is {text[:_MAX_DIGITS]}")
    return value


def _field_id(row: list[str], index: int) -> int | None:
    if len(row) <= index:
        return None
    text = row[index]
    if not (text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS):
        return None
    return value if (value := int(text)) <= _MAX_ID else None


def resolve(user: str, group_add: list[str], passwd: list[list[str]], group: list[list[str]]) -> Identity:
    """Resolve `name|uid[:name|gid]` and additional groups; raises InvalidParameter in Docker's words."""
    name, separator, group_name = user.partition(":")
    uid, gid, home, login = _resolve_user(name, passwd)
    groups: list[int]
    if separator and group_name:
        gid = _resolve_group(group_name, group)
        groups = []
    else:
        groups = [
            member_gid
            for row in group
            if login and len(row) > 3 and login in row[3].split(",")
            and (member_gid := _field_id(row, 2)) is not None
        ]  # fmt: skip
    for extra in group_add:
        groups.append(_resolve_group(extra, group))
    # The primary group is among the supplementary ones (CVE-2022-36109): a file that denies it must not be readable.
    return Identity(uid, gid, list(dict.fromkeys([gid, *groups])), home)


def _resolve_user(name: str, passwd: list[list[str]]) -> tuple[int, int, str, str]:
    wanted = _number(name, "uid") if name else 0
    for row in passwd:
        uid = _field_id(row, 2)
        if uid is None:
            continue
        if uid == wanted if wanted is not None else row[0] == name:
            home = row[5] if len(row) > 5 and row[5] else "/"
            return uid, _field_id(row, 3) or 0, home, row[0]
    if wanted is None:
        raise InvalidParameter(f"unable to find user {name}: no matching entries in passwd file")
    return wanted, 0, "/root" if wanted == 0 and not passwd else "/", ""


def _resolve_group(name: str, group: list[list[str]]) -> int:
    wanted = _number(name, "gid")
    if wanted is not None:
        return wanted
    for row in group:
        gid = _field_id(row, 2)
        if row[0] == name and gid is not None:
            return gid
    raise InvalidParameter(f"unable to find group {name}: no matching entries in group file")
