"""A connected stream to the daemon, whatever the transport: always one plain, blocking socket.

unix and tcp are that by nature. TLS and ssh are relayed into a socket pair, so that whoever copies streams
(attach, exec, cp) needs to know only descriptors. `_socket` is used bare: `socket` imports `selectors` and `enum`.
"""

from __future__ import annotations

import _socket

from tiffin.client.endpoint import Endpoint
from tiffin.errors import Unavailable


class CannotConnect(Unavailable):
    """Nobody answers at the daemon's address."""

    def __init__(self, message: str, number: int | None) -> None:
        super().__init__(message)
        self.errno = number


def connect(endpoint: Endpoint) -> _socket.socket:
    """A new connection. CannotConnect names the address and says what to look at."""
    if endpoint.scheme == "unix":
        return _unix(endpoint)
    if endpoint.scheme == "ssh":
        from tiffin.client import ssh

        return ssh.connect(endpoint)
    sock = _tcp(endpoint)
    if endpoint.tls is None:
        return sock
    from tiffin.client import tls

    return tls.wrap(sock, endpoint)


def refused(endpoint: Endpoint, error: OSError) -> CannotConnect:
    """The error a user sees when nobody listens, or when permission lacks."""
    if isinstance(error, PermissionError):
        return CannotConnect(
            f"permission denied while trying to connect to the tiffin daemon at {endpoint.describe()}", error.errno
        )
    if isinstance(error, (ConnectionRefusedError, FileNotFoundError)) or endpoint.scheme == "unix":
        return CannotConnect(
            f"Cannot connect to the tiffin daemon at {endpoint.describe()}. Is it running?", error.errno
        )
    return CannotConnect(f"Cannot connect to the tiffin daemon at {endpoint.describe()}: {error}", error.errno)


def _unix(endpoint: Endpoint) -> _socket.socket:
    sock = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC)
    try:
        sock.connect(endpoint.path)
    except OSError as error:
        sock.close()
        raise refused(endpoint, error) from None
    return sock


def _tcp(endpoint: Endpoint) -> _socket.socket:
    failure = OSError(f"no address for {endpoint.host}")
    try:
        addresses = _socket.getaddrinfo(endpoint.host, int(endpoint.port), 0, _socket.SOCK_STREAM)
    except OSError as error:
        raise refused(endpoint, error) from None
    for family, kind, protocol, _, address in addresses:
        sock = _socket.socket(family, kind | _socket.SOCK_CLOEXEC, protocol)
        try:
            sock.connect(address)
            sock.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
            sock.setsockopt(_socket.SOL_SOCKET, _socket.SO_KEEPALIVE, 1)
            return sock
        except OSError as error:
            sock.close()
            failure = error
    raise refused(endpoint, failure) from None
