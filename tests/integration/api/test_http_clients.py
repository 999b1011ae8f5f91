"""Clients good and bad: keep-alive, pipelining, bodies, slow ones, rude ones, and those that vanish."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import threading
from typing import Any

import pytest

from tiffin.api.http.limits import Limits
from tiffin.api.http.request import Request
from tiffin.api.http.response import Response, json_response
from tiffin.api.http.stream import ClientGone
from tiffin.api.router import Router
from tiffin.errors import Conflict, NotModified

GET = b"GET /v1.51/echo?x=1 HTTP/1.1\r\nHost: x\r\n\r\n"
KINDS = pytest.mark.parametrize("kind", ["unix", "tcp", "tls"])


def post(body: bytes, path: str = "/echo", extra: str = "Content-Type: application/json\r\n") -> bytes:
    return f"POST {path} HTTP/1.1\r\nHost: x\r\n{extra}Content-Length: {len(body)}\r\n\r\n".encode() + body


def chunked(*pieces: bytes, path: str = "/sum") -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    return head + b"".join(b"%x;ext=1\r\n%b\r\n" % (len(p), p) for p in pieces) + b"0\r\nTrailer: y\r\n\r\n"


def router(seen: dict[str, Any] | None = None) -> Router:
    seen = {} if seen is None else seen

    async def echo(request: Request) -> Response:
        document = await request.json_dict(default={}) if request.method == "POST" else {}
        return json_response({"query": request.query.get("x"), "version": request.version, "body": document})

    async def total(request: Request) -> Response:
        count = 0
        async for chunk in request.chunks():
            count += len(chunk)
        return json_response(count)

    async def ignore(request: Request) -> Response:
        return json_response("ignored")

    async def stream(request: Request) -> None:
        async with request.stream(content_type="text/plain") as out:
            for index in range(request.query.int("n", 3)):
                await out.write(b"line %d\n" % index * request.query.int("times", 1))
                seen["written"] = index

    async def forever(request: Request) -> None:
        try:
            async with request.stream() as out:
                seen["began"] = True
                await request.unless_gone(asyncio.Event().wait())
                await out.write(b"never")
        except ClientGone:
            seen["gone"] = True
            raise

    async def fail(request: Request) -> Response:
        errors = {"conflict": Conflict("in use"), "same": NotModified("already"), "bug": KeyError("oops")}
        raise errors[request.vars["how"]]

    async def fail_late(request: Request) -> None:
        async with request.stream() as out:
            await out.write(b"some")
            raise KeyError("late")

    async def progress(request: Request) -> None:
        async with request.json_stream() as out:
            if request.query.bool("early"):
                raise Conflict("before")
            await out.send({"status": "Pulling"})
            raise Conflict("after")

    async def slow(request: Request) -> Response:
        seen["slow"] = True
        await seen["release"].wait()
        return json_response("slow")

    table = Router()
    for method, path, handler in [
        ("GET", "/echo", echo),
        ("HEAD", "/echo", echo),
        ("POST", "/echo", echo),
        ("POST", "/sum", total),
        ("POST", "/ignore", ignore),
        ("GET", "/stream", stream),
        ("GET", "/forever", forever),
        ("GET", "/fail/{how}", fail),
        ("GET", "/fail_late", fail_late),
        ("GET", "/progress", progress),
        ("GET", "/slow", slow),
    ]:
        table.add(method, path, handler)
    return table


@KINDS
def test_many_requests_use_one_connection(edge: Any, http: Any, kind: str) -> None:
    started = edge(router(), kind)
    client = started.connect()
    for _ in range(20):
        client.sendall(GET)
        status, headers, body = http.read_answer(client)
        assert status == "HTTP/1.1 200 OK"
        assert "Connection" not in headers
        assert json.loads(body) == {"query": "1", "version": [1, 51], "body": {}}
    assert started.connections == 1


def test_ten_clients_at_once_keep_their_answers_apart(edge: Any, http: Any) -> None:
    started = edge(router())
    failures = []

    def ask(number: int) -> None:
        client = started.connect()
        for turn in range(50):
            client.sendall(post(b'{"n": %d}' % (number * 1000 + turn)))
            _, _, body = http.read_answer(client)
            if json.loads(body)["body"] != {"n": number * 1000 + turn}:
                failures.append(body)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert not failures


@KINDS
def test_pipelined_requests_are_answered_in_order(edge: Any, http: Any, kind: str) -> None:
    client = edge(router(), kind).connect()
    bodies = [post(b'{"n":%d}' % n) for n in range(50)]
    client.sendall(b"".join([*bodies, chunked(b"a" * 10, b"b" * 300), b"GET /echo HTTP/1.0\r\n\r\n"]))
    everything = http.read_all(client)
    answers = [part.partition(b"\r\n\r\n")[2] for part in everything.split(b"HTTP/1.1 ")[1:]]
    assert [json.loads(a)["body"]["n"] for a in answers[:50]] == list(range(50))
    assert answers[50] == b"310\n"
    assert len(answers) == 52


def test_a_request_that_comes_byte_by_byte_is_understood(edge: Any, http: Any) -> None:
    client = edge(router()).connect()
    for byte in b"\r\n" + chunked(b"hello", b"x" * 20):
        client.sendall(bytes([byte]))
    assert http.read_answer(client)[2] == b"25\n"


@KINDS
def test_a_large_body_streams_through_a_small_window(edge: Any, http: Any, kind: str) -> None:
    client = edge(router(), kind, Limits(read_ahead=8192)).connect()
    client.sendall(post(b"z" * (16 << 20), "/sum"))
    assert http.read_answer(client)[2] == b"%d\n" % (16 << 20)
    client.sendall(GET)
    assert http.read_answer(client)[0].endswith("200 OK")


def test_head_has_the_length_but_no_body(edge: Any, http: Any) -> None:
    client = edge(router()).connect()
    client.sendall(GET.replace(b"GET", b"HEAD") + GET)
    _, headers, rest = http.read_head(client)
    assert int(headers["Content-Length"]) > 10
    assert rest == b"" or rest.startswith(b"HTTP/1.1 200 OK")


def test_a_client_that_expects_100_continue_gets_it_when_the_body_is_wanted(edge: Any, http: Any) -> None:
    client = edge(router()).connect()
    head, _, body = post(b'{"a":1}', extra="Content-Type: application/json\r\nExpect: 100-continue\r\n").partition(
        b"\r\n\r\n"
    )
    client.sendall(head + b"\r\n\r\n")
    status, _, rest = http.read_head(client)
    assert (status, rest) == ("HTTP/1.1 100 Continue", b"")
    client.sendall(body)
    assert json.loads(http.read_answer(client)[2])["body"] == {"a": 1}


def test_a_body_nobody_wants_is_skipped_or_ends_the_connection(edge: Any, http: Any) -> None:
    started = edge(router())
    client = started.connect()
    client.sendall(post(b"q" * 1000, "/ignore") + GET)
    assert http.read_answer(client)[2].startswith(b'"ignored"')
    client = started.connect()
    client.sendall(post(b"q", "/ignore", extra="Expect: 100-continue\r\n")[:-1])
    assert http.read_all(client).endswith(b'"ignored"\n')


@KINDS
def test_a_stream_is_chunked_and_the_connection_goes_on(edge: Any, http: Any, kind: str) -> None:
    client = edge(router(), kind).connect()
    client.sendall(b"GET /stream?n=2 HTTP/1.1\r\nHost: x\r\n\r\n" + b"GET /stream?n=1 HTTP/1.0\r\n\r\n")
    first, second = http.read_all(client).split(b"HTTP/1.1 200 OK")[1:]
    assert b"Transfer-Encoding: chunked" in first
    assert first.endswith(b"\r\n\r\n7\r\nline 0\n\r\n7\r\nline 1\n\r\n0\r\n\r\n")
    assert b"chunked" not in second and second.endswith(b"\r\n\r\nline 0\n")


def test_a_client_that_reads_slowly_holds_the_writer_back(edge: Any, http: Any) -> None:
    seen: dict[str, Any] = {}
    client = edge(router(seen)).connect()
    client.sendall(b"GET /stream?n=2000&times=1000 HTTP/1.0\r\n\r\n")  # 17 MB
    http.until(lambda: seen.get("written", 0) > 1)
    assert seen["written"] < 1000
    body = http.read_all(client).partition(b"\r\n\r\n")[2]
    assert len(body) == sum(len(b"line %d\n" % i) for i in range(2000)) * 1000


@KINDS
def test_a_handler_learns_that_its_client_has_gone(edge: Any, http: Any, kind: str) -> None:
    seen: dict[str, Any] = {}
    started = edge(router(seen), kind)
    client = started.connect()
    client.sendall(b"GET /forever HTTP/1.1\r\nHost: x\r\n\r\n")
    http.read_head(client)  # flushed before there is anything to say
    client.close()
    http.until(lambda: seen.get("gone", False))
    http.until(lambda: started.connections == 0)


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [
        ("/fail/conflict", 409, {"message": "in use"}),
        ("/fail/bug", 500, {"message": "KeyError: 'oops'"}),
        ("/fail/same", 304, None),
        ("/nowhere", 404, {"message": "page not found"}),
        ("/progress?early=1", 409, {"message": "before"}),
    ],
)
def test_errors_have_dockers_shape(edge: Any, http: Any, path: str, status: int, body: Any) -> None:
    client = edge(router()).connect()
    client.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    line, _, text = http.read_answer(client)
    assert line.split()[1] == str(status)
    assert (json.loads(text) if text else None) == body


def test_an_error_within_progress_is_its_last_line(edge: Any, http: Any) -> None:
    client = edge(router()).connect()
    client.sendall(b"GET /progress HTTP/1.0\r\n\r\n")
    lines = http.read_all(client).partition(b"\r\n\r\n")[2].split(b"\r\n")
    assert json.loads(lines[0]) == {"status": "Pulling"}
    assert json.loads(lines[1]) == {"errorDetail": {"message": "after"}, "error": "after"}


def test_an_answer_that_breaks_off_is_not_ended_properly(edge: Any, http: Any) -> None:
    client = edge(router()).connect()
    client.sendall(b"GET /fail_late HTTP/1.1\r\nHost: x\r\n\r\n")
    gathered = b""
    with contextlib.suppress(ConnectionResetError):
        gathered = http.read_all(client)
    assert not gathered.endswith(b"0\r\n\r\n")


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
        (b"GARBAGE\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nBad Header: x\r\n\r\n", 400),
        (b"GET / HTTP/2.0\r\n\r\n", 505),
        (b"POST /echo HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"POST /echo HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", 400),
        (b"POST /echo HTTP/1.1\r\nContent-Length: -5\r\n\r\n", 400),
        (b"POST /echo HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n", 400),
        (b"POST /sum HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (b"POST /sum HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloXX5\r\n", 400),
        (b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 400 + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\na: " + b"b" * 9000, 431),
        (post(b"not json"), 400),
        (post(b"[]"), 400),
        (post(b'{"a":'), 400),
        (post(b"{}", extra="Content-Type: text/plain\r\n"), 400),
    ],
)
def test_what_is_no_request_is_refused_and_the_server_lives_on(edge: Any, http: Any, sent: bytes, status: int) -> None:
    started = edge(router(), "unix", Limits(head_bytes=8192, head_count=200))
    client = started.connect()
    client.sendall(sent)
    line, _, body = http.read_answer(client)
    assert int(line.split()[1]) == status, body
    assert "message" in json.loads(body)
    other = started.connect()
    other.sendall(GET)
    assert http.read_answer(other)[0].endswith("200 OK")


def test_a_head_that_never_ends_is_timed_out(edge: Any, http: Any) -> None:
    started = edge(router(), "unix", Limits(head_seconds=0.05))
    client = started.connect()
    client.sendall(b"GET / HTTP/1.1\r\nHost:")
    assert http.read_answer(client)[0] == "HTTP/1.1 408 Request Timeout"
    assert http.read_all(client) == b""
    silent = started.connect()
    assert http.read_all(silent) == b""
    http.until(lambda: started.connections == 0)


@KINDS
def test_a_client_that_vanishes_within_its_body_leaves_nothing(edge: Any, http: Any, kind: str) -> None:
    started = edge(router(), kind)
    client = started.connect()
    client.sendall(post(b"x" * 100, "/sum")[:-50])
    http.until(lambda: started.connections == 1)
    client.close()
    http.until(lambda: started.connections == 0)


def test_a_body_cut_short_by_a_half_close_is_an_error_the_client_can_read(edge: Any, http: Any) -> None:
    client = edge(router()).connect()
    client.sendall(post(b'{"a":1}')[:-2])
    client.shutdown(socket.SHUT_WR)
    line, _, body = http.read_answer(client)
    assert line.split()[1] == "400" and json.loads(body) == {"message": "unexpected EOF"}


def test_a_half_closed_client_still_gets_its_answer(edge: Any, http: Any) -> None:
    client = edge(router()).connect()
    client.sendall(GET + GET)
    client.shutdown(socket.SHUT_WR)
    assert http.read_all(client).count(b"HTTP/1.1 200 OK") == 2


def test_more_connections_than_the_limit_wait_their_turn(edge: Any, http: Any) -> None:
    started = edge(router(), "unix", Limits(connections=2))
    first, second, third = started.connect(), started.connect(), started.connect()
    third.sendall(GET)
    first.sendall(GET)
    assert http.read_answer(first)[0].endswith("200 OK")
    first.close()
    assert http.read_answer(third)[0].endswith("200 OK")
    second.close()


def test_a_handshake_that_is_not_one_is_hung_up_on(edge: Any, http: Any) -> None:
    started = edge(router(), "tls")
    with socket.create_connection(started.listener.getsockname(), timeout=20) as plain:
        plain.sendall(GET)
        with contextlib.suppress(ConnectionResetError):
            http.read_all(plain)
    client = started.connect()
    client.sendall(GET)
    assert http.read_answer(client)[0].endswith("200 OK")
