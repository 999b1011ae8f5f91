"""Answers: a whole `Response`, and the bytes of a response's head. No I/O."""

from __future__ import annotations

import time
from email.utils import formatdate
from http import HTTPStatus
from typing import Any

import msgspec

_REASONS = {status.value: status.phrase for status in HTTPStatus}
_BODYLESS = frozenset((204, 304))
_encoder = msgspec.json.Encoder()


class Response:
    """A whole answer. `headers` are added to those that every answer has."""

    __slots__ = ("body", "content_type", "headers", "status")

    def __init__(
        self,
        status: int = 200,
        body: bytes = b"",
        headers: dict[str, str] | None = None,
        content_type: str | None = "application/json",
    ) -> None:
        self.status = status
        self.body = body
        self.headers = headers
        self.content_type = content_type


def json_response(document: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """`document` as JSON (structs too), ended by a newline as Go's encoder does."""
    return Response(status, _encoder.encode(document) + b"\n", headers)


class HeadWriter:
    """Renders heads; the lines that every answer shares are built once, the date once a second."""

    __slots__ = ("_common", "_fixed", "_second")

    def __init__(self, fixed: dict[str, str]) -> None:
        self._fixed = "".join(f"{name}: {_clean(value)}\r\n" for name, value in fixed.items())
        self._second = -1
        self._common = ""

    def common(self) -> str:
        """Header lines of every answer, date included."""
        now = int(time.time())
        if now != self._second:
            self._second = now
            self._common = f"{self._fixed}Date: {formatdate(now, usegmt=True)}\r\n"
        return self._common

    def fixed(self) -> str:
        """Header lines of a hijacked answer: all but the date."""
        return self._fixed

    def head(
        self,
        status: int,
        *,
        length: int | None,
        content_type: str | None,
        headers: dict[str, str] | None,
        chunked: bool = False,
        close: bool = False,
    ) -> bytes:
        """A response's head; `length` None means chunked or until the connection ends."""
        lines = [f"HTTP/1.1 {status} {_REASONS.get(status, 'Unknown')}\r\n", self.common()]
        if status not in _BODYLESS:
            if content_type:
                lines.append(f"Content-Type: {content_type}\r\n")
            if length is not None:
                lines.append(f"Content-Length: {length}\r\n")
            elif chunked:
                lines.append("Transfer-Encoding: chunked\r\n")
        if headers:
            lines.extend(f"{name}: {_clean(value)}\r\n" for name, value in headers.items())
        if close:
            lines.append("Connection: close\r\n")
        lines.append("\r\n")
        return "".join(lines).encode("latin-1", "replace")


def _clean(value: str) -> str:
    """No value can start a header line of its own."""
    return value.replace("\r", " ").replace("\n", " ")
