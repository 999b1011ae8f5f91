"""/images/…: list, inspect, history, tag, delete, prune, import and pull (`create`), load and save (`get`).

Names hold slashes, so a pattern with a fixed last part comes before the one that is the name alone.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol

from tiffin.api.http.request import Request
from tiffin.api.http.response import Response, json_response
from tiffin.api.router import Route
from tiffin.errors import InvalidParameter, NotImplementedHere

Progress = Callable[[dict[str, Any]], Awaitable[None]]
Version = tuple[int, int]


class ImagesApi(Protocol):
    """What the endpoints need of the engine."""

    def summaries(
        self, filters: Mapping[str, Sequence[str]], *, all: bool, shared_size: bool, version: Version
    ) -> list[dict[str, Any]]: ...

    def inspect(self, name: str, *, version: Version) -> dict[str, Any]: ...

    def history(self, name: str, *, platform: str) -> list[dict[str, Any]]: ...

    async def tag(self, name: str, repository: str, tag: str) -> None: ...

    async def delete(self, name: str, *, force: bool, noprune: bool) -> list[dict[str, str]]: ...

    async def prune(self, filters: Mapping[str, Sequence[str]]) -> dict[str, Any]: ...

    async def import_(
        self,
        body: AsyncIterator[bytes],
        progress: Progress,
        *,
        repository: str,
        tag: str,
        message: str,
        changes: Sequence[str],
        platform: str,
    ) -> str: ...

    async def pull(self, image: str, tag: str, progress: Progress, *, platform: str, auth: str) -> None: ...

    async def load(
        self, body: AsyncIterator[bytes], progress: Progress, *, quiet: bool, platform: str
    ) -> None: ...

    def save(self, names: Sequence[str], *, platform: str) -> AsyncIterator[bytes]: ...


def routes(images: ImagesApi) -> list[Route]:
    """The endpoints of this noun."""
    api = _Handlers(images)
    return [
        Route("GET", "/images/json", api.list),
        Route("GET", "/images/get", api.save),
        Route("GET", "/images/{name:.*}/get", api.save),
        Route("GET", "/images/{name:.*}/history", api.history),
        Route("GET", "/images/{name:.*}/json", api.inspect),
        Route("POST", "/images/create", api.create),
        Route("POST", "/images/load", api.load),
        Route("POST", "/images/prune", api.prune, since=(1, 25)),
        Route("POST", "/images/{name:.*}/tag", api.tag),
        Route("DELETE", "/images/{name:.*}", api.delete),
    ]


class _Handlers:
    """Parse, one call, render."""

    def __init__(self, images: ImagesApi) -> None:
        self._images = images

    async def list(self, request: Request) -> Response:
        filters = request.query.filters()
        if request.version < (1, 25) and request.query.get("filter"):  # the parameter that `reference=` replaced
            filters["reference"] = [request.query.get("filter")]
        return json_response(
            self._images.summaries(
                filters,
                all=request.query.bool("all"),
                shared_size=request.version >= (1, 42) and request.query.bool("shared-size"),
                version=request.version,
            )
        )

    async def inspect(self, request: Request) -> Response:
        return json_response(self._images.inspect(request.vars["name"], version=request.version))

    async def history(self, request: Request) -> Response:
        platform = request.query.get("platform") if request.version >= (1, 48) else ""
        return json_response(self._images.history(request.vars["name"], platform=platform))

    async def tag(self, request: Request) -> Response:
        await self._images.tag(request.vars["name"], request.query.get("repo"), request.query.get("tag"))
        return Response(201)

    async def delete(self, request: Request) -> Response:
        name = request.vars["name"]
        if not name.strip():
            raise InvalidParameter("image name cannot be blank")
        query = request.query
        deleted = await self._images.delete(name, force=query.bool("force"), noprune=query.bool("noprune"))
        return json_response(deleted)

    async def prune(self, request: Request) -> Response:
        return json_response(await self._images.prune(request.query.filters()))

    async def create(self, request: Request) -> None:
        query = request.query
        platform = query.get("platform") if request.version >= (1, 32) else ""
        source = query.get("fromSrc")
        async with request.json_stream() as out:
            if query.get("fromImage"):
                auth = request.headers.get("x-registry-auth", "")
                await self._images.pull(
                    query.get("fromImage"), query.get("tag"), out.send, platform=platform, auth=auth
                )
            elif source == "-":
                await self._images.import_(
                    request.chunks(),
                    out.send,
                    repository=query.get("repo"),
                    tag=query.get("tag"),
                    message=query.get("message"),
                    changes=query.all("changes"),
                    platform=platform,
                )
            elif source:
                raise NotImplementedHere("importing from a URL is not supported: send the archive as the body")
            else:
                raise InvalidParameter("give fromImage or fromSrc: what the image is to be created from")

    async def load(self, request: Request) -> None:
        platform = request.query.get("platform") if request.version >= (1, 48) else ""
        async with request.json_stream() as out:
            quiet = request.query.bool("quiet")
            await self._images.load(request.chunks(), out.send, quiet=quiet, platform=platform)

    async def save(self, request: Request) -> None:
        names = [request.vars["name"]] if "name" in request.vars else request.query.all("names")
        platform = request.query.get("platform") if request.version >= (1, 48) else ""
        archive = self._images.save(names, platform=platform)
        async with request.stream(content_type="application/x-tar") as out:
            async for piece in archive:
                await out.write(piece)
