from __future__ import annotations

import gzip
import json
import os
from pathlib import Path

import pytest

from tiffin.runtime.jsonlog_writer import JsonLogWriter
from tiffin.wire import jsonlog

TIME = 1_714_979_289_000_000_001


def text_of(path: Path) -> bytes:
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    assert data == b"" or data.endswith(b"\n")
    return b"".join(json.loads(line)["log"].encode() for line in data.splitlines())


def files(path: Path) -> list[str]:
    return sorted(entry.name for entry in path.parent.iterdir())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "x-json.log"


def test_lines_that_come_in_pieces_are_written_when_they_end(path: Path) -> None:
    log = JsonLogWriter(str(path))
    log.write("stdout", b"hel", TIME)
    log.write("stderr", b"err\n", TIME)
    assert text_of(path) == b"err\n"
    log.write("stdout", memoryview(b"lo\nunfini"), TIME)
    assert text_of(path) == b"err\nhello\n"
    log.close(TIME)
    assert text_of(path) == b"err\nhello\nunfini"
    assert path.stat().st_mode & 0o777 == 0o640


def test_files_are_changed_after_the_record_that_fills_one(path: Path) -> None:
    log = JsonLogWriter(str(path), max_size=1000, max_file=3)
    lines = [b"line %03d\n" % number for number in range(60)]
    log.write("stdout", b"".join(lines), TIME)
    log.close(TIME)
    assert files(path) == ["x-json.log", "x-json.log.1", "x-json.log.2"]
    kept = b"".join(text_of(Path(f"{path}{extension}")) for extension in (".2", ".1", ""))
    assert kept and b"".join(lines).endswith(kept)
    record = len(jsonlog.encode(lines[0], jsonlog.tail("stdout", TIME)))
    assert {os.path.getsize(f"{path}.{number}") for number in (1, 2)} == {-(-1000 // record) * record}


def test_with_one_file_only_the_old_one_goes(path: Path) -> None:
    log = JsonLogWriter(str(path), max_size=500, max_file=1)
    for number in range(30):
        log.write("stdout", b"line %03d\n" % number, TIME)
    log.close(TIME)
    assert files(path) == ["x-json.log"]
    assert text_of(path).endswith(b"line 029\n")


def test_older_files_are_compressed_little_by_little(path: Path) -> None:
    log = JsonLogWriter(str(path), max_size=200_000, max_file=3, compress=True)
    written = b""
    for number in range(4000):
        line = b"line %05d %s\n" % (number, b"x" * 100)
        written += line
        log.write("stdout", line, TIME)
    log.close(TIME)
    assert "x-json.log.2.gz" in files(path) and "x-json.log.2" not in files(path)
    assert "x-json.log.tmp" not in files(path)
    first = path.with_name("x-json.log.1.gz")
    if not first.exists():
        first = path.with_name("x-json.log.1")
    kept = text_of(path.with_name("x-json.log.2.gz")) + text_of(first) + text_of(path)
    assert written.endswith(kept)


def test_a_restarted_container_goes_on_behind_the_last_record(path: Path) -> None:
    log = JsonLogWriter(str(path))
    log.write("stdout", b"one\n", TIME)
    log.close(TIME)
    log = JsonLogWriter(str(path))
    log.write("stdout", b"two\n", TIME)
    log.close(TIME)
    assert text_of(path) == b"one\ntwo\n"


def test_a_record_that_a_crash_tore_is_cut_off(path: Path) -> None:
    whole = jsonlog.encode(b"one\n", jsonlog.tail("stdout", TIME))
    path.write_bytes(whole + whole[:20])
    log = JsonLogWriter(str(path))
    log.write("stdout", b"two\n", TIME)
    log.close(TIME)
    assert text_of(path) == b"one\ntwo\n"


def test_a_full_device_is_counted_and_not_raised(path: Path) -> None:
    path.symlink_to("/dev/full")
    log = JsonLogWriter(str(path))
    log.write("stdout", b"one\ntwo\n", TIME)
    log.close(TIME)
    assert log.failed.records == 2
    assert log.failed.bytes == 2 * len(jsonlog.encode(b"one\n", jsonlog.tail("stdout", TIME)))


def test_a_directory_that_is_gone_is_counted_and_not_raised(tmp_path: Path) -> None:
    log = JsonLogWriter(str(tmp_path / "gone" / "x-json.log"))
    log.write("stdout", b"one\n", TIME)
    assert log.failed.records == 1
    (tmp_path / "gone").mkdir()
    log.write("stdout", b"two\n", TIME)
    log.close(TIME)
    assert text_of(tmp_path / "gone" / "x-json.log") == b"two\n"
    assert log.failed.records == 1


def test_a_rotation_that_fails_loses_nothing(path: Path) -> None:
    log = JsonLogWriter(str(path), max_size=100, max_file=2)
    (path.parent / "x-json.log.1").mkdir()  # cannot be replaced by a file
    for number in range(5):
        log.write("stdout", b"line %d\n" % number, TIME)
    log.close(TIME)
    assert text_of(path) == b"".join(b"line %d\n" % number for number in range(5))
