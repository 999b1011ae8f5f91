"""The contract of a hijacked connection: whatever the client asks for and whenever its stdin comes, no byte is lost.

{101, no Upgrade header, h2c} x {body, none} x {stdin in the same segment, a byte later, half-closed}, on every kind of
socket, and both ways.
"""

from __future__ import annotations

import hashlib
import os
import socket
import threading
from typing import Any

import pytest

from tiffin.api.http.request import Request
from tiffin.api.router import Router

BODY = b'{"Detach":false,"Tty":false}'
STDIN = b"GET / HTTP/1.1\r\n\r\n0\r\n\r\n" + bytes(range(256)) * 9  # looks like HTTP, and is not


def new_owner(fd: int, tail: bytes, seen: dict[str, Any]) -> None:
    """What a shim does: reads stdin to its end, answers, closes."""
    with socket.socket(fileno=fd) as stream:
        stream.settimeout(20)
        stdin = tail
        while piece := stream.recv(65536):
            stdin += piece
        seen["stdin"] = stdin
        stream.sendall(b"output of " + hashlib.sha256(stdin).hexdigest().encode())
        stream.shutdown(socket.SHUT_WR)


def hijacking_router(seen: dict[str, Any], owner: Any = new_owner) -> Router:
    async def attach(request: Request) -> None:
        if request.length:
            seen["body"] = await request.json_dict()
        if request.headers.get("upgrade") == "h2c":
            hijacked = await request.hijack_protocol("h2c")
        else:
            hijacked = await request.hijack(multiplexed=True)
        seen["thread"] = threading.Thread(target=owner, args=(hijacked.fd, hijacked.tail, seen))
        seen["thread"].start()

    router = Router()
    router.add("POST", "/containers/{id}/attach", attach)
    return router


def request_bytes(upgrade: str | None, with_body: bool, version: str = "1.51") -> bytes:
    lines = [f"POST /v{version}/containers/x/attach?stream=1 HTTP/1.1", "Host: localhost"]
    if upgrade:
        lines += ["Connection: Upgrade", f"Upgrade: {upgrade}"]
    if with_body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(BODY)}"]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + (BODY if with_body else b"")


@pytest.mark.parametrize("timing", ["same segment", "a byte later", "half-closed"])
@pytest.mark.parametrize("with_body", [True, False], ids=["body", "no body"])
@pytest.mark.parametrize("upgrade", ["tcp", None, "h2c"], ids=["101", "no upgrade", "h2c"])
@pytest.mark.parametrize("kind", ["unix", "tcp", "tls"])
def test_no_byte_is_lost(edge: Any, http: Any, kind: str, upgrade: str | None, with_body: bool, timing: str) -> None:
    seen: dict[str, Any] = {}
    client = edge(hijacking_router(seen), kind).connect()
    first = request_bytes(upgrade, with_body)
    if timing == "a byte later":
        client.sendall(first)
        status, _, rest = http.read_head(client)
        for byte in STDIN[:40]:
            client.sendall(bytes([byte]))
        client.sendall(STDIN[40:])
        client.shutdown(socket.SHUT_WR)
    else:
        client.sendall(first + STDIN)
        if timing == "half-closed":
            client.shutdown(socket.SHUT_WR)  # before the answer is read
        status, _, rest = http.read_head(client)
        if timing != "half-closed":
            client.shutdown(socket.SHUT_WR)
    output = rest + http.read_all(client)
    seen["thread"].join(20)
    assert status.split(" ", 1)[1] == {"tcp": "101 UPGRADED", None: "200 OK", "h2c": "101 Switching Protocols"}[upgrade]
    assert seen["stdin"] == STDIN
    assert output == b"output of " + hashlib.sha256(STDIN).hexdigest().encode()
    assert seen.get("body") == ({"Detach": False, "Tty": False} if with_body else None)


