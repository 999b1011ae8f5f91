"""One JSON message and any descriptors per packet, over a SOCK_SEQPACKET unix socket.

The wire: a packet is a JSON object, with up to MAX_FDS descriptors as SCM_RIGHTS. A message longer than INLINE_LIMIT
travels in a memfd: the packet is then `{"memfd": true}` and the memfd comes first among the descriptors.
Used between daemon, spawner, shims and workers; blocking or not as the socket is. Knows nothing of what is said.
"""

from __future__ import annotations

import json
import os
import socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

MAX_FDS = 64
INLINE_LIMIT = 64 * 1024  # a seqpacket must fit into the socket's send buffer (208 KiB by default)

_IN_MEMFD = b'{"memfd":true}'
_dumps = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


def pair() -> tuple[Channel, Channel]:
    """Two connected channels."""
    left, right = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    return Channel(left), Channel(right)


class Channel:
    """One end of a SOCK_SEQPACKET connection."""

    __slots__ = ("sock",)

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock

    @classmethod
    def from_fd(cls, fd: int) -> Channel:
        """Take over an inherited descriptor."""
        return cls(socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET, 0, fileno=fd))

    def fileno(self) -> int:
        """The socket's descriptor."""
        return self.sock.fileno()

    def send(self, message: dict[str, Any], fds: Sequence[int] = (), prefix: bytes = b"") -> None:
        """Send one message; raises OSError (EPIPE when the peer has gone, EAGAIN when non-blocking and full)."""
        raw = _dumps(message).encode("utf-8", "surrogateescape")
        if len(raw) <= INLINE_LIMIT:
            socket.send_fds(self.sock, [prefix, raw], list(fds), socket.MSG_NOSIGNAL)
            return
        memfd = os.memfd_create("message", os.MFD_CLOEXEC)
        try:
            view = memoryview(raw)
            while view:
                view = view[os.write(memfd, view) :]
            socket.send_fds(self.sock, [prefix, _IN_MEMFD], [memfd, *fds], socket.MSG_NOSIGNAL)
        finally:
            os.close(memfd)

    def recv(self) -> tuple[dict[str, Any], list[int]] | None:
        """Receive one message and its descriptors (close-on-exec); None at the peer's end."""
        raw, fds = self.recv_raw()
        return (decode(raw, fds), fds) if raw else None

    def recv_raw(self) -> tuple[bytes, list[int]]:
        """Receive a packet undecoded, for one who passes it on; b"" at the peer's end."""
        raw, fds, _, _ = socket.recv_fds(self.sock, 2 * INLINE_LIMIT, MAX_FDS, socket.MSG_CMSG_CLOEXEC)
        return raw, fds

    def close(self) -> None:
        """Close this end."""
        self.sock.close()


def decode(raw: bytes, fds: list[int]) -> dict[str, Any]:
    """The message in a packet; a memfd that carries it is taken from the front of `fds`."""
    if raw == _IN_MEMFD:
        memfd = fds.pop(0)
        try:
            raw = os.pread(memfd, os.fstat(memfd).st_size, 0)
        finally:
            os.close(memfd)
    message: dict[str, Any] = json.loads(raw.decode("utf-8", "surrogateescape"))
    return message
