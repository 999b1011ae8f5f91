"""The log's writer and reader in two processes, and on a disk that fills up."""

from __future__ import annotations

import asyncio
import ctypes
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tiffin.engine import logs
from tiffin.runtime.jsonlog_writer import JsonLogWriter

LINES = 200_000
WINDOW = 8_000
CLONE_NEWNS = 0x00020000
MS_REC_PRIVATE = 0x4000 | 0x40000


def writes(path: str, go: int, acknowledged: int, compress: bool) -> None:
    """A container's shim, in its own process: waits for the reader, then writes chunks of many sizes."""
    os.read(go, 1)
    writer = JsonLogWriter(path, max_size=400_000, max_file=8, compress=compress)
    at = 0
    for size in sizes():
        chunk = b"".join(b"line %06d\n" % number for number in range(at, at + size))
        cut = len(chunk) * 2 // 3
        writer.write("stdout", chunk[:cut], time.time_ns())
        writer.write("stdout", chunk[cut:], time.time_ns())
        if at // WINDOW != (at + size) // WINDOW:
            os.read(acknowledged, 1)  # a reader that is all files behind would rightly miss what rotation deletes
        at += size
    writer.close()


def sizes() -> Iterator[int]:
    """Lines per chunk: 1 to 400, LINES in all."""
    left = LINES
    for number in range(LINES):
        size = min(left, 1 + number * 37 % 400)
        left -= size
        if size:
            yield size


@pytest.mark.parametrize("compress", [False, True])
def test_a_follower_loses_and_repeats_nothing_while_the_writer_rotates(tmp_path: Path, compress: bool) -> None:
    path = str(tmp_path / "x-json.log")
    go_read, go_write = os.pipe()
    ack_read, ack_write = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            writes(path, go_read, ack_read, compress)
            status = 0
        finally:
            os._exit(status)

    async def follow() -> list[bytes]:
        ended = asyncio.Event()
        seen: list[bytes] = []
        os.write(go_write, b"x")
        exited = asyncio.create_task(asyncio.to_thread(os.waitpid, pid, 0))
        exited.add_done_callback(lambda _: ended.set())
        acknowledged = 0
        async for batch in logs.read(path, follow=True, stop=ended):
            seen += [data for _, _, data, _ in batch]
            if len(seen) // WINDOW > acknowledged:
                os.write(ack_write, b"x" * (len(seen) // WINDOW - acknowledged))
                acknowledged = len(seen) // WINDOW
        assert (await exited)[1] == 0
        return seen

    seen = asyncio.run(asyncio.wait_for(follow(), 60))
    for fd in (go_read, go_write, ack_read, ack_write):
        os.close(fd)
    assert len(seen) == LINES
    assert seen == [b"line %06d\n" % number for number in range(LINES)]
    assert os.path.exists(path + (".2.gz" if compress else ".7"))


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_a_disk_that_fills_up_leaves_whole_records_and_the_log_goes_on_when_there_is_room(tmp_path: Path) -> None:
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            full_disk(str(tmp_path))
            status = 0
        except BaseException as error:
            (tmp_path / "error").write_text(repr(error))
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0, (tmp_path / "error").read_text()


def full_disk(directory: str) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    mount_point = os.path.join(directory, "disk")
    os.mkdir(mount_point)
    assert libc.unshare(CLONE_NEWNS) == 0
    assert libc.mount(b"none", b"/", None, MS_REC_PRIVATE, None) == 0
    assert libc.mount(b"tmpfs", os.fsencode(mount_point), b"tmpfs", 0, b"size=64k") == 0
    ballast = os.path.join(mount_point, "ballast")
    with open(ballast, "wb") as file:
        file.write(bytes(32768))
    path = os.path.join(mount_point, "x-json.log")
    writer = JsonLogWriter(path)
    for number in range(1000):
        writer.write("stdout", b"line %03d %s\n" % (number, b"x" * 50), number)
    assert writer.failed.records > 500
    os.unlink(ballast)
    writer.write("stdout", b"room again\n", 2000)
    writer.close()

    async def collect() -> list[bytes]:
        return [data async for batch in logs.read(path) for _, _, data, _ in batch]

    seen = asyncio.run(collect())
    assert len(seen) == 1001 - writer.failed.records
    assert seen[-1] == b"room again\n"
    assert [line[:8] for line in seen[:-1]] == [b"line %03d" % number for number in range(len(seen) - 1)]
