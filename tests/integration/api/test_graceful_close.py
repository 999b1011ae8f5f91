"""A planned restart fails no request: what was accepted is answered, what was not waits in the backlog."""

from __future__ import annotations

import asyncio
import socket
import threading
from pathlib import Path
from typing import Any

import pytest

from tiffin.api.http.request import Request
from tiffin.api.http.response import json_response
from tiffin.api.http.server import HttpServer
from tiffin.api.router import Router

GET = b"GET /value HTTP/1.1\r\nHost: x\r\n\r\n"


class Daemon:
    """One generation of a daemon on a listening socket that outlives it."""

    def __init__(self, listener: socket.socket, router: Router) -> None:
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever)
        self.thread.start()
        self.listener = listener.dup()

        async def start() -> HttpServer:
            server = HttpServer(router)
            await server.serve(self.listener)
            return server

        self.server = asyncio.run_coroutine_threadsafe(start(), self.loop).result(20)

    def close(self, timeout: float) -> None:
        asyncio.run_coroutine_threadsafe(self.server.close(timeout), self.loop).result(20)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(20)
        self.loop.close()
        self.listener.close()


def asking_router(seen: dict[str, Any]) -> Router:
    async def value(request: Request) -> Any:
        await asyncio.sleep(0)
        return json_response("value")

    async def slow(request: Request) -> Any:
        seen["began"] = True
        await request.closing.wait()
        for _ in range(100):
            await asyncio.sleep(0)
        return json_response("slow")

    async def events(request: Request) -> None:
        async with request.stream() as out:
            seen["began"] = True
            await request.closing.wait()
            await out.write(b"last\n")

    async def stuck(request: Request) -> None:
        seen["began"] = True
        try:
            await asyncio.Event().wait()
        finally:
            seen["cancelled"] = True

    router = Router()
    for path, handler in [("/value", value), ("/slow", slow), ("/events", events), ("/stuck", stuck)]:
        router.add("GET", path, handler)
    return router


@pytest.fixture
def listener(tmp_path: Path) -> Any:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(tmp_path / "edge.sock"))
        sock.listen(128)
        yield sock


def connect(listener: socket.socket) -> socket.socket:
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(20)
    client.connect(listener.getsockname())
    return client


def test_clients_that_keep_asking_see_no_failure_over_ten_restarts(listener: Any, http: Any) -> None:
    """A send that fails before anything was accepted is tried again, as HTTP clients do; nothing else is forgiven."""
    stop = threading.Event()
    failures: list[str] = []
    counts = [0] * 6

    def ask(number: int) -> None:
        client = connect(listener)
        while not stop.is_set():
            try:
                client.sendall(GET)
            except BrokenPipeError:
                client.close()
                client = connect(listener)
                continue
            try:
                status, headers, body = http.read_answer(client)
            except (OSError, AssertionError) as error:
                failures.append(repr(error))
                break
            counts[number] += 1
            if body != b'"value"\n':
                failures.append(f"{status} {body!r}")
            if headers.get("Connection") == "close":
                client.close()
                client = connect(listener)
        client.close()

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(len(counts))]
    for thread in threads:
        thread.start()
    for _ in range(10):
        daemon = Daemon(listener, asking_router({}))
        goal = sum(counts) + 200
        http.until(lambda goal=goal: sum(counts) >= goal or bool(failures))
        daemon.close(5)
    last = Daemon(listener, asking_router({}))
    stop.set()
    for thread in threads:
        thread.join(20)
    last.close(5)
    assert not failures


@pytest.mark.parametrize(("path", "ending"), [("/slow", b'"slow"\n'), ("/events", b"5\r\nlast\n\r\n0\r\n\r\n")])
def test_a_request_in_progress_is_answered_before_the_server_ends(
    listener: Any, http: Any, path: str, ending: bytes
) -> None:
    seen: dict[str, Any] = {}
    daemon = Daemon(listener, asking_router(seen))
    with connect(listener) as client, connect(listener) as idle:
        idle.sendall(GET)
        http.read_answer(idle)
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        http.until(lambda: seen.get("began", False))
        daemon.close(10)
        assert http.read_all(client).endswith(ending)
        assert http.read_all(idle) == b""


def test_a_handler_that_does_not_end_is_cut_at_the_deadline(listener: Any, http: Any) -> None:
    seen: dict[str, Any] = {}
    daemon = Daemon(listener, asking_router(seen))
    with connect(listener) as client:
        client.sendall(b"GET /stuck HTTP/1.1\r\nHost: x\r\n\r\n")
        http.until(lambda: seen.get("began", False))
        daemon.close(0.05)
        assert seen["cancelled"]
        assert http.read_all(client) == b""


def test_a_connection_made_but_silent_is_still_served(listener: Any, http: Any) -> None:
    daemon = Daemon(listener, asking_router({}))
    with connect(listener) as client:
        http.until(lambda: len(daemon.server.connections) == 1)
        closing = threading.Thread(target=daemon.close, args=(5,))
        closing.start()
        http.until(daemon.server.closing.is_set)
        client.sendall(GET)
        _, headers, body = http.read_answer(client)
        assert (body, headers["Connection"]) == (b'"value"\n', "close")
        closing.join(20)
