"""Dockerfile changes, filters and times of images."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiffin.engine.images import changes, filters, times
from tiffin.errors import InvalidParameter
from tiffin.spec import reference as references


def test_changes_make_a_configuration() -> None:
    config = changes.apply(
        {},
        [
            'ENV A=1 B="two words"',
            "ENV old the rest of it",
            "ENV A=2 PATH=/x:$PATH C=$A",
            'CMD ["a", "b"]',
            "entrypoint run $A",
            "EXPOSE 80 443/tcp 53/UDP 7000-7002",
            "LABEL a=b c='d e'",
            "USER me:you",
            'VOLUME ["/data"]',
            "VOLUME /logs /tmp",
            "WORKDIR /srv",
            "WORKDIR app",
            "STOPSIGNAL SIGINT",
            "ONBUILD RUN make",
            "HEALTHCHECK --interval=1m30s --retries=3 CMD curl localhost",
        ],
    )
    assert config["Env"] == ["A=2", "B=two words", "old=the rest of it", "PATH=/x:", "C=1"]
    assert config["Cmd"] == ["a", "b"] and config["Entrypoint"] == ["/bin/sh", "-c", "run $A"]
    assert sorted(config["ExposedPorts"]) == ["443/tcp", "53/udp", "7000/tcp", "7001/tcp", "7002/tcp", "80/tcp"]
    assert config["Labels"] == {"a": "b", "c": "d e"} and config["User"] == "me:you"
    assert sorted(config["Volumes"]) == ["/data", "/logs", "/tmp"] and config["WorkingDir"] == "/srv/app"
    assert config["StopSignal"] == "SIGINT" and config["OnBuild"] == ["RUN make"]
    assert config["Healthcheck"] == {"Interval": 90 * 10**9, "Retries": 3, "Test": ["CMD-SHELL", "curl localhost"]}


@pytest.mark.parametrize(
    "change",
    ["RUN x", "FROM a", "ENV", "ENV a", "LABEL a=b c", "EXPOSE x", "EXPOSE 0", "EXPOSE 70000", "STOPSIGNAL a b",
     "ONBUILD ONBUILD x", "HEALTHCHECK x", "HEALTHCHECK --interval=x CMD y", "SHELL sh", "VOLUME ['']", "LABEL a='b"],
)
def test_a_bad_change_is_refused(change: str) -> None:
    if change == "VOLUME ['']":
        change = 'VOLUME [""]'
    with pytest.raises(InvalidParameter):
        changes.apply({}, [change])


def test_the_old_form_of_env_takes_the_rest_of_the_line() -> None:
    assert changes.apply({}, ["ENV a b=c d"])["Env"] == ["a=b=c d"]


@pytest.mark.parametrize(
    ("pattern", "matches"),
    [("busybox", True), ("busybox:1", True), ("busy*", True), ("*:1", True), ("b?sybox", True), ("[a-c]usybox:*", True),
     ("busybox:2", False), ("lib*", False), ("*/busybox", False)],
)
def test_reference_patterns(pattern: str, matches: bool) -> None:
    assert filters.reference_matches(references.parse("busybox:1"), pattern) is matches


def test_a_star_stops_at_a_slash_and_a_bad_pattern_is_refused() -> None:
    reference = references.parse("example.com/a/b:1")
    assert not filters.reference_matches(reference, "example.com/*")
    assert filters.reference_matches(reference, "example.com/*/*")
    with pytest.raises(InvalidParameter):
        filters.reference_matches(reference, "[a")


def test_unknown_filters_and_values_are_refused() -> None:
    with pytest.raises(InvalidParameter, match="invalid filter 'nothing'"):
        filters.check({"nothing": []}, {"label"})
    with pytest.raises(InvalidParameter):
        filters.flag({"dangling": ["maybe"]}, "dangling")
    assert filters.flag({"dangling": ["1"]}, "dangling") is True and filters.flag({}, "dangling") is None
    assert filters.labels_match({"a": "b"}, ["a", "a=b"]) and not filters.labels_match({"a": "b"}, ["a=c"])


@given(st.integers(0, 4_000_000_000 * 10**9))
def test_moments_survive_being_written(ns: int) -> None:
    assert times.parse_ns(times.format_ns(ns)) == ns


def test_moments_in_all_their_forms() -> None:
    assert times.parse_ns("1970-01-01T01:00:00.5+01:00") == 500_000_000
    assert times.parse_ns("0001-01-01T00:00:00Z") is None and times.parse_ns("yesterday") is None
    assert times.parse_ns("2024-13-01T00:00:00Z") is None
    assert times.until_ns("12.5") == 12_500_000_000 and times.until_ns("1970-01-02T00:00:00Z") == 86400 * 10**9
    assert times.until_ns("1h30m") <= time.time_ns() - 5400 * 10**9
    with pytest.raises(InvalidParameter):
        times.until_ns("soon")
