"""From a start or exec request to a running program: descriptors, clone, and the talk with the child until execve."""

from __future__ import annotations

import os
import signal
from time import perf_counter_ns, time_ns

from tiffin.linux.clone import clone3
from tiffin.linux.namespaces import (
    CLONE_NEWIPC,
    CLONE_NEWNET,
    CLONE_NEWNS,
    CLONE_NEWPID,
    CLONE_NEWUTS,
    setns,
)
from tiffin.runtime.cgroup.group import Cgroup
from tiffin.runtime.entrant import Entrant
from tiffin.runtime.init import Init
from tiffin.runtime.program import FAILED, LaunchError
from tiffin.runtime.seccomp.install import load
from tiffin.spawn.channel import pair

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from tiffin.spawn.channel import Channel

# Entering takes 3 ms. A container can hold it up (no memory for it, a file system of its own that does not answer), and
# its shim does nothing else meanwhile.
ENTER_S = 10.0

NAMESPACES = {"network": CLONE_NEWNET, "ipc": CLONE_NEWIPC, "uts": CLONE_NEWUTS, "pid": CLONE_NEWPID}


class Stdio:
    """The standard streams of a process to be: our ends and its ends of the pipes, or a terminal later."""

    __slots__ = ("child", "sources", "stdin")

    def __init__(self) -> None:
        self.stdin: int | None = None
        self.sources: dict[int, str] = {}
        self.child: tuple[int, int, int] | None = None

    @classmethod
    def pipes(cls, open_stdin: bool) -> Stdio:
        """Three pipes, or /dev/null as the child's input."""
        stdio = cls()
        if open_stdin:
            child_in, stdio.stdin = os.pipe2(os.O_CLOEXEC)
        else:
            child_in = os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
        out, child_out = os.pipe2(os.O_CLOEXEC)
        err, child_err = os.pipe2(os.O_CLOEXEC)
        stdio.sources = {out: "stdout", err: "stderr"}
        stdio.child = (child_in, child_out, child_err)
        return stdio

    def set_terminal(self, master: int) -> None:
        """A terminal is one descriptor for both directions."""
        self.stdin = master
        self.sources = {master: "stdout"}

    def close_child(self) -> None:
        """The child has its own copies now."""
        for fd in self.child or ():
            os.close(fd)
        self.child = None

    def close(self) -> None:
        """Nothing came of it."""
        self.close_child()
        for fd in {*self.sources, *([self.stdin] if self.stdin is not None else [])}:
            os.close(fd)
        self.sources, self.stdin = {}, None


class Launched:
    """A program that runs: `pid` on the host, its pidfd, its streams."""

    __slots__ = ("born", "pid", "pidfd", "started_at_ns", "stdio", "trace")

    def __init__(self, pid: int, pidfd: int, stdio: Stdio, trace: list[dict[str, Any]], born: dict[str, str]) -> None:
        self.pid = pid
        self.pidfd = pidfd
        self.stdio = stdio
        self.trace = trace
        self.born = born
        self.started_at_ns = time_ns()


def flags_of(namespaces: list[dict[str, Any]]) -> tuple[int, str | None]:
    """(CLONE_NEW* flags, path of a pid namespace to join) for linux.namespaces; a mount namespace is always made."""
    flags, join = CLONE_NEWNS, None
    for entry in namespaces:
        if entry.get("path"):
            join = entry["path"] if entry["type"] == "pid" else join
        else:
            flags |= NAMESPACES.get(entry["type"], 0)
    return flags, join


