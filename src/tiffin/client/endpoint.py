"""Where the daemon is: DOCKER_HOST or -H, taken apart. Parses only; connects nowhere.

unix:///run/tiffin/tiffin.sock    /path (taken as unix)    tcp://host:2375    ssh://user@host:22/path
"""

from __future__ import annotations

from tiffin.errors import InvalidParameter

DEFAULT_SOCKET = "/run/tiffin/tiffin.sock"
PLAIN_PORT, TLS_PORT = "2375", "2376"


class Endpoint:
    """One daemon's address. `scheme` is unix, tcp or ssh; `path` for unix, `host` and `port` for the others."""

    __slots__ = ("host", "path", "port", "scheme", "text", "tls", "user")

    def __init__(self, scheme: str, text: str) -> None:
        self.scheme = scheme
        self.text = text
        self.path = self.host = self.port = self.user = ""
        self.tls: TlsFiles | None = None

    def describe(self) -> str:
        return self.text


class TlsFiles:
    """The PEM files of a TLS client, and whether the daemon's certificate is checked."""

    __slots__ = ("ca", "cert", "key", "verify")

    def __init__(self, ca: str, cert: str, key: str, verify: bool) -> None:
        self.ca, self.cert, self.key, self.verify = ca, cert, key, verify


def parse(text: str, tls: TlsFiles | None = None) -> Endpoint:
    """An address as users write it; InvalidParameter in Docker's words."""
    text = text.strip()
    if text.startswith("/"):
        text = "unix://" + text
    scheme, separator, rest = text.partition("://")
    if not separator or scheme not in ("unix", "tcp", "http", "https", "ssh"):
        raise InvalidParameter(f"unable to parse docker host `{text}`: use unix://, tcp:// or ssh://")
    if scheme == "unix":
        endpoint = Endpoint("unix", f"unix://{rest or DEFAULT_SOCKET}")
        endpoint.path = rest or DEFAULT_SOCKET
        return endpoint
    endpoint = Endpoint("ssh" if scheme == "ssh" else "tcp", text)
    authority, slash, path = rest.partition("/")
    endpoint.path = slash + path if path else ""
    user, at, address = authority.rpartition("@")
    endpoint.user = user if at else ""
    endpoint.host, endpoint.port = _host_and_port(address, text)
    if scheme != "ssh":
        endpoint.tls = tls
        endpoint.host = endpoint.host or "localhost"
        endpoint.port = endpoint.port or (TLS_PORT if tls else PLAIN_PORT)
        endpoint.text = f"tcp://{address}" if scheme == "tcp" else text
    return endpoint


def _host_and_port(address: str, text: str) -> tuple[str, str]:
    if address.startswith("["):
        host, bracket, rest = address[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise InvalidParameter(f"unable to parse docker host `{text}`")
        port = rest[1:]
    elif address.count(":") > 1:
        raise InvalidParameter(f"unable to parse docker host `{text}`: an IPv6 address goes in brackets")
    else:
        host, _, port = address.partition(":")
    if port and not (port.isdigit() and 0 < int(port) < 65536):
        raise InvalidParameter(f"unable to parse docker host `{text}`: invalid port {port!r}")
    return host, port
