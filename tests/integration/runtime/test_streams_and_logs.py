"""Bytes in and out of a container: nothing lost, nothing stuck, whoever is slow, gone or more than one."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os

from container_house import House, Peer, soon, streams

MIB = 1 << 20
LINE = b"0123456789abcdef" * 7 + b"\n"


class Digest:
    """Reads a multiplexed stream to its end: how much, and its hash."""

    def __init__(self) -> None:
        self.count = 0
        self.sha = hashlib.sha256()
        self._rest = b""

    async def read(self, peer: Peer, bytes_at_once: int = 1 << 18) -> None:
        while data := await peer.some(bytes_at_once):
            data = self._rest + data
            at = 0
            while at + 8 <= len(data):
                end = at + 8 + int.from_bytes(data[at + 4 : at + 8], "big")
                if end > len(data):
                    break
                self.sha.update(memoryview(data)[at + 8 : end])
                self.count += end - at - 8
                at = end
            self._rest = data[at:]
        assert self._rest == b""


async def test_a_hundred_megabytes_in_and_out_arrive_whole(house: House) -> None:
    running = await house.start(["cat"], open_stdin=True, tail=b"first ")
    block = os.urandom(MIB)
    expected = hashlib.sha256(b"first ")

    async def write() -> None:
        for _ in range(100):
            await running.client.send(block)
            expected.update(block)
        running.client.end_input()

    digest = Digest()
    await soon(asyncio.gather(write(), digest.read(running.client)), 60)
    assert (digest.count, digest.sha.digest()) == (100 * MIB + 6, expected.digest())
    assert (await running.finish()).code == 0


async def test_input_that_came_with_the_attach_request_comes_first(house: House) -> None:
    running = await house.start(["head", "-n", "2"], open_stdin=True, tail=b"one\ntw")
    await running.client.send(b"o\n")
    assert (await running.finish()).out == b"one\ntwo\n"


async def test_a_program_that_never_reads_its_input_ends_all_the_same(house: House) -> None:
    running = await house.start(["sh", "-c", "echo up; sleep 0.1; echo down"], open_stdin=True)
    sending = asyncio.ensure_future(running.client.send(b"x" * (4 * MIB)))
    result = await running.finish()
    assert (result.code, result.out) == (0, b"up\ndown\n")
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)


async def test_a_program_that_closes_its_input_goes_on(house: House) -> None:
    running = await house.start(["sh", "-c", "exec <&-; echo closed; sleep 0.2; echo end"], open_stdin=True)
    await running.client.line_with(b"closed")
    for _ in range(20):
        await running.client.send(b"x" * 4096)
    assert (await running.finish()).code == 0


async def test_half_a_close_ends_the_input_and_not_the_output(house: House) -> None:
    running = await house.start(["sh", "-c", "cat; echo after"], open_stdin=True)
    await running.client.send(b"text\n")
    running.client.end_input()
    assert (await running.finish()).out == b"text\nafter\n"


async def test_without_open_stdin_the_input_is_empty(house: House) -> None:
    assert (await house.sh("cat; readlink /proc/self/fd/0")).out == b"/dev/null\n"


async def test_stdin_stays_open_for_the_next_client_when_it_is_not_once(house: House) -> None:
    running = await house.start(["sh", "-c", "read a; read b; echo $a $b"], open_stdin=True, stdin_once=False)
    await running.client.send(b"one\n")
    running.client.close()
    second, _ = await running.attach(stdin=True)
    await second.send(b"two\n")
    assert streams(await second.all())[0] == b"one two\n"
    second.close()
    await soon(running.shim.gone)


async def test_a_reader_that_pauses_gets_every_byte_and_the_program_waits(house: House) -> None:
    script = "yes 0123456789abcdef | head -c 20000000; echo done >/tmp/done; exit 3"
    running = await house.start(["sh", "-c", script])
    await soon(running.client.line_with(b"0123"))
    await asyncio.sleep(0.3)
    assert not os.path.exists(f"{running.directory}/upper/tmp/done")  # back-pressure reached it
    total = 0
    while data := await running.client.some(65536):
        total += len(data)
    assert total > 19_000_000
    assert (await soon(running.shim.exited)).code == 3
    running.client.close()


async def test_a_reader_that_comes_back_after_the_end_gets_the_rest(house: House) -> None:
    """What fits into the pipe is written without waiting: the container ends, its last bytes wait for the reader."""
    running = await house.start(["sh", "-c", "yes 0123456789abcdef | head -c 400000; exit 4"])
    await soon(running.client.some(10))
    await asyncio.sleep(0.1)
    digest = 10
    while data := await running.client.some(65536):
        digest += len(data)
    assert digest > 400_000
    assert (await soon(running.shim.exited)).code == 4
    running.client.close()


async def test_with_two_readers_the_stopped_one_is_dropped_and_the_live_one_gets_all(house: House) -> None:
    script = "read x; yes 0123456789abcdef | head -c 20000000"
    running = await house.start(["sh", "-c", script], open_stdin=True, stall_s=0.3)
    stopped, gone = await running.attach()
    await running.client.send(b"go\n")
    digest = Digest()
    await digest.read(running.client)
    assert digest.count == 20_000_000
    assert await soon(gone) == "stalled"
    prefix = await stopped.all()
    assert prefix.count(b"0123456789abcdef") > 1000
    assert len(prefix) < 20_000_000
    stopped.close()
    assert (await running.finish()).code == 0


async def test_two_readers_that_read_get_the_same(house: House) -> None:
    running = await house.start(["sh", "-c", "read x; yes 0123456789abcdef | head -c 5000000"], open_stdin=True)
    second, gone = await running.attach()
    await running.client.send(b"go\n")
    one, two = Digest(), Digest()
    await asyncio.gather(one.read(running.client), two.read(second, 5000))
    assert one.count == two.count == 5_000_000
    assert one.sha.digest() == two.sha.digest()
    assert await soon(gone) == "eof"
    second.close()
    await running.finish()


async def test_a_reader_that_vanishes_does_not_stop_the_program(house: House) -> None:
    running = await house.start(["sh", "-c", "yes | head -c 3000000; exit 5"], log=True)
    await running.client.line_with(b"y")
    running.client.close()
    assert (await soon(running.shim.exited)).code == 5
    await soon(running.shim.gone)


async def test_a_client_of_stderr_alone_gets_that(house: House) -> None:
    running = await house.start(["sh", "-c", "read x; echo out; echo err >&2"], open_stdin=True)
    second, _ = await running.attach(stdout=False)
    await running.client.send(b"go\n")
    assert streams(await second.all()) == (b"", b"err\n")
    second.close()
    assert (await running.finish()).out == b"out\n"


async def test_the_log_has_every_byte_also_without_a_reader(house: House) -> None:
    script = "read x; for i in $(seq 2000); do echo line $i; echo e $i >&2; done; printf end"
    running = await house.start(["sh", "-c", script], open_stdin=True, log=True)
    await running.client.send(b"go\n")
    running.client.close()
    await soon(running.shim.gone)
    text = {"stdout": "", "stderr": ""}
    with open(f"{running.directory}/log", encoding="utf-8") as file:
        for record in map(json.loads, file):
            text[record["stream"]] += record["log"]
    assert text["stdout"] == "".join(f"line {i}\n" for i in range(1, 2001)) + "end"
    assert text["stderr"] == "".join(f"e {i}\n" for i in range(1, 2001))


async def test_a_full_disk_costs_log_records_and_not_the_container(house: House) -> None:
    events: list[dict[str, object]] = []
    request = house.request(["sh", "-c", "sleep 0.3; echo one; exit 6"])  # not before somebody listens
    request["log"] = {"path": "/dev/full", "max_size": -1, "max_file": 1}
    shim = await soon(house.supervisor.start(request, connect=None, attachments=[]))
    shim.on_event = events.append
    assert (await soon(shim.exited)).code == 6
    await soon(shim.gone)
    assert any(event["event"] == "log-failed" and event["records"] == 1 for event in events)


async def test_a_terminal_is_a_terminal_of_the_asked_size(house: House) -> None:
    running = await house.start(["sh", "-c", "tty; stty size; ls -l /dev/console"], tty=True, console_size=[31, 97])
    out = (await running.finish()).out
    assert b"/dev/pts/0\r\n31 97\r\n" in out
    assert b"136," in out


async def test_a_resize_reaches_the_program(house: House) -> None:
    script = "trap 'stty size; exit 9' WINCH; echo ready; while :; do sleep 0.02; done"
    running = await house.start(["sh", "-c", script], tty=True, open_stdin=True)
    await running.client.line_with(b"ready")
    await running.shim.resize(None, 44, 111)
    result = await running.finish()
    assert (result.code, b"44 111" in result.out) == (9, True)


async def test_ctrl_c_on_the_terminal_interrupts_the_foreground_process(house: House) -> None:
    running = await house.start(["sh", "-c", "sh -c 'echo up; sleep 100'; echo status $?"], tty=True, open_stdin=True)
    await running.client.line_with(b"up")
    await running.client.send(b"\x03")
    assert (await running.finish()).code == 130  # busybox ends itself the way its child ended


async def test_detach_keys_leave_the_container_running(house: House) -> None:
    options = {"tty": True, "open_stdin": True, "detach_keys": b"\x10\x11"}
    running = await house.start(["sh", "-c", "stty -echo; echo up; cat"], **options)
    await running.client.line_with(b"up")
    await running.client.send(b"a\x10")
    await running.client.send(b"\x10\x11after")
    rest = await running.client.all()
    assert b"after" not in rest
    assert not running.shim.exited.done()
    second, _ = await running.attach(stdin=True, detach_keys=b"\x10\x11", multiplexed=False)
    await second.send(b"b\n\x04")
    assert b"b" in await second.all()
    second.close()
    assert (await soon(running.shim.exited)).code == 0
    await soon(running.shim.gone)


async def test_a_paste_into_a_terminal_that_is_not_read_neither_blocks_nor_loses_output(house: House) -> None:
    script = "stty raw -echo; echo up; yes 0123456789abcdef | head -c 3000000; dd bs=1 count=200000 2>/dev/null | wc -c"
    running = await house.start(["sh", "-c", script], tty=True, open_stdin=True)
    await running.client.line_with(b"up")
    sending = asyncio.ensure_future(running.client.send(b"p" * 200_000))
    await asyncio.sleep(0.1)
    raw = await running.client.all()
    await sending
    assert raw.count(b"0123456789abcdef") > 170_000
    assert b"200000" in raw[-20:]
    assert (await soon(running.shim.exited)).code == 0


async def test_a_client_that_vanishes_from_a_terminal_leaves_it_running(house: House) -> None:
    running = await house.start(["sh", "-c", "echo up; read x; echo got $x"], tty=True, open_stdin=True)
    await running.client.line_with(b"up")
    running.client.close()
    second, _ = await running.attach(stdin=True, multiplexed=False)
    await second.send(b"word\n")
    assert b"got word" in await second.all()
    second.close()
    await soon(running.shim.gone)
