"""A place for one image in the making: a temporary directory, and the layers pinned meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from types import TracebackType

from tiffin.engine.images.use import Chunks
from tiffin.errors import SystemFailure
from tiffin.store.images import ImageStore


class Staging:
    """`async with Staging(store) as staging`: when it ends, whatever was not made part of an image is gone."""

    def __init__(self, store: ImageStore) -> None:
        self._store = store
        self._pins: list[str] = []
        self.directory = ""

    async def __aenter__(self) -> Staging:
        self.directory = tempfile.mkdtemp(prefix="staging-", dir=self._store.blobs.temporary)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        for chain_id in self._pins:
            self._store.layers.unpin(chain_id)
        await asyncio.to_thread(shutil.rmtree, self.directory)
        if error is not None and self._pins:
            await self._store.collect()
        if isinstance(error, OSError) and not isinstance(error, ConnectionError):  # that is the client's going
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise SystemFailure(f"write {self._store.blobs.temporary}: no space left on device") from error
            raise SystemFailure(str(error)) from error

    def pinned(self, chain_ids: Sequence[str]) -> None:
        """Take over the pins that `LayerStore.add` returned."""
        self._pins.extend(chain_ids)

    def subdirectory(self) -> str:
        """A new empty directory."""
        return tempfile.mkdtemp(prefix="part-", dir=self.directory)

    async def receive(self, chunks: Chunks) -> str:
        """Write a stream to a file; returns its path."""
        descriptor, path = tempfile.mkstemp(prefix="body-", dir=self.directory)
        try:
            async for chunk in chunks:
                await asyncio.to_thread(_write, descriptor, chunk)
        finally:
            os.close(descriptor)
        return path

    @contextlib.contextmanager
    def open_directory(self, path: str) -> Iterator[int]:
        """A descriptor of a directory."""
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            yield descriptor
        finally:
            os.close(descriptor)


def _write(descriptor: int, chunk: bytes) -> None:
    view = memoryview(chunk)
    while view:
        view = view[os.write(descriptor, view) :]
