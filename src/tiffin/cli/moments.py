"""--since and --until as the API wants them: seconds, with nanoseconds after the point.

42m, 1h30m           a span before now
1136073845, 1.5      seconds of the epoch, passed on
2013-01-02[T13[:23[:37[.5]]]][Z|+02:00]    a moment; local time where no zone is named
"""

from __future__ import annotations

import time

from tiffin.cli.create.values import duration
from tiffin.errors import InvalidParameter

BILLION = 1_000_000_000


def timestamp(text: str, now: float) -> str:
    """The query parameter for a moment as users write it."""
    try:
        span = duration(text)
    except ValueError:
        pass
    else:
        return _seconds(int(now * BILLION) - span)
    if text.replace(".", "", 1).lstrip("-").isdigit():
        return text
    return _seconds(parse(text))


def parse(text: str) -> int:
    """Nanoseconds of the epoch."""
    date, mark, clock = text.partition("T")
    if not mark:
        date, _, clock = text.partition(" ")
    zone: int | None = None
    if clock.endswith(("Z", "z")):
        clock, zone = clock[:-1], 0
    else:
        for sign in "+-":
            head, found, tail = clock.rpartition(sign)
            if found:
                hours, _, minutes = tail.partition(":")
                if not hours.isdigit() or not (minutes or "0").isdigit():
                    raise _bad(text)
                zone = (int(hours) * 3600 + int(minutes or 0) * 60) * (1 if sign == "+" else -1)
                clock = head
    if date.endswith("Z"):
        date, zone = date[:-1], 0
    days = date.split("-")
    clock, _, fraction = clock.partition(".")
    parts = [*days, *(clock.split(":") if clock else [])]
    if len(days) != 3 or len(parts) > 6 or not all(p.isdigit() for p in parts) or not (fraction or "0").isdigit():
        raise _bad(text)
    year, month, day, hour, minute, second = [int(p) for p in parts] + [0] * (6 - len(parts))
    if not (1 <= month <= 12 and 1 <= day <= 31 and hour < 24 and minute < 60 and second < 61):
        raise _bad(text)
    nanoseconds = int(fraction.ljust(9, "0")[:9]) if fraction else 0
    if zone is None:
        whole = int(time.mktime((year, month, day, hour, minute, second, 0, 0, -1)))
    else:
        whole = days_from_civil(year, month, day) * 86400 + hour * 3600 + minute * 60 + second - zone
    return whole * BILLION + nanoseconds


def days_from_civil(year: int, month: int, day: int) -> int:
    """Days since 1970-01-01 of the Gregorian calendar."""
    year -= month <= 2
    era, of_era = divmod(year, 400)
    day_of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    return era * 146097 + of_era * 365 + of_era // 4 - of_era // 100 + day_of_year - 719468


def _seconds(nanoseconds: int) -> str:
    whole, rest = divmod(nanoseconds, BILLION)
    return f"{whole}.{rest:09d}"


def _bad(text: str) -> InvalidParameter:
    return InvalidParameter(
        f'invalid value "{text}": it is neither a span like 42m nor a moment like 2013-01-02T13:23:37Z'
    )
