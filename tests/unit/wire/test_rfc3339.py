from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiffin.wire import rfc3339

FIRST, LAST = -62135596800, 253402300799  # years 1 to 9999


@given(st.integers(FIRST, LAST), st.integers(0, 999_999_999))
def test_times_round_trip_in_both_forms(seconds: int, nanos: int) -> None:
    time_ns = seconds * rfc3339.SECOND + nanos
    assert rfc3339.parse(rfc3339.fixed(time_ns)) == time_ns
    assert rfc3339.parse(rfc3339.nano(time_ns)) == time_ns
    assert len(rfc3339.fixed(time_ns)) == 30


@given(st.integers(FIRST, LAST))
def test_the_calendar_is_the_standard_librarys(seconds: int) -> None:
    expected = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    assert rfc3339.parse(expected.isoformat()) == seconds * rfc3339.SECOND


@pytest.mark.parametrize(
    ("text", "time_ns"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T01:00:00.5+01:00", 500_000_000),
        ("1969-12-31T23:30:00-00:30", 0),
        ("1970-01-01T00:00:00.1234567891Z", 123_456_789),
        (rfc3339.ZERO_NANO, FIRST * rfc3339.SECOND),
    ],
)
def test_offsets_and_fractions_are_read(text: str, time_ns: int) -> None:
    assert rfc3339.parse(text) == time_ns


@pytest.mark.parametrize(
    "text",
    [
        *("", "now", "2024-02-30T00:00:00Z", "2024-01-01T24:00:00Z"),
        *("2024-01-01T00:00:00", "2024-01-01T00:00:00.Z", "2024-1-1T0:0:0Z"),
    ],
)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        rfc3339.parse(text)


def test_trailing_zeros_are_dropped_as_go_does() -> None:
    assert rfc3339.nano(1_500_000_000) == "1970-01-01T00:00:01.5Z"
    assert rfc3339.nano(0) == "1970-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("text", "time_ns"), [("0", 0), ("12", 12 * 10**9), ("12.5", 12_500_000_000), ("-1.000000001", -1_000_000_001)]
)
def test_the_apis_timestamps_keep_every_nanosecond(text: str, time_ns: int) -> None:
    assert rfc3339.parse_unix(text) == time_ns


@pytest.mark.parametrize("text", ["", "x", "1.x", "1.2.3", "1e3", "."])
def test_what_is_no_api_timestamp_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        rfc3339.parse_unix(text)


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        *(("0", 0), ("10m", 600 * 10**9), ("1h30m", 5400 * 10**9)),
        *(("1.5s", 1_500_000_000), ("-2ms", -2_000_000), ("3us", 3000)),
    ],
)
def test_go_durations_are_read(text: str, nanoseconds: int) -> None:
    assert rfc3339.parse_duration(text) == nanoseconds


@pytest.mark.parametrize("text", ["", "10", "m", "1x", "1h 2m", "s1", "-"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        rfc3339.parse_duration(text)


@pytest.mark.parametrize(
    ("text", "unix"),
    [
        ("10s", "990.000000000"),
        ("42", "42.000000000"),
        ("42.5", "42.500000000"),
        ("1970-01-01T00:00:01Z", "1.000000000"),
        ("1970-01-01T01:00+01:00", "0.000000000"),
        ("1970-01-02Z", "86400.000000000"),
    ],
)
def test_a_client_understands_what_users_type(text: str, unix: str) -> None:
    assert rfc3339.client_timestamp(text, 1000 * rfc3339.SECOND) == unix


def test_a_date_without_a_zone_is_the_users_own() -> None:
    local = datetime(2024, 5, 6, 7, 8, 9).astimezone()
    assert rfc3339.client_timestamp("2024-05-06T07:08:09", 0) == f"{int(local.timestamp())}.000000000"
    midnight = datetime(2024, 5, 6).astimezone()
    assert rfc3339.client_timestamp("2024-05-06", 0) == f"{int(midnight.timestamp())}.000000000"
