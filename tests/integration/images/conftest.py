"""A store on a temporary root with real workers, forked by a real spawner."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

import pytest

from tiffin.engine.images.service import Images
from tiffin.engine.images.use import ContainerUse
from tiffin.spawn.client import Spawner
from tiffin.store.blobs import BlobStore
from tiffin.store.db import Database
from tiffin.store.images import ImageStore
from tiffin.store.layers import LayerStore
from tiffin.store.sweep import sweep
from tiffin.store.worker_client import ENTRIES, Workers

T = TypeVar("T")


async def stream(data: bytes, piece: int = 64 * 1024) -> AsyncIterator[bytes]:
    """A request's body."""
    for start in range(0, len(data), piece):
        yield data[start : start + piece]


@dataclass
class House:
    """One data root with its store and its images."""

    root: str
    store: ImageStore
    images: Images
    database: Database
    users: dict[str, list[ContainerUse]] = field(default_factory=dict)
    events: list[tuple[str, str]] = field(default_factory=list)

    async def load(self, archive: bytes, *, quiet: bool = True, platform: str = "") -> list[dict[str, Any]]:
        said: list[dict[str, Any]] = []
        await self.images.load(stream(archive), _collector(said), quiet=quiet, platform=platform)
        return said

    async def import_(self, tar: bytes, repository: str = "", **options: Any) -> str:
        return await self.images.import_(stream(tar), _collector([]), repository=repository, **options)

    async def save(self, *names: str) -> bytes:
        return b"".join([piece async for piece in self.images.save(names)])

    def files(self) -> dict[str, int]:
        """Everything below the root that is not the database."""
        found = {}
        for directory, _, names in os.walk(self.root):
            for name in names:
                path = os.path.join(directory, name)
                if "tiffin.db" not in name:
                    found[os.path.relpath(path, self.root)] = os.lstat(path).st_size
        return found


def _collector(said: list[dict[str, Any]]) -> Callable[[dict[str, Any]], Awaitable[None]]:
    async def progress(message: dict[str, Any]) -> None:
        said.append(message)

    return progress


@contextlib.asynccontextmanager
async def open_house(root: str, spawner: Spawner) -> AsyncIterator[House]:
    """Start up on a root as the daemon does."""
    database = Database(os.path.join(root, "tiffin.db"))
    blobs = BlobStore(root)
    workers = Workers(spawner.spawn)
    layers = LayerStore(root, database, blobs, workers)
    sweep(database, blobs, layers)
    store = ImageStore(database, blobs, layers)
    store.load()
    users: dict[str, list[ContainerUse]] = {}
    events: list[tuple[str, str]] = []
    images = Images(
        store,
        workers,
        emit=lambda kind, action, actor, attributes: events.append((action, actor)),
        users=lambda image_id: users.get(image_id, []),
    )
    try:
        yield House(root, store, images, database, users, events)
    finally:
        database.close()


@pytest.fixture
def root() -> Iterator[str]:
    path = tempfile.mkdtemp(prefix="tiffin-images-")
    yield path
    shutil.rmtree(path)


Scenario = Callable[[House], Awaitable[T]]


@pytest.fixture
def run(root: str) -> Callable[[Scenario[Any]], Any]:
    """Run a scenario in a house on `root`; may be called again: the daemon was restarted."""

    def go(scenario: Scenario[Any]) -> Any:
        async def main() -> Any:
            spawner = Spawner(ENTRIES)
            await spawner.start()
            try:
                async with open_house(root, spawner) as house:
                    return await scenario(house)
            finally:
                await spawner.stop()

        return asyncio.run(main())

    return go


@pytest.fixture
def elsewhere(tmp_path: Any) -> Callable[[Scenario[Any]], Any]:
    """Like `run`, on another root."""
    path = str(tmp_path / "elsewhere")
    os.mkdir(path)

    def go(scenario: Scenario[Any]) -> Any:
        async def main() -> Any:
            spawner = Spawner(ENTRIES)
            await spawner.start()
            try:
                async with open_house(path, spawner) as house:
                    return await scenario(house)
            finally:
                await spawner.stop()

        return asyncio.run(main())

    return go
