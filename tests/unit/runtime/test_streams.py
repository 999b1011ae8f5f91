"""The pump between pipes and sockets, driven turn by turn: frames, back-pressure, several clients, ends."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from time import monotonic
from typing import Any

import pytest

from tiffin.runtime.attached import Client
from tiffin.runtime.loop import Loop
from tiffin.runtime.streams import LIMIT, Pump

MIB = 1 << 20
DEADLINE_S = 10


class Bench:
    """A pump on three pipes: `out`, `err` are the program's ends; clients are socket pairs."""

    def __init__(self, *, open_stdin: bool = True, **options: Any) -> None:
        self.loop = Loop()
        self.closing = ExitStack()
        out, self.out = os.pipe2(os.O_NONBLOCK)
        err, self.err = os.pipe2(os.O_NONBLOCK)
        self.stdin, ours = os.pipe2(os.O_NONBLOCK)
        self.gone: dict[int, str] = {}
        self.idle = 0
        if not open_stdin:
            os.close(ours)
        self.pump = Pump(
            self.loop, {out: "stdout", err: "stderr"}, ours if open_stdin else None, on_idle=self._idle, **options
        )
        for fd in (self.out, self.err, self.stdin):
            self.closing.callback(self._close, fd)

    def _idle(self) -> None:
        self.idle += 1

    @staticmethod
    def _close(fd: int) -> None:
        try:
            os.close(fd)
        except OSError:
            pass

    def client(self, number: int = 0, *, tail: bytes = b"", **options: Any) -> socket.socket:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        self.closing.callback(ours.close)
        document = {"stdin": True, "stdout": True, "stderr": True, "multiplexed": True, "tail": tail.hex(), **options}
        self.pump.add(Client(theirs.detach(), document, lambda reason: self.gone.__setitem__(number, reason)))
        return ours

    def turn(self) -> None:
        """All that is ready now."""
        for _ in range(3):
            self.loop.call_at(monotonic(), self.loop.stop)
            self.loop._running = True
            self.loop.run()

    def until(self, condition: Callable[[], Any]) -> Any:
        end = monotonic() + DEADLINE_S
        while not (value := condition()):
            assert monotonic() < end
            self.turn()
        return value

    def fill(self, count: int, reader: Callable[[], Any] = lambda: None) -> int:
        """The program writes up to `count` bytes, as long as anybody takes them; how many went through."""
        done = idle = 0
        while done < count and idle < 20:
            try:
                done += os.write(self.out, b"x" * min(65536, count - done))
                idle = 0
            except BlockingIOError:
                idle += 1
            self.turn()
            reader()
        return done


@pytest.fixture
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    bench = Bench(**getattr(request, "param", {}))
    yield bench
    if not bench.pump._ended:
        bench.pump.end()
    for client in list(bench.pump.clients.values()):
        bench.pump.remove(client, "test ends")
    bench.closing.close()
    bench.loop._epoll.close()


def drain(sock: socket.socket) -> bytes:
    got = b""
    try:
        while data := sock.recv(1 << 20):
            got += data
    except BlockingIOError:
        pass
    return got


def ended(sock: socket.socket) -> bool:
    try:
        return sock.recv(1) == b""
    except BlockingIOError:
        return False


def test_each_stream_has_its_own_frames(bench: Bench) -> None:
    client = bench.client()
    os.write(bench.out, b"out")
    bench.turn()
    os.write(bench.err, b"error")
    bench.turn()
    assert drain(client) == b"\x01\0\0\0\0\0\0\x03out\x02\0\0\0\0\0\0\x05error"


def test_a_client_gets_only_what_it_asked_for_raw_if_it_asked_for_that(bench: Bench) -> None:
    client = bench.client(stderr=False, multiplexed=False)
    os.write(bench.err, b"error")
    os.write(bench.out, b"out")
    bench.turn()
    assert drain(client) == b"out"


def test_the_only_client_holds_the_program_back_and_misses_nothing(bench: Bench) -> None:
    client = bench.client(multiplexed=False)
    written = bench.fill(4 * MIB)
    assert written < MIB
    got = bytearray()
    written += bench.fill(4 * MIB, lambda: got.extend(drain(client)))
    bench.until(lambda: got.extend(drain(client)) or len(got) == written)
    assert bench.gone == {}


def test_without_a_client_the_program_is_never_held_back(bench: Bench) -> None:
    assert bench.fill(2 * MIB) == 2 * MIB


@pytest.mark.parametrize("bench", [{"stall_s": 0.05}], indirect=True)
def test_of_two_clients_the_stopped_one_is_dropped_with_a_full_buffer_and_the_other_gets_all(bench: Bench) -> None:
    live, stopped = bench.client(0, multiplexed=False), bench.client(1, multiplexed=False)
    got = bytearray()
    written = 0
    end = monotonic() + DEADLINE_S
    while written < 8 * MIB:
        assert monotonic() < end
        written += bench.fill(8 * MIB - written, lambda: got.extend(drain(live)))
    bench.until(lambda: got.extend(drain(live)) or len(got) == written)
    assert bench.gone == {1: "stalled"}
    prefix = drain(stopped)
    assert 0 < len(prefix) < 8 * MIB
    assert ended(stopped)


