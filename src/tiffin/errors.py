"""Kinds of error that the engine raises; what they mean to HTTP or to a shell is decided elsewhere.

An error has a kind (its class) and a message that names the object and, where the user erred, says what to do.
`api/status.py` maps a kind to an HTTP status, `cli/exit.py` to an exit code and text. This module imports nothing.
"""

from __future__ import annotations


class TiffinError(Exception):
    """Base of all kinds; `message` is what the user reads, in Docker's words where clients match on them."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class InvalidParameter(TiffinError):
    """The caller asked for something malformed or meaningless."""


class Unauthorized(TiffinError):
    """Credentials are missing or wrong."""


class Forbidden(TiffinError):
    """The caller may not do this."""


class NotFound(TiffinError):
    """The named object does not exist."""


class Conflict(TiffinError):
    """The object's state, or another object, forbids this now."""


class NotModified(TiffinError):
    """The object is already as asked for (start of a running container)."""


class NotImplementedHere(TiffinError):
    """A single engine lacks this feature."""


class Unavailable(TiffinError):
    """The service cannot answer now, or never as this kind of node (swarm)."""


class SystemFailure(TiffinError):
    """The kernel, the disk or our own code failed."""
