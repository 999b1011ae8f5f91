"""One JSON message and any descriptors per packet, over a SOCK_SEQPACKET unix socket.

The wire: a packet is a JSON object, with up to MAX_FDS descriptors as SCM_RIGHTS. A message longer than INLINE_LIMIT
travels in a memfd: the packet is then `{"memfd": true}` and the memfd comes first among the descriptors.
Used between daemon, spawner, shims and workers; blocking or not as the socket is. Knows nothing of what is said.
The C module `_socket` is used as it is: the one around it turns numbers into Enums, and a shim would keep the pages.
"""

from __future__ import annotations

import _socket
import array
import json
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

MAX_FDS = 64
INLINE_LIMIT = 64 * 1024  # a seqpacket must fit into the socket's send buffer (208 KiB by default)

_FDS_SPACE = _socket.CMSG_SPACE(MAX_FDS * 4)
_IN_MEMFD = b'{"memfd":true}'
_dumps = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


def pair() -> tuple[Channel, Channel]:
    """Two connected channels."""
    left, right = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
    return Channel(left), Channel(right)


class Channel:
    """One end of a SOCK_SEQPACKET connection."""

    __slots__ = ("sock",)

    def __init__(self, sock: _socket.socket) -> None:
        self.sock = sock

    @classmethod
    def from_fd(cls, fd: int) -> Channel:
        """Take over an inherited descriptor."""
        return cls(_socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET, 0, fd))

    def fileno(self) -> int:
        """The socket's descriptor."""
        return self.sock.fileno()

    def send(self, message: dict[str, Any], fds: Sequence[int] = (), prefix: bytes = b"") -> None:
        """Send one message; raises OSError (EPIPE when the peer has gone, EAGAIN when non-blocking and full)."""
        raw = _dumps(message).encode("utf-8", "surrogateescape")
        if len(raw) <= INLINE_LIMIT:
            self._sendmsg([prefix, raw], fds)
            return
        memfd = os.memfd_create("message", os.MFD_CLOEXEC)
        try:
            view = memoryview(raw)
            while view:
                view = view[os.write(memfd, view) :]
            self._sendmsg([prefix, _IN_MEMFD], [memfd, *fds])
        finally:
            os.close(memfd)

    def recv(self) -> tuple[dict[str, Any], list[int]] | None:
        """Receive one message and its descriptors (close-on-exec); None at the peer's end."""
        raw, fds = self.recv_raw()
        return (decode(raw, fds), fds) if raw else None

    def recv_raw(self) -> tuple[bytes, list[int]]:
        """Receive a packet undecoded, for one who passes it on; b"" at the peer's end."""
        try:
            received = self.sock.recvmsg(2 * INLINE_LIMIT, _FDS_SPACE, _socket.MSG_CMSG_CLOEXEC)
        except ConnectionResetError:
            # The peer closed with a packet of ours unread. The kernel tells so once, before the peer's last packets.
            received = self.sock.recvmsg(2 * INLINE_LIMIT, _FDS_SPACE, _socket.MSG_CMSG_CLOEXEC)
        raw, ancillary, _, _ = received
        fds = array.array("i")
        for level, kind, data in ancillary:
            if level == _socket.SOL_SOCKET and kind == _socket.SCM_RIGHTS:
                fds.frombytes(data[: len(data) - len(data) % fds.itemsize])
        return raw, fds.tolist()

    def _sendmsg(self, buffers: list[bytes], fds: Sequence[int]) -> None:
        rights = [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        self.sock.sendmsg(buffers, rights, _socket.MSG_NOSIGNAL)

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
