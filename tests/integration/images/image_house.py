"""A store on a temporary root with real workers, forked by a real spawner."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from tiffin.engine.images.service import Images
from tiffin.engine.images.use import ContainerUse
from tiffin.spawn.client import Spawner
from tiffin.store.db import Database
from tiffin.store.images import ImageStore
from tiffin.store.opening import open_store

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
        """Everything below the root that is neither the database nor the ballast."""
        found = {}
        for directory, _, names in os.walk(self.root):
            for name in names:
                path = os.path.join(directory, name)
                if "tiffin.db" not in name and name != "ballast":
                    found[os.path.relpath(path, self.root)] = os.lstat(path).st_size
        return found


def _collector(said: list[dict[str, Any]]) -> Callable[[dict[str, Any]], Awaitable[None]]:
    async def progress(message: dict[str, Any]) -> None:
        said.append(message)

    return progress


@contextlib.asynccontextmanager
async def open_house(root: str, spawner: Spawner) -> AsyncIterator[House]:
    """Start up on a root as the daemon does."""
    opened = await asyncio.to_thread(open_store, root, spawner.spawn)
    users: dict[str, list[ContainerUse]] = {}
    events: list[tuple[str, str]] = []
    images = Images(
        opened.images,
        opened.workers,
        emit=lambda kind, action, actor, attributes: events.append((action, actor)),
        users=lambda image_id: users.get(image_id, []),
    )
    try:
        yield House(root, opened.images, images, opened.database, users, events)
    finally:
        opened.close()


Scenario = Callable[[House], Awaitable[T]]
