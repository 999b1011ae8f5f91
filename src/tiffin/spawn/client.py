"""The daemon's side of the spawner: start it, ask it to fork, hear of ended children, start another when it dies."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Sequence
from typing import Any

from tiffin.spawn import interpreter
from tiffin.spawn.channel import Channel, pair

log = logging.getLogger(__name__)
RESTARTS = 5  # spawners that one request may see die


class Spawner:
    """A handle on the one spawner process.

    `spawn` returns as soon as the request is in the socket; the child speaks for itself over the descriptors it was
    given, and a caller learns of its death by their end. If the spawner is dead a new one is started first.
    """

    def __init__(self, entries: dict[str, str], log_fd: int | None = None) -> None:
        self._entries = entries
        self._log_fd = log_fd
        self._channel: Channel | None = None
        self._ready: asyncio.Future[None] | None = None
        self._starting = asyncio.Lock()
        self.pid = 0
        self.on_exit: Callable[[int, int], None] = lambda _pid, _status: None

    async def start(self) -> None:
        """Start the spawner process and wait until it has imported everything."""
        loop = asyncio.get_running_loop()
        ours, theirs = pair()
        os.set_inheritable(theirs.fileno(), True)
        arguments = f"{theirs.fileno()}, {self._entries!r}"
        self.pid = interpreter.start("tiffin.spawn.spawner", "main", arguments, [theirs.fileno()], self._log_fd)
        theirs.close()
        ours.sock.setblocking(False)
        self._channel = ours
        self._ready = loop.create_future()
        loop.add_reader(ours.fileno(), self._readable, ours)
        await self._ready

    async def spawn(self, entry: str, message: dict[str, Any], fds: Sequence[int]) -> None:
        """Fork a child that runs `entry` with this message and these descriptors (which stay the caller's)."""
        for _ in range(RESTARTS):
            async with self._starting:
                if self._channel is None:
                    await self.start()
            channel = self._channel
            if channel is not None and await self._send(channel, entry, message, fds):
                return
        raise OSError("the spawner does not take requests")

    async def _send(self, channel: Channel, entry: str, message: dict[str, Any], fds: Sequence[int]) -> bool:
        """Whether the request is in the socket; False when the spawner died meanwhile."""
        while channel is self._channel:
            try:
                channel.send(message, fds, entry.encode() + b"\n")
                return True
            except BlockingIOError:
                await asyncio.sleep(0.002)  # the socket's queue is full: many starts at once
            except (BrokenPipeError, ConnectionResetError):
                self._gone(channel)
        return False

    def _readable(self, channel: Channel) -> None:
        while True:
            try:
                received = channel.recv()
            except BlockingIOError:
                return
            except OSError:
                received = None
            if received is None:
                self._gone(channel)
                return
            message, _ = received
            if "ready" in message:
                if self._ready is not None and not self._ready.done():
                    self._ready.set_result(None)
            else:
                self.on_exit(message["exited"], message["status"])

    def _gone(self, channel: Channel | None) -> None:
        if channel is None or channel is not self._channel:
            return
        asyncio.get_running_loop().remove_reader(channel.fileno())
        channel.close()
        self._channel = None
        if self._ready is not None and not self._ready.done():
            self._ready.set_exception(OSError("the spawner died while starting"))
        log.warning("spawner %d has died; the next start brings another", self.pid)
        # Its socket closes before it can be waited for.
        asyncio.get_running_loop().run_in_executor(None, wait_for, self.pid)

    async def stop(self) -> None:
        """Let the spawner end; its children live on."""
        channel, self._channel = self._channel, None
        if channel is not None:
            asyncio.get_running_loop().remove_reader(channel.fileno())
            channel.close()
            await asyncio.to_thread(wait_for, self.pid)


def wait_for(pid: int) -> None:
    """Take the status of a child that is about to end."""
    try:
        os.waitpid(pid, 0)
    except ChildProcessError:
        pass
