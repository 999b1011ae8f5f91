"""Sizes, spans, tables, detach keys: small pure parts of the client."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiffin.cli import detach, human, nearest, tabular
from tiffin.cli.container.ports import displayed
from tiffin.cli.create import values
from tiffin.cli.system.explain import tree
from tiffin.errors import InvalidParameter


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "Less than a second"),
        (1, "1 second"),
        (59, "59 seconds"),
        (60, "About a minute"),
        (180, "3 minutes"),
        (3600, "About an hour"),
        (7300, "2 hours"),
        (86400 * 3, "3 days"),
        (86400 * 20, "2 weeks"),
        (86400 * 70, "2 months"),
        (86400 * 800, "2 years"),
    ],
)
def test_spans_are_worded_as_docker_words_them(seconds: float, text: str) -> None:
    assert human.duration(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0B"), (999, "999B"), (1000, "1kB"), (4261550, "4.26MB"), (9990000000, "9.99GB")]
)
def test_sizes_are_powers_of_a_thousand(count: int, text: str) -> None:
    assert human.size(count) == text


@pytest.mark.parametrize(
    ("word", "count"), [("64m", 64 << 20), ("1.5g", 3 << 29), ("10", 10), ("2KiB", 2048), ("3kb", 3072), ("0", 0)]
)
def test_flag_sizes_are_powers_of_1024(word: str, count: int) -> None:
    assert values.size(word) == count


@pytest.mark.parametrize("word", ["", "x", "-1", "1x", "1.2.3", "m"])
def test_a_bad_size_is_refused(word: str) -> None:
    with pytest.raises(ValueError, match="invalid size"):
        values.size(word)


def test_columns_are_as_wide_as_their_longest_cell() -> None:
    assert tabular.align("A\tB\tC\nlonger than ten\tb\tc\n").splitlines() == [
        "A                 B         C",
        "longer than ten   b         c",
    ]


def test_a_line_without_the_cell_ends_the_column() -> None:
    assert tabular.align("a\tb\nplain\nlonger-than-that\tb").splitlines() == [
        "a         b",
        "plain",
        "longer-than-that   b",
    ]


def test_ports_are_grouped_into_ranges() -> None:
    ports = [{"PrivatePort": 8000 + i, "PublicPort": 8000 + i, "Type": "tcp", "IP": "0.0.0.0"} for i in range(3)]
    ports += [{"PrivatePort": 80, "PublicPort": 8080, "Type": "tcp", "IP": "::"}, {"PrivatePort": 9, "Type": "udp"}]
    assert displayed(ports) == "9/udp, 0.0.0.0:8000-8002->8000-8002/tcp, [::]:8080->80/tcp"


def test_detach_keys_are_control_letters_or_characters() -> None:
    assert detach.parse("ctrl-p,ctrl-q") == b"\x10\x11"
    assert detach.parse("a,ctrl-[,ctrl-@") == b"a\x1b\x00"
    assert detach.parse("") == b""
    with pytest.raises(InvalidParameter):
        detach.parse("ctrl-pp")


@given(st.lists(st.binary(max_size=5), max_size=12))
def test_nothing_typed_is_lost_or_reordered_by_the_watch_for_keys(pieces: list[bytes]) -> None:
    watch, typed, out, left = detach.Watch(b"\x10\x11"), b"".join(pieces), b"", False
    for piece in pieces:
        if not left:
            more, left = watch.feed(piece)
            out += more
    if left:
        assert out == typed[: typed.index(b"\x10\x11")]
    else:
        assert b"\x10\x11" not in typed
        assert typed in (out, out + b"\x10")


def test_the_keys_are_seen_across_reads() -> None:
    watch = detach.Watch(b"\x10\x11")
    assert watch.feed(b"ab\x10") == (b"ab", False)
    assert watch.feed(b"\x10\x11rest") == (b"\x10", True)


@pytest.mark.parametrize(("word", "meant"), [("pss", "ps"), ("rnu", "run"), ("imagse", "images"), ("xyzzy", "")])
def test_a_mistyped_command_is_guessed(word: str, meant: str) -> None:
    assert nearest.nearest(word, ["ps", "run", "images", "rm", "logs"]) == meant


def test_a_trace_is_drawn_as_a_tree() -> None:
    trace = {
        "id": "a" * 64,
        "name": "/web",
        "image": {"reference": "busybox"},
        "steps": [
            {"step": "rootfs", "who": "store", "duration_us": 512, "facts": {"layers": ["/l/A", "/l/B"], "ro": False}},
            {"step": "namespaces", "who": "runtime", "duration_us": 40, "facts": {"net": {"inode": 4026532}}},
        ],
        "exit": {"code": 0},
    }
    assert tree(trace, color=False) == [
        "web (aaaaaaaaaaaa) from busybox, 0.55 ms",
        "├─ rootfs        0.51 ms  store",
        "│  ├─ layers: /l/A, /l/B",
        "│  └─ ro: no",
        "├─ namespaces      40 µs  runtime",
        "│  └─ net",
        "│     └─ inode: 4026532",
        "└─ exit",
        "   └─ code: 0",
    ]
