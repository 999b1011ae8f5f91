"""wire/http1: whatever the cuts between reads, the same response comes out."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiffin.wire import http1

CHUNKED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-A: 1\r\nx-a: 2\r\n\r\n"
    b"5\r\nhello\r\n6;ext=1\r\n world\r\n0\r\nTrailer: x\r\n\r\nNEXT"
)
LENGTH = b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nhello worldNEXT"


def decode(data: bytes, cuts: list[int], method: str = "GET") -> tuple[http1.Response, bytes]:
    response, body = http1.Response(method), b""
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    for start, end in pairwise(edges):
        body += response.feed(data[start:end])
    return response, body


@given(st.lists(st.integers(0, 200), max_size=12))
def test_a_chunked_body_is_the_same_however_it_is_cut(cuts: list[int]) -> None:
    response, body = decode(CHUNKED, cuts)
    assert (response.status, body, response.done) == (200, b"hello world", True)
    assert response.headers["x-a"] == "1, 2"
    assert response.tail == b"NEXT"[: len(response.tail)]


@given(st.lists(st.integers(0, 200), max_size=12))
def test_a_counted_body_is_the_same_however_it_is_cut(cuts: list[int]) -> None:
    response, body = decode(LENGTH, cuts)
    assert (body, response.done) == (b"hello world", True)


def test_what_follows_an_upgrade_is_the_tail() -> None:
    response, body = decode(b"HTTP/1.1 101 UPGRADED\r\nUpgrade: tcp\r\n\r\nraw bytes", [])
    assert response.upgraded
    assert (body, response.tail) == (b"", b"raw bytes")


def test_a_body_without_length_ends_with_the_connection() -> None:
    response, body = decode(b"HTTP/1.1 200 OK\r\n\r\nabc", [])
    assert (body, response.done) == (b"abc", False)
    response.end()
    assert response.done


def test_informational_heads_are_skipped() -> None:
    response, body = decode(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx", [])
    assert (response.status, body) == (200, b"x")


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
def test_some_statuses_have_no_body(status: bytes) -> None:
    response, _ = decode(b"HTTP/1.1 " + status + b"\r\n\r\n", [])
    assert response.done


def test_the_answer_to_head_has_no_body() -> None:
    response, _ = decode(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", [], "HEAD")
    assert response.done


@pytest.mark.parametrize(
    "data",
    [
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n",
        b"x" * (http1.MAX_HEAD + 1),
    ],
)
def test_what_is_not_http_is_refused(data: bytes) -> None:
    with pytest.raises(http1.ProtocolError):
        decode(data, [])


@pytest.mark.parametrize("data", [b"", b"HTTP/1.1 200 OK\r\n", CHUNKED[:-12], LENGTH[:-6]])
def test_an_early_end_is_an_error(data: bytes) -> None:
    response, _ = decode(data, [])
    with pytest.raises(http1.ProtocolError):
        response.end()


def test_a_line_break_cannot_be_smuggled_into_a_request() -> None:
    with pytest.raises(ValueError, match="line break"):
        http1.request_head("GET", "/x", [("A", "b\r\nC: d")])


@given(st.text())
def test_a_query_value_survives_escaping(text: str) -> None:
    from urllib.parse import unquote

    text = text.encode("utf-8", "replace").decode()
    assert unquote(http1.query_string([("a", text)])) == f"a={text}"
