"""TLS to a daemon on tcp://, relayed to a plain socket. Imported only when TLS is asked for.

An OpenSSL connection may be used by one thread at a time, and its keys stay in the process; a relay thread owns it
and copies both ways between it and one end of a socket pair. The other end is what the caller gets.
"""

from __future__ import annotations

import _socket
import _thread
import select
import socket
import ssl

from tiffin.client.connection import CannotConnect
from tiffin.client.endpoint import Endpoint

SIZE = 64 * 1024


def wrap(raw: _socket.socket, endpoint: Endpoint) -> _socket.socket:
    """Shake hands over `raw`, then serve it through a relay."""
    files = endpoint.tls
    assert files is not None
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if files.verify:
            context.load_verify_locations(files.ca)
        else:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if files.cert and files.key:
            context.load_cert_chain(files.cert, files.key)
        secure = context.wrap_socket(socket.socket(fileno=raw.detach()), server_hostname=endpoint.host)
    except (OSError, ssl.SSLError) as error:
        raise CannotConnect(f"error during connect: {endpoint.describe()}: tls: {error}", None) from None
    ours, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_STREAM)
    relay_end = socket.socket(fileno=theirs.detach())
    secure.setblocking(False)
    relay_end.setblocking(False)
    _thread.start_new_thread(_relay, (secure, relay_end))
    return ours


class _Direction:
    """Bytes on their way from one end to the other; reading pauses while some are unsent."""

    __slots__ = ("eof", "finished", "pending")

    def __init__(self) -> None:
        self.pending = b""
        self.eof = False
        self.finished = False


def _relay(secure: ssl.SSLSocket, plain: socket.socket) -> None:
    up, down = _Direction(), _Direction()
    try:
        while not (down.finished):
            moved = _pump(plain, secure, up, True) | _pump(secure, plain, down, False)
            if not moved:
                _wait(secure, plain, up, down)
    except OSError:
        pass
    finally:
        plain.close()
        secure.close()


def _pump(source: socket.socket, sink: socket.socket, way: _Direction, to_tls: bool) -> bool:
    """Move what can be moved without waiting; True if anything was."""
    moved = False
    if not way.pending and not way.eof:
        try:
            way.pending = source.recv(SIZE)
            way.eof = not way.pending
            moved = True
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            pass
        except ssl.SSLEOFError:
            way.eof = True
    if way.pending:
        try:
            way.pending = way.pending[sink.send(way.pending) :]
            moved = True
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            pass
    elif way.eof and not way.finished:
        way.finished = True
        # TLS has no half-close that both sides keep reading after, except close_notify: send it, read on.
        if to_tls:
            _close_notify(sink)
        else:
            sink.shutdown(socket.SHUT_WR)
        moved = True
    return moved


def _close_notify(secure: socket.socket) -> None:
    assert isinstance(secure, ssl.SSLSocket)
    inner = secure._sslobj  # type: ignore[attr-defined]
    try:
        inner.shutdown()
    except (ssl.SSLError, OSError):
        pass  # want-read: the notify is out, the peer's own comes with its end of file


def _wait(secure: ssl.SSLSocket, plain: socket.socket, up: _Direction, down: _Direction) -> None:
    poll = select.poll()
    secure_events = select.POLLIN if not down.pending else 0
    if up.pending:
        secure_events |= select.POLLOUT
    plain_events = select.POLLIN if not (up.pending or up.eof) else 0
    if down.pending:
        plain_events |= select.POLLOUT
    if secure_events:
        poll.register(secure, secure_events)
    if plain_events:
        poll.register(plain, plain_events)
    poll.poll()
