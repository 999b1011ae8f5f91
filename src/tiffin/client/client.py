"""The Docker API as a client sees it: one request, one reply, on a connection of its own.

Paths are versioned with `api_version` straight away, without a ping first: a round trip saved. A daemon that is too
old for it answers 400 and names its own version; the request is then repeated with that one.
Not here: what the requests mean (cli), how bytes are framed (wire/http1), how to reach the daemon (connection).
"""

from __future__ import annotations

import os

from tiffin.client import connection
from tiffin.client.endpoint import Endpoint
from tiffin.client.reply import ApiError, Hijacked, Reply, failure
from tiffin.wire import http1, jsontext

TYPE_CHECKING = False
if TYPE_CHECKING:
    import _socket
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any

    Query = Sequence[tuple[str, str]]
    Body = object | bytes | Iterator[bytes]

API_VERSION = "1.51"
TOO_NEW = " is too new. Maximum supported API version is "


class Client:
    """A daemon's API. Connects per request; `revive` (autostart) is tried once when nobody answers."""

    __slots__ = ("_revive", "api_version", "endpoint", "negotiable")

    def __init__(
        self, endpoint: Endpoint, api_version: str = "", revive: Callable[[Endpoint], bool] | None = None
    ) -> None:
        self.endpoint = endpoint
        self.negotiable = not api_version
        self.api_version = api_version or API_VERSION
        self._revive = revive

    def get(self, path: str, query: Query = ()) -> Any:
        """GET and decode JSON."""
        return self.request("GET", path, query).json()

    def post(self, path: str, query: Query = (), body: object = None) -> Any:
        """POST JSON (or nothing) and decode what comes back; None for an empty answer."""
        return self.request("POST", path, query, body).json()

    def delete(self, path: str, query: Query = ()) -> Any:
        return self.request("DELETE", path, query).json()

    def request(
        self, method: str, path: str, query: Query = (), body: Body = None, headers: Sequence[tuple[str, str]] = ()
    ) -> Reply:
        """Send, wait for the head. ApiError where the status is not a success (304 counts as one)."""
        reply = self._send(method, path, query, body, headers)
        if reply.status >= 400:
            error = failure(reply)
            if not self._downgrade(error):
                raise error
            reply = self._send(method, path, query, body, headers)
            if reply.status >= 400:
                raise failure(reply)
        return reply

    def hijack(self, path: str, query: Query = (), body: object = None) -> Hijacked:
        """POST that turns the connection into a raw stream (attach, exec start)."""
        upgrade = [("Connection", "Upgrade"), ("Upgrade", "tcp")]
        reply = self.request("POST", path, query, b"" if body is None else body, upgrade)
        return reply.hijack()

    def dial(self) -> _socket.socket:
        """A bare connection, reviving the daemon if that is allowed."""
        try:
            return connection.connect(self.endpoint)
        except connection.CannotConnect:
            if self._revive is None or not self._revive(self.endpoint):
                raise
            return connection.connect(self.endpoint)

    def _send(self, method: str, path: str, query: Query, body: Body, headers: Sequence[tuple[str, str]]) -> Reply:
        target = f"/v{self.api_version}{path}"
        if query:
            target += "?" + http1.query_string(list(query))
        host = self.endpoint.host or "api.tiffin.localhost"
        fields = [("Host", host), ("User-Agent", "tiffin/0.1")]
        sock = self.dial()
        try:
            if body is None and method != "POST":
                sock.sendall(http1.request_head(method, target, fields + list(headers)))
            elif body is None or isinstance(body, (bytes, dict, list)):
                data = b"" if body is None else body if isinstance(body, bytes) else _encoded(body)
                if data:
                    fields.append(("Content-Type", "application/json"))
                fields.append(("Content-Length", str(len(data))))
                sock.sendall(http1.request_head(method, target, fields + list(headers)) + data)
            else:
                fields += [("Content-Type", "application/x-tar"), ("Transfer-Encoding", "chunked")]
                sock.sendall(http1.request_head(method, target, fields + list(headers)))
                _send_chunks(sock, body)  # type: ignore[arg-type]
            return Reply(sock, http1.Response(method))
        except BaseException:
            sock.close()
            raise

    def _downgrade(self, error: ApiError) -> bool:
        """Take the version that a refusing daemon names."""
        if not self.negotiable or error.status != 400:
            return False
        _, found, rest = error.message.partition(TOO_NEW)
        if not found:
            return False
        self.api_version = rest.strip().rstrip(".")
        self.negotiable = False
        return True


def _encoded(body: object) -> bytes:
    return jsontext.encode(body).encode("utf-8", "surrogateescape")


def _send_chunks(sock: _socket.socket, pieces: Iterator[bytes]) -> None:
    """A body of unknown length. A daemon that refuses early has answered already: stop and read that."""
    try:
        for piece in pieces:
            if piece:
                sock.sendall(http1.chunk(piece))
        sock.sendall(http1.LAST_CHUNK)
    except (BrokenPipeError, ConnectionResetError):
        pass


def read_pieces(fd: int, size: int = 256 * 1024) -> Iterator[bytes]:
    """What a descriptor gives until its end."""
    while piece := os.read(fd, size):
        yield piece
