"""Removing a container: its record, its directory, its anonymous volumes when asked; prune.

Record and directory go at the same time. A crash between leaves a directory without a record, which recovery deletes.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable

from tiffin.engine.containers import pending
from tiffin.engine.containers.container import Container, WaitResult
from tiffin.engine.containers.removal import remove_trees
from tiffin.engine.containers.settings import Settings
from tiffin.engine.containers.state import Status
from tiffin.engine.containers.stop import Stopper
from tiffin.engine.containers.store import RecordStore
from tiffin.engine.containers.table import ContainerTable
from tiffin.engine.events import Events
from tiffin.errors import Conflict, SystemFailure


async def _settled(_id: str) -> None:
    """Nothing to wait for."""


class Remover:
    def __init__(
        self, settings: Settings, table: ContainerTable, stopper: Stopper, store: RecordStore, events: Events
    ) -> None:
        self._settings, self._table, self._stopper = settings, table, stopper
        self._store, self._events = store, events
        self.on_removed: Callable[[Container], None] | None = None
        self.settle: Callable[[str], Awaitable[None]] = _settled
        """The runtime's: waits until what has ended holds no mount and no cgroup."""

    async def remove(self, container: Container, *, force: bool = False, volumes: bool = False) -> None:
        if container.status is Status.REMOVING:
            raise Conflict(f"removal of container {container.name} is already in progress")
        if container.record.state.running:
            if not force:
                raise Conflict(self._refusal(container))
            if container.shim is not None:
                await self._stopper.kill(container)
        async with container.lock:
            if not self._table.has_id(container.id):
                return  # --rm was faster
            if container.shim is not None:  # it was being started
                if not force:
                    raise Conflict(self._refusal(container))
                await self._stopper.kill(container)
            if container.shim is not None:
                raise Conflict(self._refusal(container))
            await self._remove(container, volumes)

    def _refusal(self, container: Container) -> str:
        start = f'cannot remove container "/{container.name}": container is {container.status.value}: '
        if container.status is Status.PAUSED:
            return start + "unpause and then stop the container before removing or force remove"
        return start + "stop the container before removing or force remove"

    async def auto_remove(self, container: Container) -> None:
        """For --rm, after an end or a failed start; anonymous volumes go too."""
        if container.removed or container.restarts:
            return
        async with container.lock:
            if container.removed or container.restarts or container.shim is not None:
                return
            await self._remove(container, volumes=True)

    async def _remove(self, container: Container, volumes: bool) -> None:
        state = container.record.state
        result = WaitResult(state.exit_code)
        state.move(Status.REMOVING)
        container.removed = True
        loop = asyncio.get_running_loop()
        trees = [self._settings.container_dir(container.id)]
        if volumes:
            trees += [os.path.dirname(mount.source) for mount in container.record.mounts if mount.anonymous]
        try:
            await asyncio.gather(
                self._store.delete(container),
                self.settle(container.id),
                loop.run_in_executor(None, remove_trees, trees),
            )
        except Exception as failure:
            container.removed = False
            state.move(Status.DEAD)
            self._store.save_soon(container)
            message = f'cannot remove container "/{container.name}": {failure}'
            self._resolve(container, WaitResult(state.exit_code, message))
            raise SystemFailure(message) from failure
        self._table.remove(container)
        self._drop_pending(container)
        if self.on_removed is not None:
            self.on_removed(container)
        self._events.publish("container", "destroy", container.id, container.attributes())
        for mount in container.record.mounts if volumes else ():
            if mount.anonymous:
                self._events.publish("volume", "destroy", mount.name, {"driver": "local"})
        self._resolve(container, result)

    def _resolve(self, container: Container, result: WaitResult) -> None:
        waiters = container.removal_waiters + container.exit_waiters
        container.removal_waiters, container.exit_waiters = [], []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(result)

    def _drop_pending(self, container: Container) -> None:
        waiting = pending.take(container)
        pending.refuse(waiting)
        pending.close(waiting)
