"""A transport seen by its owner: what was read and not used yet, waiting for more, waiting for a slow reader, a timer.

Knows no HTTP. `Connection` adds requests and answers.
"""

from __future__ import annotations

import asyncio
import os
import socket
from typing import Any

from tiffin.api.http.stream import ClientGone


class Channel(asyncio.Protocol):
    """Flow control in both directions over an asyncio.Transport or a TlsTransport."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._transport: Any = None
        self._buffer = bytearray()
        self._reader: asyncio.Future[None] | None = None
        self._writers: list[asyncio.Future[None]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._reading_paused = False
        self._writing_paused = False
        self._eof = False
        self._lost = False

    def pause_writing(self) -> None:
        self._writing_paused = True

    def resume_writing(self) -> None:
        self._writing_paused = False
        self._wake_writers()

    def check(self) -> None:
        """Raise ClientGone when nothing can be written any more."""
        if self._lost or self._transport.is_closing():
            raise ClientGone

    async def write(self, data: bytes) -> None:
        self.check()
        self._transport.write(data)
        if self._writing_paused:
            await self._drain()

    async def _drain(self) -> None:
        while self._writing_paused and not self._lost:
            waiter: asyncio.Future[None] = self._loop.create_future()
            self._writers.append(waiter)
            await waiter
        if self._lost:
            raise ClientGone

    async def _more_input(self) -> None:
        """Read on; returns when something came, or the end."""
        self._resume_reading()
        self._reader = self._loop.create_future()
        try:
            await self._reader
        finally:
            self._reader = None

    def _arm(self, seconds: float) -> None:
        self._cancel_timer()
        self._timer = self._loop.call_later(seconds, self._timed_out)

    def _timed_out(self) -> None:
        raise NotImplementedError

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _pause_reading(self) -> None:
        if not self._reading_paused:
            self._reading_paused = True
            self._transport.pause_reading()

    def _resume_reading(self) -> None:
        if self._reading_paused:
            self._reading_paused = False
            self._transport.resume_reading()

    def _wake_reader(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    def _wake_writers(self) -> None:
        waiters, self._writers = self._writers, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)


def pending(fd: int) -> bool:
    """Whether a descriptor's socket has unread bytes."""
    with socket.socket(fileno=os.dup(fd)) as probe:
        try:
            return bool(probe.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT))
        except OSError:
            return False
