"""A request as a handler sees it, and what a handler can do with its connection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from tiffin.api.http.hijack import Hijacked
from tiffin.api.http.query import Query
from tiffin.api.http.stream import ClientGone, JsonStream, Stream
from tiffin.errors import InvalidParameter

if TYPE_CHECKING:
    from tiffin.api.http.connection import Connection
    from tiffin.api.http.head import Head

T = TypeVar("T")
_MULTIPLEXED_SINCE = (1, 42)


class Request:
    """One request. The router fills in `path` (without the version), `version` and `vars`."""

    __slots__ = (
        "_connection",
        "_query",
        "headers",
        "http11",
        "length",
        "method",
        "path",
        "raw_query",
        "vars",
        "version",
    )

    def __init__(self, connection: Connection, head: Head) -> None:
        self._connection = connection
        self._query: Query | None = None
        self.method = head.method
        self.path = head.path
        self.raw_query = head.query
        self.headers = head.headers
        self.http11 = head.http11
        self.length = head.length
        self.version: tuple[int, int] = (0, 0)
        self.vars: dict[str, str] = {}

    @property
    def query(self) -> Query:
        if self._query is None:
            self._query = Query(self.raw_query)
        return self._query

    @property
    def disconnected(self) -> asyncio.Event:
        """Set when the client has closed its side, as Go's request context is cancelled."""
        return self._connection.disconnected()

    @property
    def closing(self) -> asyncio.Event:
        """Set when the server shuts down gracefully: endless answers (events, logs -f) should end now."""
        return self._connection.server.closing

    async def unless_gone(self, awaitable: Awaitable[T]) -> T:
        """The awaitable's result; cancels it and raises ClientGone when the client disconnects first."""
        work: asyncio.Future[T] = asyncio.ensure_future(awaitable)
        gone = asyncio.ensure_future(self.disconnected.wait())
        try:
            await asyncio.wait((work, gone), return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                raise ClientGone
            return work.result()
        finally:
            work.cancel()
            gone.cancel()

    # -- the body ---------------------------------------------------------------------------------------------------

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body's bytes as they come, with back-pressure on the client; no limit on size or time."""
        while chunk := await self._connection.read_body():
            yield chunk

    async def body(self, limit: int | None = None) -> bytes:
        """The whole body, at most `limit` bytes (the server's limit when None) and within the server's time."""
        limits = self._connection.server.limits
        most = limits.body_bytes if limit is None else limit
        if self.length > most:
            raise InvalidParameter("http: request body too large")
        try:
            async with asyncio.timeout(limits.body_seconds):
                return await self._gather(most)
        except TimeoutError:
            raise InvalidParameter("timed out reading the request body") from None

    async def _gather(self, most: int) -> bytes:
        gathered = bytearray()
        while chunk := await self._connection.read_body():
            gathered += chunk
            if len(gathered) > most:
                raise InvalidParameter("http: request body too large")
        return bytes(gathered)

    async def json(self, type: type[T], *, default: T | None = None) -> T:
        """The body decoded and checked as `type` (msgspec). An empty body is `default`, an error when that is None."""
        self._check_for_json()
        data = await self.body()
        if not data.strip():
            if default is not None:
                return default
            raise InvalidParameter("invalid JSON: got EOF while reading request body")
        try:
            return msgspec.json.decode(data, type=type)
        except msgspec.MsgspecError as error:
            raise InvalidParameter(_json_error(error)) from None
        except (UnicodeDecodeError, RecursionError) as error:
            raise InvalidParameter(f"invalid JSON: {error}") from None

    async def json_dict(self, *, default: dict[str, Any] | None = None) -> dict[str, Any]:
        """The body as a JSON object of any shape."""
        return await self.json(dict[str, Any], default=default)

    def _check_for_json(self) -> None:
        kind = self.headers.get("content-type", "")
        if not kind and self.length == 0:
            return
        media = kind.partition(";")[0].strip().lower()
        if not media:
            raise InvalidParameter("malformed Content-Type header (): mime: no media type")
        if media != "application/json":
            raise InvalidParameter(f"unsupported Content-Type header ({kind}): must be 'application/json'")

    # -- the answer -------------------------------------------------------------------------------------------------

    def stream(
        self,
        status: int = 200,
        content_type: str = "application/json",
        headers: dict[str, str] | None = None,
    ) -> Stream:
        """`async with request.stream() as out: await out.write(b"…")`; the head is flushed on entry."""
        return Stream(self._connection, status, content_type, headers)

    def json_stream(self, content_type: str = "application/json") -> JsonStream:
        """Progress messages, one JSON object a line; an error after the first line becomes a line itself."""
        return JsonStream(Stream(self._connection, 200, content_type, None))

    @property
    def answered(self) -> bool:
        """The answer's head is out, or the connection has another owner."""
        return self._connection.answered

    @property
    def wants_upgrade(self) -> bool:
        """The request carries an `Upgrade` header (any protocol: dockerd looks no closer for attach)."""
        return "upgrade" in self.headers

    async def hijack(self, multiplexed: bool = False) -> Hijacked:
        """Answer an attach and hand the connection over. `multiplexed`: the stream has frames (no tty).

        101 when the client asked for an upgrade, else 200; the multiplexed media type from API 1.42 on.
        """
        framed = multiplexed and self.version >= _MULTIPLEXED_SINCE
        return await self._connection.hijack_attach(upgrade=self.wants_upgrade, multiplexed=framed)

    async def hijack_protocol(self, protocol: str) -> Hijacked:
        """Answer `101 Switching Protocols` to `protocol` (h2c) and hand the connection over."""
        return await self._connection.hijack_switch(protocol)


def _json_error(error: msgspec.MsgspecError) -> str:
    """Docker's prefix, then what is wrong and where."""
    text = str(error)
    if text.startswith("Input data was truncated"):
        return "invalid JSON: unexpected EOF"
    if isinstance(error, msgspec.ValidationError):
        return f"invalid JSON: json: cannot unmarshal: {text}"
    return f"invalid JSON: {text.removeprefix('JSON is malformed: ')}"
