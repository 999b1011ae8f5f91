"""Exec: what is refused, what is remembered and for how long."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from engine_fakes import World

from tiffin.engine import execs
from tiffin.engine.containers.ports import Attachment
from tiffin.errors import Conflict, InvalidParameter, NotFound
from tiffin.spec.container import ExecConfig
from tiffin.wire import stdcopy

ECHO = ExecConfig(cmd=["echo", "a"], attach_stdout=True)


def run(tmp_path: Path, story: Callable[[World], Awaitable[None]]) -> None:
    async def told() -> None:
        world = World(str(tmp_path))
        await world.create("box", b'{"Image":"busybox","User":"nobody","HostConfig":{"GroupAdd":["audio"]}}')
        await story(world)

    asyncio.run(told())


def test_an_exec_lives_from_create_to_its_code(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.containers.start("box")
        shim = world.shim(world.containers.table.get("box").id)
        id = world.containers.execs.create("box", ECHO)
        before = world.containers.execs.inspect(id)
        assert (before["Running"], before["ExitCode"], before["Pid"]) == (False, None, 0)
        await world.containers.execs.start(id, None)
        assert world.containers.execs.inspect(id)["Pid"] == 77
        assert (await world.containers.inspect("box", size=False))["ExecIDs"] == [id]
        assert shim.execs[id]["user"] == "nobody" and shim.execs[id]["group_add"] == ["audio"]
        shim.exec_futures[id].set_result(4)
        await world.settled(lambda: world.containers.execs.inspect(id)["ExitCode"] == 4)
        assert [action for action in world.actions() if "exec" in action] == [
            "container exec_create: echo a",
            "container exec_start: echo a",
            "container exec_die",
        ]
        with pytest.raises(Conflict, match=f"Error: Exec command {id} has already run"):
            await world.containers.execs.start(id, None)

    run(tmp_path, story)


def test_a_program_that_is_not_found_is_told_on_the_stream_with_127(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.containers.start("box")
        ours, theirs = socket.socketpair()
        id = world.containers.execs.create("box", ExecConfig(cmd=["missing"]))
        await world.containers.execs.start(id, Attachment(theirs.detach(), stdout=True))
        said = ours.recv(4096)
        assert said[0] == stdcopy.STDOUT and b"executable file not found in $PATH" in said
        assert ours.recv(1) == b""
        ours.close()
        assert world.containers.execs.inspect(id)["ExitCode"] == 127

    run(tmp_path, story)


def test_exec_wants_a_running_container_and_a_command(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        id = world.containers.table.get("box").id
        with pytest.raises(Conflict, match=f"container {id} is not running"):
            world.containers.execs.create("box", ECHO)
        with pytest.raises(NotFound, match="No such container: gone"):
            world.containers.execs.create("gone", ECHO)
        await world.containers.start("box")
        with pytest.raises(InvalidParameter, match="No exec command specified"):
            world.containers.execs.create("box", ExecConfig())
        await world.containers.pause("box")
        with pytest.raises(Conflict, match="is paused"):
            world.containers.execs.create("box", ECHO)
        with pytest.raises(NotFound, match="No such exec instance: zap"):
            world.containers.execs.inspect("zap")

    run(tmp_path, story)


def test_what_runs_when_the_container_ends_has_ended(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.containers.start("box")
        shim = world.shim(world.containers.table.get("box").id)
        id = world.containers.execs.create("box", ECHO)
        await world.containers.execs.start(id, None)
        shim.end(0)
        await world.settled(lambda: world.containers.execs.inspect(id)["ExitCode"] == 137)
        await world.containers.remove("box", force=False, volumes=False)
        with pytest.raises(NotFound):
            world.containers.execs.inspect(id)
        assert len(world.containers.execs) == 0

    run(tmp_path, story)


def test_many_execs_do_not_grow_without_bound(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.containers.start("box")
        shim = world.shim(world.containers.table.get("box").id)
        for _ in range(execs.LIMIT + 200):
            id = world.containers.execs.create("box", ECHO)
            await world.containers.execs.start(id, None)
            shim.exec_futures.pop(id).set_result(0)
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert len(world.containers.execs) <= execs.LIMIT + 1
        assert world.containers.execs.inspect(id)["ExitCode"] in (0, None)

    run(tmp_path, story)


def test_the_environment_is_the_containers_with_the_execs_own_on_top(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.containers.start("box")
        container = world.containers.table.get("box")
        id = world.containers.execs.create("box", ExecConfig(cmd="sh", tty=True, env=["A=exec"], user="0:0"))
        await world.containers.execs.start(id, None, console_size=[10, 20])
        request = world.shim(container.id).execs[id]
        assert request["process"]["env"] == ["A=exec", f"HOSTNAME={container.id[:12]}", "TERM=xterm", "PATH=/bin"]
        assert request["process"]["consoleSize"] == {"height": 10, "width": 20}
        assert request["user"] == "0:0" and request["group_add"] == []
        assert "inheritable" not in request["process"]["capabilities"]

    run(tmp_path, story)
