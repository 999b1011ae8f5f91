"""TLS between a socket's transport and a protocol, with real half-closes.

asyncio's own TLS ends a connection on the peer's close_notify; an attached client that closes its stdin over TLS
(`echo … | docker run -i`) would lose the container's output. Here close_notify is `eof_received`, `write_eof` sends
one, and the other direction goes on. Towards the protocol this is a transport; only what `Connection` uses exists.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from typing import Any

log = logging.getLogger("tiffin.api")
_CHUNK = 64 * 1024


class TlsTransport(asyncio.Protocol):
    """The protocol of a raw transport, and the transport of `protocol`."""

    def __init__(self, protocol: asyncio.Protocol, context: ssl.SSLContext, handshake_seconds: float) -> None:
        self._protocol = protocol
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._raw: Any = None
        self._seconds = handshake_seconds
        self._timer: asyncio.TimerHandle | None = None
        self._established = False
        self._stash = bytearray()  # decrypted, not delivered yet
        self._paused = False
        self._eof = False  # the peer's input has ended …
        self._eof_told = False  # … and the protocol knows
        self._eof_sent = False
        self._closing = False

    # -- towards the socket -----------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._raw = transport
        self._timer = asyncio.get_running_loop().call_later(self._seconds, self._raw.abort)

    def data_received(self, data: bytes) -> None:
        self._incoming.write(data)
        if self._established or self._handshake():
            self._deliver()

    def eof_received(self) -> bool:
        if not self._established:
            return False
        self._incoming.write_eof()
        self._deliver()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._established:
            self._protocol.connection_lost(exc)

    def pause_writing(self) -> None:
        if self._established:
            self._protocol.pause_writing()

    def resume_writing(self) -> None:
        if self._established:
            self._protocol.resume_writing()

    def _handshake(self) -> bool:
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            self._flush()
            return False
        except ssl.SSLError as error:
            self._flush()  # the alert
            peer = self._raw.get_extra_info("peername")
            log.info("TLS handshake with %s failed: %s", peer, error.reason or error)
            self._raw.close()
            return False
        self._flush()
        self._established = True
        if self._timer is not None:
            self._timer.cancel()
        self._protocol.connection_made(self)  # type: ignore[arg-type]  # a transport by behaviour
        return True

    def _deliver(self) -> None:
        """Hand over what can be decrypted, as long as the protocol wants it."""
        while not self._paused and not self._raw.is_closing():
            if self._stash:
                data = bytes(self._stash)
                self._stash.clear()
            else:
                data = self._decrypt()
            if data:
                self._protocol.data_received(data)
            elif self._eof:
                self._tell_eof()
                break
            else:
                break
        self._flush()

    def _decrypt(self) -> bytes:
        """Plain bytes, b"" when more input is needed or none will come."""
        try:
            data = self._tls.read(_CHUNK)
        except ssl.SSLWantReadError:
            return b""
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            data = b""
        except ssl.SSLError as error:
            log.info("TLS connection failed: %s", error.reason or error)
            self._raw.abort()
            return b""
        self._eof = self._eof or not data
        return data

    def _tell_eof(self) -> None:
        if not self._eof_told:
            self._eof_told = True
            self._protocol.eof_received()

    def _flush(self) -> None:
        if self._outgoing.pending and not self._raw.is_closing():
            self._raw.write(self._outgoing.read())

    # -- towards the protocol: a transport --------------------------------------------------------------------------

    def set_protocol(self, protocol: asyncio.Protocol) -> None:
        """The next owner; it is told of the end of input even if its predecessor was."""
        self._protocol = protocol
        self._eof_told = False

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._raw.set_write_buffer_limits(high=high, low=low)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._tls.getpeercert() if name == "peercert" else self._raw.get_extra_info(name, default)

    def is_closing(self) -> bool:
        return self._closing or bool(self._raw.is_closing())

    def pause_reading(self) -> None:
        self._paused = True
        self._raw.pause_reading()

    def resume_reading(self) -> None:
        self._paused = False
        self._raw.resume_reading()
        asyncio.get_running_loop().call_soon(self._resume)

    def _resume(self) -> None:
        if not self._raw.is_closing():
            self._deliver()

    def write(self, data: bytes) -> None:
        if self._eof_sent or self._raw.is_closing():
            return
        try:
            self._tls.write(data)
        except ssl.SSLError as error:
            log.info("TLS write failed: %s", error.reason or error)
            self._raw.abort()
            return
        self._flush()

    def write_eof(self) -> None:
        """Send close_notify and the end of the TCP stream; reading goes on."""
        if self._eof_sent or self._raw.is_closing():
            return
        self._eof_sent = True
        while data := self._decrypt():
            self._stash += data  # unwrap() also looks for the peer's close_notify, and chokes on data before it
        try:
            self._tls.unwrap()
        except ssl.SSLError:
            pass  # wants the peer's close_notify, which comes when it likes
        self._flush()
        self._raw.write_eof()

    def close(self) -> None:
        if not self._closing:
            self._closing = True
            self.write_eof()
            self._raw.close()

    def abort(self) -> None:
        self._closing = True
        self._raw.abort()
