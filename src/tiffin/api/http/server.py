"""The HTTP server: listening sockets in, connections served, a graceful end. It knows HTTP, not Docker.

A listening socket is not closed by `close()`: it belongs to the caller, and while another process holds a duplicate,
clients that come meanwhile wait in its backlog until the next daemon accepts them.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import ssl
from collections.abc import Awaitable, Callable

from tiffin.api.http.connection import Connection
from tiffin.api.http.limits import Limits
from tiffin.api.http.request import Request
from tiffin.api.http.response import HeadWriter, Response
from tiffin.api.http.tls import TlsTransport

log = logging.getLogger("tiffin.api")
Handler = Callable[[Request], Awaitable[Response | None]]
_OUT_OF = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM))
_RETRY_SECONDS = 1.0
_FIRST_REQUEST_SECONDS = 1.0
_EVER = 1e8


class HttpServer:
    """`handler` (a Router) answers every request; `headers` go on every answer."""

    def __init__(
        self, handler: Handler, *, limits: Limits | None = None, headers: dict[str, str] | None = None
    ) -> None:
        self.handler = handler
        self.limits = limits or Limits()
        self.heads = HeadWriter(headers or {})
        self.connections: set[Connection] = set()
        self.closing = asyncio.Event()
        self.loop = asyncio.get_running_loop()
        self._listeners: dict[socket.socket, ssl.SSLContext | None] = {}
        self._accepting: set[asyncio.Task[None]] = set()
        self._full = False
        self._changed = asyncio.Event()

    async def serve(self, sock: socket.socket, ssl: ssl.SSLContext | None = None) -> None:
        """Accept on a bound or listening socket from now on; returns at once."""
        sock.setblocking(False)
        sock.listen(1024)
        self._listeners[sock] = ssl
        self.loop.add_reader(sock.fileno(), self._accept, sock)

    async def close(self, timeout: float) -> None:
        """Stop accepting, answer what was accepted, close idle connections; after `timeout` seconds cut the rest.

        A negative timeout waits for as long as it takes.
        """
        for sock in self._listeners:
            self.loop.remove_reader(sock.fileno())
        self._listeners.clear()
        self.closing.set()
        timeout = _EVER if timeout < 0 else timeout
        deadline = self.loop.time() + timeout
        silent_until = self.loop.time() + min(_FIRST_REQUEST_SECONDS, timeout)
        while self._accepting:
            await asyncio.wait(self._accepting)
        for connection in list(self.connections):
            connection.retire()
        await self._until_only_busy(silent_until)
        await self._until_empty(deadline)
        for connection in list(self.connections):
            connection.abandon()
        await self._until_empty(self.loop.time() + 1.0)

    async def _until_only_busy(self, deadline: float) -> None:
        """Give connections that never asked anything until `deadline`, then end them."""
        while any(not connection.busy for connection in self.connections):
            if not await self._change_before(deadline):
                break
        for connection in list(self.connections):
            if not connection.busy:
                connection.abandon()

    async def _until_empty(self, deadline: float) -> None:
        while self.connections and await self._change_before(deadline):
            pass

    async def _change_before(self, deadline: float) -> bool:
        self._changed.clear()
        try:
            async with asyncio.timeout_at(deadline):
                await self._changed.wait()
        except TimeoutError:
            return False
        return True

    def forget(self, connection: Connection) -> None:
        """The connection is closed or has another owner."""
        self.connections.discard(connection)
        self._changed.set()
        if self._full and len(self.connections) < self.limits.connections:
            self._resume_accepting()

    # -- accepting --------------------------------------------------------------------------------------------------

    def _accept(self, sock: socket.socket) -> None:
        for _ in range(64):
            if len(self.connections) + len(self._accepting) >= self.limits.connections:
                self._full = True
                self._pause_accepting()
                return
            try:
                client, _ = sock.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                self._accept_failed(error)
                return
            client.setblocking(False)
            task = self.loop.create_task(self._connect(client, self._listeners[sock]))
            self._accepting.add(task)
            task.add_done_callback(self._accepting.discard)

    async def _connect(self, client: socket.socket, context: ssl.SSLContext | None) -> None:
        connection = Connection(self)
        protocol: asyncio.Protocol = connection
        if client.family != socket.AF_UNIX:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if context is not None:
            protocol = TlsTransport(connection, context, self.limits.head_seconds)
        try:
            await self.loop.connect_accepted_socket(lambda: protocol, client)
        except OSError as error:
            log.info("a connection failed before it began: %s", error)
            client.close()

    def _accept_failed(self, error: OSError) -> None:
        if error.errno not in _OUT_OF:
            log.warning("accept: %s", error)
            return
        log.error("accept: %s; trying again in %.0f s", error, _RETRY_SECONDS)
        self._pause_accepting()
        self.loop.call_later(_RETRY_SECONDS, self._resume_accepting)

    def _pause_accepting(self) -> None:
        for sock in self._listeners:
            self.loop.remove_reader(sock.fileno())

    def _resume_accepting(self) -> None:
        self._full = False
        for sock in self._listeners:
            self.loop.add_reader(sock.fileno(), self._accept, sock)
