"""A daemon of its own for each test that breaks it, and one for each file of tests that only ask badly."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from daemon_house import DaemonHouse
from house_fixtures import busybox_archive, house, mark, shared_house

__all__ = ["busybox_archive", "house", "shared_house"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    mark(items, os.path.dirname(__file__))


@pytest.fixture
def own_house(busybox_archive: str) -> Iterator[DaemonHouse]:
    """A daemon that the test may kill; afterwards one runs again, to clean up."""
    house = DaemonHouse()
    try:
        house.start().import_busybox(busybox_archive)
        yield house
        if house.process is None:
            house.start()
    finally:
        house.close()
