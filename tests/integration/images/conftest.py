"""Houses to run image scenarios in: each on a root of its own, opened anew for every scenario."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from image_house import Scenario, open_house

from tiffin.spawn.client import Spawner
from tiffin.store.worker_client import ENTRIES


def _run_in(root: str, scenario: Scenario[Any]) -> Any:
    async def main() -> Any:
        spawner = Spawner(ENTRIES)
        await spawner.start()
        try:
            async with open_house(root, spawner) as house:
                return await scenario(house)
        finally:
            await spawner.stop()

    return asyncio.run(main())


@pytest.fixture
def root() -> Iterator[str]:
    path = tempfile.mkdtemp(prefix="tiffin-images-")
    yield path
    shutil.rmtree(path)


@pytest.fixture
def run(root: str) -> Callable[[Scenario[Any]], Any]:
    """Run a scenario in a house on `root`; may be called again: the daemon was restarted."""
    return lambda scenario: _run_in(root, scenario)


@pytest.fixture
def elsewhere(tmp_path: Any) -> Callable[[Scenario[Any]], Any]:
    """Like `run`, on another root."""
    path = str(tmp_path / "elsewhere")
    os.mkdir(path)
    return lambda scenario: _run_in(path, scenario)
