"""/containers: parse, one call of the engine, render. What the engine must offer is `ContainersApi`."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Protocol

import msgspec

from tiffin.api.http.request import Request
from tiffin.api.http.response import Response, json_response
from tiffin.api.router import Route
from tiffin.errors import InvalidParameter, NotImplementedHere, TiffinError
from tiffin.spec.container import ContainerCreateRequest, decode_create

BODY_LIMIT = 4 << 20  # a seccomp profile travels inside
Filters = Mapping[str, Sequence[str]]
Version = tuple[int, int]


class Created(Protocol):
    @property
    def id(self) -> str: ...
    @property
    def warnings(self) -> list[str]: ...


class WaitResult(Protocol):
    @property
    def code(self) -> int: ...
    @property
    def error(self) -> str: ...


class ContainersApi(Protocol):
    """`engine.containers.service.Containers`."""

    async def create(self, request: ContainerCreateRequest, name: str = "", platform: str = "") -> Created: ...
    async def start(self, reference: str, keys: str = "") -> None: ...
    async def stop(self, reference: str, timeout: int | None = None, signal: str = "") -> None: ...
    async def restart(self, reference: str, timeout: int | None = None, signal: str = "") -> None: ...
    async def kill(self, reference: str, signal: str = "") -> None: ...
    async def pause(self, reference: str) -> None: ...
    async def unpause(self, reference: str) -> None: ...
    async def resize(self, reference: str, rows: int, cols: int) -> None: ...
    async def rename(self, reference: str, name: str) -> None: ...
    async def remove(self, reference: str, *, force: bool, volumes: bool, link: bool = False) -> None: ...
    async def prune(self, filters: Filters) -> dict[str, Any]: ...
    def wait(self, reference: str, condition: str) -> asyncio.Future[Any]: ...
    def check_attach(self, reference: str, keys: str = "") -> bool: ...
    async def attach(
        self,
        reference: str,
        fd: int,
        tail: bytes,
        *,
        stdin: bool,
        stdout: bool,
        stderr: bool,
        keys: str,
        logs: bool,
        stream: bool,
    ) -> None: ...
    def logs(self, reference: str, **asked: Any) -> tuple[bool, AsyncIterator[bytes]]: ...
    async def list(
        self, *, all: bool, limit: int, size: bool, filters: Filters, version: Version = (1, 51)
    ) -> list[dict[str, Any]]: ...
    async def inspect(self, reference: str, *, size: bool, version: Version = (1, 51)) -> dict[str, Any]: ...
    async def top(self, reference: str, arguments: str) -> dict[str, Any]: ...


def routes(backend: ContainersApi) -> list[Route]:
    at = "/containers/{id}"
    handlers = _Handlers(backend)
    return [
        Route("GET", "/containers/json", handlers.list),
        Route("POST", "/containers/create", handlers.create),
        Route("POST", "/containers/prune", handlers.prune, since=(1, 25)),
        Route("GET", f"{at}/json", handlers.inspect),
        Route("GET", f"{at}/logs", handlers.logs),
        Route("GET", f"{at}/top", handlers.top),
        Route("POST", f"{at}/start", handlers.start),
        Route("POST", f"{at}/stop", handlers.stop),
        Route("POST", f"{at}/restart", handlers.restart),
        Route("POST", f"{at}/kill", handlers.kill),
        Route("POST", f"{at}/pause", handlers.pause),
        Route("POST", f"{at}/unpause", handlers.unpause),
        Route("POST", f"{at}/rename", handlers.rename),
        Route("POST", f"{at}/resize", handlers.resize),
        Route("POST", f"{at}/wait", handlers.wait),
        Route("POST", f"{at}/attach", handlers.attach),
        Route("DELETE", at, handlers.remove),
        # Docker's own code for what a build of it lacks.
        Route("POST", f"{at}/checkpoints", handlers.no_checkpoints),
        Route("GET", f"{at}/checkpoints", handlers.no_checkpoints),
    ]


class _Handlers:
    def __init__(self, backend: ContainersApi) -> None:
        self._backend = backend

    async def list(self, request: Request) -> Response:
        query = request.query
        found = await self._backend.list(
            all=query.bool("all"),
            limit=query.int("limit"),
            size=query.bool("size"),
            filters=query.filters(),
            version=request.version,
        )
        return json_response(found)

    async def create(self, request: Request) -> Response:
        check_json(request)
        body = decode_create(await request.body(BODY_LIMIT))
        query = request.query
        created = await self._backend.create(body, query.get("name"), query.get("platform"))
        return json_response({"Id": created.id, "Warnings": created.warnings}, 201)

    async def prune(self, request: Request) -> Response:
        return json_response(await self._backend.prune(request.query.filters()))

    async def inspect(self, request: Request) -> Response:
        size = request.query.bool("size")
        return json_response(await self._backend.inspect(request.vars["id"], size=size, version=request.version))

    async def top(self, request: Request) -> Response:
        return json_response(await self._backend.top(request.vars["id"], request.query.get("ps_args")))

    async def start(self, request: Request) -> None:
        if request.length > 2 or (request.length < 0 and (await request.body()).strip() not in (b"", b"{}")):
            raise InvalidParameter(
                "starting container with non-empty request body was deprecated since API v1.22 and removed in v1.24"
            )
        await self._backend.start(request.vars["id"], request.query.get("detachKeys"))

    async def stop(self, request: Request) -> None:
        await self._backend.stop(request.vars["id"], _timeout(request), request.query.get("signal"))

    async def restart(self, request: Request) -> None:
        await self._backend.restart(request.vars["id"], _timeout(request), request.query.get("signal"))

    async def kill(self, request: Request) -> None:
        id = request.vars["id"]
        try:
            await self._backend.kill(id, request.query.get("signal"))
        except TiffinError as error:
            raise type(error)(f"cannot kill container: {id}: {error.message}") from error

    async def pause(self, request: Request) -> None:
        await self._backend.pause(request.vars["id"])

    async def unpause(self, request: Request) -> None:
        await self._backend.unpause(request.vars["id"])

    async def rename(self, request: Request) -> None:
        await self._backend.rename(request.vars["id"], request.query.get("name"))

    async def resize(self, request: Request) -> Response:
        await self._backend.resize(request.vars["id"], *terminal_size(request))
        return Response(200)

    async def remove(self, request: Request) -> None:
        query = request.query
        await self._backend.remove(
            request.vars["id"], force=query.bool("force"), volumes=query.bool("v"), link=query.bool("link")
        )

    async def wait(self, request: Request) -> None:
        """The head goes out at once: the docker CLI starts the container only when it has it."""
        future = self._backend.wait(request.vars["id"], request.query.get("condition"))
        async with request.stream() as out:
            result: WaitResult = await request.unless_gone(future)
            answer: dict[str, Any] = {"StatusCode": result.code}
            if result.error:
                answer["Error"] = {"Message": result.error}
            await out.write(msgspec.json.encode(answer) + b"\n")

    async def attach(self, request: Request) -> None:
        query, reference = request.query, request.vars["id"]
        keys = query.get("detachKeys")
        tty = self._backend.check_attach(reference, keys)
        hijacked = await request.hijack(multiplexed=not tty)
        await self._backend.attach(
            reference,
            hijacked.fd,
            hijacked.tail,
            stdin=query.bool("stdin"),
            stdout=query.bool("stdout"),
            stderr=query.bool("stderr"),
            keys=keys,
            logs=query.bool("logs"),
            stream=query.bool("stream"),
        )

    async def logs(self, request: Request) -> None:
        query = request.query
        multiplexed, chunks = self._backend.logs(
            request.vars["id"],
            follow=query.bool("follow"),
            stdout=query.bool("stdout"),
            stderr=query.bool("stderr"),
            since=query.get("since"),
            until=query.get("until"),
            tail=query.get("tail"),
            timestamps=query.bool("timestamps"),
            details=query.bool("details"),
        )
        framed = multiplexed and request.version >= (1, 42)
        kind = "multiplexed-stream" if framed else "raw-stream"
        async with request.stream(content_type=f"application/vnd.docker.{kind}") as out:
            await send(request, out.write, chunks)

    async def no_checkpoints(self, request: Request) -> None:
        raise NotImplementedHere("checkpoints are not supported by this daemon")


async def send(request: Request, write: Any, chunks: AsyncIterator[bytes]) -> None:
    """Chunks until they end, the client goes or the server closes."""

    async def pump() -> None:
        async for chunk in chunks:
            await write(chunk)

    async def end() -> None:
        tasks = [asyncio.ensure_future(pump()), asyncio.ensure_future(request.closing.wait())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if tasks[0].done():
                await tasks[0]
        finally:
            for task in tasks:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError, Exception):
                    await task

    await request.unless_gone(end())


def _timeout(request: Request) -> int | None:
    """`t` in seconds; absent is the container's own."""
    return request.query.int("t") if request.query.get("t") else None


def terminal_size(request: Request) -> tuple[int, int]:
    query = request.query
    for name in ("h", "w"):
        if not query.get(name):
            raise InvalidParameter(f'strconv.ParseUint: parsing "{query.get(name)}": invalid syntax')
    return query.int("h"), query.int("w")


def check_json(request: Request) -> None:
    """The body of a create must say that it is JSON, in dockerd's words."""
    kind = request.headers.get("content-type", "")
    media = kind.partition(";")[0].strip().lower()
    if not media:
        raise InvalidParameter("malformed Content-Type header (): mime: no media type")
    if media != "application/json":
        raise InvalidParameter(f"unsupported Content-Type header ({kind}): must be 'application/json'")
