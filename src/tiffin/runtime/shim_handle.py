"""The daemon's handle on one shim: start errors, exits, and what a running container can be asked. asyncio.

Descriptors are borrowed: the caller closes its own after the call.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple, Protocol

from tiffin.runtime.program import FAILED, LaunchError
from tiffin.spawn.channel import Channel

log = logging.getLogger(__name__)

KILL_S = 8.0  # for the shim's answer to a kill
Connect = Callable[[int, int], Awaitable[None]]


class StartError(LaunchError):
    """A program did not start: `message` in Docker's words, `exit_code` 125, 126 or 127."""

    @property
    def message(self) -> str:
        """What the user reads."""
        return str(self)

    @property
    def exit_code(self) -> int:
        """What `docker run` ends with."""
        return self.code


class NeverHeard(StartError):
    """Not one word came from the shim."""


class Attachment(Protocol):
    """A client's connection and what it carries; `engine.containers.ports.Attachment`."""

    @property
    def fd(self) -> int: ...
    @property
    def tail(self) -> bytes: ...
    @property
    def stdin(self) -> bool: ...
    @property
    def stdout(self) -> bool: ...
    @property
    def stderr(self) -> bool: ...
    @property
    def detach_keys(self) -> bytes: ...
    @property
    def multiplexed(self) -> bool: ...


class Exit(NamedTuple):
    """How a container's first process ended."""

    code: int
    oom_killed: bool
    finished_at_ns: int
    error: str = ""


class ExecHandle(NamedTuple):
    """A process started in a running container."""

    pid: int
    exited: asyncio.Future[int]


def attachment_document(attachment: Attachment, client: int) -> dict[str, Any]:
    """An attachment as the shim is told of it."""
    return {
        "client": client,
        "tail": attachment.tail.hex(),
        "stdin": attachment.stdin,
        "stdout": attachment.stdout,
        "stderr": attachment.stderr,
        "multiplexed": attachment.multiplexed,
        "detach_keys": attachment.detach_keys.hex(),
    }


