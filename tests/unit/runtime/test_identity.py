"""`user[:group]` against rows of passwd and group."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiffin.errors import InvalidParameter
from tiffin.runtime.identity import read_rows, resolve

PASSWD = [
    ["root", "x", "0", "0", "root", "/root", "/bin/sh"],
    ["cook", "x", "1000", "1001", "", "/home/cook", "/bin/sh"],
    ["42", "x", "0", "0", "", "/disguise", ""],
    ["short", "x", "7"],
    ["broken", "x", "many", "0"],
    ["huge", "x", "4294967296", "0"],
]
GROUP = [
    ["root", "x", "0", ""],
    ["kitchen", "x", "1001", ""],
    ["audio", "x", "29", "cook,root"],
    ["odd", "x", "none", "cook"],
]
NOBODIES = ["nobody", "broken", "huge", "4294967295", "-1", "--1", "0:nogroup", "0:-1", "9" * 9999,
            "\N{ARABIC-INDIC DIGIT ONE}"]  # fmt: skip


@pytest.mark.parametrize(
    ("user", "uid", "gid", "groups", "home"),
    [
        ("", 0, 0, [0, 29], "/root"),
        ("root", 0, 0, [0, 29], "/root"),
        ("cook", 1000, 1001, [1001, 29], "/home/cook"),
        ("1000", 1000, 1001, [1001, 29], "/home/cook"),
        ("cook:", 1000, 1001, [1001, 29], "/home/cook"),
        ("cook:29", 1000, 29, [29], "/home/cook"),
        ("cook:audio", 1000, 29, [29], "/home/cook"),
        (":kitchen", 0, 1001, [1001], "/root"),
        ("42", 42, 0, [0], "/"),
        ("short", 7, 0, [0], "/"),
        ("9999:8888", 9999, 8888, [8888], "/"),
        ("4294967294", 4294967294, 0, [0], "/"),
    ],
)
def test_names_and_numbers_become_ids(user: str, uid: int, gid: int, groups: list[int], home: str) -> None:
    found = resolve(user, [], PASSWD, GROUP)
    assert (found.uid, found.gid, found.groups, found.home) == (uid, gid, groups, home)


@pytest.mark.parametrize("user", NOBODIES)
def test_what_is_nobody_is_an_error(user: str) -> None:
    with pytest.raises(InvalidParameter):
        resolve(user, [], PASSWD, GROUP)


def test_added_groups_are_names_or_numbers_and_come_once() -> None:
    assert resolve("cook", ["audio", "29", "77", "kitchen"], PASSWD, GROUP).groups == [1001, 29, 77]
    with pytest.raises(InvalidParameter, match="unable to find group nogroup"):
        resolve("cook", ["nogroup"], PASSWD, GROUP)


@given(st.text(max_size=30), st.lists(st.lists(st.text(max_size=12), min_size=1, max_size=8), max_size=5))
def test_no_user_and_no_files_whatever_give_anything_but_ids_or_an_error(user: str, rows: list[list[str]]) -> None:
    try:
        found = resolve(user, [], rows, rows)
    except InvalidParameter:
        return
    assert 0 <= found.uid <= 0xFFFFFFFE
    assert 0 <= found.gid <= 0xFFFFFFFE
    assert found.gid in found.groups
    name = user.partition(":")[0]
    if name.isascii() and name.isdigit():
        assert found.uid == int(name)


def test_rows_skip_comments_and_empty_lines_and_keep_odd_bytes(tmp_path: Path) -> None:
    file = tmp_path / "passwd"
    file.write_bytes(b"# note\n\nroot:x:0:0\nk\xff:x:1:1\nlast:x:2:2")
    assert read_rows(str(file)) == [["root", "x", "0", "0"], ["k\udcff", "x", "1", "1"], ["last", "x", "2", "2"]]


def test_what_is_no_regular_file_has_no_rows(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path, tmp_path / "fifo", tmp_path / "absent", Path("/dev/zero")):
        assert read_rows(str(path)) == []
