"""Framing of a request's body, without I/O: take what belongs to the body from the front of a buffer.

A decoder removes exactly its own bytes, so that what follows (a pipelined request, stdin) stays in the buffer:

    NNN CRLF <NNN bytes, hex> CRLF ... 0 CRLF [trailer lines] CRLF | whatever comes next
"""

from __future__ import annotations

from tiffin.api.http.head import CHUNKED, BadRequest

_LINE_LIMIT = 4096
_TRAILER_LIMIT = 16 * 1024
_HEX = frozenset(b"0123456789abcdefABCDEF")


class Body:
    """`take` gives the next bytes, b"" when more input is needed or when `done`."""

    __slots__ = ("done",)

    def __init__(self, done: bool = False) -> None:
        self.done = done

    def take(self, buffer: bytearray) -> bytes:
        return b""


class LengthBody(Body):
    """A body of a known number of bytes."""

    __slots__ = ("left",)

    def __init__(self, length: int) -> None:
        super().__init__(length == 0)
        self.left = length

    def take(self, buffer: bytearray) -> bytes:
        if len(buffer) <= self.left:
            data = bytes(buffer)
            buffer.clear()
        else:
            data = bytes(buffer[: self.left])
            del buffer[: self.left]
        self.left -= len(data)
        self.done = self.left == 0
        return data


class ChunkedBody(Body):
    """A body in chunks. Extensions and trailers are dropped. Raises BadRequest on broken framing."""

    __slots__ = ("_after", "_in_trailer", "_left", "_trailer")

    def __init__(self) -> None:
        super().__init__()
        self._left = 0
        self._after = False
        self._in_trailer = False
        self._trailer = 0

    def take(self, buffer: bytearray) -> bytes:
        while not self.done:
            if self._left:
                return self._data(buffer)
            if self._in_trailer:
                if not self._skip_trailer(buffer):
                    return b""
            elif not self._next_size(buffer):
                return b""
        return b""

    def _data(self, buffer: bytearray) -> bytes:
        data = bytes(buffer[: self._left])
        del buffer[: self._left]
        self._left -= len(data)
        self._after = self._left == 0
        return data

    def _next_size(self, buffer: bytearray) -> bool:
        if self._after:
            if len(buffer) < 2:
                return False
            if buffer[:2] != b"\r\n":
                raise BadRequest(400, "malformed chunked encoding")
            del buffer[:2]
            self._after = False
        line = _line(buffer)
        if line is None:
            return False
        size = line.partition(b";")[0].rstrip(b" \t")
        if not size or len(size) > 15 or not _HEX.issuperset(size):
            raise BadRequest(400, "malformed chunked encoding")
        self._left = int(size, 16)
        self._in_trailer = self._left == 0
        return True

    def _skip_trailer(self, buffer: bytearray) -> bool:
        line = _line(buffer)
        if line is None:
            return False
        self._trailer += len(line) + 2
        if self._trailer > _TRAILER_LIMIT:
            raise BadRequest(400, "trailer too long")
        self.done = not line
        return True


def _line(buffer: bytearray) -> bytes | None:
    end = buffer.find(b"\r\n", 0, _LINE_LIMIT + 2)
    if end < 0:
        if len(buffer) > _LINE_LIMIT:
            raise BadRequest(400, "malformed chunked encoding")
        return None
    line = bytes(buffer[:end])
    del buffer[: end + 2]
    return line


def body_of(length: int) -> Body:
    """The decoder for `Head.length`."""
    if length == CHUNKED:
        return ChunkedBody()
    return LengthBody(length) if length else Body(done=True)
