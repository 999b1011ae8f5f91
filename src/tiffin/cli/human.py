"""Sizes and spans of time as people read them, worded as Docker words them."""

from __future__ import annotations

import time

DECIMAL = ("B", "kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB")
BINARY = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB")
DAY_H = 24


def _scaled(size: float, base: float, units: tuple[str, ...], precision: int) -> str:
    index = 0
    while size >= base and index < len(units) - 1:
        size /= base
        index += 1
    return f"{size:.{precision}g}{units[index]}"


def size(count: float, precision: int = 3) -> str:
    """Powers of 1000: `4.26MB`."""
    return _scaled(count, 1000.0, DECIMAL, precision)


def binary_size(count: float, precision: int = 4) -> str:
    """Powers of 1024: `3.8GiB`."""
    return _scaled(count, 1024.0, BINARY, precision)


def duration(seconds: float) -> str:
    """`About a minute`, `3 hours`, `2 weeks`."""
    whole = int(seconds)
    if whole < 1:
        return "Less than a second"
    if whole == 1:
        return "1 second"
    if whole < 60:
        return f"{whole} seconds"
    minutes = whole // 60
    if minutes == 1:
        return "About a minute"
    if minutes < 60:
        return f"{minutes} minutes"
    hours = int(seconds / 3600 + 0.5)
    if hours == 1:
        return "About an hour"
    if hours < 48:
        return f"{hours} hours"
    for limit, unit, name in ((14, 1, "days"), (60, 7, "weeks"), (730, 30, "months")):
        if hours < limit * DAY_H:
            return f"{hours // DAY_H // unit} {name}"
    return f"{int(seconds / 3600) // DAY_H // 365} years"


def ago(epoch: float) -> str:
    """How long ago a moment was; `N/A` for none."""
    return f"{duration(time.time() - epoch)} ago" if epoch else "N/A"


def moment(epoch: int) -> str:
    """A moment in local time as Go prints it: `2024-01-02 15:04:05 +0000 UTC`."""
    return time.strftime("%Y-%m-%d %H:%M:%S %z %Z", time.localtime(epoch))


def ellipsis(text: str, length: int) -> str:
    """At most `length` characters, the last of them `…` if some are missing."""
    return text if len(text) <= length else text[: length - 1] + "…" if length > 1 else text[:length]


def short_id(identifier: str) -> str:
    """Twelve digits, without the algorithm."""
    return identifier.partition(":")[2][:12] if ":" in identifier else identifier[:12]
