"""Moments as images and filters state them: RFC 3339 in configs, any of Docker's `until` forms in filters."""

from __future__ import annotations

import time

from tiffin.errors import InvalidParameter
from tiffin.wire import rfc3339

ZERO = rfc3339.ZERO_NANO
format_ns = rfc3339.nano


def parse_ns(text: str) -> int | None:
    """Nanoseconds since the epoch, or None for no time or an unreadable one: an image may say anything."""
    if text == ZERO:
        return None
    try:
        return rfc3339.parse(text)
    except (ValueError, OverflowError):
        return None


def until_ns(text: str) -> int:
    """A filter's moment: a Unix time with fraction, RFC 3339 in parts, or a Go duration back from now."""
    try:
        return rfc3339.parse_unix(rfc3339.client_timestamp(text, time.time_ns()))
    except (ValueError, OverflowError):
        raise InvalidParameter(f'failed to parse value as time or duration: "{text}"') from None
