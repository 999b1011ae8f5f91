"""One client's connection: bytes to requests, one request at a time, and answers to bytes.

    idle ──head complete──▶ running ──answered, body drained──▶ idle         (keep-alive)
      │                        ├──hijack()──▶ gone, the socket has another owner
      └──bad head, eof─────────┴──close──▶ lingering ──eof or timeout──▶ closed

What arrives while a handler runs stays in `_buffer`, raw: the body as the handler asks for it, a pipelined request or a
hijacked stream's first bytes after it. A full buffer pauses reading.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from typing import TYPE_CHECKING

from tiffin.api.http.body import Body, body_of
from tiffin.api.http.channel import Channel, pending
from tiffin.api.http.head import END, BadRequest, Head, parse_head
from tiffin.api.http.hijack import Hijacked, attach_head, relay, switch_head
from tiffin.api.http.request import Request
from tiffin.api.http.response import Response, json_response
from tiffin.api.http.stream import ClientGone
from tiffin.api.http.tls import TlsTransport
from tiffin.errors import InvalidParameter

if TYPE_CHECKING:
    from tiffin.api.http.server import HttpServer

log = logging.getLogger("tiffin.api")


class Connection(Channel):
    """The protocol of one connection; `server` holds what all of them share."""

    def __init__(self, server: HttpServer) -> None:
        super().__init__(server.loop)
        self.server = server
        self._scanned = 0
        self._body = Body(done=True)
        self._request: Request | None = None
        self._head: Head | None = None
        self._task: asyncio.Task[None] | None = None
        self._disconnected: asyncio.Event | None = None
        self._answered = False  # the answer's head is out
        self._keep_alive = True
        self._expects = False  # the client waits for 100 Continue
        self._served = 0
        self._fenced = False  # we shut the reading side ourselves; its end is not the client's
        self._lingering = False
        self._hijacked = False

    # -- what asyncio calls -----------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._transport.set_write_buffer_limits(high=self.server.limits.write_ahead)
        self.server.connections.add(self)
        self._arm(self.server.limits.head_seconds)

    def data_received(self, data: bytes) -> None:
        if self._lingering:
            return
        self._buffer += data
        if self._request is None:
            self._next_request()
        elif self._reader is not None:
            self._wake_reader()
        if len(self._buffer) > self.server.limits.read_ahead and self._request is not None:
            self._pause_reading()

    def eof_received(self) -> bool:
        self._eof = True
        if self._request is None:
            self._transport.close()
            return True
        if self._disconnected is not None and not self._fenced:
            self._disconnected.set()
        self._wake_reader()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        if self._hijacked:
            return
        self._lost = True
        self._cancel_timer()
        self.server.forget(self)
        if self._disconnected is not None:
            self._disconnected.set()
        self._wake_reader()
        self._wake_writers()

    # -- requests ---------------------------------------------------------------------------------------------------

    def _next_request(self) -> None:
        """Start the request whose head is complete in the buffer, if one is."""
        buffer = self._buffer
        while buffer.startswith(b"\r\n"):  # RFC 9112 2.2: tolerate empty lines before a request
            del buffer[:2]
        end = buffer.find(END, self._scanned)
        limits = self.server.limits
        if end < 0 or end > limits.head_bytes:
            if len(buffer) > limits.head_bytes:
                self._refuse(BadRequest(431, "request header fields too large"))
            elif buffer and self._timer is None:
                self._arm(limits.head_seconds)
            self._scanned = max(0, len(buffer) - 3)
            return
        data = bytes(buffer[: end + 4])
        del buffer[: end + 4]
        self._scanned = 0
        self._cancel_timer()
        try:
            head = parse_head(data, limits)
        except BadRequest as error:
            self._refuse(error)
            return
        self._start(head)

    def _start(self, head: Head) -> None:
        self._head = head
        self._body = body_of(head.length)
        self._expects = head.expects_continue and not self._body.done
        self._keep_alive = head.keep_alive
        self._answered = False
        self._disconnected = None
        self._served += 1
        self._request = Request(self, head)
        self._task = self.server.loop.create_task(self._run(self._request))

    async def _run(self, request: Request) -> None:
        try:
            response = await self.server.handler(request)
            if self._hijacked:
                return
            if not self._answered:
                await self._send(Response(204) if response is None else response)
            await self._settle()
        except ClientGone:
            self.cut()
        except BadRequest as error:
            self._refuse(error)
        except asyncio.CancelledError:
            self.cut()
            raise
        except Exception:
            log.exception("%s %s failed", request.method, request.path)
            if self._answered:
                self.cut()
            else:
                self._refuse(BadRequest(500, "internal error"))
        finally:
            self._task = None

    async def _settle(self) -> None:
        """After the answer: skip what is left of the body, then the next request or the end."""
        left = self.server.limits.discard_bytes
        if self._expects:
            self._keep_alive = False  # the body was neither asked for nor sent; what comes next is anybody's guess
        while self._keep_alive and not self._body.done and left > 0:
            left -= len(await self.read_body())
        self._request = None
        if not self._keep_alive or not self._body.done or self._lost or (self._eof and not self._buffer):
            self._linger()
            return
        if self._buffer:
            self._next_request()
        if self._request is None:
            self._resume_reading()
            if self.server.closing.is_set() or self._eof:
                self.retire()

    def _refuse(self, error: BadRequest) -> None:
        """Answer what is not a request (or not one that can be served) and end the connection."""
        self._keep_alive = False
        if not self._answered and not self._lost:
            self._write_response(json_response({"message": error.message}, error.status))
        self._request = None
        self._linger()

    # -- the body, for Request --------------------------------------------------------------------------------------

    async def read_body(self) -> bytes:
        """The next bytes of the body; b"" at its end. Raises ClientGone, BadRequest, InvalidParameter."""
        if self._expects and not self._answered:
            self._expects = False
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        while not self._body.done:
            if data := self._body.take(self._buffer):
                if self._reading_paused and len(self._buffer) <= self.server.limits.read_ahead // 2:
                    self._resume_reading()
                return data
            if self._body.done:
                break
            if self._lost:
                raise ClientGone
            if self._eof:
                self._keep_alive = False
                self._body.done = True
                raise InvalidParameter("unexpected EOF")
            await self._more_input()
        return b""

    def disconnected(self) -> asyncio.Event:
        if self._disconnected is None:
            self._disconnected = asyncio.Event()
            if self._lost or (self._eof and not self._fenced):
                self._disconnected.set()
        return self._disconnected

    # -- the answer -------------------------------------------------------------------------------------------------

    async def _send(self, response: Response) -> None:
        self._write_response(response)
        if self._writing_paused or self._lost:
            await self._drain()

    def _write_response(self, response: Response) -> None:
        self._answered = True
        close = self._closes()
        head = self.server.heads.head(
            response.status,
            length=len(response.body),
            content_type=response.content_type,
            headers=response.headers,
            close=close,
        )
        silent = self._head is not None and self._head.method == "HEAD"
        self._transport.write(head if silent or response.status in (204, 304) else head + response.body)

    def _closes(self) -> bool:
        """Whether this answer is the connection's last, as far as is known when its head is sent."""
        if self.server.closing.is_set() and not self._buffer:
            self._keep_alive = False
        return not self._keep_alive

    def start_stream(self, status: int, content_type: str, headers: dict[str, str] | None) -> tuple[bool, bool]:
        """Send the head of a growing answer; (in chunks, without a body because of HEAD)."""
        if self._answered:
            raise RuntimeError("the answer has been sent already")
        self.check()
        assert self._head is not None
        chunked = self._head.http11
        if not chunked:
            self._keep_alive = False
        self._answered = True
        self._transport.write(
            self.server.heads.head(
                status,
                length=None,
                content_type=content_type,
                headers=headers,
                chunked=chunked,
                close=self._closes(),
            )
        )
        return chunked, self._head.method == "HEAD"

    def cut(self) -> None:
        """End the connection without ceremony: the client must see that its answer is not whole."""
        self._request = None
        if not self._hijacked and self._transport is not None:
            self._transport.abort()

    # -- hijack -----------------------------------------------------------------------------------------------------

    async def hijack_attach(self, *, upgrade: bool, multiplexed: bool) -> Hijacked:
        return await self.hijack(attach_head(upgrade=upgrade, multiplexed=multiplexed, extra=self.server.heads.fixed()))

    async def hijack_switch(self, protocol: str) -> Hijacked:
        return await self.hijack(switch_head(protocol))

    async def hijack(self, head: bytes) -> Hijacked:
        """Flush `head` and give the socket away; see hijack.py for the order and why."""
        if self._answered:
            raise RuntimeError("the answer has been sent already")
        while await self.read_body():
            pass  # what the handler left of the body is not the stream's
        self._pause_reading()
        self.check()
        self._answered = True
        self._transport.set_write_buffer_limits(high=0)
        self._transport.write(head)
        await self._drain()
        self.check()
        self._hijacked = True
        self.server.forget(self)
        tail = bytes(self._buffer)
        self._buffer.clear()
        if isinstance(self._transport, TlsTransport):
            return Hijacked(await relay(self._transport), tail)
        fd = os.dup(self._transport.get_extra_info("socket").fileno())
        self._transport.abort()  # closes its own descriptor; no shutdown, so the open file lives on in `fd`
        return Hijacked(fd, tail)

    # -- the end ----------------------------------------------------------------------------------------------------

    @property
    def answered(self) -> bool:
        """The answer's head is out."""
        return self._answered

    @property
    def busy(self) -> bool:
        """A request is being served."""
        return self._request is not None

    def retire(self) -> None:
        """The server closes: end the connection when no request can be lost by it.

        A unix socket's reading side is shut: the client's next write fails (nothing of it was accepted, so clients try
        again on a new connection), while what it wrote before is still read and answered. TCP has no such fence.
        A connection on which nothing was ever asked gets until the server's deadline.
        """
        if self._request is not None or self._lingering or self._lost or not self._served:
            return
        sock = self._transport.get_extra_info("socket")
        if self._eof or isinstance(self._transport, TlsTransport) or sock is None:
            self._transport.close()
        elif sock.family == socket.AF_UNIX:
            self._fenced = True
            try:
                sock.shutdown(socket.SHUT_RD)
            except OSError:
                self._transport.close()
        elif not self._buffer and not pending(sock.fileno()):
            self._transport.close()

    def abandon(self) -> None:
        """The server's deadline has come."""
        if self._task is not None:
            self._task.cancel()
        else:
            self._transport.abort()

    def _linger(self) -> None:
        """Close so that the client reads the answer: a close with unread input resets the peer instead."""
        if self._lost or self._lingering:
            return
        self._lingering = True
        self._buffer.clear()
        if self._eof:
            self._transport.close()
            return
        if self.server.closing.is_set() and not pending(self._transport.get_extra_info("socket").fileno()):
            self._transport.close()  # nothing unread, so no reset; a planned restart need not wait for the client
            return
        self._transport.write_eof()
        self._resume_reading()
        self._arm(self.server.limits.linger_seconds)

    def _timed_out(self) -> None:
        self._timer = None
        if self._lingering or not self._buffer:
            self._transport.abort()
        elif self._request is None:
            self._refuse(BadRequest(408, "timed out reading the request's header"))
