"""The numbers that keep one client from hurting the daemon, each with its reason.

Sizes in bytes, times in seconds. Nothing here is measured by the wall clock.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one `HttpServer`; tests lower them."""

    head_bytes: int = 256 * 1024
    """Request line and headers. `X-Registry-Config` of a build carries every credential the client has."""

    head_count: int = 256
    """Header lines; Docker's clients send about ten."""

    head_seconds: float = 60.0
    """From the first byte of a request (or from the connection) to the end of its head: slow-loris."""

    body_bytes: int = 8 * 1024 * 1024
    """What `Request.body()` gathers in memory. Streams (`Request.chunks()`) are not limited: archives are large."""

    body_seconds: float = 60.0
    """What `Request.body()` waits in all. Streams are not limited: a person may type into `tiffin import -`."""

    read_ahead: int = 256 * 1024
    """Bytes kept that no handler has asked for (a body, pipelined requests, early stdin) before reading pauses."""

    discard_bytes: int = 256 * 1024
    """What is read and dropped of a body that the handler did not want, to save the connection. Go uses the same."""

    linger_seconds: float = 2.0
    """How long a closed connection may stay half-open so that its client reads the answer before the reset."""

    write_ahead: int = 256 * 1024
    """Bytes queued for a slow reader before `Stream.write` waits."""

    connections: int = 4096
    """Open connections; beyond this, new ones wait in the kernel's backlog."""
