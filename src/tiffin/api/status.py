"""The one place where a kind of error becomes an HTTP status."""

from __future__ import annotations

from tiffin import errors

_STATUS: tuple[tuple[type[errors.TiffinError], int], ...] = (
    (errors.InvalidParameter, 400),
    (errors.Unauthorized, 401),
    (errors.Forbidden, 403),
    (errors.NotFound, 404),
    (errors.Conflict, 409),
    (errors.NotModified, 304),
    (errors.NotImplementedHere, 501),
    (errors.Unavailable, 503),
)


def status_of(error: Exception) -> int:
    """The status of an error; anything unexpected is 500."""
    for kind, status in _STATUS:
        if isinstance(error, kind):
            return status
    return 500
