"""A daemon's reply while it arrives: head, then a body read whole, piece by piece, or as JSON documents."""

from __future__ import annotations

import _socket

from tiffin.errors import TiffinError
from tiffin.wire import http1, jsontext

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

SIZE = 128 * 1024


class ApiError(TiffinError):
    """The daemon said no; `status` is HTTP's, `message` the daemon's."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class BrokenReply(TiffinError):
    """The connection ended, or spoke something else than HTTP, before the reply was complete."""


class Hijacked:
    """A raw stream: the socket, and what was read from it beyond the response head."""

    __slots__ = ("multiplexed", "sock", "tail")

    def __init__(self, sock: _socket.socket, tail: bytes, multiplexed: bool) -> None:
        self.sock = sock
        self.tail = tail
        self.multiplexed = multiplexed


class Reply:
    """One response. The head has arrived when the constructor returns."""

    __slots__ = ("_first", "_response", "headers", "sock", "status")

    def __init__(self, sock: _socket.socket, response: http1.Response) -> None:
        self.sock = sock
        self._response = response
        self._first = b""
        while response.status is None:
            self._first = self._receive()
        self.status: int = response.status
        self.headers = response.headers

    def pieces(self) -> Iterator[bytes]:
        """The body as it arrives; closes the connection at its end."""
        first, self._first = self._first, b""
        if first:
            yield first
        while not self._response.done:
            data = self._receive()
            if data:
                yield data
        self.sock.close()

    def read(self) -> bytes:
        return b"".join(self.pieces())

    def json(self) -> Any:
        """The whole body decoded; None if there is none."""
        body = self.read()
        if not body:
            return None
        try:
            return jsontext.decode(body)
        except ValueError as error:
            raise BrokenReply(f"invalid reply from daemon: {error}") from None

    def documents(self) -> Iterator[Any]:
        """The body as a sequence of JSON documents (progress, events, stats)."""
        decoder = jsontext.Documents()
        for piece in self.pieces():
            yield from decoder.feed(piece)
        yield from decoder.finish()

    def hijack(self) -> Hijacked:
        """Take the connection over. A 200 without length is a stream as good as a 101."""
        tail = self._response.tail if self._response.upgraded else self._first
        multiplexed = self.headers.get("content-type", "") != "application/vnd.docker.raw-stream"
        self._response.hijack()
        return Hijacked(self.sock, tail, multiplexed)

    def close(self) -> None:
        self.sock.close()

    def _receive(self) -> bytes:
        try:
            data = self.sock.recv(SIZE)
            if data:
                return self._response.feed(data)
            self._response.end()
            return b""
        except http1.ProtocolError as error:
            self.sock.close()
            raise BrokenReply(f"error during connect: {error}") from None
        except ConnectionResetError as error:
            self.sock.close()
            raise BrokenReply(f"error during connect: {error.strerror}") from None


def failure(reply: Reply) -> ApiError:
    """The error that a reply with a status of 400 and above carries."""
    body = reply.read()
    message = ""
    try:
        document = jsontext.decode(body)
        if isinstance(document, dict):
            message = str(document.get("message") or "")
    except ValueError:
        pass
    message = message or body.decode("utf-8", "replace").strip()
    return ApiError(reply.status, message or f"request returned status {reply.status} for API route")
