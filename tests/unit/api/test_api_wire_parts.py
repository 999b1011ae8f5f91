"""The edge's parts without sockets: heads, bodies, queries, versions, routes."""

from __future__ import annotations

import asyncio
import re
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiffin import errors
from tiffin.api import versions
from tiffin.api.http.body import ChunkedBody, LengthBody
from tiffin.api.http.head import CHUNKED, BadRequest, parse_head
from tiffin.api.http.limits import Limits
from tiffin.api.http.query import Query
from tiffin.api.http.response import HeadWriter, Response
from tiffin.api.router import Router
from tiffin.api.status import status_of


def head(text: str) -> Any:
    return parse_head(text.replace("\n", "\r\n").encode() + b"\r\n\r\n", Limits())


def drain(body: Any, data: bytes, step: int) -> tuple[bytes, bytes]:
    """(the body, what is left) when `data` arrives `step` bytes at a time."""
    buffer, gathered = bytearray(), b""
    for start in range(0, len(data), step):
        buffer += data[start : start + step]
        while not body.done and (piece := body.take(buffer)):
            gathered += piece
    return gathered, bytes(buffer)


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=6), st.binary(max_size=20), st.integers(1, 50))
def test_a_chunked_body_ends_at_its_last_byte_however_it_is_cut(pieces: list[bytes], tail: bytes, step: int) -> None:
    encoded = b"".join(b"%X\r\n%b\r\n" % (len(p), p) for p in pieces) + b"0\r\n\r\n"
    body = ChunkedBody()
    assert drain(body, encoded + tail, step) == (b"".join(pieces), tail)
    assert body.done


@given(st.binary(max_size=60), st.binary(max_size=20), st.integers(1, 50))
def test_a_body_of_known_length_leaves_what_follows(content: bytes, tail: bytes, step: int) -> None:
    body = LengthBody(len(content))
    assert drain(body, content + tail, step) == (content, tail)


@given(st.binary(max_size=200), st.integers(1, 50))
def test_garbage_for_a_chunked_body_is_refused_or_waits_but_never_crashes(data: bytes, step: int) -> None:
    try:
        drain(ChunkedBody(), data, step)
    except BadRequest as error:
        assert error.status == 400


@given(st.binary(max_size=200))
def test_garbage_for_a_head_is_a_bad_request(data: bytes) -> None:
    try:
        parse_head(data + b"\r\n\r\n", Limits())
    except BadRequest as error:
        assert 400 <= error.status < 600


def test_a_head_says_what_was_asked() -> None:
    lines = "Host: d\nA: 1\na: 2\nTransfer-Encoding: chunked"
    got = head(f"POST http://docker/v1.51/images/a%2Fb%20c/json?x=%31 HTTP/1.1\n{lines}")
    assert (got.method, got.path, got.query) == ("POST", "/v1.51/images/a/b c/json", "x=%31")
    assert got.headers == {"host": "d", "a": "1, 2", "transfer-encoding": "chunked"}
    assert (got.length, got.keep_alive, got.http11) == (CHUNKED, True, True)


@pytest.mark.parametrize(
    ("lines", "keep"),
    [
        ("GET / HTTP/1.1", True),
        ("GET / HTTP/1.1\nConnection: close", False),
        ("GET / HTTP/1.0", False),
        ("GET / HTTP/1.0\nConnection: keep-alive", True),
        ("POST / HTTP/1.1\nConnection: Upgrade\nUpgrade: tcp", True),
    ],
)
def test_keep_alive_follows_version_and_header(lines: str, keep: bool) -> None:
    assert head(lines).keep_alive is keep


@pytest.mark.parametrize(
    ("path", "version", "rest"),
    [
        ("/_ping", None, "/_ping"),
        ("/v1.24/info", (1, 24), "/info"),
        ("/v1.51/containers/v1.2/json", (1, 51), "/containers/v1.2/json"),
        ("/version", None, "/version"),
        ("/volumes", None, "/volumes"),
        ("/v1.51", None, "/v1.51"),
        ("/v2/", None, "too old or new"),
    ],
)
def test_a_path_may_begin_with_a_version(path: str, version: Any, rest: str) -> None:
    if rest == "too old or new":
        with pytest.raises(errors.InvalidParameter):
            versions.split(path)
    else:
        assert versions.split(path) == (version, rest)


