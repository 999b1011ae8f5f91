"""Programs run in a container beside its first: create, start, inspect, resize.

Records live in memory: while the program runs, and afterwards for five minutes or as long as the container, whichever
is shorter; `LIMIT` bounds what is kept of ended ones. None of it survives the daemon, as with Docker.
"""

from __future__ import annotations

import asyncio
import collections
import os
import time
from collections.abc import Callable
from typing import Any

from tiffin.engine.containers.attach import detach_keys
from tiffin.engine.containers.container import Container
from tiffin.engine.containers.ocispec.build import SpecBuilder
from tiffin.engine.containers.pending import refuse
from tiffin.engine.containers.ports import Attachment, ExecHandle, FilterPath
from tiffin.engine.containers.state import Status
from tiffin.engine.containers.table import ContainerTable
from tiffin.engine.events import Events
from tiffin.errors import Conflict, InvalidParameter, NotFound, SystemFailure, TiffinError
from tiffin.spec.container import ExecConfig, as_list
from tiffin.wire import stdcopy

KEPT_SECONDS = 300.0
LIMIT = 2048


class Exec:
    """`code` is None until the program has ended; `handle` is there while it runs."""

    __slots__ = ("asked", "code", "container", "ended_at", "handle", "id", "pid", "started")

    def __init__(self, id: str, container: Container, asked: ExecConfig) -> None:
        self.id, self.container, self.asked = id, container, asked
        self.handle: ExecHandle | None = None
        self.started = False
        self.pid = 0
        self.code: int | None = None
        self.ended_at = 0.0


