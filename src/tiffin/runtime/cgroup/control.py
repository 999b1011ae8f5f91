"""Acting on all processes of a group: list, kill, freeze, thaw, wait until empty, remove. Takes a group's directory.

cgroup v2, and the v2 tree of a hybrid machine, do it in the kernel and atomically (cgroup.kill, cgroup.freeze,
cgroup.events). The `v1_` functions serve a machine that has no v2 tree at all.
"""

from __future__ import annotations

import os
import select
from errno import EBUSY, EINVAL, ENODEV, ENOTEMPTY
from time import monotonic, sleep

from tiffin.errors import SystemFailure
from tiffin.runtime.cgroup.files import read, write

FREEZE_S = 10.0  # a task in uninterruptible sleep (NFS, a dying disk) may hold a freeze up
EMPTY_S = 5.0
_PAUSE_S = 0.001
_SIGKILL = 9  # `import signal` would bring enum into the shim


def subgroups(group: bytes) -> list[bytes]:
    """The group's descendants, deepest first. A program in a container may have made some."""
    found: list[bytes] = []
    try:
        if os.stat(group).st_nlink == 2:  # no child: the usual case, without reading the directory
            return found
        with os.scandir(group) as entries:
            children = [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
    except FileNotFoundError:
        return found
    for child in children:
        found += subgroups(child)
        found.append(child)
    return found


def pids(group: bytes) -> list[int]:
    """Processes of the group and of those below it, as numbers of the reader's pid namespace."""
    found: list[int] = []
    for directory in (*subgroups(group), group):
        try:
            found += map(int, read(directory + b"/cgroup.procs").split())
        except OSError as error:
            if error.errno not in (ENODEV, EINVAL, 2):  # gone meanwhile, or a threaded group
                raise
    return found


def kill(group: bytes) -> None:
    """SIGKILL to every process of a v2 group and of those below it; they die even when frozen."""
    try:
        write(group + b"/cgroup.kill", b"1")
    except FileNotFoundError:
        pass


def freeze(group: bytes) -> None:
    """Stop every process of a v2 group, and return when all of them stand still."""
    write(group + b"/cgroup.freeze", b"1")
    if not wait_event(group, b"frozen 1", FREEZE_S):
        write(group + b"/cgroup.freeze", b"0")
        raise SystemFailure("cgroup: the processes could not be frozen in time")


def thaw(group: bytes) -> None:
    write(group + b"/cgroup.freeze", b"0")
    wait_event(group, b"frozen 0", FREEZE_S)


def wait_event(group: bytes, line: bytes, timeout: float) -> bool:
    """Wait until cgroup.events of a v2 group has `line`; the kernel wakes pollers at every change of that file."""
    try:
        fd = os.open(group + b"/cgroup.events", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    try:
        poller = select.poll()
        poller.register(fd, select.POLLPRI)
        deadline = monotonic() + timeout
        while True:
            try:
                if line in os.pread(fd, 4096, 0).splitlines():
                    return True
            except OSError as error:
                if error.errno == ENODEV:  # removed meanwhile
                    return True
                raise
            left = deadline - monotonic()
            if left <= 0:
                return False
            poller.poll(left * 1000)
    finally:
        os.close(fd)


def v1_kill(group: bytes) -> None:
    """SIGKILL until the group is empty. It is frozen while the list is read, or a fork bomb would outrun the list."""
    deadline = monotonic() + EMPTY_S
    while monotonic() < deadline:
        try:
            write(group + b"/freezer.state", b"FROZEN")
            listed = pids(group)
            for pid in listed:
                try:
                    os.kill(pid, _SIGKILL)
                except ProcessLookupError:
                    pass
            write(group + b"/freezer.state", b"THAWED")
        except FileNotFoundError:
            return
        if not listed:
            return
        sleep(_PAUSE_S)


def v1_freeze(group: bytes) -> None:
    """FROZEN may need several writes: a fork in flight makes the kernel stay at FREEZING."""
    deadline = monotonic() + FREEZE_S
    while True:
        write(group + b"/freezer.state", b"FROZEN")
        if read(group + b"/freezer.state").strip() == b"FROZEN":
            return
        if monotonic() >= deadline:
            write(group + b"/freezer.state", b"THAWED")
            raise SystemFailure("cgroup: the processes could not be frozen in time")
        sleep(_PAUSE_S)


def v1_thaw(group: bytes) -> None:
    write(group + b"/freezer.state", b"THAWED")


def remove(group: bytes, deadline: float) -> None:
    """Remove a group and those below it. While the last process is still exiting the kernel says EBUSY: try again."""
    pause = _PAUSE_S / 4
    while True:
        try:
            os.rmdir(group)
            return
        except FileNotFoundError:
            return
        except OSError as error:
            if error.errno not in (EBUSY, ENOTEMPTY):
                raise
        below = subgroups(group)
        if below:
            for child in below:
                remove(child, deadline)
            continue
        if monotonic() >= deadline:
            raise SystemFailure(f"cgroup: {os.fsdecode(group)} still has processes: {pids(group)[:10]}")
        sleep(pause)
        pause = min(pause * 2, 0.02)
