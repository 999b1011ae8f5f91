"""/exec and /containers/{id}/exec: parse, one call of the engine, render."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

from tiffin.api.http.request import Request
from tiffin.api.http.response import Response, json_response
from tiffin.api.router import Route
from tiffin.api.routers.containers import check_json, terminal_size
from tiffin.spec.container import ExecConfig, ExecStartConfig, decode_lenient


class Attachment(NamedTuple):
    """The hijacked connection as the engine takes it."""

    fd: int
    tail: bytes
    stdin: bool
    stdout: bool
    stderr: bool
    detach_keys: bytes
    multiplexed: bool


class ExecApi(Protocol):
    """`engine.execs.Execs`."""

    def create(self, reference: str, asked: ExecConfig) -> str: ...
    def check_start(self, id: str, *, detach: bool = False) -> bool: ...
    def asked(self, id: str) -> ExecConfig: ...
    def detach_keys_of(self, id: str) -> bytes: ...
    async def start(self, id: str, attachment: Any, *, console_size: list[int] | None = None) -> None: ...
    async def resize(self, id: str, rows: int, cols: int) -> None: ...
    def inspect(self, id: str) -> dict[str, Any]: ...


def routes(backend: ExecApi) -> list[Route]:
    handlers = _Handlers(backend)
    return [
        Route("POST", "/containers/{id}/exec", handlers.create),
        Route("POST", "/exec/{id}/start", handlers.start),
        Route("POST", "/exec/{id}/resize", handlers.resize),
        Route("GET", "/exec/{id}/json", handlers.inspect),
    ]


class _Handlers:
    def __init__(self, backend: ExecApi) -> None:
        self._backend = backend

    async def create(self, request: Request) -> Response:
        check_json(request)
        asked = decode_lenient(await request.body(), ExecConfig)
        return json_response({"Id": self._backend.create(request.vars["id"], asked)}, 201)

    async def start(self, request: Request) -> Response | None:
        backend, id = self._backend, request.vars["id"]
        body = decode_lenient(await request.body(), ExecStartConfig)
        tty = backend.check_start(id, detach=body.detach)
        if body.detach:
            await backend.start(id, None, console_size=body.console_size)
            return Response(200)
        asked, keys = backend.asked(id), backend.detach_keys_of(id)
        hijacked = await request.hijack(multiplexed=not tty)
        attachment = Attachment(
            hijacked.fd,
            hijacked.tail,
            stdin=asked.attach_stdin,
            stdout=asked.attach_stdout,
            stderr=asked.attach_stderr,
            detach_keys=keys,
            multiplexed=not tty,
        )
        await backend.start(id, attachment, console_size=body.console_size)
        return None

    async def resize(self, request: Request) -> Response:
        await self._backend.resize(request.vars["id"], *terminal_size(request))
        return Response(200)

    async def inspect(self, request: Request) -> Response:
        return json_response(self._backend.inspect(request.vars["id"]))
