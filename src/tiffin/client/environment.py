"""Which daemon the user means: -H and --tls* flags, else DOCKER_HOST and DOCKER_TLS*, else the default socket."""

from __future__ import annotations

import os

from tiffin.client.client import Client
from tiffin.client.endpoint import DEFAULT_SOCKET, Endpoint, TlsFiles, parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


class Choice:
    """What the command line says about the daemon; None where it says nothing."""

    __slots__ = ("host", "tls", "tlscacert", "tlscert", "tlskey", "tlsverify")

    def __init__(self) -> None:
        self.host: str | None = None
        self.tls = False
        self.tlsverify: bool | None = None
        self.tlscacert: str | None = None
        self.tlscert: str | None = None
        self.tlskey: str | None = None


def client(choice: Choice, environ: Mapping[str, str] = os.environ) -> Client:
    """A client for the chosen daemon. It may start one only where the choice is the default."""
    host = choice.host or environ.get("DOCKER_HOST") or ""
    version = environ.get("DOCKER_API_VERSION", "").strip().removeprefix("v")
    if not host:
        return Client(parse(f"unix://{DEFAULT_SOCKET}"), version, _revive)
    return Client(parse(host, _tls(choice, environ)), version)


def _tls(choice: Choice, environ: Mapping[str, str]) -> TlsFiles | None:
    verify = choice.tlsverify if choice.tlsverify is not None else bool(environ.get("DOCKER_TLS_VERIFY"))
    if not (verify or choice.tls or choice.tlscacert or choice.tlscert or choice.tlskey):
        return None
    home = environ.get("DOCKER_CERT_PATH") or os.path.join(
        environ.get("DOCKER_CONFIG") or os.path.join(environ.get("HOME", "/"), ".docker")
    )

    def pick(given: str | None, name: str) -> str:
        if given is not None:
            return given
        path = os.path.join(home, name)
        return path if verify or os.path.exists(path) else ""

    return TlsFiles(
        pick(choice.tlscacert, "ca.pem"), pick(choice.tlscert, "cert.pem"), pick(choice.tlskey, "key.pem"), verify
    )


def _revive(endpoint: Endpoint) -> bool:
    from tiffin.client import autostart

    return autostart.revive(endpoint)
