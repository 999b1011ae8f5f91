"""/tiffin: what Docker's API has no word for. How a container came about, and the runtime spec made for it."""

from __future__ import annotations

from typing import Any, Protocol

from tiffin.api.http.request import Request
from tiffin.api.http.response import Response, json_response
from tiffin.api.router import Route


class TraceApi(Protocol):
    """`engine.containers.service.Containers`."""

    def trace(self, reference: str) -> dict[str, Any]: ...
    def spec(self, reference: str) -> dict[str, Any]: ...


def routes(backend: TraceApi) -> list[Route]:
    async def trace(request: Request) -> Response:
        return json_response(backend.trace(request.vars["id"]))

    async def spec(request: Request) -> Response:
        return json_response(backend.spec(request.vars["id"]))

    return [
        Route("GET", "/tiffin/containers/{id}/trace", trace),
        Route("GET", "/tiffin/containers/{id}/spec", spec),
    ]
