"""Moments as images state them: RFC 3339 with nanoseconds in configs, Docker's `until` forms in filters."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime

from tiffin.errors import InvalidParameter

ZERO = "0001-01-01T00:00:00Z"  # what Go writes for no time
_RFC3339 = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[Tt ](\d\d:\d\d(?::\d\d)?)(?:\.(\d{1,9})\d*)?([Zz]|[+-]\d\d:\d\d)?)?", re.ASCII
)
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|µs|ms|s|m|h)")
_UNITS = {"ns": 1, "us": 10**3, "µs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}


def parse_ns(text: str) -> int | None:
    """Nanoseconds since the epoch, or None for no time or an unreadable one. Without a zone it is UTC."""
    match = _RFC3339.fullmatch(text)
    if match is None or text == ZERO:
        return None
    date, clock, fraction, zone = match.groups()
    try:
        moment = datetime.fromisoformat(f"{date}T{clock or '00:00:00'}{_zone(zone)}")
    except ValueError:
        return None
    seconds = int((moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds())
    return seconds * 10**9 + int((fraction or "0").ljust(9, "0"))


def _zone(zone: str | None) -> str:
    return "+00:00" if zone is None or zone in "Zz" else zone


def format_ns(ns: int) -> str:
    """RFC 3339 in UTC, fraction without trailing zeros, as Go's RFC3339Nano."""
    seconds, fraction = divmod(ns, 10**9)
    text = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return text + (f".{fraction:09d}".rstrip("0") if fraction else "") + "Z"


def until_ns(text: str) -> int:
    """A filter's moment: a Unix time with fraction, RFC 3339 in parts, or a Go duration back from now."""
    if re.fullmatch(r"\d+(\.\d{1,9})?", text, re.ASCII):
        seconds, _, fraction = text.partition(".")
        return int(seconds) * 10**9 + int(fraction.ljust(9, "0") or "0")
    parts = _DURATION.findall(text)
    if parts and "".join(number + unit for number, unit in parts) == text:
        return time.time_ns() - sum(int(float(number) * _UNITS[unit]) for number, unit in parts)
    moment = parse_ns(text)
    if moment is None:
        raise InvalidParameter(f'failed to parse value as time or duration: "{text}"')
    return moment
