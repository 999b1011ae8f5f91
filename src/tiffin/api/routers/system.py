"""/_ping, /version, /info, /events, /system/df, /auth: what a client asks of the engine as a whole."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Protocol

import msgspec

from tiffin.api.http.request import Request
from tiffin.api.http.response import Response, json_response
from tiffin.api.http.stream import Stream
from tiffin.api.router import Route
from tiffin.errors import InvalidParameter
from tiffin.wire import rfc3339

_SECOND = 1_000_000_000
_KINDS = ("container", "image", "volume", "build-cache")


class EventSource(Protocol):
    """A subscription: `async with` it, iterate over its messages."""

    async def __aenter__(self) -> EventSource: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...

    def __aiter__(self) -> AsyncIterator[dict[str, Any]]: ...


class SystemApi(Protocol):
    """What the endpoints need of the engine. Documents are those of API 1.51; older shapes are made here."""

    async def version(self) -> dict[str, Any]: ...

    async def info(self) -> dict[str, Any]: ...

    async def disk_usage(self, kinds: frozenset[str]) -> dict[str, Any]:
        """`kinds` of container, image, volume, build-cache; only their fields are in the answer."""

    def events(self, filters: Mapping[str, Sequence[str]], since_ns: int, until_ns: int) -> EventSource:
        """Stored events from `since_ns` (0: none), then live ones up to `until_ns` (0: for ever)."""

    async def authenticate(self, credentials: dict[str, Any]) -> dict[str, Any]:
        """{"Status", "IdentityToken"}; raises Unauthorized."""


def routes(system: SystemApi, builder: str = "1") -> list[Route]:
    """The endpoints of this noun. `builder` is what _ping recommends: "1" classic, "2" BuildKit."""
    api = _Handlers(system, builder)
    return [
        Route("GET", "/_ping", api.ping),
        Route("HEAD", "/_ping", api.ping),
        Route("OPTIONS", "/{path:.*}", api.options),
        Route("GET", "/version", api.version),
        Route("GET", "/info", api.info),
        Route("GET", "/events", api.events),
        Route("GET", "/system/df", api.disk_usage, since=(1, 25)),
        Route("POST", "/auth", api.auth),
    ]


class _Handlers:
    """Parse, one call, render."""

    def __init__(self, system: SystemApi, builder: str) -> None:
        self._system = system
        self._ping_headers = {
            "Cache-Control": "no-cache, no-store, must-revalidate",
            "Pragma": "no-cache",
            "Builder-Version": builder,
            "Swarm": "inactive",
        }

    async def ping(self, request: Request) -> Response:
        body = b"" if request.method == "HEAD" else b"OK"
        return Response(200, body, self._ping_headers, "text/plain; charset=utf-8")

    async def options(self, request: Request) -> Response:
        return Response(200, content_type=None)

    async def version(self, request: Request) -> Response:
        return json_response(await self._system.version())

    async def info(self, request: Request) -> Response:
        return json_response(info_for(await self._system.info(), request.version))

    async def disk_usage(self, request: Request) -> Response:
        kinds = request.query.all("type") if request.version >= (1, 42) else []
        for kind in kinds:
            if kind not in _KINDS:
                raise InvalidParameter(f"unknown object type: {kind}")
        return json_response(await self._system.disk_usage(frozenset(kinds or _KINDS)))

    async def auth(self, request: Request) -> Response:
        return json_response(await self._system.authenticate(await request.json_dict()))

    async def events(self, request: Request) -> None:
        since, until = _time(request, "since"), _time(request, "until")
        if until and until < since:
            asked = request.query.get("since"), request.query.get("until")
            raise InvalidParameter(f"`since` time ({asked[0]}) cannot be after `until` time ({asked[1]})")
        filters = request.query.filters()
        async with self._system.events(filters, since, until) as source, request.stream() as out:
            await _pump(source, out, request)


async def _pump(source: EventSource, out: Stream, request: Request) -> None:
    """Write messages until they end, the client goes, or the daemon does."""
    skip_image_create = request.version < (1, 46)
    messages = aiter(source)
    gone = asyncio.ensure_future(request.disconnected.wait())
    closing = asyncio.ensure_future(request.closing.wait())
    coming: asyncio.Task[dict[str, Any] | None] | None = None
    try:
        while True:
            coming = asyncio.create_task(_next(messages))
            await asyncio.wait((coming, gone, closing), return_when=asyncio.FIRST_COMPLETED)
            message = coming.result() if coming.done() else None
            if message is None:
                return
            if skip_image_create and message["Type"] == "image" and message["Action"] == "create":
                continue
            await out.write(msgspec.json.encode(message) + b"\n")
    finally:
        gone.cancel()
        closing.cancel()
        if coming is not None and not coming.done():
            coming.cancel()
            await asyncio.wait((coming,))


async def _next(messages: AsyncIterator[dict[str, Any]]) -> dict[str, Any] | None:
    return await anext(messages, None)


def _time(request: Request, name: str) -> int:
    """A bound in nanoseconds, 0 when not given; Unix times, RFC 3339 and durations that count back from now."""
    text = request.query.get(name)
    if not text:
        return 0
    try:
        return rfc3339.parse_unix(rfc3339.client_timestamp(text, time.time_ns()))
    except (ValueError, OverflowError) as error:
        raise InvalidParameter(str(error)) from None


def info_for(info: dict[str, Any], version: tuple[int, int]) -> dict[str, Any]:
    """`info` of API 1.51 as an older client expects it."""
    shown = dict(info)
    if version < (1, 44):
        shown["Runtimes"] = {
            name: {key: value for key, value in runtime.items() if key != "status"}
            for name, runtime in shown["Runtimes"].items()
        }
    if version < (1, 46):
        shown.pop("Containerd", None)
    if version < (1, 47):
        none = {"AllowNondistributableArtifactsCIDRs": None, "AllowNondistributableArtifactsHostnames": None}
        shown["RegistryConfig"] = {**shown["RegistryConfig"], **none}
    if version < (1, 49):
        shown.pop("FirewallBackend", None)
        for name in ("ContainerdCommit", "RuncCommit", "InitCommit"):
            shown[name] = {**shown[name], "Expected": shown[name]["ID"]}
    if version < (1, 50):
        shown.pop("DiscoveredDevices", None)
        shown["BridgeNfIptables"] = shown["BridgeNfIp6tables"] = False
    return shown