class Shim:
    """A connection to one shim. `exited` gets the Exit, also when the shim itself dies (137, "shim died")."""

    def __init__(self, id: str, channel: Channel, on_death: Callable[[], Exit]) -> None:
        loop = asyncio.get_running_loop()
        self.id = id
        self.pid = 0
        self.started_at_ns = 0
        self.trace: list[dict[str, Any]] = []
        self.namespaces: dict[str, str] = {}
        self.exited: asyncio.Future[Exit] = loop.create_future()
        self.gone: asyncio.Future[None] = loop.create_future()
        self.cleaned: asyncio.Future[None] = loop.create_future()
        self.on_event: Callable[[dict[str, Any]], None] = lambda _event: None
        self.on_gone: Callable[[], None] = lambda: None
        self.on_stuck: Callable[[], None] = lambda: None
        self._channel = channel
        self._on_death = on_death
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._events: asyncio.Queue[tuple[dict[str, Any], list[int]]] = asyncio.Queue()
        # Unique beyond this connection: a shim tells every daemon's connection which client has gone.
        self._number = int.from_bytes(os.urandom(6), "big")
        self._clients: dict[int, asyncio.Future[str]] = {}
        self._execs: dict[str, asyncio.Future[int]] = {}
        channel.sock.setblocking(False)
        loop.add_reader(channel.fileno(), self._readable)

    # -- the wire -----------------------------------------------------------------------------------------------

    def _readable(self) -> None:
        while True:
            try:
                received = self._channel.recv()
            except BlockingIOError:
                return
            except OSError:
                received = None
            if received is None:
                self._lost()
                return
            self._received(*received)

    def _received(self, message: dict[str, Any], fds: list[int]) -> None:
        if "re" in message:
            future = self._answers.pop(message["re"], None)
            if future is not None and not future.done():
                future.set_result(message)
            return
        event = message["event"]
        if event in ("born", "started", "failed"):
            self._events.put_nowait((message, fds))
        elif event == "exit":
            self._set_exit(
                Exit(message["code"], message["oom_killed"], message["finished_at_ns"], message.get("error", ""))
            )
        elif event == "cleaned":
            self._set_cleaned()
        elif event == "exec-exit":
            future_code = self._execs.pop(message["exec_id"], None)
            if future_code is not None and not future_code.done():
                future_code.set_result(message["code"])
        elif event == "detached":
            client = self._clients.pop(message["client"], None)
            if client is not None and not client.done():
                client.set_result(message["reason"])
        if event not in ("born", "started", "failed"):
            self.on_event(message)

    def _set_cleaned(self) -> None:
        if not self.cleaned.done():
            self.cleaned.set_result(None)

    def _set_exit(self, exit_: Exit) -> None:
        if not self.exited.done():
            self.exited.set_result(exit_)

    def _lost(self) -> None:
        asyncio.get_running_loop().remove_reader(self._channel.fileno())
        self._channel.close()
        if not self.exited.done() and self.started_at_ns:
            self._set_exit(self._on_death())
        waiters: list[asyncio.Future[Any]] = [*self._answers.values(), *self._execs.values()]
        for waiting in waiters:
            if not waiting.done():
                waiting.set_exception(StartError("the container's shim has ended", FAILED))
                waiting.exception()  # nobody need be waiting for it
        self._set_cleaned()
        for client in self._clients.values():
            if not client.done():
                client.set_result("gone")
        self._answers.clear()
        self._events.put_nowait(({"event": "lost"}, []))
        if not self.gone.done():
            self.gone.set_result(None)
            self.on_gone()

    async def _ask(self, operation: str, fds: Sequence[int] = (), **arguments: Any) -> dict[str, Any]:
        self._number += 1
        number = self._number
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._answers[number] = answer
        try:
            self._channel.send({"id": number, "op": operation, **arguments}, fds)
        except OSError as error:
            self._answers.pop(number, None)
            raise StartError(f"the container's shim does not answer: {error}", FAILED) from None
        message = await answer
        if "failed" in message:
            raise StartError(message["failed"], message["code"])
        return message

    # -- start and adoption -------------------------------------------------------------------------------------

    async def _started(self, connect: Connect | None) -> None:
        failure: type[StartError] = NeverHeard
        while True:
            message, fds = await self._events.get()
            event = message["event"]
            if event == "lost":
                raise failure("the shim died during the start", FAILED)
            failure = StartError  # from its first word on a program may have run: no second try
            if event == "failed":
                raise StartError(message["message"], message["code"])
            if event == "started":
                self._take_state(message)
                return
            if not fds:
                continue
            try:
                await self._connect(connect, fds)
            finally:
                for fd in fds:
                    os.close(fd)

    async def _connect(self, connect: Connect | None, fds: list[int]) -> None:
        try:
            if connect is not None:
                await connect(fds[0], fds[1])
        except Exception as error:
            self._tell({"op": "abort", "message": getattr(error, "message", None) or str(error)})
            raise
        self._tell({"op": "go"})

    def _tell(self, message: dict[str, Any]) -> None:
        try:
            self._channel.send(message)
        except OSError:
            pass  # it has failed meanwhile; its last words say why

    def _take_state(self, message: dict[str, Any]) -> None:
        self.pid = message["pid"]
        self.started_at_ns = message["started_at_ns"]
        self.trace = message["trace"]
        self.namespaces = message["namespaces"]

    async def _resume(self) -> None:
        message = await self._ask("state")
        self._take_state(message)
        loop = asyncio.get_running_loop()
        for name, entry in message["execs"].items():
            future: asyncio.Future[int] = loop.create_future()
            if entry["code"] is not None:
                future.set_result(entry["code"])
            self._execs[name] = future
        self.adopted_execs = {
            name: ExecHandle(entry["pid"], self._execs[name]) for name, entry in message["execs"].items()
        }
        if exit_ := message["exit"]:
            self._set_exit(Exit(exit_["code"], exit_["oom_killed"], exit_["finished_at_ns"], exit_["error"]))

    adopted_execs: dict[str, ExecHandle] = {}

    # -- what a running container can be asked ------------------------------------------------------------------

    def _client(self) -> tuple[int, asyncio.Future[str]]:
        self._number += 1
        future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._clients[self._number] = future
        return self._number, future

    def _announce(self, attachment: Attachment) -> dict[str, Any]:
        """The document of a client that goes along with a start."""
        return attachment_document(attachment, self._client()[0])

    async def attach(
        self, fd: int, tail: bytes, *, stdin: bool, stdout: bool, stderr: bool, detach_keys: bytes, multiplexed: bool
    ) -> asyncio.Future[str]:
        """Give the shim a client's connection; the future resolves with why it ended (eof, gone, detached, stalled)."""
        client, future = self._client()
        options = {
            "client": client,
            "tail": tail.hex(),
            "stdin": stdin,
            "stdout": stdout,
            "stderr": stderr,
            "multiplexed": multiplexed,
            "detach_keys": detach_keys.hex(),
        }
        try:
            await self._ask("attach", [fd], **options)
        except BaseException:
            self._clients.pop(client, None)
            raise
        return future

    async def exec(self, exec_id: str, process: dict[str, Any], attachment: Attachment | None) -> ExecHandle:
        """Start a process inside. `process` is the exec request of request.py without its exec_id."""
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._execs[exec_id] = future
        fds: list[int] = []
        client = 0
        if attachment is not None:
            client, _ = self._client()
            process = {**process, "attachment": attachment_document(attachment, client)}
            fds.append(attachment.fd)
        try:
            answer = await self._ask("exec", fds, exec_id=exec_id, **process)
        except BaseException:
            self._execs.pop(exec_id, None)
            self._clients.pop(client, None)
            raise
        return ExecHandle(answer["pid"], future)

    async def resize(self, exec_id: str | None, rows: int, cols: int) -> None:
        """Set the size of the container's terminal, or of an exec's."""
        await self._ask("resize", exec_id=exec_id, rows=rows, cols=cols)

    async def signal(self, sig: int, all: bool = False) -> None:
        """Signal the first process, or every process of the container. A kill works also when the shim is stuck."""
        try:
            async with asyncio.timeout(KILL_S if sig == signal.SIGKILL else None):
                await self._ask("signal", signal=sig, all=all)
        except TimeoutError:
            log.warning("container %s: its shim does not answer and is killed with it", self.id)
            self.on_stuck()

    async def freeze(self) -> None:
        """Stop all processes (docker pause)."""
        await self._ask("freeze")

    async def thaw(self) -> None:
        """Let them go on."""
        await self._ask("thaw")

    async def update(self, resources: dict[str, Any]) -> None:
        """Change the limits (OCI linux.resources)."""
        await self._ask("update", resources=resources)

    async def stats(self) -> dict[str, Any]:
        """The cgroup's raw counters."""
        return dict((await self._ask("stats"))["stats"])

    def close(self) -> None:
        """Let go of the shim without ending it."""
        if self._channel.fileno() >= 0:
            asyncio.get_running_loop().remove_reader(self._channel.fileno())
            self._channel.close()
        while not self._events.empty():
            for fd in self._events.get_nowait()[1]:
                os.close(fd)