def test_versions_out_of_range_are_refused_in_dockers_words() -> None:
    with pytest.raises(errors.InvalidParameter) as old:
        versions.split("/v1.12/info")
    with pytest.raises(errors.InvalidParameter) as new:
        versions.split("/v1.99/info")
    assert old.value.message == (
        "client version 1.12 is too old. Minimum supported API version is 1.24, "
        "please upgrade your client to a newer version"
    )
    assert new.value.message == "client version 1.99 is too new. Maximum supported API version is 1.51"


def test_a_query_is_read_as_gos_handlers_read_it() -> None:
    filters = "filters=%7B%22s%22%3A%5B%22e%22%5D%7D&old=%7B%22s%22%3A%7B%22e%22%3Atrue%7D%7D"
    query = Query(f"a=1&a=2&b=&c=No&d=yes&n=-5&bad=x&{filters}")
    assert (query.get("a"), query.all("a"), query.get("z", "!")) == ("1", ["1", "2"], "!")
    assert [query.bool(name) for name in "abcdz"] == [True, False, False, True, False]
    assert query.bool("z", True) is True
    assert (query.int("n"), query.int("b", 7)) == (-5, 7)
    assert query.filters() == query.filters("old") == {"s": ["e"]}
    with pytest.raises(errors.InvalidParameter, match=re.escape('strconv.Atoi: parsing "x": invalid syntax')):
        query.int("bad")
    with pytest.raises(errors.InvalidParameter):
        query.filters("bad")


def test_every_kind_of_error_has_its_status() -> None:
    kinds = {
        errors.InvalidParameter: 400,
        errors.Unauthorized: 401,
        errors.Forbidden: 403,
        errors.NotFound: 404,
        errors.Conflict: 409,
        errors.NotModified: 304,
        errors.NotImplementedHere: 501,
        errors.Unavailable: 503,
        errors.SystemFailure: 500,
    }
    defined = {kind for kind in errors.TiffinError.__subclasses__() if kind.__module__ == errors.__name__}
    assert set(kinds) == defined
    for kind, status in kinds.items():
        assert status_of(kind("x")) == status
    assert status_of(ValueError()) == 500


def test_no_header_value_can_start_another_line() -> None:
    writer = HeadWriter({"Server": "a\r\nEvil: 1"})
    text = writer.head(200, length=0, content_type=None, headers={"X": "b\nEvil: 2"}, close=True).decode()
    assert "\nEvil" not in text and text.endswith("Connection: close\r\n\r\n")


class FakeRequest:
    """As much of a request as the router touches."""

    answered = False

    def __init__(self, method: str, path: str) -> None:
        self.method, self.path = method, path
        self.vars: dict[str, str] = {}
        self.version = (0, 0)


def ask(router: Router, method: str, path: str) -> tuple[Response, FakeRequest]:
    request = FakeRequest(method, path)
    response = asyncio.run(cast(Any, router)(request))
    return response, request


def test_routes_match_names_with_and_without_slashes_and_by_version() -> None:
    async def found(request: Any) -> Response:
        return Response(200)

    router = Router()
    router.add("GET", "/images/json", found)
    router.add("GET", "/images/{name:.*}/json", found)
    router.add("GET", "/containers/{id}/json", found)
    router.add("GET", "/new", found, since=(1, 50))
    router.add("GET", "/old", found, until=(1, 30))
    assert ask(router, "GET", "/v1.51/images/host:5000/a/b:c/json")[1].vars == {"name": "host:5000/a/b:c"}
    assert ask(router, "GET", "/images/json")[0].status == 200
    assert ask(router, "GET", "/containers/x/json")[1].vars == {"id": "x"}
    assert ask(router, "GET", "/containers/x/y/json")[0].status == 404
    assert ask(router, "POST", "/images/json")[0].body == b'{"message":"page not found"}\n'
    assert ask(router, "GET", "/new")[1].version == (1, 51)
    assert [ask(router, "GET", path)[0].status for path in ("/v1.49/new", "/v1.50/new", "/old", "/v1.30/old")] == [
        404,
        200,
        404,
        200,
    ]
