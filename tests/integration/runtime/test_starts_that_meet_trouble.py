"""Starts that cross the end of something else: the last run's shim, the spawner, a crowd of other starts."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest
from container_house import House, Running, bind, soon, until

from tiffin.runtime.shim_handle import StartError


async def start_again(house: House, running: Running) -> Running:
    shim = await soon(house.supervisor.start(running.request, connect=None, attachments=[]))
    return Running(house, shim, running.request, running.client)


async def test_a_container_starts_again_while_its_last_shim_is_still_leaving(house: House) -> None:
    running = await house.start(["sleep", "60"])
    for _ in range(20):
        await running.shim.signal(9)
        await soon(running.shim.exited)
        running = await start_again(house, running)
    assert os.path.exists(f"{house.supervisor.run_dir(running.id)}/config.json")
    await running.kill()


async def test_a_request_that_dies_with_the_spawner_is_made_again(house: House) -> None:
    spawner = house.spawner
    first = spawner.pid
    os.kill(first, signal.SIGSTOP)  # requests lie in its socket
    starts = [asyncio.ensure_future(house.start(["sh", "-c", "echo ready; sleep 60"])) for _ in range(3)]
    await asyncio.sleep(0)
    await until(lambda: len(os.listdir(house.exec_root)) == 3)
    os.kill(first, signal.SIGKILL)
    for running in await asyncio.gather(*starts):
        await running.client.line_with(b"ready")
        await running.kill()
    assert spawner.pid != first
    await until(lambda: not os.path.exists(f"/proc/{first}"), "the dead spawner is waited for")


async def test_two_hundred_starts_at_once_all_succeed(house: House) -> None:
    os.kill(house.spawner.pid, signal.SIGSTOP)  # all requests come before the first is served
    starts = [asyncio.ensure_future(house.run(["true"])) for _ in range(200)]
    await until(lambda: len(os.listdir(house.exec_root)) == 200)
    os.kill(house.spawner.pid, signal.SIGCONT)
    assert {result.code for result in await asyncio.gather(*starts)} == {0}


async def test_an_exec_that_fails_leaves_no_client_behind(house: House) -> None:
    running = await house.start(["sleep", "60"])
    before = len(running.shim._clients)
    with pytest.raises(StartError, match="no such file"):
        await running.exec(["/no/such/program"])
    assert len(running.shim._clients) == before
    await running.kill()


async def test_a_failed_attach_leaves_no_client_behind(house: House) -> None:
    running = await house.start(["true"])
    await running.finish()
    with pytest.raises(StartError):
        await running.shim.attach(
            0, b"", stdin=False, stdout=True, stderr=True, detach_keys=b"", multiplexed=True
        )
    assert not running.shim._clients


async def test_a_start_that_fails_while_the_network_is_made_says_its_own_reason(house: House) -> None:
    async def slow(_netns: int, _route: int) -> None:
        await until(lambda: not house._processes(), "the shim has given up")

    with pytest.raises(StartError, match="/not/there"):
        await house.start(["true"], connect=slow, mounts=[bind("/not/there", "/mnt")])
