"""The shim: one small process per container that outlives the daemon.

It owns the container's standard streams, its log, its exec'd processes and its exit status. Forked by the spawner with
a start request; afterwards a loop over epoll. What it is told and what it says, as packets of spawn/channel.py:

    daemon → shim   {"id": n, "op": "go" | "attach" | "exec" | "resize" | "signal" | "freeze" | "thaw" | "update"
                                   | "state" | "stats", …} + descriptors
    shim → daemon   {"re": n, …} | {"re": n, "failed": message, "code": 126}
                    {"event": "born" | "started" | "failed" | "exit" | "cleaned" | "exec-exit" | "detached"
                              | "log-failed", …}

The first daemon speaks over the socket that came with the request, later ones connect to <run_dir>/shim.sock. VERSION
is in the answer to "state". A shim that is terminated (the host shuts down) runs the container's stop sequence.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # not `signal`: its Enums cost memory in each shim
import _socket
import json
import os
import select
import signal
from time import monotonic, perf_counter_ns, time_ns

from tiffin.linux.process import PR_SET_CHILD_SUBREAPER, pidfd_send_signal, prctl, set_name
from tiffin.runtime import exitrecord, launch, rundir, terminal
from tiffin.runtime.attached import Client
from tiffin.runtime.bootid import boot_id, start_time
from tiffin.runtime.cgroup.group import Cgroup
from tiffin.runtime.cgroup.layout import Layout, discover
from tiffin.runtime.controls import Controls
from tiffin.runtime.jsonlog_writer import JsonLogWriter
from tiffin.runtime.loop import Loop
from tiffin.runtime.overlay import overlay
from tiffin.runtime.program import FAILED, LaunchError
from tiffin.runtime.streams import STALL_S, Pump
from tiffin.spawn.channel import Channel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

VERSION = 1
DRAIN_S = 600.0  # how long a client that takes nothing may keep a shim after its container has ended
EXECS_KEPT = 256

# What Docker's users see before the reason, and what their scripts match on.
CREATE_FAILED = (
    "failed to create task for container: failed to create shim task: OCI runtime create failed: "
    "unable to start container process: error during container init: "
)
EXEC_FAILED = "OCI runtime exec failed: exec failed: unable to start container process: "


def main(message: dict[str, Any], fds: list[int]) -> None:
    """Entry point of the spawner: fds are the control socket and one descriptor for each early attachment."""
    set_name("tiffin-shim")
    os.setsid()
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    for number in (_signal.SIGHUP, _signal.SIGINT, _signal.SIGPIPE):
        _signal.signal(number, _signal.SIG_IGN)
    control = Channel.from_fd(fds[0])
    shim = Shim(message, control)
    try:
        shim.start(fds[1:])
    except LaunchError as error:
        shim.give_up(control, f"{CREATE_FAILED}{error}", error.code)
        return
    except Exception as error:
        shim.give_up(control, getattr(error, "message", None) or str(error), FAILED)
        return
    shim.serve()


_layout: Layout | None = None


def machine_layout() -> Layout:
    """The cgroup layout; read once by the spawner, which stands where the daemon stands."""
    global _layout
    if _layout is None:
        _layout = discover()
    return _layout


def warm_up() -> None:
    """Called by the spawner before it forks: do once what every shim would otherwise do in memory of its own."""
    layout = machine_layout()
    for _ in range(16):  # the interpreter specialises code after some runs
        Cgroup.open(layout, "/warm/up").describe()
        json.loads(json.dumps({"attachments": [], "log": {"path": "/"}, "open_stdin": False, "id": "0"}))
        start_time(os.getpid())
        boot_id()
    for _ in range(16):
        loop = Loop()
        read, write = os.pipe2(os.O_CLOEXEC)
        pump = Pump(loop, {read: "stdout"}, None, on_idle=loop.stop)
        os.write(write, b"x")
        os.close(write)
        loop.call_at(0, pump.end)
        loop.run()
        loop.close()


class Exec:
    """An exec'd process: its pump, and later its exit code."""

    __slots__ = ("code", "finished", "launched", "pump")

    def __init__(self, launched: launch.Launched) -> None:
        self.launched = launched
        self.pump: Pump | None = None
        self.code: int | None = None
        self.finished = 0.0


