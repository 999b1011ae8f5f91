"""/containers, /exec and /tiffin over a real server and the real engine on fakes: statuses, bodies, streams, hijack."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from engine_fakes import FakeStartError, World

from tiffin.api.http.server import HttpServer
from tiffin.api.router import Router
from tiffin.api.routers import containers, exec, tiffin


class Client:
    """One request a connection, spelt out."""

    def __init__(self, path: str) -> None:
        self._path = path

    async def open(
        self, method: str, target: str, body: Any = None, headers: str = ""
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_unix_connection(self._path)
        data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        kind = "Content-Type: application/json\r\n" if body is not None else ""
        head = f"{method} {target} HTTP/1.1\r\nHost: x\r\n{kind}{headers}Content-Length: {len(data)}\r\n\r\n"
        writer.write(head.encode() + data)
        await writer.drain()
        return reader, writer

    async def ask(self, method: str, target: str, body: Any = None) -> tuple[int, Any]:
        reader, writer = await self.open(method, target, body, "Connection: close\r\n")
        answer = await reader.read()
        writer.close()
        head, _, payload = answer.partition(b"\r\n\r\n")
        if b"chunked" in head:
            payload = _unchunked(payload)
        try:
            return int(head.split()[1]), json.loads(payload) if payload.strip() else None
        except ValueError:
            return int(head.split()[1]), payload


def _unchunked(payload: bytes) -> bytes:
    found = b""
    while payload:
        size, _, rest = payload.partition(b"\r\n")
        length = int(size, 16)
        found += rest[:length]
        payload = rest[length + 2 :]
    return found


def serve(tmp_path: Path, story: Callable[[World, Client], Awaitable[None]]) -> None:
    async def told() -> None:
        world = World(str(tmp_path / "root"))
        router = Router(containers.routes(world.containers))
        router.include(exec.routes(world.containers.execs))
        router.include(tiffin.routes(world.containers))
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(tmp_path / "sock"))
        listener.listen()
        server = HttpServer(router)
        serving = asyncio.ensure_future(server.serve(listener, None))
        async with asyncio.timeout(10):
            await story(world, Client(str(tmp_path / "sock")))
        await server.close(1)
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
        listener.close()
        await world.containers.close()

    asyncio.run(told())


BUSYBOX = {"Image": "busybox", "Cmd": ["sh"]}


def test_a_container_goes_from_create_to_delete(tmp_path: Path) -> None:
    async def story(world: World, client: Client) -> None:
        status, made = await client.ask("POST", "/v1.51/containers/create?name=box", BUSYBOX)
        assert status == 201 and made["Warnings"] == []
        id = made["Id"]
        assert await client.ask("POST", f"/containers/{id}/start") == (204, None)
        assert (await client.ask("POST", "/containers/box/start"))[0] == 304
        status, listed = await client.ask("GET", "/v1.24/containers/json")
        assert status == 200 and listed[0]["Id"] == id
        status, found = await client.ask("GET", "/containers/box/json?size=1")
        assert status == 200 and found["State"]["Running"] and found["SizeRw"] == 0
        assert await client.ask("DELETE", "/containers/box") == (
            409,
            {
                "message": 'cannot remove container "/box": container is running: '
                "stop the container before removing or force remove"
            },
        )
        assert (await client.ask("POST", "/containers/box/resize?h=10&w=20"))[0] == 200
        assert world.shim(id).size == (10, 20)
        assert (await client.ask("POST", "/containers/box/resize?h=10"))[0] == 400
        assert (await client.ask("POST", "/containers/box/pause"))[0] == 204
        assert (await client.ask("POST", "/containers/box/unpause"))[0] == 204
        assert (await client.ask("POST", "/containers/box/rename?name=bax"))[0] == 204
        assert (await client.ask("POST", "/containers/bax/stop?t=1"))[0] == 204
        assert (await client.ask("POST", "/containers/bax/stop"))[0] == 304
        assert (await client.ask("POST", "/containers/bax/kill"))[0] == 409
        assert (await client.ask("POST", "/containers/bax/wait"))[1] == {"StatusCode": 143}
        assert (await client.ask("DELETE", "/containers/bax?v=1"))[0] == 204
        assert await client.ask("GET", "/containers/bax/json") == (404, {"message": "No such container: bax"})

    serve(tmp_path, story)


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"{}", 400, "config cannot be empty in order to create a container"),
        (b"{", 400, "invalid JSON"),
        (b"", 400, "invalid JSON: got EOF while reading request body"),
        ({"Image": "nope"}, 404, "No such image: nope:latest"),
        ({"Image": "busybox", "Tty": 1}, 400, "invalid JSON"),
    ],
)
def test_a_create_that_is_refused_has_dockers_status_and_words(
    tmp_path: Path, body: Any, status: int, words: str
) -> None:
    async def story(world: World, client: Client) -> None:
        got, answer = await client.ask("POST", "/containers/create", body)
        assert got == status and words in answer["message"]

    serve(tmp_path, story)


def test_a_create_must_say_that_it_is_json(tmp_path: Path) -> None:
    async def story(world: World, client: Client) -> None:
        status, answer = await client.ask("POST", "/containers/create")
        assert (status, answer["message"]) == (400, "malformed Content-Type header (): mime: no media type")

    serve(tmp_path, story)


def test_wait_sends_its_head_before_the_container_is_started(tmp_path: Path) -> None:
    async def story(world: World, client: Client) -> None:
        id = await world.create("box")
        reader, writer = await client.open("POST", "/containers/box/wait?condition=next-exit")
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 OK")
        await client.ask("POST", "/containers/box/start")
        world.shim(id).end(3)
        assert b'{"StatusCode":3}' in await reader.readuntil(b"}")
        writer.close()

    serve(tmp_path, story)


def test_a_failed_start_is_400_with_the_words_that_the_cli_looks_for(tmp_path: Path) -> None:
    async def story(world: World, client: Client) -> None:
        await world.create("box")
        world.supervisor.refuse = FakeStartError('exec: "x": executable file not found in $PATH', 127)
        status, answer = await client.ask("POST", "/containers/box/start")
        assert status == 400 and "executable file not found in $PATH" in answer["message"]

    serve(tmp_path, story)


@pytest.mark.parametrize(("upgrade", "line"), [("Upgrade: tcp\r\nConnection: Upgrade\r\n", b"101"), ("", b"200")])
def test_attach_hands_the_connection_to_the_shim(tmp_path: Path, upgrade: str, line: bytes) -> None:
    async def story(world: World, client: Client) -> None:
        id = await world.create("box", b'{"Image":"busybox","OpenStdin":true}')
        await client.ask("POST", "/containers/box/start")
        target = "/containers/box/attach?stream=1&stdin=1&stdout=1"
        reader, writer = await client.open("POST", target, None, upgrade)
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.split()[1] == line and b"multiplexed-stream" in head
        await world.settled(lambda: world.shim(id).attached)
        ((fd, options),) = world.shim(id).attached
        assert (options["stdin"], options["stdout"], options["stderr"]) == (True, True, False)
        with socket.socket(fileno=fd) as shim:
            shim.send(b"from the shim")
        assert await reader.read() == b"from the shim"
        writer.close()

    serve(tmp_path, story)


def test_attaching_to_what_is_paused_is_a_conflict(tmp_path: Path) -> None:
    async def story(world: World, client: Client) -> None:
        await world.create("box")
        await client.ask("POST", "/containers/box/start")
        await client.ask("POST", "/containers/box/pause")
        status, answer = await client.ask("POST", "/containers/box/attach?stream=1")
        assert status == 409 and "unpause the container before attach" in answer["message"]

    serve(tmp_path, story)


def test_logs_need_a_stream_and_give_what_is_on_disk(tmp_path: Path) -> None:
    async def story(world: World, client: Client) -> None:
        id = await world.create("box")
        status, answer = await client.ask("GET", "/containers/box/logs")
        assert (status, answer["message"]) == (400, "Bad parameters: you must choose at least one stream")
        with open(f"{world.settings.container_dir(id)}/{id}-json.log", "w", encoding="ascii") as file:
            file.write('{"log":"hello\\n","stream":"stdout","time":"2024-01-01T00:00:00.000000000Z"}\n')
        status, found = await client.ask("GET", "/containers/box/logs?stdout=1&follow=1")
        assert (status, found) == (200, b"\x01\0\0\0\0\0\0\x06hello\n")

    serve(tmp_path, story)


def test_an_exec_is_made_started_and_looked_at(tmp_path: Path) -> None:
    async def story(world: World, client: Client) -> None:
        id = await world.create("box")
        status, answer = await client.ask("POST", "/containers/box/exec", {"Cmd": ["ls"]})
        assert (status, answer["message"]) == (409, f"container {id} is not running")
        await client.ask("POST", "/containers/box/start")
        status, made = await client.ask("POST", "/containers/box/exec", {"Cmd": ["ls"], "AttachStdout": True})
        assert status == 201
        assert (await client.ask("POST", f"/exec/{made['Id']}/start", {"Detach": True}))[0] == 200
        assert (await client.ask("POST", f"/exec/{made['Id']}/start", {"Detach": True}))[0] == 409
        status, found = await client.ask("GET", f"/exec/{made['Id']}/json")
        assert status == 200 and found["Running"] and found["ProcessConfig"]["entrypoint"] == "ls"
        assert (await client.ask("GET", "/exec/zap/json")) == (404, {"message": "No such exec instance: zap"})

    serve(tmp_path, story)


def test_the_trace_and_the_runtime_spec_have_their_own_place(tmp_path: Path) -> None:
    async def story(world: World, client: Client) -> None:
        id = await world.create("box")
        status, trace = await client.ask("GET", "/tiffin/containers/box/trace")
        assert status == 200 and trace["id"] == id and trace["steps"]
        status, spec = await client.ask("GET", "/tiffin/containers/box/spec")
        assert status == 200 and spec["process"]["args"] == ["sh"]

    serve(tmp_path, story)


def test_filters_come_in_both_of_dockers_forms(tmp_path: Path) -> None:
    async def story(world: World, client: Client) -> None:
        await world.create("box")
        for text in ('{"status":["created"]}', '{"status":{"created":true}}'):
            target = "/containers/json?filters=" + text.replace('"', "%22")
            assert len((await client.ask("GET", target))[1]) == 1
        status, pruned = await client.ask("POST", "/containers/prune")
        assert status == 200 and len(pruned["ContainersDeleted"]) == 1

    serve(tmp_path, story)
