"""Finding a program in $PATH, its environment, and the words for what cannot be run."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tiffin.runtime.program import FAILED, NOT_EXECUTABLE, NOT_FOUND, LaunchError, environment, execute, find


@pytest.fixture
def path(tmp_path: Path) -> str:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
    for name, mode in (("first/plain", 0o644), ("second/plain", 0o755), ("first/only", 0o644), ("second/tool", 0o755)):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(mode)
    (tmp_path / "first/tool").mkdir()
    return f"{tmp_path}/none:{tmp_path}/first:{tmp_path}/second"


def test_the_first_executable_file_wins(path: str) -> None:
    assert find("plain", path).endswith("/second/plain")
    assert find("tool", path).endswith("/second/tool")


@pytest.mark.parametrize(
    ("name", "code", "words"),
    [
        ("absent", NOT_FOUND, 'exec: "absent": executable file not found in $PATH'),
        ("only", NOT_EXECUTABLE, 'exec: "only": permission denied'),
        ("", NOT_FOUND, "executable file not found in $PATH"),
        ("/absent/tool", NOT_FOUND, 'exec: "/absent/tool": stat /absent/tool: no such file or directory'),
        ("/etc/passwd", NOT_EXECUTABLE, 'exec: "/etc/passwd": permission denied'),
        ("/etc/passwd/x", NOT_FOUND, "not a directory"),
        ("/tmp", NOT_EXECUTABLE, "is a directory"),
    ],
)
def test_what_cannot_be_run_is_said_in_words_that_clients_match(path: str, name: str, code: int, words: str) -> None:
    with pytest.raises(LaunchError) as caught:
        find(name, path)
    assert (caught.value.code, words in str(caught.value)) == (code, True), str(caught.value)


def test_an_empty_part_of_the_path_is_the_working_directory(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(path.rpartition(":")[2])
    assert find("tool", ":/none") == "./tool"
    assert find("./tool", "") == "./tool"


def test_a_file_without_format_is_126_and_a_vanished_one_127(tmp_path: Path) -> None:
    bad = tmp_path / "bad"
    bad.write_text("no program")
    bad.chmod(0o755)
    for file, code, words in ((str(bad), NOT_EXECUTABLE, "exec format error"), (f"{bad}x", NOT_FOUND, "no such file")):
        with pytest.raises(LaunchError, match=words) as caught:
            execute(file, [file], {})
        assert caught.value.code == code


def test_an_error_without_a_code_is_125() -> None:
    assert LaunchError("x").code == FAILED == 125


def test_later_entries_win_and_home_comes_from_passwd_only_if_absent() -> None:
    assert environment(["A=1", "A=2", "B=", "NAME", "C=a=b"], "/h") == {"A": "2", "B": "", "C": "a=b", "HOME": "/h"}
    assert environment(["HOME=/mine"], "/h") == {"HOME": "/mine"}
    assert environment(["HOME="], "/h") == {"HOME": "/h"}


def test_bytes_that_are_no_text_survive() -> None:
    assert os.fsencode(environment(["A=\udcff"], "/")["A"]) == b"\xff"
