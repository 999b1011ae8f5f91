"""The shim's connections to daemons: orders in, and news out that never make the container wait.

What a daemon does not take at once is queued. While something is queued for it nothing more is read from it, so that
a queue is bounded by what was asked before and by what runs. A daemon that is merely slow, or stopped, is never cut
off: it would take the end of its connection for the shim's death and end the container.
"""

from __future__ import annotations

import select
from collections import deque

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from tiffin.runtime.loop import Loop
    from tiffin.spawn.channel import Channel

    Handle = Callable[[dict[str, Any], list[int]], dict[str, Any]]

LAST_WORDS_S = 30.0


class Controls:
    """All connected daemons; `handle` answers one order."""

    def __init__(self, loop: Loop, handle: Handle) -> None:
        self._loop = loop
        self._handle = handle
        self._channels: dict[int, Channel] = {}
        self._queues: dict[int, deque[dict[str, Any]]] = {}

    def add(self, channel: Channel) -> None:
        """Serve another daemon."""
        channel.sock.setblocking(False)
        fd = channel.fileno()
        self._channels[fd] = channel
        self._queues[fd] = deque()
        self._loop.watch(fd, select.EPOLLIN, self._ready)

    def say(self, message: dict[str, Any]) -> None:
        """Tell every daemon that listens; none may be there."""
        for fd in list(self._channels):
            self._post(fd, message)

    def say_the_rest(self) -> None:
        """Before the shim ends: what is still queued, to whoever takes it in time."""
        for fd, channel in list(self._channels.items()):
            if self._queues[fd]:
                channel.sock.settimeout(LAST_WORDS_S)
                self._flush(fd)

    def _post(self, fd: int, message: dict[str, Any]) -> None:
        queue = self._queues[fd]
        queue.append(message)
        if len(queue) == 1:
            self._flush(fd)

    def _flush(self, fd: int) -> None:
        channel, queue = self._channels[fd], self._queues[fd]
        while queue:
            try:
                channel.send(queue[0])
            except BlockingIOError:
                self._loop.watch(fd, select.EPOLLOUT, self._ready)
                return
            except OSError:
                self._drop(fd)
                return
            queue.popleft()
        self._loop.watch(fd, select.EPOLLIN, self._ready)

    def _ready(self, fd: int, _events: int) -> None:
        if self._queues[fd]:
            self._flush(fd)
        else:
            self._serve(fd)

    def _serve(self, fd: int) -> None:
        try:
            received = self._channels[fd].recv()
        except BlockingIOError:
            return
        except (OSError, ValueError, IndexError):  # gone, or what no daemon of ours says
            received = None
        if received is None:
            self._drop(fd)
            return
        message, fds = received
        self._post(fd, {"re": message.get("id"), **self._handle(message, fds)})

    def _drop(self, fd: int) -> None:
        self._loop.unwatch(fd)
        self._channels.pop(fd).close()
        del self._queues[fd]
