from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import pytest

from tiffin.engine import logs
from tiffin.errors import InvalidParameter
from tiffin.runtime.jsonlog_writer import JsonLogWriter

if TYPE_CHECKING:
    from tiffin.wire.jsonlog import Record

SECOND = 1_000_000_000
T = TypeVar("T")


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "x-json.log")


def run(coroutine: Awaitable[T]) -> T:
    return asyncio.run(asyncio.wait_for(coroutine, 30))


async def collect(path: str, **options: object) -> list[Record]:
    return [record async for batch in logs.read(path, **options) for record in batch]  # type: ignore[arg-type]


def texts(records: list[Record]) -> list[bytes]:
    return [data for _, _, data, _ in records]


def write(path: str, count: int = 10, **options: object) -> list[bytes]:
    """Lines one second apart, every other one on stderr."""
    writer = JsonLogWriter(path, **options)  # type: ignore[arg-type]
    lines = [b"line %03d\n" % number for number in range(count)]
    for number, line in enumerate(lines):
        writer.write("stderr" if number % 2 else "stdout", line, number * SECOND)
    writer.close(0)
    return lines


def test_everything_comes_back_in_order(path: str) -> None:
    lines = write(path)
    records = run(collect(path))
    assert texts(records) == lines
    assert [time_ns for _, time_ns, _, _ in records] == [number * SECOND for number in range(10)]


def test_a_log_that_does_not_exist_is_empty(path: str) -> None:
    assert run(collect(path)) == []


def test_streams_can_be_chosen(path: str) -> None:
    lines = write(path)
    assert texts(run(collect(path, stderr=False))) == lines[::2]
    assert texts(run(collect(path, stdout=False))) == lines[1::2]


@pytest.mark.parametrize("options", [{}, {"max_size": 300, "max_file": 100}, {"max_size": 77, "max_file": 100}])
@pytest.mark.parametrize("tail", [0, 1, 3, 40, 41, 1000])
def test_tail_counts_from_the_end_across_files(path: str, options: dict[str, int], tail: int) -> None:
    lines = write(path, 41, **options)
    assert texts(run(collect(path, tail=tail))) == (lines[-tail:] if tail else [])


def test_tail_finds_its_place_in_a_file_of_many_blocks(path: str) -> None:
    writer = JsonLogWriter(path)
    lines = [b"%d %s\n" % (number, b"x" * (number % 5000)) for number in range(1000)]
    writer.write("stdout", b"".join(lines), 0)
    writer.close(0)
    for tail in (1, 10, 100, 999):
        assert texts(run(collect(path, tail=tail))) == lines[-tail:]


def test_tail_counts_both_streams_as_docker_does(path: str) -> None:
    lines = write(path)
    assert texts(run(collect(path, tail=3, stderr=False))) == [lines[8]]


def test_since_and_until_are_both_inclusive(path: str) -> None:
    lines = write(path)
    assert texts(run(collect(path, since_ns=3 * SECOND, until_ns=6 * SECOND))) == lines[3:7]
    assert texts(run(collect(path, since_ns=3 * SECOND + 1))) == lines[4:]
    assert texts(run(collect(path, tail=5, since_ns=8 * SECOND))) == lines[8:]


def test_compressed_files_are_read_too(path: str) -> None:
    lines = write(path, 3000, max_size=60_000, max_file=20, compress=True)
    assert list(Path(path).parent.glob("*.gz"))
    assert texts(run(collect(path))) == lines
    assert texts(run(collect(path, tail=2900))) == lines[-2900:]


def test_the_unfinished_last_line_is_not_read(path: str) -> None:
    lines = write(path, 3)
    with open(path, "ab") as file:
        file.write(b'{"log":"torn')
    assert texts(run(collect(path))) == lines
    assert texts(run(collect(path, tail=2))) == lines[-2:]


def test_a_garbled_line_is_skipped(path: str) -> None:
    lines = write(path, 3)
    with open(path, "ab") as file:
        file.write(b"\0" * 100 + b"\n")
    writer = JsonLogWriter(path)
    writer.write("stdout", b"after\n", 0)
    writer.close(0)
    assert texts(run(collect(path))) == [*lines, b"after\n"]


def test_following_a_stopped_container_ends_after_its_last_line(path: str) -> None:
    lines = write(path)

    async def scenario() -> list[Record]:
        stop = asyncio.Event()
        stop.set()
        return await collect(path, follow=True, stop=stop)

    assert texts(run(scenario())) == lines