@pytest.mark.parametrize("kind", ["unix", "tcp", "tls"])
def test_a_hundred_megabytes_pass_both_ways_intact(edge: Any, http: Any, kind: str) -> None:
    size = 100 << 20 if kind != "tls" else 30 << 20
    seen: dict[str, Any] = {}

    def echo(fd: int, tail: bytes, seen: dict[str, Any]) -> None:
        with socket.socket(fileno=fd) as stream:
            stream.settimeout(20)
            stream.sendall(tail)
            while piece := stream.recv(1 << 18):
                stream.sendall(piece)
            stream.shutdown(socket.SHUT_WR)

    client = edge(hijacking_router(seen, echo), kind).connect()
    block = os.urandom(1 << 20)
    sent, received = hashlib.sha256(), hashlib.sha256()

    def feed() -> None:
        client.sendall(request_bytes("tcp", False) + block)
        sent.update(block)
        for _ in range(size // len(block) - 1):
            client.sendall(block)
            sent.update(block)

    feeder = threading.Thread(target=feed)
    feeder.start()
    _, _, rest = http.read_head(client)
    received.update(rest)
    count = len(rest)
    while count < size:
        piece = client.recv(1 << 18)
        assert piece
        received.update(piece)
        count += len(piece)
    feeder.join()
    client.close()
    seen["thread"].join(20)
    assert sent.digest() == received.digest()


@pytest.mark.parametrize("kind", ["unix", "tcp", "tls"])
def test_output_that_ends_first_leaves_the_input_open(edge: Any, http: Any, kind: str) -> None:
    seen: dict[str, Any] = {}

    def quiet(fd: int, tail: bytes, seen: dict[str, Any]) -> None:
        with socket.socket(fileno=fd) as stream:
            stream.settimeout(20)
            stream.shutdown(socket.SHUT_WR)
            seen["stdin"] = tail + http.read_all(stream)

    client = edge(hijacking_router(seen, quiet), kind).connect()
    client.sendall(request_bytes("tcp", False) + b"early ")
    assert http.read_head(client)[2] + http.read_all(client) == b""
    client.sendall(b"late " * 100_000)
    client.shutdown(socket.SHUT_WR)
    seen["thread"].join(20)
    assert seen["stdin"] == b"early " + b"late " * 100_000


@pytest.mark.parametrize(("version", "media"), [("1.41", "raw-stream"), ("1.42", "multiplexed-stream")])
def test_the_head_of_an_upgraded_attach_is_dockerds(edge: Any, http: Any, version: str, media: str) -> None:
    seen: dict[str, Any] = {}
    client = edge(hijacking_router(seen)).connect()
    client.sendall(request_bytes("tcp", False, version))
    client.shutdown(socket.SHUT_WR)
    status, headers, _ = http.read_head(client)
    http.read_all(client)
    seen["thread"].join(20)
    assert status == "HTTP/1.1 101 UPGRADED"
    assert headers == {
        "Content-Type": f"application/vnd.docker.{media}",
        "Connection": "Upgrade",
        "Upgrade": "tcp",
        "Api-Version": "1.51",
        "Docker-Experimental": "false",
        "Ostype": "linux",
        "Server": "tiffin/test (linux)",
    }


@pytest.mark.parametrize("kind", ["unix", "tcp"])
def test_the_new_owner_keeps_the_socket_when_the_server_has_gone(edge: Any, http: Any, kind: str) -> None:
    seen: dict[str, Any] = {}
    started = edge(hijacking_router(seen), kind)
    client = started.connect()
    client.sendall(request_bytes("tcp", False) + b"early")
    _, _, rest = http.read_head(client)
    started.stop()
    client.sendall(b" and late")
    client.shutdown(socket.SHUT_WR)
    assert rest + http.read_all(client) == b"output of " + hashlib.sha256(b"early and late").hexdigest().encode()
    seen["thread"].join(20)


def test_a_request_pipelined_before_an_attach_is_answered_first(edge: Any, http: Any) -> None:
    seen: dict[str, Any] = {}
    client = edge(hijacking_router(seen)).connect()
    client.sendall(b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n" + request_bytes("tcp", True) + b"stdin")
    client.shutdown(socket.SHUT_WR)
    everything = http.read_all(client)
    seen["thread"].join(20)
    assert everything.startswith(b"HTTP/1.1 404") and b"HTTP/1.1 101" in everything
    assert seen["stdin"] == b"stdin"
