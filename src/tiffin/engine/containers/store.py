"""Writes records behind the events that change them: one write in flight per container, the newest state wins.

`create`, `remove` and `rename` wait for their commit. A start or an exit does not: until the commit is there, what the
shim left on disk (its socket, exit.json) says the same, and recovery reads it.
"""

from __future__ import annotations

import asyncio
import logging

from tiffin.engine.containers.container import Container
from tiffin.engine.containers.ports import Records
from tiffin.engine.containers.record import to_document
from tiffin.errors import TiffinError

log = logging.getLogger("tiffin.engine")


class RecordStore:
    def __init__(self, records: Records) -> None:
        self._records = records
        self._writing: dict[str, asyncio.Task[None]] = {}
        self._dirty: set[str] = set()

    async def save(self, container: Container) -> None:
        """Committed when it returns; after any write that is under way."""
        await self._settle(container.id)
        await self._write(container)

    def save_soon(self, container: Container) -> None:
        self._dirty.add(container.id)
        if container.id not in self._writing:
            self._writing[container.id] = asyncio.create_task(self._drain(container))

    async def delete(self, container: Container) -> None:
        self._dirty.discard(container.id)
        await self._settle(container.id)
        await self._records.delete(container.id)

    async def flush(self) -> None:
        """Everything that was to be written is committed."""
        while self._writing:
            await asyncio.gather(*self._writing.values(), return_exceptions=True)

    async def _settle(self, id: str) -> None:
        task = self._writing.get(id)
        if task is not None:
            await asyncio.gather(task, return_exceptions=True)

    async def _drain(self, container: Container) -> None:
        try:
            while container.id in self._dirty:
                self._dirty.discard(container.id)
                try:
                    await self._write(container)
                except (TiffinError, OSError) as error:
                    log.error("saving container %s failed: %s", container.id, error)
        finally:
            del self._writing[container.id]

    async def _write(self, container: Container) -> None:
        record = container.record
        if container.removed:
            return
        await self._records.save(record.id, record.name, to_document(record))
