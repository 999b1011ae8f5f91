"""Where the daemon listens: -H words to bound sockets.

    unix:///run/tiffin/tiffin.sock     0660, root and the group
    tcp://127.0.0.1:2376               TLS, unless insecurity was asked for by name
    fd://  fd://NAME  fd://3           what systemd passed

Sockets are bound here, not accepted on; `make` has the form that the keeper of listening sockets wants.
"""

from __future__ import annotations

import errno
import grp
import logging
import os
import socket
import stat
from dataclasses import dataclass

from tiffin.daemon import sd_notify
from tiffin.daemon.config import ConfigError

log = logging.getLogger("tiffin.daemon")
PORT, TLS_PORT = 2375, 2376
GROUPS = ("tiffin", "docker")
_BACKLOG = 1024
_PATH_LIMIT = 107


@dataclass(frozen=True, slots=True)
class Host:
    """One parsed -H. `scheme` is unix (`path`), tcp (`address`, `port`) or fd (`path`: which, "" for all)."""

    scheme: str
    path: str = ""
    address: str = ""
    port: int = 0

    def __str__(self) -> str:
        if self.scheme != "tcp":
            return f"{self.scheme}://{self.path}"
        address = f"[{self.address}]" if ":" in self.address else self.address
        return f"tcp://{address}:{self.port}"


def parse_host(text: str, *, tls: bool) -> Host:
    """Raises ConfigError, in dockerd's words. Without a scheme it is tcp, as for dockerd."""
    scheme, separator, rest = text.strip().partition("://")
    if not separator:
        scheme, rest = "tcp", text.strip()
    if scheme == "unix":
        return Host("unix", path=_unix_path(text, rest))
    if scheme == "fd":
        return Host("fd", path=rest)
    if scheme != "tcp":
        raise ConfigError(f"invalid bind address format: {text}")
    return _tcp(text, rest, TLS_PORT if tls else PORT)


def _unix_path(text: str, path: str) -> str:
    if not path.startswith("/"):
        raise ConfigError(f"invalid bind address ({text}): the socket's path must be absolute")
    if len(os.fsencode(path)) > _PATH_LIMIT:
        raise ConfigError(f"invalid bind address ({text}): the socket's path is longer than {_PATH_LIMIT} bytes")
    return path


def _tcp(text: str, rest: str, default_port: int) -> Host:
    address, colon, port = rest.rpartition(":")
    if not colon or rest.endswith("]"):
        address, port = rest, ""
    if "/" in rest or (port and not (port.isascii() and port.isdigit() and int(port) < 65536)):
        raise ConfigError(f"invalid bind address ({text}): should not contain a path element and needs a port number")
    address = address.removeprefix("[").removesuffix("]") or "127.0.0.1"
    return Host("tcp", address=address, port=int(port) if port else default_port)


def make(host: Host, group: str = "") -> list[socket.socket]:
    """Bound, listening sockets of a host: one, but for fd:// any number. Raises ConfigError."""
    if host.scheme == "unix":
        return [_unix(host.path, group)]
    if host.scheme == "fd":
        return passed(host.path)
    return [_bound_tcp(host)]


def passed(which: str) -> list[socket.socket]:
    """The sockets that systemd passed: all, one by its number, or those of a name."""
    fds = sd_notify.passed_fds()
    if not fds:
        raise ConfigError("no sockets found via socket activation: make sure the service was started by systemd")
    if which not in ("", "*"):
        fds = [(fd, name) for fd, name in fds if which in (str(fd), name)]
        if not fds:
            raise ConfigError(f"failed to find systemd socket activation fd {which}")
    sockets = []
    for fd, _ in fds:
        sock = socket.socket(fileno=fd)
        if sock.type != socket.SOCK_STREAM or not sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            raise ConfigError(f"socket activation fd {fd} is not a listening stream socket")
        sockets.append(sock)
    return sockets


def _bound_tcp(host: Host) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host.address, host.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        sock = socket.socket(family, kind, protocol)
    except OSError as error:
        raise ConfigError(f"listen {host}: {error}") from None
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.bind(address)
        sock.listen(_BACKLOG)
    except OSError as error:
        sock.close()
        raise ConfigError(f"listen {host}: bind: {os.strerror(error.errno or 0).lower()}") from None
    return sock


def _unix(path: str, group: str) -> socket.socket:
    gid = group_id(group)
    _remove_stale(path)
    os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
    sock = socket.socket(socket.AF_UNIX)
    mask = os.umask(0o177)  # nobody else may connect before the group is set; start-up has one thread
    try:
        sock.bind(path)
        if os.geteuid() == 0:
            os.chown(path, 0, gid)
        os.chmod(path, 0o660)
        sock.listen(_BACKLOG)
    except OSError as error:
        sock.close()
        raise ConfigError(f"can't create unix socket {path}: {error.strerror}") from None
    finally:
        os.umask(mask)
    return sock


def _remove_stale(path: str) -> None:
    """Remove a socket on which nobody listens; another daemon's socket or another kind of file is an error."""
    try:
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            raise ConfigError(f"can't create unix socket {path}: is not a socket")
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX) as probe:
        probe.setblocking(False)
        outcome = probe.connect_ex(path)
    if outcome in (0, errno.EAGAIN, errno.EINPROGRESS):
        raise ConfigError(f"can't create unix socket {path}: another daemon listens on it")
    os.unlink(path)


def group_id(name: str) -> int:
    """The socket's group: `name` or a number; without one, tiffin or docker where they exist, else root's."""
    for candidate in (name,) if name else GROUPS:
        try:
            return grp.getgrnam(candidate).gr_gid
        except KeyError:
            continue
    if not name:
        return 0
    if name.isascii() and name.isdigit() and int(name) < 2**32 - 1:
        return int(name)
    raise ConfigError(f"group {name} not found")
