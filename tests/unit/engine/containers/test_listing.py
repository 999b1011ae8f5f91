"""The filters of ps and the words of its STATUS column."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from engine_fakes import World

from tiffin.engine.containers.listing import human, status_text
from tiffin.engine.containers.state import Snapshot, Status
from tiffin.errors import InvalidParameter, NotFound

SECOND = 1_000_000_000


async def three(tmp_path: Path) -> World:
    """`old` exited with 3, `mid` runs, `new` was never started."""
    world = World(str(tmp_path))
    await world.create("old", b'{"Image":"busybox","Labels":{"a":"1","b":"2"},"Cmd":["echo","two words"]}')
    await world.create("mid", b'{"Image":"busybox:latest","HostConfig":{"Binds":["vol:/data"]}}')
    await world.create("new", b'{"Image":"busybox","ExposedPorts":{"80/tcp":{}},"HostConfig":{"NetworkMode":"none"}}')
    for name in ("old", "mid"):
        await world.containers.start(name)
    id = world.containers.table.get("old").id
    world.shim(id).end(3)
    await world.settled(lambda: world.containers.table.get("old").status is Status.EXITED)
    return world


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        ({}, ["mid"]),
        ({"status": ["exited"]}, ["old"]),
        ({"status": ["created", "running"]}, ["new", "mid"]),
        ({"exited": ["3"]}, ["old"]),
        ({"exited": ["0"]}, []),
        ({"label": ["a"], "status": ["exited"]}, ["old"]),
        ({"label": ["a=1", "b=2"], "status": ["exited"]}, ["old"]),
        ({"label": ["a=1", "b=3"], "status": ["exited"]}, []),
        ({"name": ["mi"]}, ["mid"]),
        ({"name": ["^/mid$"]}, ["mid"]),
        ({"name": ["^id"]}, []),
        ({"before": ["new"]}, ["mid", "old"]),
        ({"since": ["old"]}, ["new", "mid"]),
        ({"volume": ["vol"]}, ["mid"]),
        ({"volume": ["/data"]}, ["mid"]),
        ({"network": ["bridge"]}, ["mid"]),
        ({"network": ["none"], "status": ["created"]}, ["new"]),
        ({"expose": ["70-90"], "status": ["created"]}, ["new"]),
        ({"ancestor": ["busybox"]}, ["mid"]),
        ({"ancestor": ["unknown"]}, []),
        ({"health": ["none"]}, ["mid"]),
        ({"is-task": ["true"]}, []),
    ],
)
def test_filters_choose(tmp_path: Path, filters: dict[str, list[str]], names: list[str]) -> None:
    async def told() -> list[str]:
        world = await three(tmp_path)
        found = await world.containers.list(all=False, limit=0, size=False, filters=filters)
        return [summary["Names"][0].removeprefix("/") for summary in found]

    assert asyncio.run(told()) == names


def test_all_and_limit_show_what_does_not_run(tmp_path: Path) -> None:
    async def told() -> None:
        world = await three(tmp_path)
        everything = await world.containers.list(all=True, limit=0, size=False, filters={})
        assert [summary["Names"] for summary in everything] == [["/new"], ["/mid"], ["/old"]]
        assert everything[2]["Command"] == "echo 'two words'"
        assert everything[0]["State"] == "created" and everything[0]["Status"] == "Created"
        last = await world.containers.list(all=False, limit=1, size=True, filters={})
        assert [summary["Names"] for summary in last] == [["/new"]] and "SizeRw" in last[0]

    asyncio.run(told())


@pytest.mark.parametrize(
    "filters", [{"zap": ["1"]}, {"status": ["zap"]}, {"exited": ["x"]}, {"health": ["fine"]}, {"name": ["("]}]
)
def test_a_filter_that_is_none_is_refused(tmp_path: Path, filters: dict[str, list[str]]) -> None:
    async def told() -> None:
        world = World(str(tmp_path))
        with pytest.raises(InvalidParameter, match="invalid filter"):
            await world.containers.list(all=True, limit=0, size=False, filters=filters)
        with pytest.raises(NotFound):
            await world.containers.list(all=True, limit=0, size=False, filters={"before": ["gone"]})

    asyncio.run(told())


def test_containers_are_found_by_the_beginning_of_their_id(tmp_path: Path) -> None:
    async def told() -> None:
        world = World(str(tmp_path))
        id = await world.create("one")
        assert world.containers.table.get(id[:12]).id == id
        assert world.containers.table.get("/one").id == id
        with pytest.raises(NotFound, match="No such container: zzz"):
            world.containers.table.get("zzz")
        with pytest.raises(NotFound):
            world.containers.table.get("")

    asyncio.run(told())


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "Less than a second"),
        (1, "1 second"),
        (59, "59 seconds"),
        (60, "About a minute"),
        (3599, "59 minutes"),
        (3600, "About an hour"),
        (47 * 3600, "47 hours"),
        (48 * 3600, "2 days"),
        (15 * 86400, "2 weeks"),
        (90 * 86400, "3 months"),
        (800 * 86400, "2 years"),
    ],
)
def test_durations_are_told_as_docker_tells_them(seconds: int, words: str) -> None:
    assert human(seconds * SECOND) == words


def test_status_words() -> None:
    now = 1_000 * SECOND
    state = Snapshot(status=Status.PAUSED, started_ns=now - 5 * SECOND)
    assert status_text(state, now) == "Up 5 seconds (Paused)"
    state = Snapshot(status=Status.EXITED, exit_code=2, finished_ns=now - 120 * SECOND)
    assert status_text(state, now) == "Exited (2) 2 minutes ago"
