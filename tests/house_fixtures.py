"""Fixtures of the tests that drive a daemon as its users do: one daemon and one busybox image for each file.

Imported by the conftest.py of such a directory, which is how pytest finds them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator

import pytest

from daemon_house import DaemonHouse

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def mark(items: list[pytest.Item], directory: str) -> None:
    """Every test below `directory` starts a daemon and talks to it by the stock CLI."""
    for item in items:
        if directory in str(item.path):
            item.add_marker(pytest.mark.root)
            if os.geteuid() != 0:
                item.add_marker(pytest.mark.skip(reason="needs root"))
            elif shutil.which("docker") is None:
                item.add_marker(pytest.mark.skip(reason="needs docker (the stock CLI)"))


@pytest.fixture(scope="session")
def busybox_archive(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = str(tmp_path_factory.mktemp("image") / "busybox.tar")
    with open(path, "wb") as file:
        subprocess.run([f"{ROOT}/scripts/busybox-image"], stdout=file, check=True)
    return path


@pytest.fixture(scope="module")
def shared_house(busybox_archive: str) -> Iterator[DaemonHouse]:
    house = DaemonHouse()
    try:
        house.start().import_busybox(busybox_archive)
        yield house
    finally:
        house.close()


@pytest.fixture
def house(shared_house: DaemonHouse) -> Iterator[DaemonHouse]:
    """The file's daemon; what a test leaves in it goes."""
    yield shared_house
    shared_house.remove_all()
