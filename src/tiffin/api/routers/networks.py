"""/networks…: list and inspect. What changes networks answers 501 until user-defined networks exist."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from tiffin.api.http.request import Request
from tiffin.api.http.response import Response, json_response
from tiffin.api.router import Route
from tiffin.errors import Forbidden, NotImplementedHere


class NetworksApi(Protocol):
    """What the endpoints need of the engine."""

    def summaries(
        self, filters: Mapping[str, Sequence[str]], *, version: tuple[int, int]
    ) -> list[dict[str, Any]]: ...

    def inspect(self, reference: str, *, scope: str = "", version: tuple[int, int]) -> dict[str, Any]: ...


def routes(networks: NetworksApi) -> list[Route]:
    """The endpoints of this noun."""
    api = _Handlers(networks)
    return [
        Route("GET", "/networks", api.list),
        Route("GET", "/networks/", api.list),
        Route("GET", "/networks/{id}", api.inspect),
        Route("POST", "/networks/create", api.create),
        Route("POST", "/networks/prune", api.prune, since=(1, 25)),
        Route("POST", "/networks/{id}/connect", api.connect),
        Route("POST", "/networks/{id}/disconnect", api.connect),
        Route("DELETE", "/networks/{id}", api.delete),
    ]


class _Handlers:
    """Parse, one call, render."""

    def __init__(self, networks: NetworksApi) -> None:
        self._networks = networks

    async def list(self, request: Request) -> Response:
        return json_response(self._networks.summaries(request.query.filters(), version=request.version))

    async def inspect(self, request: Request) -> Response:
        scope = request.query.get("scope")
        return json_response(self._networks.inspect(request.vars["id"], scope=scope, version=request.version))

    async def create(self, request: Request) -> Response:
        raise NotImplementedHere("creating networks is not supported yet: use bridge, host, none or container:<id>")

    async def connect(self, request: Request) -> Response:
        self._networks.inspect(request.vars["id"], version=request.version)
        raise NotImplementedHere("connecting and disconnecting networks is not supported yet")

    async def prune(self, request: Request) -> Response:
        """There is nothing that could be unused."""
        return json_response({"NetworksDeleted": None})

    async def delete(self, request: Request) -> Response:
        found = self._networks.inspect(request.vars["id"], version=request.version)
        raise Forbidden(f"{found['Name']} is a pre-defined network and cannot be removed")
