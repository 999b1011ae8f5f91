"""Fixtures of the runtime's integration tests: one house for a module, no leftovers after any test; async tests run."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator

import pytest
from container_house import House

from async_tests import pytest_pyfunc_call

__all__ = ["pytest_pyfunc_call"]


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(scope="module")
def the_house(runner: asyncio.Runner) -> Iterator[House]:
    house = House()
    runner.run(house.spawner.start())
    yield house
    runner.run(house.close())


@pytest.fixture
def house(the_house: House, runner: asyncio.Runner) -> Iterator[House]:
    """The house; after the test no run directory, mount, cgroup or process of it may be left."""
    descriptors = len(os.listdir("/proc/self/fd"))
    yield the_house
    left = runner.run(the_house.settle())
    runner.run(the_house.close_peers())
    if left:
        runner.run(the_house.end_all())
    assert left == []
    assert len(os.listdir("/proc/self/fd")) <= descriptors, "descriptors of the daemon's side are left open"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "/runtime/" in item.path.as_posix() and "/integration/" in item.path.as_posix():
            item.add_marker(pytest.mark.root)
            if os.geteuid() != 0:
                item.add_marker(pytest.mark.skip(reason="needs root"))