class Execs:
    def __init__(
        self,
        table: ContainerTable,
        specs: SpecBuilder,
        filter_path: FilterPath | None,
        events: Events,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._table, self._specs, self._filter_path, self._events = table, specs, filter_path, events
        self._clock = clock
        self._execs: dict[str, Exec] = {}
        self._idle: collections.OrderedDict[str, float] = collections.OrderedDict()
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._execs)

    # -- the API ----------------------------------------------------------------------------------------------------

    def create(self, reference: str, asked: ExecConfig) -> str:
        container = self._table.get(reference)
        self._check(container)
        words = as_list(asked.cmd)
        if not words:
            raise InvalidParameter("No exec command specified")
        detach_keys(asked.detach_keys)
        if asked.working_dir and not asked.working_dir.startswith("/"):
            raise InvalidParameter(f"Cwd must be an absolute path: {asked.working_dir}")
        if any("\0" in word for word in words):
            raise InvalidParameter("a program and its arguments hold no NUL")
        self._forget_old()
        entry = Exec(os.urandom(32).hex(), container, asked)
        self._execs[entry.id] = entry
        self._idle[entry.id] = self._clock()
        self._publish(entry, f"exec_create: {' '.join(words)}")
        return entry.id

    def check_start(self, id: str, *, detach: bool = False) -> bool:
        """While an error can still be an answer; returns whether the exec has a terminal."""
        entry = self._get(id)
        if entry.code is not None:
            raise Conflict(f"Error: Exec command {id} has already run")
        if entry.started:
            raise Conflict(f"Error: Exec command {id} is already running")
        self._check(entry.container)
        return entry.asked.tty

    async def start(
        self, id: str, attachment: Attachment | None, *, console_size: list[int] | None = None
    ) -> None:
        """Takes over `attachment.fd`. What fails after the connection was handed over is said on it, as in Docker."""
        try:
            entry = self._get(id)
            self.check_start(id)
            await self._start(entry, attachment, console_size)
        except Exception as failure:
            message = str(getattr(failure, "message", failure))
            if attachment is None:
                raise failure if isinstance(failure, TiffinError) else SystemFailure(message) from failure
            await _say(attachment, message)
            refuse([attachment])
        finally:
            if attachment is not None:
                os.close(attachment.fd)

    async def resize(self, id: str, rows: int, cols: int) -> None:
        entry = self._get(id)
        if not entry.started or entry.code is not None:
            raise Conflict(f"Error: Exec command {id} is not running")
        if entry.container.shim is None:
            raise Conflict(f"Container {entry.container.id} is not running")
        await entry.container.shim.resize(id, rows, cols)

    def inspect(self, id: str) -> dict[str, Any]:
        entry = self._get(id, alive=False)
        asked = entry.asked
        words = as_list(asked.cmd)
        return {
            "ID": entry.id,
            "Running": entry.started and entry.code is None,
            "ExitCode": entry.code,
            "ProcessConfig": {
                "tty": asked.tty,
                "entrypoint": words[0],
                "arguments": words[1:],
                "privileged": asked.privileged,
                **({"user": asked.user} if asked.user else {}),
            },
            "OpenStdin": asked.attach_stdin,
            "OpenStderr": asked.attach_stderr,
            "OpenStdout": asked.attach_stdout,
            "CanRemove": False,
            "ContainerID": entry.container.id,
            "DetachKeys": asked.detach_keys,
            "Pid": entry.pid,
        }

    def detach_keys_of(self, id: str) -> bytes:
        return detach_keys(self._get(id).asked.detach_keys)

    def asked(self, id: str) -> ExecConfig:
        return self._get(id).asked

    def of(self, container: Container) -> list[str]:
        """Those that run now, for inspect."""
        return [id for id in container.execs if (entry := self._execs.get(id)) and entry.code is None]

    def gone(self, container: Container) -> None:
        """The container ended: so have its programs."""
        for id in list(container.execs):
            if entry := self._execs.get(id):
                self._ended(entry, 137)

    def told(self, event: dict[str, Any]) -> None:
        """An end, within the step in which the shim's packet came: who sees the stream's end may ask for the code."""
        if event["event"] == "exec-exit" and (entry := self._execs.get(event["exec_id"])):
            self._ended(entry, event["code"])

    def removed(self, container: Container) -> None:
        for id, entry in list(self._execs.items()):
            if entry.container is container:
                self._forget(id)

    # -- inside -----------------------------------------------------------------------------------------------------

    def _get(self, id: str, alive: bool = True) -> Exec:
        entry = self._execs.get(id)
        if entry is None:
            raise NotFound(f"No such exec instance: {id}")
        if alive and not self._table.has_id(entry.container.id):
            raise NotFound(f"No such exec instance: {id}")
        return entry

    def _check(self, container: Container) -> None:
        if container.status is Status.PAUSED:
            raise Conflict(f"container {container.id} is paused, unpause the container before exec")
        if container.status is Status.RESTARTING:
            raise Conflict(f"Container {container.id} is restarting, wait until the container is running")
        if container.shim is None:
            raise Conflict(f"container {container.id} is not running")

    async def _start(self, entry: Exec, attachment: Attachment | None, console_size: list[int] | None) -> None:
        container, asked = entry.container, entry.asked
        shim = container.shim
        if shim is None:
            raise Conflict(f"container {container.id} is not running")
        entry.started = True
        self._idle.pop(entry.id, None)
        container.execs.add(entry.id)
        self._publish(entry, f"exec_start: {' '.join(as_list(asked.cmd))}")
        size = console_size or asked.console_size
        process, seccomp = self._specs.exec_process(container.record, asked, tty=asked.tty, console_size=size)
        request = {
            "process": process,
            "user": asked.user or container.record.config.user,
            "group_add": [] if asked.user else list(container.record.host_config.group_add or ()),
            "open_stdin": asked.attach_stdin and attachment is not None,
            "console_size": size,
            "seccomp_path": self._filter_path(seccomp) if seccomp and self._filter_path else None,
        }
        try:
            handle = await shim.exec(entry.id, request, attachment)
        except Exception as failure:
            code = int(getattr(failure, "exit_code", 126))
            self._ended(entry, 126 if code == 125 else code)  # Docker's: 125 is for `run` alone
            raise
        if entry.code is None:
            entry.handle, entry.pid = handle, handle.pid
        task = asyncio.create_task(self._watch(entry, handle))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _watch(self, entry: Exec, handle: ExecHandle) -> None:
        try:
            code = await asyncio.shield(handle.exited)
        except Exception:
            code = 137  # the shim died, and everything in the container with it
        self._ended(entry, code)

    def _ended(self, entry: Exec, code: int) -> None:
        if entry.code is not None:
            return
        entry.code, entry.handle, entry.pid = code, None, 0
        entry.container.execs.discard(entry.id)
        self._idle[entry.id] = self._clock()
        self._publish(entry, "exec_die", exitCode=str(code))
        self._forget_old()

    def _publish(self, entry: Exec, action: str, **more: str) -> None:
        attributes = {**entry.container.attributes(), "execID": entry.id, **more}
        self._events.publish("container", action, entry.container.id, attributes)

    def _forget_old(self) -> None:
        """What is idle (not started, or ended) goes after its time, the oldest first when there are too many."""
        now = self._clock()
        while self._idle:
            id, since = next(iter(self._idle.items()))
            if len(self._idle) <= LIMIT and now - since < KEPT_SECONDS:
                return
            self._forget(id)

    def _forget(self, id: str) -> None:
        self._idle.pop(id, None)
        if entry := self._execs.pop(id, None):
            entry.container.execs.discard(id)


async def _say(attachment: Attachment, message: str) -> None:
    """The failure on the stream that the client reads."""
    text = message.encode() + b"\r\n"
    if attachment.multiplexed:
        text = stdcopy.header(stdcopy.STDOUT, len(text)) + text
    try:
        os.write(attachment.fd, text)
    except OSError:
        pass  # the client has gone
