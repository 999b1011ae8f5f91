"""A copy of a directory of another container (--ipc container:NAME shares its /dev/shm).

open_tree clones mounts of the caller's own mount namespace only, so that the copy is made inside the other one, and
taken along as a detached mount. What is named there is the other container's choice: links are not followed.

Source: man 2 open_tree (EINVAL: not in the caller's mount namespace), man 2 setns, man 5 proc (/proc/PID/root).
"""

from __future__ import annotations

import os

from tiffin.linux.mount import AT_EMPTY_PATH, AT_FDCWD, open_tree
from tiffin.linux.namespaces import CLONE_NEWNS, setns
from tiffin.linux.openat2 import RESOLVE_NO_MAGICLINKS, RESOLVE_NO_SYMLINKS, openat2


def is_theirs(source: str) -> bool:
    """Whether the path leads through another process' root."""
    parts = source.split("/", 4)
    return len(parts) == 5 and parts[:2] == ["", "proc"] and parts[2].isdigit() and parts[3] == "root"


def clone_theirs(source: str, flags: int) -> int:
    """open_tree(2) of a path that `is_theirs`; the caller has one thread, and is back where it was."""
    _, _, pid, _, path = source.split("/", 4)
    root = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    cwd = os.open(".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    ours = os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    theirs = os.open(f"/proc/{pid}/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    try:
        setns(theirs, CLONE_NEWNS)
        try:
            return _clone(f"/{path}", flags)
        finally:
            setns(ours, CLONE_NEWNS)
            os.fchdir(root)
            os.chroot(".")
            os.fchdir(cwd)
    finally:
        for fd in (root, cwd, ours, theirs):
            os.close(fd)


def _clone(path: str, flags: int) -> int:
    place = openat2(AT_FDCWD, path, os.O_PATH | os.O_CLOEXEC, 0, RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS)
    try:
        return open_tree(place, "", flags | AT_EMPTY_PATH)
    finally:
        os.close(place)
