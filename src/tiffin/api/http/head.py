"""The head of a request: bytes up to the empty line in, a `Head` out. No I/O.

httptools judges the syntax. It is given exactly the head and never a byte of what follows, so nothing that comes after
(a body, a pipelined request, the first stdin of a hijacked connection) can be swallowed by it; the framing of the body
is decided here, as RFC 9112 section 6.3 says, and done in `body.py`.
"""

from __future__ import annotations

from urllib.parse import unquote

import httptools

from tiffin.api.http.limits import Limits

END = b"\r\n\r\n"
CHUNKED = -1
"""`Head.length` of a body in chunks."""


class BadRequest(Exception):
    """The bytes are not a request that can be served; the connection ends after the answer."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class Head:
    """What the head of a request says. `headers` has lower-case names; repeated ones are joined by a comma."""

    __slots__ = ("headers", "http11", "keep_alive", "length", "method", "path", "query")

    method: str
    path: str
    query: str
    headers: dict[str, str]
    http11: bool
    keep_alive: bool
    length: int

    @property
    def expects_continue(self) -> bool:
        """The client waits for `100 Continue` before it sends the body."""
        return self.http11 and self.headers.get("expect", "").lower() == "100-continue"


class _Gather:
    """Callbacks of httptools."""

    __slots__ = ("lines", "url")

    def __init__(self) -> None:
        self.url = b""
        self.lines: list[tuple[bytes, bytes]] = []

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.lines.append((name, value))


def parse_head(data: bytes, limits: Limits) -> Head:
    """Parse `data`, which ends with the empty line. Raises BadRequest."""
    gather = _Gather()
    parser = httptools.HttpRequestParser(gather)
    try:
        parser.feed_data(data)
    except httptools.HttpParserUpgrade:
        pass  # the upgrade is the handler's business; the offset is the end of `data` by construction
    except httptools.HttpParserError as error:
        raise BadRequest(400, f"malformed HTTP request: {error}") from None
    head = Head()
    head.http11 = parser.get_http_version() == "1.1"
    if not head.http11 and parser.get_http_version() != "1.0":
        raise BadRequest(505, "unsupported protocol version")
    head.method = parser.get_method().decode("latin-1")
    head.headers = _join(gather.lines, limits)
    head.length = _body_length(head.headers)
    connection = head.headers.get("connection", "").lower()
    head.keep_alive = "close" not in connection if head.http11 else "keep-alive" in connection
    head.path, head.query = _split_target(gather.url)
    return head


def _join(lines: list[tuple[bytes, bytes]], limits: Limits) -> dict[str, str]:
    if len(lines) > limits.head_count:
        raise BadRequest(431, "too many header lines")
    headers: dict[str, str] = {}
    for raw_name, raw_value in lines:
        name = raw_name.decode("latin-1").lower()
        value = raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def _body_length(headers: dict[str, str]) -> int:
    """Number of body bytes, or CHUNKED. Ambiguous framing is refused, not guessed (request smuggling)."""
    coding = headers.get("transfer-encoding")
    length = headers.get("content-length")
    if coding is not None:
        if length is not None:
            raise BadRequest(400, "both Content-Length and Transfer-Encoding")
        if coding.lower() != "chunked":
            raise BadRequest(501, f'unsupported transfer encoding "{coding}"')
        return CHUNKED
    if length is None:
        return 0
    if not (length.isascii() and length.isdigit()) or len(length) > 18:
        raise BadRequest(400, f'bad Content-Length "{length}"')
    return int(length)


def _split_target(url: bytes) -> tuple[str, str]:
    """Decoded path and raw query of an origin-form or absolute-form target."""
    target = url.decode("latin-1")
    if not target.startswith("/"):
        _, scheme, rest = target.partition("://")
        if not scheme:
            raise BadRequest(400, "malformed request target")
        slash = rest.find("/")
        target = rest[slash:] if slash >= 0 else "/"
    path, _, query = target.partition("#")[0].partition("?")
    if "%" in path:
        path = unquote(path)
    return path, query
