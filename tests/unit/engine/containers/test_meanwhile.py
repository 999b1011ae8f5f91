"""What happens to a container while something else is under way: clients and removals in the middle of a start."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from engine_fakes import FakeShim, FakeStartError, World

from tiffin.engine.containers.ports import Attachment
from tiffin.engine.containers.state import Status
from tiffin.errors import Conflict, SystemFailure, TiffinError
from tiffin.spec.container import ExecConfig

ASKED: dict[str, Any] = {"stdin": False, "stdout": True, "stderr": True, "keys": "", "logs": False, "stream": True}


def run(tmp_path: Path, story: Callable[[World], Awaitable[None]]) -> None:
    async def told() -> None:
        world = World(str(tmp_path))
        await story(world)
        await world.containers.flush()

    asyncio.run(told())


class SlowStart:
    """Holds every start of a world until it is told to go on."""

    def __init__(self, world: World) -> None:
        self.begun, self.go_on = asyncio.Event(), asyncio.Event()
        start = world.supervisor.start

        async def slow(request: dict[str, Any], **more: Any) -> FakeShim:
            self.begun.set()
            await self.go_on.wait()
            return await start(request, **more)

        world.supervisor.start = slow  # type: ignore[method-assign]


async def attach(world: World, id: str) -> socket.socket:
    ours, theirs = socket.socketpair()
    await world.containers.attach(id, theirs.detach(), b"", **ASKED)
    return ours


def test_a_client_that_attaches_in_the_middle_of_a_start_gets_the_stream(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        id = await world.create("box")
        slow = SlowStart(world)
        start = asyncio.create_task(world.containers.start(id))
        await slow.begun.wait()
        ours = await attach(world, id)
        slow.go_on.set()
        await start
        ((fd, _),) = world.shim(id).attached
        os.write(fd, b"hello")
        assert ours.recv(5) == b"hello"
        os.close(fd)
        ours.close()

    run(tmp_path, story)


def test_a_client_that_attaches_in_the_middle_of_a_failing_start_is_hung_up_on(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        id = await world.create("box")
        slow = SlowStart(world)
        world.supervisor.refuse = FakeStartError("no", 125)
        start = asyncio.create_task(world.containers.start(id))
        await slow.begun.wait()
        ours = await attach(world, id)
        slow.go_on.set()
        try:
            await start
        except SystemFailure as error:
            assert error.message == "no"
        assert ours.recv(1) == b""
        ours.close()

    run(tmp_path, story)


def test_clients_that_give_up_waiting_for_a_start_hold_no_descriptor(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        id = await world.create("box")
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(10):
            (await attach(world, id)).close()
        assert len(os.listdir("/proc/self/fd")) <= before + 1
        await world.containers.remove(id, force=False, volumes=False)

    run(tmp_path, story)


def test_a_forced_removal_in_the_middle_of_a_start_waits_and_kills(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        id = await world.create("box")
        slow = SlowStart(world)
        start = asyncio.create_task(world.containers.start(id))
        await slow.begun.wait()
        removal = asyncio.create_task(world.containers.remove(id, force=True, volumes=False))
        await asyncio.sleep(0)
        slow.go_on.set()
        await asyncio.gather(start, removal)
        assert world.shim(id).signals == [9]
        assert not world.containers.table.has_id(id)

    run(tmp_path, story)


def test_a_removal_without_force_leaves_alone_what_was_being_started(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        id = await world.create("box")
        slow = SlowStart(world)
        start = asyncio.create_task(world.containers.start(id))
        await slow.begun.wait()
        removal = asyncio.create_task(world.containers.remove(id, force=False, volumes=False))
        await asyncio.sleep(0)
        slow.go_on.set()
        await start
        try:
            await removal
        except TiffinError as error:
            assert "container is running" in error.message
        assert world.containers.table.get(id).status is Status.RUNNING

    run(tmp_path, story)


def test_waits_whose_clients_have_gone_are_forgotten_while_the_container_runs(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        id = await world.create("box")
        await world.containers.start(id)
        container = world.containers.table.get(id)
        stays = world.containers.wait(id, "not-running")
        for condition in ("not-running", "next-exit", "removed"):
            world.containers.wait(id, condition).cancel()
        await asyncio.sleep(0)
        assert container.exit_waiters == [stays]
        assert not container.removal_waiters
        world.shim(id).end(3)
        assert (await stays).code == 3

    run(tmp_path, story)


def test_a_restart_that_meets_a_removal_brings_nothing_back(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        id = await world.create("box")
        container = world.containers.table.get(id)
        async with container.lock:
            removal = asyncio.create_task(world.containers.remove(id, force=False, volumes=False))
            await asyncio.sleep(0)
            restart = asyncio.create_task(world.containers.restart(id, 0))
            rename = asyncio.create_task(world.containers.rename(id, "other"))
            await asyncio.sleep(0)
        await removal
        for late in (restart, rename):
            try:
                await late
            except Conflict as error:
                assert "marked for removal" in error.message
        await world.containers.flush()
        assert not world.records.documents and id not in world.supervisor.shims
        await world.create("box")

    run(tmp_path, story)


def test_two_restarts_at_once_forget_no_rm(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        id = await world.create("box", b'{"Image":"busybox","HostConfig":{"AutoRemove":true}}')
        await world.containers.start(id)
        await asyncio.gather(world.containers.restart(id, 0), world.containers.restart(id, 0))
        gone = world.containers.wait(id, "removed")
        world.shim(id).end(4)
        assert (await gone).code == 4
        assert not world.containers.table.has_id(id)

    run(tmp_path, story)


def test_a_container_whose_record_cannot_be_written_was_never_started(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        writing, fail = asyncio.Event(), asyncio.Event()

        async def save(*_: Any) -> None:
            writing.set()
            await fail.wait()
            raise OSError("no space left on device")

        world.records.save = save  # type: ignore[method-assign]
        create = asyncio.create_task(world.create("box"))
        await writing.wait()
        start = asyncio.create_task(world.containers.start("box"))
        await asyncio.sleep(0)
        fail.set()
        for doomed in (create, start):
            try:
                await doomed
            except (OSError, Conflict):
                continue
            raise AssertionError("it worked")
        assert not world.supervisor.shims and not len(world.containers.table)

    run(tmp_path, story)


def test_a_pause_that_meets_the_end_says_that_nothing_runs(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        id = await world.create("box")
        await world.containers.start(id)
        shim = world.shim(id)

        async def ends() -> None:
            shim.end(0)
            raise FakeStartError("the container's shim has ended", 125)

        shim.freeze = ends  # type: ignore[method-assign]
        try:
            await world.containers.pause(id)
        except Conflict as error:
            assert error.message == f"container {id} is not running"
        assert world.containers.table.get(id).status is Status.EXITED

    run(tmp_path, story)


def test_a_client_that_typed_ahead_of_a_failing_start_reads_an_end_and_not_a_reset(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        id = await world.create("box")
        ours = await attach(world, id)
        ours.sendall(b"nobody will read this")
        world.supervisor.refuse = FakeStartError("no", 125)
        try:
            await world.containers.start(id)
        except SystemFailure as error:
            assert error.message == "no"
        assert ours.recv(1) == b""
        ours.close()

    run(tmp_path, story)


def test_a_client_that_attaches_in_the_moment_of_the_end_reads_the_end(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        id = await world.create("box")
        await world.containers.start(id)

        async def ended(*_: Any, **__: Any) -> Any:
            raise FakeStartError("the container's shim has ended", 125)

        world.shim(id).attach = ended  # type: ignore[method-assign]
        ours = await attach(world, id)
        assert ours.recv(1) == b""
        ours.close()

    run(tmp_path, story)


def test_an_exec_that_fails_tells_a_client_that_typed_ahead_why(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        id = await world.create("box")
        await world.containers.start(id)
        asked = ExecConfig(cmd=["missing"], attach_stdin=True, attach_stdout=True)
        exec_id = world.containers.execs.create(id, asked)
        ours, theirs = socket.socketpair()
        ours.sendall(b"nobody will read this")
        await world.containers.execs.start(exec_id, Attachment(theirs.detach(), stdin=True, stdout=True))
        assert b"executable file not found" in ours.recv(1000)
        assert ours.recv(1) == b""
        ours.close()

    run(tmp_path, story)