def test_following_with_until_ends_at_the_first_later_line(path: str) -> None:
    lines = write(path)
    assert texts(run(collect(path, follow=True, until_ns=4 * SECOND))) == lines[:5]


async def follow(path: str, stop: asyncio.Event | asyncio.Future[None], sink: list[bytes], **options: object) -> None:
    async for batch in logs.read(path, follow=True, stop=stop, **options):  # type: ignore[arg-type]
        sink += texts(batch)


async def until(condition: object) -> None:
    while not condition():  # type: ignore[operator]
        await asyncio.sleep(0.001)


def test_new_lines_are_followed_until_the_container_ends(path: str) -> None:
    async def scenario() -> None:
        stop = asyncio.Event()
        seen: list[bytes] = []
        task = asyncio.create_task(follow(path, stop, seen))  # before the log exists
        await asyncio.sleep(0)
        writer = JsonLogWriter(path, max_size=200, max_file=5)
        sent = []
        for number in range(50):
            sent.append(b"line %03d\n" % number)
            writer.write("stdout", sent[-1], number)
            await until(lambda: seen == sent)
        writer.write("stdout", b"last words", 99)
        writer.close(99)
        stop.set()
        await task
        assert seen == [*sent, b"last words"]

    run(scenario())


def test_following_from_the_end_shows_only_what_is_new(path: str) -> None:
    async def scenario() -> None:
        stop = asyncio.Event()
        seen: list[bytes] = []
        write(path, 20)
        task = asyncio.create_task(follow(path, stop, seen, tail=0))
        writer = JsonLogWriter(path)
        sent: list[bytes] = []
        while not seen:  # the follower starts at a moment that cannot be seen from here
            sent.append(b"new %d\n" % len(sent))
            writer.write("stdout", sent[-1], 0)
            await asyncio.sleep(0)
        writer.close()
        stop.set()
        await task
        assert seen == sent[-len(seen) :]

    run(scenario())


def test_the_end_may_be_a_future_and_following_may_be_cancelled(path: str) -> None:
    async def scenario() -> None:
        ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        seen: list[bytes] = []
        tasks = [asyncio.create_task(follow(path, ended, seen)) for _ in range(2)]
        write(path, 1)
        await until(lambda: len(seen) == 2)
        tasks[1].cancel()
        with pytest.raises(asyncio.CancelledError):
            await tasks[1]
        ended.set_result(None)
        await tasks[0]

    run(scenario())


def test_what_the_writer_takes_back_on_a_full_disk_is_not_seen(path: str) -> None:
    async def scenario() -> None:
        stop = asyncio.Event()
        seen: list[bytes] = []
        lines = write(path, 1)
        task = asyncio.create_task(follow(path, stop, seen))
        await until(lambda: seen == lines)
        size = Path(path).stat().st_size
        with open(path, "ab") as file:
            file.write(b'{"log":"torn and taken back')
        with open(path, "r+b") as file:
            file.truncate(size)
        writer = JsonLogWriter(path)
        writer.write("stdout", b"next\n", 1)
        writer.close(1)
        stop.set()
        await task
        assert seen == [*lines, b"next\n"]

    run(scenario())


def test_records_are_framed_unless_they_come_from_a_terminal() -> None:
    batch: list[Record] = [("stdout", 0, b"a\n", None), ("stderr", 1, b"b\n", {"z": "1", "a k": "&"})]
    assert logs.render(batch, tty=True) == b"a\nb\n"
    assert logs.render(batch, tty=False) == b"\1\0\0\0\0\0\0\2a\n\2\0\0\0\0\0\0\2b\n"
    assert logs.render(batch, tty=True, timestamps=True, details=True) == (
        b"1970-01-01T00:00:00.000000000Z  a\n1970-01-01T00:00:00.000000001Z a+k=%26,z=1 b\n"
    )


@pytest.mark.parametrize(
    ("text", "tail"), [("all", None), ("", None), (None, None), ("-1", None), ("x", None), ("7", 7), ("0", 0)]
)
def test_tail_is_a_number_or_all(text: str | None, tail: int | None) -> None:
    assert logs.parse_tail(text) == tail


def test_since_is_unix_time_with_nanoseconds() -> None:
    assert logs.parse_time("since", "1.5") == 1_500_000_000
    assert logs.parse_time("since", "") == 0
    with pytest.raises(InvalidParameter):
        logs.parse_time("since", "yesterday")
