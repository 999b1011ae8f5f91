"""Errors to exit codes and the words on stderr. The one place in the client that knows both."""

from __future__ import annotations

import sys

from tiffin.client.connection import CannotConnect
from tiffin.client.reply import ApiError, BrokenReply
from tiffin.errors import TiffinError

FAILURE = 1
USAGE = 125  # as Docker: wrong flags, and what `run` itself could not do


class Exit(Exception):
    """End with this code; the message, if any, goes to stderr as it is."""

    def __init__(self, code: int, message: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def text(error: BaseException) -> str:
    """What the user reads."""
    if isinstance(error, ApiError):
        return f"Error response from daemon: {error.message}"
    if isinstance(error, (CannotConnect, BrokenReply, TiffinError)):
        return error.message
    if isinstance(error, OSError):
        place = f"{error.filename}: " if error.filename else ""
        return f"{place}{error.strerror or error}"
    return str(error)


def complain(message: str) -> None:
    """One message to stderr, newline-ended; a closed stderr is not an error."""
    try:
        sys.stderr.write(message.rstrip("\n") + "\n")
        sys.stderr.flush()
    except (OSError, ValueError):
        pass
