"""One attached connection of a shim: its buffer, what it asked for, and how it is let go."""

from __future__ import annotations

import os
import socket
from collections import deque
from time import monotonic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

CHUNK = 64 * 1024
LAST_READS = 64  # of what an ended process left in its pipes (16 pages, at most 1 MiB) or terminal (4 KiB a read)


class Client:
    """One attached connection."""

    __slots__ = (
        "detach_keys",
        "fd",
        "matched",
        "multiplexed",
        "on_gone",
        "pending",
        "pending_bytes",
        "progress",
        "stderr",
        "stdin",
        "stdout",
        "tail",
    )

    def __init__(self, fd: int, options: dict[str, Any], on_gone: Callable[[str], None]) -> None:
        os.set_blocking(fd, False)
        self.fd = fd
        self.stdin: bool = options["stdin"]
        self.stdout: bool = options["stdout"]
        self.stderr: bool = options["stderr"]
        self.multiplexed: bool = options["multiplexed"]
        self.detach_keys = bytes.fromhex(options.get("detach_keys") or "")
        self.tail = bytes.fromhex(options.get("tail") or "")
        self.on_gone = on_gone
        self.pending: deque[memoryview] = deque()
        self.pending_bytes = 0
        self.progress = monotonic()
        self.matched = 0

    def wants(self, stream: str) -> bool:
        """Whether this client asked for the stream."""
        return self.stdout if stream == "stdout" else self.stderr

    def send(self, data: memoryview) -> None:
        """Write what the socket takes now and keep a copy of the rest; raises OSError when the client is gone."""
        if not self.pending:
            self.progress = monotonic()
            try:
                data = data[os.write(self.fd, data) :]
            except BlockingIOError:
                pass
        if data:
            self.pending.append(memoryview(bytes(data)))
            self.pending_bytes += len(data)

    def flush(self) -> None:
        """Write more of what is pending; raises OSError when the client is gone."""
        while self.pending:
            try:
                done = os.write(self.fd, self.pending[0])
            except BlockingIOError:
                return
            self.progress = monotonic()
            self.pending_bytes -= done
            if done == len(self.pending[0]):
                self.pending.popleft()
            else:
                self.pending[0] = self.pending[0][done:]


def hang_up(fd: int) -> None:
    """Shut a socket down and take what the peer still sent: closing with unread input resets it."""
    connection = socket.socket(fileno=os.dup(fd))
    try:
        connection.shutdown(socket.SHUT_RDWR)
        for _ in range(LAST_READS):  # over TCP a peer can send faster than we throw away
            if not connection.recv(CHUNK):
                break
    except OSError:
        pass
    finally:
        connection.close()
