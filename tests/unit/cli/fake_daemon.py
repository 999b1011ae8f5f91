"""A daemon that is none: a threaded HTTP/1.1 server on a unix socket that answers with canned Docker JSON.

It serves the stock docker CLI and ours alike, so a test can compare what the two send and print.
"""

from __future__ import annotations

import json
import os
import re
import socket
import struct
import subprocess
import threading
import urllib.parse
from collections.abc import Callable
from typing import Any


class Exchange:
    """One request, and the means to answer it."""

    def __init__(
        self, sock: socket.socket, method: str, target: str, headers: dict[str, str], body: bytes, tail: bytes
    ):
        self.sock = sock
        self.method = method
        path, _, query = target.partition("?")
        self.versioned = path
        self.path = re.sub(r"^/v\d+\.\d+", "", path)
        self.query = urllib.parse.parse_qs(query, keep_blank_values=True)
        self.headers = headers
        self.body = body
        self.tail = tail
        self.hijacked = False

    @property
    def json(self) -> Any:
        return json.loads(self.body) if self.body else None

    def reply(self, document: Any = None, status: int = 200, headers: str = "") -> None:
        body = b"" if document is None else document if isinstance(document, bytes) else json.dumps(document).encode()
        if status == 204:
            self.sock.sendall(b"HTTP/1.1 204 No Content\r\nApi-Version: 1.51\r\n\r\n")
            return
        head = (
            f"HTTP/1.1 {status} X\r\nApi-Version: 1.51\r\nOstype: linux\r\nContent-Type: application/json\r\n{headers}"
        )
        self.sock.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)

    def start_chunks(self) -> None:
        self.sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")

    def chunk(self, data: bytes) -> None:
        self.sock.sendall(f"{len(data):x}\r\n".encode() + data + b"\r\n")

    def hijack(self, first: bytes = b"", status: int = 101) -> socket.socket:
        self.hijacked = True
        line = "101 UPGRADED" if status == 101 else "200 OK"
        upgrade = "Connection: Upgrade\r\nUpgrade: tcp\r\n" if status == 101 else ""
        head = f"HTTP/1.1 {line}\r\nContent-Type: application/vnd.docker.multiplexed-stream\r\n{upgrade}\r\n"
        self.sock.sendall(head.encode() + first)
        return self.sock


Handler = Callable[[Exchange], None]
Run = Callable[..., "subprocess.CompletedProcess[bytes]"]  # the `tiffin` fixture


def frame(stream: int, data: bytes) -> bytes:
    """One stdcopy frame."""
    return struct.pack(">BxxxL", stream, len(data)) + data


class FakeDaemon:
    def __init__(self, path: str) -> None:
        self.path = path
        self.host = f"unix://{path}"
        self.routes: list[tuple[str, re.Pattern[str], Handler]] = []
        self.seen: list[Exchange] = []
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen(64)
        self.lock = threading.Lock()
        self.open: set[socket.socket] = set()
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()
        self.on("(GET|HEAD)", "/_ping", lambda exchange: exchange.reply(b"OK" if exchange.method == "GET" else None))

    def on(self, method: str, path: str, answer: Any, status: int = 200) -> None:
        """Answer requests whose path matches (the newest route wins) with JSON or by a function."""
        handler: Handler = answer if callable(answer) else lambda exchange: exchange.reply(answer, status)
        self.routes.insert(0, (method, re.compile(path + r"\Z"), handler))

    def requests(self, method: str, path: str) -> list[Exchange]:
        return [e for e in self.seen if e.method == method and re.fullmatch(path, e.path)]

    def close(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(5)
        with self.lock:
            for sock in self.open:
                try:
                    sock.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
        if os.path.exists(self.path):
            os.unlink(self.path)

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        with self.lock:
            self.open.add(sock)
        try:
            buffer = b""
            while True:
                exchange, buffer = self._read(sock, buffer)
                if exchange is None:
                    return
                self.seen.append(exchange)
                self._answer(exchange)
                if exchange.hijacked:
                    return
        except OSError:
            pass
        finally:
            with self.lock:
                self.open.discard(sock)
            sock.close()

    def _answer(self, exchange: Exchange) -> None:
        for method, path, handler in self.routes:
            if re.fullmatch(method, exchange.method) and path.match(exchange.path):
                handler(exchange)
                return
        exchange.reply({"message": "page not found"}, 404)

    def _read(self, sock: socket.socket, buffer: bytes) -> tuple[Exchange | None, bytes]:
        while b"\r\n\r\n" not in buffer:
            data = sock.recv(65536)
            if not data:
                return None, b""
            buffer += data
        head, _, buffer = buffer.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        headers = {line.partition(":")[0].lower(): line.partition(":")[2].strip() for line in lines}
        method, target, _ = first.split(" ")
        body = b""
        if headers.get("transfer-encoding") == "chunked":
            while True:
                while b"\r\n" not in buffer:
                    buffer += sock.recv(65536)
                size, _, buffer = buffer.partition(b"\r\n")
                wanted = int(size, 16) + 2
                while len(buffer) < wanted:
                    buffer += sock.recv(65536)
                body, buffer = body + buffer[: wanted - 2], buffer[wanted:]
                if wanted == 2:
                    break
        else:
            length = int(headers.get("content-length", "0"))
            while len(buffer) < length:
                buffer += sock.recv(65536)
            body, buffer = buffer[:length], buffer[length:]
        return Exchange(sock, method, target, headers, body, buffer), buffer
