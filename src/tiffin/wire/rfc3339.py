"""Points in time as Docker writes and reads them, in nanoseconds since 1970 (an int; a float has too few digits).

    fixed   2024-05-06T07:08:09.000000000Z     logs with --timestamps, log files
    nano    2024-05-06T07:08:09Z               JSON of the API (Go's RFC3339Nano drops trailing zeros)
    unix    1714979289.000000000               the API's since and until
    client  10m, 2024-05-06, 1714979289.5, …   what a user types after --since; `client_timestamp` makes unix of it
"""

from __future__ import annotations

from time import gmtime, localtime, mktime

SECOND = 1_000_000_000
ZERO_NANO = "0001-01-01T00:00:00Z"  # Go's zero time: "never"

_UNITS = {"ns": 1, "us": 1_000, "µs": 1_000, "μs": 1_000, "ms": 1_000_000, "s": SECOND, "m": 60 * SECOND}
_UNITS["h"] = 60 * _UNITS["m"]


def fixed(time_ns: int) -> str:
    """With nine digits, always 30 characters long."""
    seconds, nanos = divmod(time_ns, SECOND)
    when = gmtime(seconds)
    year, month, day, hour, minute, second = when[:6]
    return f"{year:04d}-{month:02d}-{day:02d}T{hour:02d}:{minute:02d}:{second:02d}.{nanos:09d}Z"


def nano(time_ns: int) -> str:
    """Without trailing zeros."""
    text = fixed(time_ns)[:-1].rstrip("0")
    return text.removesuffix(".") + "Z"


def parse(text: str) -> int:
    """RFC 3339 with any fraction and any offset; ValueError if it is something else."""
    seconds, rest = _parse_local(text)
    fraction = ""
    if rest[:1] in (".", ","):
        digits = len(rest) - len(rest[1:].lstrip("0123456789"))
        fraction, rest = rest[1:digits], rest[digits:]
        if not fraction:
            raise ValueError(f"invalid time {text!r}")
    nanos = int(fraction[:9].ljust(9, "0")) if fraction else 0
    return (seconds - _offset(rest, text)) * SECOND + nanos


def parse_unix(text: str) -> int:
    """ "seconds[.fraction]" as the API has it."""
    whole, point, fraction = text.partition(".")
    sign = -1 if whole.startswith("-") else 1
    if not _digits(whole.removeprefix("-")) or (point and not _digits(fraction)):
        raise ValueError(f"invalid timestamp {text!r}")
    return int(whole) * SECOND + sign * int(fraction[:9].ljust(9, "0"))


def parse_duration(text: str) -> int:
    """Go's durations ("1h30m", "1.5s", "-2ms") in nanoseconds."""
    rest = text.removeprefix("-").removeprefix("+") if text[:1] in "+-" else text
    if rest == "0":
        return 0
    total = 0
    while True:
        number = rest[: len(rest) - len(rest.lstrip("0123456789."))]
        rest = rest[len(number) :]
        unit = rest[: len(rest) - len(rest.lstrip("nuµμsmh"))]
        unit = next((unit[:length] for length in (2, 1) if unit[:length] in _UNITS), "")
        whole, _, fraction = number.partition(".")
        if not unit or not _digits(whole + fraction):
            raise ValueError(f"invalid duration {text!r}")
        scale = _UNITS[unit]
        total += int(whole or "0") * scale + int(fraction.ljust(9, "0")[:9]) * scale // SECOND
        rest = rest[len(unit) :]
        if not rest:
            return -total if text[0] == "-" else total


def client_timestamp(text: str, now_ns: int) -> str:
    """What a user may type after --since or --until, as "seconds.nanoseconds"; a duration counts back from now."""
    try:
        time_ns = now_ns - parse_duration(text)
    except ValueError:
        try:
            time_ns = parse_unix(text)
        except ValueError:
            time_ns = _parse_loose(text)
    seconds, nanos = divmod(time_ns, SECOND)
    return f"{seconds}.{nanos:09d}"


def _parse_loose(text: str) -> int:
    """Dates whose clock, seconds or zone may be missing; without a zone it is the client's own."""
    date, _, clock = text.partition("T")
    zone = ""
    for mark in ("Z", "+", "-"):
        if mark in clock:
            clock, zone = clock[: clock.index(mark)], clock[clock.index(mark) :]
            break
    else:
        if date.endswith("Z"):
            date, zone = date[:-1], "Z"
        elif len(date) == 16:  # 2006-01-02+01:00
            date, zone = date[:10], date[10:]
    clock = {0: "00:00:00", 2: clock + ":00:00", 5: clock + ":00"}.get(len(clock), clock)
    time_ns = parse(f"{date}T{clock}{zone or 'Z'}")
    if zone:
        return time_ns
    seconds, nanos = divmod(time_ns, SECOND)
    when = gmtime(seconds)
    return int(mktime((*when[:8], -1))) * SECOND + nanos if when.tm_year > localtime(0).tm_year - 70 else time_ns


_last_day = ("", 0)


def _parse_local(text: str) -> tuple[int, str]:
    """Seconds of "YYYY-MM-DDThh:mm:ss" as if it were UTC, and what follows it."""
    global _last_day
    day, days = _last_day
    if text[:10] != day:
        day = text[:10]
        if len(day) != 10 or day[4] != "-" or day[7] != "-" or not _digits(day[:4] + day[5:7] + day[8:]):
            raise ValueError(f"invalid time {text!r}")
        days = _days(int(day[:4]), int(day[5:7]), int(day[8:]), text)
        _last_day = (day, days)
    clock = text[11:19]
    if text[10:11] not in ("T", "t", " ") or len(clock) != 8 or clock[2] != ":" or clock[5] != ":":
        raise ValueError(f"invalid time {text!r}")
    hours, minutes, seconds = clock[:2], clock[3:5], clock[6:]
    if not _digits(hours + minutes + seconds) or hours > "23" or minutes > "59" or seconds > "60":
        raise ValueError(f"invalid time {text!r}")
    return days * 86400 + int(hours) * 3600 + int(minutes) * 60 + int(seconds), text[19:]


def _days(year: int, month: int, day: int, text: str) -> int:
    """Days since 1970-01-01 in the proleptic Gregorian calendar."""
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    lengths = (31, 29 if leap else 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
    if not 1 <= month <= 12 or not 1 <= day <= lengths[month - 1]:
        raise ValueError(f"invalid time {text!r}")
    before = year - 1
    return before * 365 + before // 4 - before // 100 + before // 400 + sum(lengths[: month - 1]) + day - 719163


def _offset(zone: str, text: str) -> int:
    if zone in ("Z", "z"):
        return 0
    if len(zone) == 6 and zone[0] in "+-" and zone[3] == ":" and _digits(zone[1:3] + zone[4:]):
        seconds = int(zone[1:3]) * 3600 + int(zone[4:]) * 60
        return -seconds if zone[0] == "-" else seconds
    raise ValueError(f"invalid time {text!r}")


def _digits(text: str) -> bool:
    return text.isascii() and text.isdigit()
