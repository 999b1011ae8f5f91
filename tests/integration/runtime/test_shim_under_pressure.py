"""A shim that is leaned on: a daemon that does not read, a frozen container, orphans, readers and writers half gone."""

from __future__ import annotations

import asyncio
import os
import signal
import socket

import pytest
from container_house import House, Running, soon, until

from tiffin.runtime import shim_handle
from tiffin.runtime.cgroup.group import Cgroup
from tiffin.runtime.shim_handle import StartError
from tiffin.spawn.channel import Channel


def connect(running: Running) -> Channel:
    """As another daemon would."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    connection.connect(f"{running.house.supervisor.run_dir(running.id)}/shim.sock")
    connection.setblocking(False)
    return Channel(connection)


def ask_until_full(channel: Channel) -> int:
    """State is asked for until the shim reads no more."""
    for number in range(20_000):
        try:
            channel.send({"id": number, "op": "state"})
        except BlockingIOError:
            return number
    raise AssertionError("the shim reads without end")


async def test_a_daemon_that_does_not_read_holds_nobody_up_and_is_not_cut_off(house: House) -> None:
    running = await house.start(["cat"], open_stdin=True)
    deaf = connect(running)
    await until(lambda: ask_until_full(deaf) == 0, "the shim's queue stays full")
    await running.client.send(b"still here\n")
    await running.client.line_with(b"still here")
    code, out, _ = await running.exec_result(["echo", "exec"])
    assert (code, out) == (0, b"exec\n")
    answers = 0

    def answered() -> bool:
        nonlocal answers
        try:
            while (received := deaf.recv()) is not None:
                answers += "re" in received[0]
        except BlockingIOError:
            pass
        return answers > 100

    await until(answered, "answers that were queued")
    deaf.close()
    await running.kill()


async def test_the_end_is_told_to_a_daemon_that_reads_late(house: House) -> None:
    running = await house.start(["cat"], open_stdin=True)
    deaf = connect(running)
    await until(lambda: ask_until_full(deaf) == 0, "the shim's queue stays full")
    await running.shim.signal(9)
    assert (await soon(running.shim.exited)).code == 137
    events = []

    def over() -> bool:
        try:
            while (received := deaf.recv()) is not None:
                events.append(received[0].get("event"))
        except BlockingIOError:
            return False
        return True

    await until(over, "the end of the connection")
    deaf.close()
    assert [event for event in events if event][-2:] == ["exit", "cleaned"]


async def test_an_exec_into_a_paused_container_is_refused_and_the_shim_stays_awake(house: House) -> None:
    running = await house.start(["sleep", "60"])
    await running.shim.freeze()
    with pytest.raises(StartError, match="paused"):
        await running.exec(["true"])
    await soon(running.shim.thaw())
    assert (await running.exec_result(["true"]))[0] == 0
    await running.kill()


def children(pid: int) -> set[int]:
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return set(map(int, file.read().split()))


async def test_orphans_of_a_container_without_a_pid_namespace_are_reaped(house: House) -> None:
    namespaces = [{"type": kind} for kind in ("network", "ipc", "uts", "mount")]
    script = "sh -c 'sleep 0.2 & exit 0'; sh -c 'sleep 0.2 & exit 0'; echo ready; exec sleep 60"
    running = await house.start(["sh", "-c", script], linux={"namespaces": namespaces})
    await running.client.line_with(b"ready")
    assert (await running.exec_result(["sh", "-c", "sh -c 'sleep 0.1 & exit 0' >/dev/null 2>&1; exit 5"]))[0] == 5
    await until(lambda: children(running.shim_pid) == {running.shim.pid}, "only the first process is a child")
    await running.kill()


async def test_a_container_ends_with_its_own_code_though_its_group_does_not_go(house: House) -> None:
    running = await house.start(["sleep", "60"])
    group = Cgroup.open(house.layout, f"{house.cgroup_parent}/{running.id}")
    directory = next(iter(group.describe().values()))
    os.makedirs(f"{directory}/made/below")
    assert (await running.kill()).code == 137
    await soon(running.shim.gone)
    assert not os.path.exists(directory)


def ticks(pid: int) -> int:
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


async def test_a_shim_at_rest_uses_no_processor_time_whatever_its_clients_left_behind(house: House) -> None:
    running = await house.start(["sleep", "60"], open_stdin=True, stdin_once=False)
    running.client.end_input()
    terminal, screen = await running.exec(["sh", "-c", "stty raw -echo; echo up; exec sleep 60"], tty=True, stdin=True)
    await screen.line_with(b"up")
    screen.close()  # a terminal without a client
    _, stuck = await running.exec(["sh", "-c", "yes | head -c 4000000"])  # nobody reads it
    _, typist = await running.exec(["sleep", "60"], stdin=True)
    with pytest.raises(BlockingIOError):
        while True:
            typist.sock.send(b"x" * 65536)  # nobody reads that either
            await asyncio.sleep(0)
    typist.sock.shutdown(socket.SHUT_RD)
    before = ticks(running.shim_pid)
    await asyncio.sleep(0.3)  # the time of the measurement
    assert ticks(running.shim_pid) - before <= 2
    stuck.close()
    typist.close()
    await running.kill()
    assert terminal.exited.done() or await soon(terminal.exited) == 137


async def test_a_kill_ends_the_container_of_a_stuck_shim(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shim_handle, "KILL_S", 0.1)
    running = await house.start(["sleep", "60"])
    os.kill(running.shim_pid, signal.SIGSTOP)
    await soon(running.shim.signal(9))
    exit_ = await soon(running.shim.exited)
    assert (exit_.code, exit_.error) == (137, "shim died")
    await soon(running.shim.gone)
