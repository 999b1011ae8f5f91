"""The daemon dies between any two changes to the disk: what start-up finds is the old state or the new one.

A child process does the work; an audit hook counts its changes below the root (and each side of every commit) and ends
the process, without any clean-up, at the n-th; n grows until the work gets done. Garbage must be swept, images whole.
"""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Any

import image_archives as archives
import pytest
from image_house import House, Scenario, open_house

from tiffin.spawn.client import Spawner
from tiffin.store import db
from tiffin.store.images import needed_blobs
from tiffin.store.worker_client import ENTRIES

pytestmark = pytest.mark.root

LAYERS = [archives.tar({"a": b"1", "dir/b": b"2"}), archives.tar({"c": b"3"})]
ARCHIVE = archives.docker_archive(archives.config(LAYERS), LAYERS, ["app:1"])
OTHER = archives.docker_archive(archives.config(LAYERS[:1]), LAYERS[:1], ["base:1"])
CHANGES = frozenset({"os.rename", "os.link", "os.symlink", "os.remove", "os.mkdir", "os.rmdir", "open"})
CRASHED = 9


def _die_at(step: int, root: str) -> None:
    count = 0

    def point() -> None:
        nonlocal count
        count += 1
        if count == step:
            os._exit(CRASHED)

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        below = event in CHANGES and isinstance(arguments[0], str) and arguments[0].startswith(root)
        if below and (event != "open" or (isinstance(arguments[2], int) and arguments[2] & os.O_CREAT)):
            point()

    transact = db._transact

    def commit(connection: Any, jobs: Any) -> None:
        point()
        transact(connection, jobs)
        point()

    db._transact = commit
    sys.addaudithook(hook)


def _work_until_crash(root: str, step: int, scenario: Scenario[None]) -> bool:
    """Run in a child that dies at the step; whether it got through."""
    pid = os.fork()
    if pid == 0:
        try:

            async def main() -> None:
                spawner = Spawner(ENTRIES)
                await spawner.start()
                async with open_house(root, spawner) as house:
                    _die_at(step, root)
                    await scenario(house)
                await spawner.stop()

            asyncio.run(main())
            os._exit(0)
        except BaseException:
            sys.excepthook(*sys.exc_info())
            os._exit(1)
    _, status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    assert code in (0, CRASHED)
    return code == 0


async def check(house: House) -> list[str]:
    """Everything listed is whole and everything on the disk belongs to something. Returns the names."""
    names = []
    for shown in house.images.summaries({}, all=True):
        view = house.images.resolve_for_create(shown["Id"])
        assert all(os.path.isdir(each) for each in view.lowerdirs)
        assert os.path.exists(os.path.join(view.lowerdirs[-1], "dir", "b"))
        saved = await house.save(*(shown["RepoTags"] or [shown["Id"]]))
        assert len(saved) > 2048
        names += shown["RepoTags"]
    rows = house.store.layers.rows.values()
    needed = await house.database.read(needed_blobs)
    found = house.files()
    blobs = {f"sha256:{name.rpartition('/')[2]}" for name in found if name.startswith("blobs/")}
    links = set(os.listdir(house.store.layers.links))
    directories = {f"sha256:{name}" for name in os.listdir(house.store.layers.directory)}
    assert blobs == needed
    assert links == {row.short for row in rows} and directories == {row.chain_id for row in rows}
    assert os.listdir(house.store.blobs.temporary) == []
    return names


async def _nothing(house: House) -> None:
    await house.load(OTHER)


def test_a_crash_at_any_step_of_load_leaves_the_old_state_or_the_new_one(root: str, run: Any) -> None:
    run(_nothing)
    seen = set()
    step = 0
    done = False
    while not done:
        step += 1

        async def load(house: House) -> None:
            await house.load(ARCHIVE)

        done = _work_until_crash(root, step, load)
        names = run(check)
        seen.add(tuple(sorted(names)))
        if "app:1" in names and not done:

            async def undo(house: House) -> None:
                await house.images.delete("app:1")

            run(undo)
    assert step > 10
    assert seen == {("base:1",), ("app:1", "base:1")}


def test_a_crash_at_any_step_of_remove_leaves_the_old_state_or_the_new_one(root: str, run: Any) -> None:
    run(_nothing)
    seen = set()
    step = 0
    done = False
    while not done:
        step += 1

        async def load(house: House) -> None:
            await house.load(ARCHIVE)

        async def remove(house: House) -> None:
            await house.images.delete("app:1")

        run(load)
        done = _work_until_crash(root, step, remove)
        seen.add(tuple(sorted(run(check))))
    assert step > 5
    assert seen == {("base:1",), ("app:1", "base:1")}