@pytest.mark.parametrize("bench", [{"stall_s": 0.0}], indirect=True)
def test_a_client_within_its_buffer_is_not_stalled(bench: Bench) -> None:
    live, slow = bench.client(0, multiplexed=False), bench.client(1, multiplexed=False)
    assert bench.fill(LIMIT // 2, lambda: drain(live)) == LIMIT // 2
    bench.turn()
    assert bench.gone == {}
    drain(slow)


def test_input_goes_to_the_program_tail_first(bench: Bench) -> None:
    client = bench.client(tail=b"tail ")
    client.sendall(b"more")
    bench.turn()
    assert os.read(bench.stdin, 100) == b"tail more"


def test_a_program_that_does_not_read_holds_its_client_back(bench: Bench) -> None:
    client = bench.client()
    sent = 0
    for _ in range(100):
        try:
            sent += client.send(b"x" * 65536)
        except BlockingIOError:
            pass
        bench.turn()
    assert sent < MIB
    got = 0
    while got < sent:
        got += len(os.read(bench.stdin, 1 << 20))
        bench.turn()
    assert got == sent


@pytest.mark.parametrize("bench", [{"stdin_once": True}], indirect=True)
def test_the_end_of_the_clients_input_comes_after_all_of_it_and_keeps_its_output(bench: Bench) -> None:
    client = bench.client()
    client.sendall(b"last")
    client.shutdown(socket.SHUT_WR)
    bench.turn()
    assert os.read(bench.stdin, 100) == b"last"
    bench.turn()
    assert os.read(bench.stdin, 100) == b""
    os.write(bench.out, b"answer")
    bench.turn()
    assert drain(client).endswith(b"answer")


def test_without_stdin_once_the_input_stays_open_for_others(bench: Bench) -> None:
    bench.client().shutdown(socket.SHUT_WR)
    bench.turn()
    bench.client(1).sendall(b"next")
    bench.turn()
    assert os.read(bench.stdin, 100) == b"next"


def test_a_program_that_closed_its_input_costs_nobody_anything(bench: Bench) -> None:
    client = bench.client()
    os.close(bench.stdin)
    for _ in range(10):
        client.send(b"x" * 1000)
        bench.turn()
    os.write(bench.out, b"out")
    bench.turn()
    assert drain(client).endswith(b"out")
    assert bench.pump.stdin is None


def test_a_client_that_vanishes_is_noticed_without_any_output(bench: Bench) -> None:
    bench.client().close()
    bench.until(lambda: bench.gone == {0: "gone"})
    bench.client(1, stdin=False).close()
    bench.until(lambda: bench.gone.get(1) == "gone")
    assert bench.pump.clients == {}


def test_a_client_that_vanishes_with_bytes_to_take_frees_the_program(bench: Bench) -> None:
    client = bench.client()
    bench.fill(4 * MIB)
    client.close()
    bench.until(lambda: bench.gone == {0: "gone"})
    assert bench.fill(2 * MIB) == 2 * MIB


@pytest.mark.parametrize("bench", [{"stdin_once": True}], indirect=True)
def test_a_client_that_vanishes_with_unread_output_leaves_its_input_and_the_end_of_it(bench: Bench) -> None:
    client = bench.client()
    client.send(b"last words")
    os.write(bench.out, b"nobody reads this")
    bench.turn()
    client.send(b", and more")
    client.close()  # with unread bytes: a reset
    os.write(bench.out, b"nor this")
    bench.until(lambda: bench.gone)
    got = b""
    while data := os.read(bench.stdin, 100):  # ends, since the program's input is closed
        got += data
    assert got == b"last words, and more"


def test_at_the_end_what_is_in_the_pipe_still_arrives(bench: Bench) -> None:
    client = bench.client(multiplexed=False)
    sent = bench.fill(4 * MIB)
    bench.pump.end()
    assert bench.idle == 0
    got = bytearray()
    bench.until(lambda: got.extend(drain(client)) or bench.gone)
    got += drain(client)
    assert (len(got), bench.gone, bench.idle) == (sent, {0: "eof"}, 1)


def test_the_end_does_not_wait_for_a_writer_that_never_stops(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    readv = os.readv

    def endless(fd: int, buffers: list[memoryview]) -> int:
        count = readv(fd, buffers)
        os.write(bench.out, b"x" * 1000)
        return count

    os.write(bench.out, b"x" * 1000)
    monkeypatch.setattr(os, "readv", endless)
    bench.pump.end()
    assert bench.idle == 1


def test_a_client_that_comes_after_the_end_is_let_go_at_once(bench: Bench) -> None:
    bench.pump.end()
    client = bench.client()
    assert bench.gone == {0: "eof"}
    assert ended(client)


class TestDetachKeys:
    """ctrl-p ctrl-q by default; what begins like them and goes on otherwise is input."""

    @pytest.fixture
    def bench(self) -> Iterator[Bench]:
        bench = Bench(terminal=True)
        yield bench
        bench.pump.end()
        for client in list(bench.pump.clients.values()):
            bench.pump.remove(client, "test ends")
        bench.closing.close()
        bench.loop._epoll.close()

    @pytest.mark.parametrize(
        ("typed", "passed", "detached"),
        [
            ([b"ab\x10\x11cd"], b"ab", True),
            ([b"ab\x10", b"\x11"], b"ab", True),
            ([b"\x10\x10\x11"], b"\x10", True),
            ([b"\x10a\x11"], b"\x10a\x11", False),
            ([b"\x10", b"a"], b"\x10a", False),
            ([b"\x11\x10"], b"\x11", False),
        ],
    )
    def test_keys(self, bench: Bench, typed: list[bytes], passed: bytes, detached: bool) -> None:
        client = bench.client(detach_keys=b"\x10\x11".hex())
        for part in typed:
            client.sendall(part)
            bench.turn()
        assert os.read(bench.stdin, 100) == passed if passed else True
        assert (bench.gone == {0: "detached"}) is detached

    def test_keys_in_the_tail(self, bench: Bench) -> None:
        client = bench.client(detach_keys=b"\x10\x11".hex(), tail=b"x\x10\x11")
        assert bench.gone == {0: "detached"}
        assert ended(client)
