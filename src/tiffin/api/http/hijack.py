"""Handing a connection over: the answer's head is flushed, then the socket belongs to someone else.

    client ──▶ "POST …attach HTTP/1.1 … CRLF CRLF" "body" "stdin…"
               └ parsed by the edge ┘└ read by the   └ `tail`, what was read of it already; the rest is in the socket
                                       handler ┘
    client ◀── "HTTP/1.1 101 UPGRADED … CRLF CRLF" then only the new owner writes

A plain socket is handed over as a duplicate of its descriptor (same open file: O_NONBLOCK is shared and stays as it
is, non-blocking). A TLS connection cannot be (its keys stay in this process): the new owner gets one end of a socket
pair, and `Relay` copies between the pair's other end and the connection, half-closes included.
"""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from tiffin.api.http.tls import TlsTransport


class Hijacked(NamedTuple):
    """The caller owns `fd` (non-blocking) and must deliver `tail` first, before anything read from `fd`."""

    fd: int
    tail: bytes


def attach_head(*, upgrade: bool, multiplexed: bool, extra: str) -> bytes:
    """The head of an answer to attach or exec start, byte for byte as dockerd's. `extra` are header lines."""
    kind = "multiplexed-stream" if multiplexed else "raw-stream"
    line = "HTTP/1.1 101 UPGRADED\r\n" if upgrade else "HTTP/1.1 200 OK\r\n"
    protocol = "Connection: Upgrade\r\nUpgrade: tcp\r\n" if upgrade else ""
    return f"{line}Content-Type: application/vnd.docker.{kind}\r\n{protocol}{extra}\r\n".encode("latin-1")


def switch_head(protocol: str) -> bytes:
    """The head of an answer that switches to another protocol (h2c, of BuildKit's sessions)."""
    return f"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: {protocol}\r\n\r\n".encode("latin-1")


class _Side(asyncio.Protocol):
    """One direction's source; what it reads goes to `peer`'s transport."""

    def __init__(self) -> None:
        self.transport: Any = None
        self.peer: _Side
        self.ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.peer.transport.write(data)

    def eof_received(self) -> bool:
        self.ended = True
        self.peer.transport.write_eof()
        if self.peer.ended:
            self.transport.close()
            self.peer.transport.close()
        return True

    def pause_writing(self) -> None:
        self.peer.transport.pause_reading()

    def resume_writing(self) -> None:
        self.peer.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended = True
        if exc is None:
            self.peer.transport.close()
        else:
            self.peer.transport.abort()


async def relay(tls: TlsTransport) -> int:
    """Put a relay on `tls` (reading paused, nothing of ours pending); the descriptor of the pair's other end."""
    mine, theirs = socket.socketpair()
    mine.setblocking(False)
    theirs.setblocking(False)
    loop = asyncio.get_running_loop()
    near, far = _Side(), _Side()
    near.peer, far.peer = far, near
    far.transport = tls
    await loop.connect_accepted_socket(lambda: near, mine)
    tls.set_protocol(far)
    tls.resume_reading()
    return theirs.detach()
