"""Answers that grow while they are sent: chunked (HTTP/1.1) or until the connection ends (HTTP/1.0)."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any

import msgspec

from tiffin.errors import TiffinError

if TYPE_CHECKING:
    from tiffin.api.http.connection import Connection


class ClientGone(Exception):
    """The client closed its connection; there is nobody to answer."""


class Stream:
    """An answer in chunks. Leaving the block normally ends it; an exception cuts the connection, which tells the
    client that the answer is not whole."""

    __slots__ = ("_chunked", "_connection", "_content_type", "_headers", "_silent", "_status", "started")

    def __init__(
        self, connection: Connection, status: int, content_type: str, headers: dict[str, str] | None
    ) -> None:
        self._connection = connection
        self._status = status
        self._content_type = content_type
        self._headers = headers
        self._chunked = True
        self._silent = False
        self.started = False

    async def __aenter__(self) -> Stream:
        self.start()
        return self

    def start(self) -> None:
        """Send the head, at once."""
        self.started = True
        self._chunked, self._silent = self._connection.start_stream(self._status, self._content_type, self._headers)

    async def write(self, data: bytes | bytearray | memoryview) -> None:
        """Queue `data`; waits while the client is slow. Raises ClientGone."""
        if not data or self._silent:
            self._connection.check()
            return
        if self._chunked:
            await self._connection.write(b"".join((b"%x\r\n" % len(data), data, b"\r\n")))
        else:
            await self._connection.write(bytes(data))

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            await self.finish()
        else:
            self._connection.cut()

    async def finish(self) -> None:
        if self._chunked and not self._silent:
            await self._connection.write(b"0\r\n\r\n")


class JsonStream:
    """Progress messages, `{…}CRLF` each. The head goes out with the first message, so that an error before it still
    has its own status; an error after it is sent as Docker's last line, and the block ends quietly."""

    __slots__ = ("_stream",)

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    async def __aenter__(self) -> JsonStream:
        return self

    async def send(self, message: Any) -> None:
        """One message."""
        await self.raw(msgspec.json.encode(message) + b"\r\n")

    async def raw(self, data: bytes) -> None:
        """Bytes that are already such messages."""
        if not self._stream.started:
            self._stream.start()
        await self._stream.write(data)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if isinstance(error, TiffinError) and self._stream.started:
            await self.send({"errorDetail": {"message": error.message}, "error": error.message})
            await self._stream.finish()
            return True
        if kind is None:
            if not self._stream.started:
                self._stream.start()
            await self._stream.finish()
        elif self._stream.started:
            await self._stream.__aexit__(kind, error, trace)
        return False
