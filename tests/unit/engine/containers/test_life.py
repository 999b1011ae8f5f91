"""The life of a container over a fake supervisor."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from engine_fakes import FakeStartError, World

from tiffin.engine.containers.state import Status
from tiffin.errors import Conflict, InvalidParameter, NotFound, NotModified


def run(tmp_path: Path, story: Callable[[World], Awaitable[None]]) -> None:
    async def told() -> None:
        world = World(str(tmp_path))
        await story(world)
        await world.containers.flush()

    asyncio.run(told())


def test_a_run_from_create_to_removal_tells_its_events_in_dockers_order(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        id = await world.create("one", b'{"Image":"busybox","HostConfig":{"AutoRemove":true}}')
        gone = world.containers.wait(id, "removed")
        await world.containers.start(id)
        world.shim(id).end(3)
        assert (await gone).code == 3
        assert world.actions() == [
            "container create",
            "network connect",
            "container start",
            "container die",
            "network disconnect",
            "container destroy",
        ]
        assert world.seen[3]["Actor"]["Attributes"]["exitCode"] == "3"
        assert not world.records.documents and not world.bridge.live
        assert not os.path.exists(world.settings.container_dir(id))
        with pytest.raises(NotFound, match="No such container: one"):
            await world.containers.start("one")

    run(tmp_path, story)


def test_starting_a_running_container_changes_nothing(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        id = await world.create()
        await world.containers.start(id)
        with pytest.raises(NotModified):
            await world.containers.start(id)

    run(tmp_path, story)


def test_two_starts_at_once_start_one_program(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        id = await world.create()
        results = await asyncio.gather(
            world.containers.start(id), world.containers.start(id), return_exceptions=True
        )
        assert sorted(type(result).__name__ for result in results) == ["NoneType", "NotModified"]

    run(tmp_path, story)


def test_a_program_that_is_not_found_leaves_the_container_created_with_127(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        id = await world.create()
        world.supervisor.refuse = FakeStartError('exec: "nope": executable file not found in $PATH', 127)
        with pytest.raises(InvalidParameter, match="executable file not found"):
            await world.containers.start(id)
        state = (await world.containers.inspect(id, size=False))["State"]
        assert (state["Status"], state["ExitCode"]) == ("created", 127)
        assert not world.bridge.live

    run(tmp_path, story)


def test_a_failed_start_with_rm_removes_the_container_and_frees_who_waits_for_that(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        id = await world.create("", b'{"Image":"busybox","HostConfig":{"AutoRemove":true}}')
        gone = world.containers.wait(id, "removed")
        world.supervisor.refuse = FakeStartError("no such file or directory", 127)
        with pytest.raises(InvalidParameter):
            await world.containers.start(id)
        assert (await gone).code == 127
        assert not world.records.documents

    run(tmp_path, story)


def test_the_three_conditions_of_wait_differ(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        id = await world.create()
        assert (await world.containers.wait(id, "")).code == 0
        following = world.containers.wait(id, "next-exit")
        removed = world.containers.wait(id, "removed")
        await asyncio.sleep(0)
        assert not following.done()
        await world.containers.start(id)
        resting = world.containers.wait(id, "not-running")
        assert not resting.done()
        world.shim(id).end(7)
        assert (await following).code == (await resting).code == 7
        assert not removed.done()
        await world.containers.remove(id, force=False, volumes=False)
        assert (await removed).code == 7
        with pytest.raises(NotFound):
            world.containers.wait(id, "")

    run(tmp_path, story)


def test_an_unknown_wait_condition_is_refused(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        id = await world.create()
        with pytest.raises(InvalidParameter, match='invalid condition: "soon"'):
            world.containers.wait(id, "soon")

    run(tmp_path, story)


def test_stop_kills_what_does_not_obey_in_time(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        id = await world.create()
        await world.containers.start(id)
        shim = world.shim(id)
        shim.obeys = set()
        await world.containers.stop(id, 0)
        assert shim.signals == [15, 9]
        assert (await world.containers.inspect(id, size=False))["State"]["ExitCode"] == 137
        with pytest.raises(NotModified):
            await world.containers.stop(id)

    run(tmp_path, story)


def test_stop_uses_the_containers_own_signal(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        id = await world.create("", b'{"Image":"busybox","StopSignal":"SIGUSR1"}')
        await world.containers.start(id)
        shim = world.shim(id)
        shim.obeys = {10}
        await world.containers.stop(id)
        assert shim.signals == [10]

    run(tmp_path, story)


def test_killing_what_does_not_run_is_a_conflict_in_dockers_words(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        id = await world.create("box")
        with pytest.raises(Conflict, match=f"container {id} is not running"):
            await world.containers.kill("box")
        with pytest.raises(InvalidParameter, match="invalid signal: SIGNOPE"):
            await world.containers.kill("box", "SIGNOPE")

    run(tmp_path, story)


def test_a_running_container_is_removed_only_by_force(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        id = await world.create("box")
        await world.containers.start(id)
        with pytest.raises(Conflict) as refused:
            await world.containers.remove("box", force=False, volumes=False)
        assert refused.value.message == (
            'cannot remove container "/box": container is running: '
            "stop the container before removing or force remove"
        )
        await world.containers.remove("box", force=True, volumes=False)
        assert not world.records.documents

    run(tmp_path, story)


def test_restart_of_a_container_with_rm_keeps_it(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        id = await world.create("box", b'{"Image":"busybox","HostConfig":{"AutoRemove":true}}')
        await world.containers.start(id)
        first = world.shim(id)
        await world.containers.restart(id)
        assert first.exited.done() and world.shim(id) is not first
        assert (await world.containers.inspect(id, size=False))["State"]["Running"]

    run(tmp_path, story)


def test_a_paused_container_is_running_and_paused_and_stop_thaws_it(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        id = await world.create("box")
        await world.containers.start(id)
        world.shim(id).obeys = set()
        await world.containers.pause(id)
        state = (await world.containers.inspect(id, size=False))["State"]
        assert (state["Status"], state["Running"], state["Paused"]) == ("paused", True, True)
        with pytest.raises(Conflict, match="cannot start a paused container, try unpause instead"):
            await world.containers.start(id)
        await world.containers.stop(id, 0)
        assert not world.shim(id).frozen
        assert "container unpause" in world.actions()

    run(tmp_path, story)


def test_a_client_that_attached_before_the_start_is_handed_to_the_shim(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        id = await world.create("box", b'{"Image":"busybox","OpenStdin":true}')
        ours, theirs = socket.socketpair()
        assert world.containers.check_attach(id) is False
        asked = {"stdin": True, "stdout": True, "stderr": True, "keys": "", "logs": False, "stream": True}
        await world.containers.attach(id, theirs.detach(), b"early", **asked)
        await world.containers.start(id)
        ((fd, options),) = world.shim(id).attached
        assert options["tail"] == b"early"
        os.write(fd, b"hello")
        assert ours.recv(5) == b"hello"
        os.close(fd)
        assert ours.recv(1) == b""  # no other descriptor is left
        ours.close()

    run(tmp_path, story)


def test_removing_a_container_hangs_up_on_clients_that_wait_for_its_start(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        id = await world.create("box")
        ours, theirs = socket.socketpair()
        asked = {"stdin": False, "stdout": True, "stderr": True, "keys": "", "logs": False, "stream": True}
        await world.containers.attach(id, theirs.detach(), b"", **asked)
        await world.containers.remove(id, force=False, volumes=False)
        assert ours.recv(1) == b""
        ours.close()

    run(tmp_path, story)


def test_joining_a_container_that_is_not_there_fails_at_start(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        id = await world.create("box", b'{"Image":"busybox","HostConfig":{"NetworkMode":"container:gone"}}')
        with pytest.raises(InvalidParameter, match="joining namespace of container: No such container: gone"):
            await world.containers.start(id)

    run(tmp_path, story)


def test_oom_is_told_before_the_end(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        id = await world.create("box")
        await world.containers.start(id)
        world.shim(id).end(137, oom_killed=True)
        await world.settled(lambda: "container die" in world.actions())
        assert world.actions().index("container oom") < world.actions().index("container die")
        assert (await world.containers.inspect(id, size=False))["State"]["OOMKilled"] is True

    run(tmp_path, story)


def test_the_trace_has_the_engines_and_the_runtimes_steps(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        id = await world.create("box")
        await world.containers.start(id)
        trace = world.containers.trace("box")
        steps = [step["step"] for step in trace["steps"]]
        assert steps[:3] == ["find the image", "make the record", "write the record"]
        assert "allocate an address" in steps and "namespaces" in steps
        assert trace["exit"] is None
        assert all(set(step) == {"step", "who", "duration_us", "facts"} for step in trace["steps"])

    run(tmp_path, story)


# -- recovery ---------------------------------------------------------------------------------------------------------


def test_a_restarted_daemon_watches_what_runs(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        id = await world.create("box")
        await world.containers.start(id)
        await world.containers.flush()
        shim = world.shim(id)
        world.bridge.live.clear()
        await world.again()
        await world.containers.recover()
        assert (await world.containers.inspect("box", size=False))["State"]["Running"]
        assert len(world.bridge.live) == 1
        ended = world.containers.wait("box", "")
        shim.end(5)
        assert (await ended).code == 5

    run(tmp_path, story)


def test_what_ended_meanwhile_has_the_status_that_its_shim_left(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        id = await world.create("box")
        await world.containers.start(id)
        await world.containers.flush()
        shim = world.shim(id)
        del world.supervisor.shims[id]
        finished = shim.started_at_ns + 1
        left = {"boot_id": "boot", "code": 9, "oom_killed": False, "finished_at_ns": finished, "error": ""}
        with open(f"{world.settings.container_dir(id)}/exit.json", "w", encoding="ascii") as file:
            json.dump(left, file)
        await world.again()
        await world.containers.recover()
        state = (await world.containers.inspect("box", size=False))["State"]
        assert (state["Status"], state["ExitCode"]) == ("exited", 9)

    run(tmp_path, story)


@pytest.mark.parametrize(("reason", "code"), [("shim died", 137), ("", 255)])
def test_what_vanished_is_137_in_this_boot_and_255_in_another(tmp_path: Path, reason: str, code: int) -> None:
    async def story(world: World) -> None:
        id = await world.create("box")
        await world.containers.start(id)
        await world.containers.flush()
        del world.supervisor.shims[id]
        world.supervisor.lost_reason = reason
        await world.again()
        await world.containers.recover()
        state = (await world.containers.inspect("box", size=False))["State"]
        assert (state["ExitCode"], state["Error"]) == (code, reason)

    run(tmp_path, story)


def test_recovery_removes_ended_containers_with_rm_and_directories_nobody_knows(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        id = await world.create("box", b'{"Image":"busybox","HostConfig":{"AutoRemove":true}}')
        await world.containers.start(id)
        await world.containers.flush()
        del world.supervisor.shims[id]
        orphan = world.settings.container_dir("c" * 64)
        os.makedirs(f"{orphan}/upper")
        await world.again()
        await world.containers.recover()
        assert len(world.containers.table) == 0 and not world.records.documents
        assert not os.path.exists(orphan)

    run(tmp_path, story)


def test_an_interrupted_removal_leaves_a_container_that_can_be_removed(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        id = await world.create("box")
        await world.containers.flush()
        world.records.documents[id]["state"]["status"] = "removing"
        await world.again()
        await world.containers.recover()
        assert world.containers.table.get("box").status is Status.EXITED
        await world.containers.remove("box", force=False, volumes=False)

    run(tmp_path, story)