class Shim:
    """State of one container's shim."""

    def __init__(self, request: dict[str, Any], control: Channel) -> None:
        self._request = request
        self._loop = Loop()
        self._starter = control
        self._controls = Controls(self._loop, self._answer)
        self._cgroup: Cgroup | None = None
        self._root_fd = -1
        self._trace: list[dict[str, Any]] = []
        self._launched: launch.Launched | None = None
        self._pump: Pump | None = None
        self._log: JsonLogWriter | None = None
        self._listener: _socket.socket | None = None
        self._execs: dict[str, Exec] = {}
        self._exit: dict[str, Any] | None = None
        self._stopping = False
        self._frozen = False
        self._reaps = not any(entry["type"] == "pid" for entry in request["namespaces"])
        self._stall_s = float(request.get("stall_s") or STALL_S)

    # -- start --------------------------------------------------------------------------------------------------

    def start(self, attachments: list[int]) -> None:
        """Make the container and run its program; attach the early clients before its first byte."""
        request = self._request
        self._cgroup = Cgroup.open(machine_layout(), request["cgroup_path"])
        exitrecord.reserve(request["exit_path"])
        for directory in request.get("create_sources") or ():
            if not os.path.exists(directory):  # -v of a file is common (a socket, a configuration)
                os.makedirs(directory, 0o755, exist_ok=True)
        begun = perf_counter_ns()
        rootfs = request["rootfs"]
        self._root_fd = overlay(rootfs["lower"], rootfs.get("upper"), rootfs.get("work"))
        self._step("overlay", begun, {"lower": rootfs["lower"], "upper": rootfs.get("upper")})
        self._open_log()
        self._listener = rundir.listen(request["run_dir"])
        self._loop.watch(self._listener.fileno(), select.EPOLLIN, self._accept)
        self._launched = launch.start(request, self._root_fd, self._cgroup, self._on_born, self._wait_for_go)
        self._trace += self._launched.trace
        self._controls.add(self._starter)
        stdio = self._launched.stdio
        self._pump = Pump(
            self._loop, stdio.sources, stdio.stdin,
            log=self._log, terminal=bool(request.get("tty")), stdin_once=bool(request.get("stdin_once")),
            stall_s=self._stall_s, on_idle=self._maybe_leave,
        )  # fmt: skip
        for number, fd in enumerate(attachments):
            self._attach(self._pump, fd, request["attachments"][number])
        self._loop.watch(self._launched.pidfd, select.EPOLLIN, self._init_exited)
        rundir.record_pids(request["run_dir"], self._launched.pid, machine_layout())
        self._controls.say(
            {
                "event": "started",
                "pid": self._launched.pid,
                "started_at_ns": self._launched.started_at_ns,
                "trace": self._trace,
                "namespaces": self._launched.born,
            }
        )

    def _step(self, step: str, begun: int, facts: dict[str, Any]) -> None:
        duration = (perf_counter_ns() - begun) // 1000
        self._trace.append({"step": step, "who": "shim", "duration_us": duration, "facts": facts})

    def _on_born(self, pid: int, born: dict[str, str], fds: list[int]) -> None:
        # Also without descriptors: from this word on the program may run.
        self._starter.send({"event": "born", "pid": pid, "namespaces": born}, fds)

    def _wait_for_go(self) -> None:
        if not self._request.get("connect"):
            return
        received = self._starter.recv()
        if received is None:
            raise LaunchError("the daemon went away while the container was being started", FAILED)
        if received[0].get("op") != "go":
            raise LaunchError(received[0].get("message") or "the start was given up", FAILED)

    def _open_log(self) -> None:
        log = self._request.get("log")
        if log:
            self._log = JsonLogWriter(
                log["path"], log["max_size"], log["max_file"], log.get("attrs"), bool(log.get("compress"))
            )

    def give_up(self, control: Channel, message: str, code: int) -> None:
        """The start failed: leave nothing, and say why."""
        if self._cgroup is not None:
            try:
                self._cgroup.kill()
                self._cgroup.remove()
            except Exception as error:
                complain(self._request["id"], error)
        if self._root_fd >= 0:
            os.close(self._root_fd)
        try:
            control.send({"event": "failed", "message": message, "code": code})
        except OSError:
            pass  # the daemon went away in the middle of the start

    # -- serving ------------------------------------------------------------------------------------------------

    def serve(self) -> None:
        """Serve until the container has ended and its last reader has what it should get."""
        wake_read, wake_write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        _signal.signal(_signal.SIGTERM, lambda _number, _frame: None)
        if self._reaps:
            _signal.signal(_signal.SIGCHLD, lambda _number, _frame: None)
        _signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        self._loop.watch(wake_read, select.EPOLLIN, self._signalled)
        self._loop.run()
        self._controls.say_the_rest()

    def _accept(self, _fd: int, _events: int) -> None:
        assert self._listener is not None
        try:
            connection, _ = self._listener._accept()  # type: ignore[attr-defined]
        except OSError:  # gone again, or no descriptor is left for it: no reason to die
            return
        self._controls.add(Channel.from_fd(connection))

    def _answer(self, message: dict[str, Any], fds: list[int]) -> dict[str, Any]:
        try:
            return self._do(message, fds) or {}
        except LaunchError as error:
            return {"failed": str(error), "code": error.code}
        except Exception as error:
            return {"failed": getattr(error, "message", None) or str(error), "code": FAILED}

    def _do(self, message: dict[str, Any], fds: list[int]) -> dict[str, Any] | None:
        operation = message["op"]
        assert self._launched is not None
        assert self._cgroup is not None
        if operation == "attach":
            return self._op_attach(message, fds)
        if operation == "exec":
            return self._op_exec(message, fds)
        if operation == "resize":
            self._op_resize(message)
        elif operation == "signal":
            self._signal(message["signal"], message.get("all", False))
        elif operation == "freeze":
            self._cgroup.freeze()
            self._frozen = True
        elif operation == "thaw":
            self._cgroup.thaw()
            self._frozen = False
        elif operation == "update":
            self._cgroup.update(message["resources"])
        elif operation == "stats":
            return {"stats": self._cgroup.stats()}
        elif operation == "state":
            return self._op_state()
        else:
            raise LaunchError(f"this shim (protocol {VERSION}) does not know {operation}", FAILED)
        return None

    def _op_state(self) -> dict[str, Any]:
        assert self._launched is not None
        execs = {name: {"pid": e.launched.pid, "code": e.code} for name, e in self._execs.items()}
        return {
            "version": VERSION,
            "pid": self._launched.pid,
            "started_at_ns": self._launched.started_at_ns,
            "trace": self._trace,
            "namespaces": self._launched.born,
            "exit": self._exit,
            "execs": execs,
        }

    def _attach(self, pump: Pump, fd: int, options: dict[str, Any]) -> None:
        client_id = options.get("client")

        def on_gone(reason: str) -> None:
            self._controls.say({"event": "detached", "client": client_id, "reason": reason})

        pump.add(Client(fd, options, on_gone))

    def _op_attach(self, message: dict[str, Any], fds: list[int]) -> dict[str, Any]:
        if self._pump is None or self._exit is not None:
            for fd in fds:
                os.close(fd)
            raise LaunchError("the container has ended", FAILED)
        self._attach(self._pump, fds[0], message)
        return {}

    def _op_exec(self, message: dict[str, Any], fds: list[int]) -> dict[str, Any]:
        assert self._launched is not None
        assert self._cgroup is not None
        name: str = message["exec_id"]
        if self._exit is not None or self._frozen:  # what enters a frozen group freezes, and we wait for it
            for fd in fds:
                os.close(fd)
            raise LaunchError(f"cannot exec in a {'paused' if self._frozen else 'stopped'} container", FAILED)
        try:
            launched = launch.enter(message, self._launched.pidfd, self._cgroup)
        except Exception as error:
            for fd in fds:
                os.close(fd)
            raise LaunchError(f"{EXEC_FAILED}{error}", getattr(error, "code", FAILED)) from None
        self._forget_old_execs()
        entry = self._execs[name] = Exec(launched)
        terminal_ = bool(message["process"].get("terminal"))
        entry.pump = Pump(
            self._loop, launched.stdio.sources, launched.stdio.stdin,
            terminal=terminal_, stdin_once=True, stall_s=self._stall_s, on_idle=self._maybe_leave,
        )  # fmt: skip
        if fds:
            self._attach(entry.pump, fds[0], message["attachment"])
        self._loop.watch(launched.pidfd, select.EPOLLIN, lambda _fd, _events: self._exec_exited(name))
        return {"pid": launched.pid}

    def _forget_old_execs(self) -> None:
        done = [name for name, entry in self._execs.items() if entry.code is not None]
        for name in done[: max(0, len(done) - EXECS_KEPT)]:
            del self._execs[name]

    def _op_resize(self, message: dict[str, Any]) -> None:
        name = message.get("exec_id")
        entry = self._execs.get(name) if name else None
        pump = entry.pump if entry is not None else None if name else self._pump
        if pump is None or pump.stdin is None:
            raise LaunchError("cannot resize a stopped container", FAILED)
        terminal.resize(pump.stdin, message["rows"], message["cols"])

    def _signal(self, number: int, everyone: bool) -> None:
        assert self._launched is not None
        assert self._cgroup is not None
        if everyone:
            for pid in self._cgroup.pids():
                try:
                    os.kill(pid, number)
                except ProcessLookupError:
                    pass
            return
        try:
            pidfd_send_signal(self._launched.pidfd, number)
        except ProcessLookupError:
            pass

    # -- ends ---------------------------------------------------------------------------------------------------

    def _exec_exited(self, name: str) -> None:
        entry = self._execs[name]
        self._loop.unwatch(entry.launched.pidfd)
        os.close(entry.launched.pidfd)
        _, status = os.waitpid(entry.launched.pid, 0)
        entry.code = exitrecord.exit_code(status)
        entry.finished = monotonic()
        if entry.pump is not None:
            # The code is told before the stream ends: a client asks for it as soon as it sees the end.
            self._controls.say({"event": "exec-exit", "exec_id": name, "code": entry.code})
            entry.pump.end()
            if not entry.pump.clients:
                entry.pump = None
        if self._reaps:
            self._reap_strangers()

    def _init_exited(self, fd: int, _events: int) -> None:
        assert self._launched is not None
        assert self._cgroup is not None
        self._loop.unwatch(fd)
        _, status = os.waitpid(self._launched.pid, 0)
        self._exit = {
            "boot_id": boot_id(),
            "code": exitrecord.exit_code(status),
            "oom_killed": self._cgroup.oom_kills() > 0,
            "finished_at_ns": time_ns(),
            "error": "",
        }
        # With a pid namespace the kernel has ended everything by now; with the host's it is up to us.
        if self._cgroup.pids():
            self._cgroup.kill()
        for name, entry in list(self._execs.items()):
            if entry.code is None:
                self._exec_exited(name)
        exitrecord.record(self._request["exit_path"], self._exit)
        if self._pump is not None:
            pump = self._pump
            pump.on_idle = lambda: None
            pump.end()
            pump.on_idle = self._maybe_leave
        if self._log is not None and self._log.failed.bytes:
            failed = self._log.failed
            self._controls.say({"event": "log-failed", "bytes": failed.bytes, "records": failed.records})
        if self._root_fd >= 0:
            os.close(self._root_fd)
            self._root_fd = -1
        # What waits for the end need not wait for the clean-up; what comes after it (rm, a new start) does.
        self._controls.say({"event": "exit", **self._exit})
        try:
            self._cgroup.remove()
        except Exception as error:  # slow readers still have their bytes to get
            complain(self._request["id"], error)
        self._controls.say({"event": "cleaned"})
        self._maybe_leave()
        self._loop.call_at(monotonic() + DRAIN_S, self._loop.stop)

    def _maybe_leave(self) -> None:
        if self._exit is None:
            return
        pumps = [self._pump, *(entry.pump for entry in self._execs.values())]
        if not any(pump is not None and pump.clients for pump in pumps):
            self._loop.stop()

    def _signalled(self, fd: int, _events: int) -> None:
        numbers = os.read(fd, 64)
        if signal.SIGCHLD in numbers:
            self._reap_strangers()
        if signal.SIGTERM in numbers and not self._stopping:
            self._terminate()

    def _reap_strangers(self) -> None:
        """Without a pid namespace of its own a container's orphans come to us, its subreaper."""
        assert self._launched is not None
        ours = {entry.launched.pid for entry in self._execs.values() if entry.code is None} | {self._launched.pid}
        while True:
            try:
                ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            if ended is None or ended.si_pid in ours:  # whose own callback goes on here
                return
            os.waitpid(ended.si_pid, 0)

    def _terminate(self) -> None:
        """SIGTERM: the host shuts down; stop the container as `docker stop` would."""
        self._stopping = True
        self._signal(int(self._request.get("stop_signal") or signal.SIGTERM), False)
        timeout = self._request.get("stop_timeout")
        timeout = 10.0 if timeout is None else float(timeout)
        if timeout >= 0:
            self._loop.call_at(monotonic() + timeout, lambda: self._signal(signal.SIGKILL, False))


def complain(id: str, error: Exception) -> None:
    """A line in the daemon's log."""
    os.write(2, f"container {id}: its cgroup cannot be removed: {getattr(error, 'message', None) or error}\n".encode())
