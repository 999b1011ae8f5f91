"""A real HttpServer on a real socket, in a thread with a loop of its own, for tests that are plain blocking clients."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tiffin.api.http.limits import Limits
from tiffin.api.http.server import HttpServer
from tiffin.api.router import Router, standard_headers

DEADLINE = 20.0


class Edge:
    """One server. `kind` is unix, tcp or tls."""

    def __init__(self, router: Router, kind: str, directory: Path, certificates: Path, limits: Limits | None) -> None:
        self.kind = kind
        self._certificates = certificates
        self.listener = self._listen(kind, directory)
        self.loop = asyncio.new_event_loop()
        self._clients: list[Any] = []
        self._thread = threading.Thread(target=self.loop.run_forever)
        self._thread.start()
        self.server: HttpServer = self.call(self._start(router, limits))

    @staticmethod
    def _listen(kind: str, directory: Path) -> socket.socket:
        if kind == "unix":
            listener = socket.socket(socket.AF_UNIX)
            listener.bind(str(directory / "edge.sock"))
        else:
            listener = socket.socket()
            listener.bind(("127.0.0.1", 0))
        return listener

    async def _start(self, router: Router, limits: Limits | None) -> HttpServer:
        server = HttpServer(router, limits=limits, headers=standard_headers("tiffin/test (linux)"))
        context = None
        if self.kind == "tls":
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self._certificates / "cert.pem", self._certificates / "key.pem")
        await server.serve(self.listener, context)
        return server

    def call(self, coroutine: Any) -> Any:
        """Run a coroutine on the server's loop."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(DEADLINE)

    def connect(self) -> Any:
        client = socket.socket(self.listener.family)
        client.settimeout(DEADLINE)
        self._clients.append(client)
        client.connect(self.listener.getsockname())
        if self.kind == "tls":
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.load_verify_locations(self._certificates / "cert.pem")
            return TlsClient(client, context)
        return client

    def stop(self, timeout: float = 5.0) -> None:
        if self._thread.is_alive():
            self.call(self.server.close(timeout))
            self.loop.call_soon_threadsafe(self.loop.stop)
            self._thread.join(DEADLINE)
            self.loop.close()
        self.listener.close()

    def hang_up(self) -> None:
        """Close every client."""
        for client in self._clients:
            client.close()

    @property
    def connections(self) -> int:
        return len(self.server.connections)


class TlsClient:
    """A blocking TLS client that can close one direction: ssl.SSLSocket cannot."""

    def __init__(self, sock: socket.socket, context: ssl.SSLContext) -> None:
        self._sock = sock
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname="localhost")
        self._lock = threading.Lock()  # of the TLS object; one thread may send while another receives
        self._until_done(self._tls.do_handshake)
        self._sock.sendall(self._outgoing.read())

    def _until_done(self, step: Callable[[], Any]) -> Any:
        while True:
            with self._lock:
                try:
                    return step()
                except ssl.SSLWantReadError:
                    pass
            if not self._tls.version() and self._outgoing.pending:
                self._sock.sendall(self._outgoing.read())
            data = self._sock.recv(65536)
            with self._lock:
                self._incoming.write(data) if data else self._incoming.write_eof()

    def sendall(self, data: bytes) -> None:
        for start in range(0, len(data), 1 << 18):
            with self._lock:
                self._tls.write(data[start : start + (1 << 18)])
                record = self._outgoing.read()
            self._sock.sendall(record)

    def recv(self, size: int) -> bytes:
        try:
            return self._until_done(lambda: self._tls.read(size))  # type: ignore[no-any-return]
        except ssl.SSLZeroReturnError:
            return b""

    def shutdown(self, how: int) -> None:
        assert how == socket.SHUT_WR
        with contextlib.suppress(ssl.SSLWantReadError):
            self._tls.unwrap()
        self._sock.sendall(self._outgoing.read())
        self._sock.shutdown(how)

    def close(self) -> None:
        self._sock.close()


def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition, with a deadline."""
    deadline = time.monotonic() + DEADLINE
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError("the condition did not come true")
        time.sleep(0.002)


def read_head(client: socket.socket) -> tuple[str, dict[str, str], bytes]:
    """(status line, headers, what came after the head)."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = client.recv(65536)
        assert piece, f"the connection ended within the head: {data!r}"
        data += piece
    head, _, rest = data.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    return status, dict(line.split(": ", 1) for line in lines), rest


def read_answer(client: socket.socket) -> tuple[str, dict[str, str], bytes]:
    """A whole answer with a Content-Length."""
    status, headers, body = read_head(client)
    while len(body) < int(headers.get("Content-Length", 0)):
        piece = client.recv(65536)
        assert piece, "the connection ended within the body"
        body += piece
    return status, headers, body


def read_all(client: socket.socket) -> bytes:
    """Everything until the end."""
    gathered = b""
    while piece := client.recv(65536):
        gathered += piece
    return gathered


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for localhost: cert.pem, key.pem."""
    directory = tmp_path_factory.mktemp("certificates")
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    files = ["-keyout", str(directory / "key.pem"), "-out", str(directory / "cert.pem")]
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    subprocess.run(
        ["openssl", "req", "-x509", *curve, "-days", "2", "-nodes", *files, *subject], check=True, capture_output=True
    )
    return directory


@pytest.fixture
def edge(tmp_path: Path, certificates: Path) -> Iterator[Callable[..., Edge]]:
    """A function that starts servers; all are stopped at the end."""
    started: list[Edge] = []

    def start(router: Router, kind: str = "unix", limits: Limits | None = None) -> Edge:
        started.append(Edge(router, kind, tmp_path, certificates, limits))
        return started[-1]

    yield start
    for one in started:
        one.hang_up()
        one.stop(1.0)


@pytest.fixture
def http() -> Any:
    """The blocking client's parts, for tests (they cannot import a conftest)."""

    class Parts:
        pass

    parts: Any = Parts()
    parts.until, parts.read_head, parts.read_answer, parts.read_all = until, read_head, read_answer, read_all
    return parts
