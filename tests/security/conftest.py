"""Fixtures of the security suite: the runtime's house (tests/integration/runtime) and its hook for async tests."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from async_tests import pytest_pyfunc_call

__all__ = ["pytest_pyfunc_call"]

HOUSE = Path(__file__).parent.parent / "integration" / "runtime" / "container_house.py"
if "container_house" not in sys.modules:
    _spec = importlib.util.spec_from_file_location("container_house", HOUSE)
    assert _spec is not None
    assert _spec.loader is not None
    sys.modules["container_house"] = importlib.util.module_from_spec(_spec)
    _spec.loader.exec_module(sys.modules["container_house"])

if TYPE_CHECKING:
    from container_house import House


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(scope="module")
def the_house(runner: asyncio.Runner) -> Iterator[House]:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    house: House = sys.modules["container_house"].House()
    runner.run(house.spawner.start())
    yield house
    runner.run(house.close())


@pytest.fixture
def house(the_house: House, runner: asyncio.Runner) -> Iterator[House]:
    """The house; after the test no run directory, mount, cgroup or process of it may be left."""
    yield the_house
    left = runner.run(the_house.settle())
    runner.run(the_house.close_peers())
    if left:
        runner.run(the_house.end_all())
    assert left == []


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.name.startswith("test_escape"):
            item.add_marker(pytest.mark.root)
