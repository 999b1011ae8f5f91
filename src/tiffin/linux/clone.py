"""clone3(2): a child born in new namespaces and in its cgroup; clone(2): a sibling.

Called with the GIL held (PyDLL) in a process that has one thread: the child goes on as a copy with the same thread, so
none of the interpreter's after-fork repairs is needed. `os.fork` cannot do this, and moving a running process into a
v2 cgroup costs an RCU grace period that CLONE_INTO_CGROUP avoids. Source: man 2 clone3; include/uapi/linux/sched.h.
"""

from __future__ import annotations

import ctypes
import signal

from tiffin.linux.libc import SYS, c_long, c_size_t, c_ulong, c_void_p, raise_errno

CLONE_PIDFD = 0x00001000
CLONE_PARENT = 0x00008000
CLONE_INTO_CGROUP = 0x200000000


class CloneArgs(ctypes.Structure):
    """struct clone_args, 88 bytes (CLONE_ARGS_SIZE_VER2)."""

    _fields_ = [
        (name, ctypes.c_uint64)
        for name in (
            "flags", "pidfd", "child_tid", "parent_tid", "exit_signal", "stack", "stack_size", "tls", "set_tid",
            "set_tid_size", "cgroup",
        )
    ]  # fmt: skip


_syscall = ctypes.PyDLL(None, use_errno=True)["syscall"]
_syscall.argtypes = (c_long, c_void_p, c_size_t)
_syscall.restype = c_long
_clone = ctypes.PyDLL(None, use_errno=True)["syscall"]
_clone.argtypes = (c_long, c_ulong, c_void_p, c_void_p, c_void_p, c_void_p)
_clone.restype = c_long


def clone3(flags: int, cgroup_fd: int | None = None) -> tuple[int, int]:
    """(pid, pidfd) in the parent, (0, -1) in the child; `cgroup_fd` is a v2 group's directory to be born in."""
    pidfd = ctypes.c_int(-1)
    arguments = CloneArgs(flags=flags | CLONE_PIDFD, pidfd=ctypes.addressof(pidfd), exit_signal=signal.SIGCHLD.value)
    if cgroup_fd is not None:
        arguments.flags |= CLONE_INTO_CGROUP
        arguments.cgroup = cgroup_fd
    pid = _syscall(SYS["clone3"], ctypes.addressof(arguments), ctypes.sizeof(arguments))
    if pid < 0:
        raise_errno("clone3", f"0x{flags:x}")
    return (pid, pidfd.value) if pid else (0, -1)


def clone_sibling() -> int:
    """clone(2) with CLONE_PARENT: the child's parent is the caller's parent. Its pid there, 0 in the child.

    The old call, since seccomp profiles have it answer where clone3 is unknown to them.
    """
    pid = _clone(SYS["clone"], CLONE_PARENT | signal.SIGCHLD.value, None, None, None, None)
    if pid < 0:
        raise_errno("clone")
    return int(pid)