def start(
    request: dict[str, Any], root_fd: int, cgroup: Cgroup, on_born: Callable[[int, dict[str, str], list[int]], None],
    go: Callable[[], None],
) -> Launched:  # fmt: skip
    """Start the container's program; `on_born` gets the pid and the network descriptors, `go` blocks until the
    network is there. Raises LaunchError; then nothing is left of the child."""
    stdio = Stdio() if request.get("tty") else Stdio.pipes(bool(request.get("open_stdin")))
    ours, theirs = pair()
    flags, join_pid = flags_of(request["namespaces"])
    born_in = cgroup.open_v2_dir()
    if join_pid is not None:
        fd = os.open(join_pid, os.O_RDONLY | os.O_CLOEXEC)
        setns(fd, CLONE_NEWPID)
        os.close(fd)
    begun = perf_counter_ns()
    pid, pidfd = clone3(flags, born_in)
    if pid == 0:
        ours.close()
        Init(request, theirs, root_fd, cgroup, born_in is not None).run(stdio.child)
    cloned_us = (perf_counter_ns() - begun) // 1000
    theirs.close()
    if born_in is not None:
        os.close(born_in)
    stdio.close_child()
    try:
        born, fds = _expect(ours, "born")
        on_born(pid, born, fds)
        for fd in fds:
            os.close(fd)
        trace, fds = _expect(ours, "ready")
        if fds:
            stdio.set_terminal(fds[0])
        go()
        begun = perf_counter_ns()
        _go(ours)
    except BaseException:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(pidfd)
        stdio.close()
        raise
    finally:
        ours.close()
    facts = {"pid": pid, "namespaces": born}
    steps = [{"step": "clone", "who": "shim", "duration_us": cloned_us, "facts": facts}, *trace]
    exec_us = (perf_counter_ns() - begun) // 1000
    args = {"args": request["args"]}
    steps.append({"step": "execve", "who": "init", "duration_us": exec_us, "facts": args})
    return Launched(pid, pidfd, stdio, steps, born)


def _expect(channel: Channel, key: str) -> tuple[Any, list[int]]:
    received = channel.recv()
    if received is None:
        raise LaunchError("the container's init process died before it could start the program", FAILED)
    message, fds = received
    if "failed" in message:
        raise LaunchError(message["failed"], message["code"])
    return message[key], fds


def _go(channel: Channel) -> None:
    """Let the child execute its program; its end of the channel closes when it has."""
    channel.send({"go": True})
    received = channel.recv()
    if received is not None:
        raise LaunchError(received[0]["failed"], received[0]["code"])


def _go_in(channel: Channel, born: list[int]) -> None:
    """Let the entrant bring forth the program, whose pid is added to `born`; the channel closes when it executes."""
    channel.send({"go": True})
    failure = None
    while (received := channel.recv()) is not None:  # in any order: two processes speak
        message = received[0]
        if "program" in message:
            born.append(message["program"])
        else:
            failure = LaunchError(message["failed"], message["code"])
    if failure is None and len(born) < 2:
        failure = LaunchError("the process died before it was inside the container", FAILED)
    if failure is not None:
        raise failure


def enter(request: dict[str, Any], init_pidfd: int, cgroup: Cgroup) -> Launched:
    """Start another program in a running container (exec)."""
    process = request["process"]
    terminal = bool(process.get("terminal"))
    path = request.get("seccomp_path")
    seccomp = load(path) if path else None
    stdio = Stdio() if terminal else Stdio.pipes(bool(request.get("open_stdin")))
    ours, theirs = pair()
    ours.sock.settimeout(ENTER_S)
    born_in = None
    try:
        born_in = cgroup.open_v2_dir()
        entrant, pidfd = clone3(0, born_in)
    except OSError as error:
        stdio.close()
        ours.close()
        theirs.close()
        if born_in is not None:
            os.close(born_in)
        raise LaunchError(f"cannot enter the container: {error}", FAILED) from None
    if entrant == 0:
        ours.close()
        Entrant(request, theirs, cgroup, born_in is not None).run(init_pidfd, stdio.child, seccomp)
    theirs.close()
    if born_in is not None:
        os.close(born_in)
    stdio.close_child()
    os.close(pidfd)
    born = [entrant]
    try:
        _, fds = _expect(ours, "ready")
        if fds:
            stdio.set_terminal(fds[0])
        _go_in(ours, born)
    except BaseException as error:
        for pid in born:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        stdio.close()
        if isinstance(error, TimeoutError):
            raise LaunchError(f"the process was not inside the container within {ENTER_S:g} s", FAILED) from None
        raise
    finally:
        ours.close()
    os.waitpid(entrant, 0)
    program = born[1]
    return Launched(program, os.pidfd_open(program), stdio, [], {})

