"""A container that a canned daemon pretends to run: attach, wait, start, kill, resize."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable

from fake_daemon import Exchange, FakeDaemon

ID = "a" * 64
Program = Callable[[socket.socket, Exchange], int]


class Scripted:
    """Registers the routes of one container; `program` talks over the attached stream and returns the status."""

    def __init__(self, daemon: FakeDaemon, program: Program, *, tty: bool = False) -> None:
        self.program = program
        self.started, self.exited = threading.Event(), threading.Event()
        self.signals: list[str] = []
        self.sizes: list[tuple[str, str]] = []
        self.signalled, self.resized = threading.Condition(), threading.Condition()
        self.status = 0
        document = {
            "Id": ID,
            "Config": {"Tty": tty, "OpenStdin": True},
            "State": {"Running": True},
            "HostConfig": {"AutoRemove": False},
        }
        daemon.on("POST", "/containers/create", {"Id": ID, "Warnings": []}, 201)
        daemon.on("GET", "/containers/[^/]+/json", document)
        daemon.on("POST", "/containers/[^/]+/attach", self.attach)
        daemon.on("POST", "/containers/[^/]+/start", self.start)
        daemon.on("POST", "/containers/[^/]+/wait", self.wait)
        daemon.on("POST", "/containers/[^/]+/kill", self.kill)
        daemon.on("POST", "/containers/[^/]+/resize", self.resize)

    def start(self, exchange: Exchange) -> None:
        self.started.set()
        exchange.reply(None, 204)

    def attach(self, exchange: Exchange) -> None:
        sock = exchange.hijack()
        if exchange.query.get("stream"):
            self.started.wait(10)
        try:
            self.status = self.program(sock, exchange)
        finally:
            self.exited.set()
            try:
                sock.shutdown(socket.SHUT_WR)
                while sock.recv(65536):
                    pass
            except OSError:
                pass

    def wait(self, exchange: Exchange) -> None:
        exchange.start_chunks()
        self.exited.wait(30)
        exchange.chunk(json.dumps({"StatusCode": self.status}).encode())
        exchange.sock.sendall(b"0\r\n\r\n")

    def kill(self, exchange: Exchange) -> None:
        with self.signalled:
            self.signals.append(exchange.query["signal"][0])
            self.signalled.notify_all()
        exchange.reply(None, 204)

    def resize(self, exchange: Exchange) -> None:
        with self.resized:
            self.sizes.append((exchange.query["h"][0], exchange.query["w"][0]))
            self.resized.notify_all()
        exchange.reply(None, 200)
