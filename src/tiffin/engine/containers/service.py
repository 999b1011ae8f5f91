"""The containers' engine as the API sees it: one object, made by the composition root, that the routers call.

Each method finds its container and passes it to the module whose subject it is. Nothing is decided here.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from tiffin.engine.containers import inspect, listing, naming, top, waiting
from tiffin.engine.containers.attach import Attacher, detach_keys
from tiffin.engine.containers.container import Container, WaitResult
from tiffin.engine.containers.create import Created, Creator
from tiffin.engine.containers.life import Life
from tiffin.engine.containers.networks import Networks
from tiffin.engine.containers.ocispec.build import SpecBuilder
from tiffin.engine.containers.ports import (
    Attachment,
    Bridge,
    EtcWriter,
    FilterPath,
    Images,
    Records,
    SeccompResolver,
    Supervisor,
)
from tiffin.engine.containers.record import Record
from tiffin.engine.containers.recovery import Recovery
from tiffin.engine.containers.remove import Remover
from tiffin.engine.containers.settings import Settings
from tiffin.engine.containers.stop import Stopper
from tiffin.engine.containers.store import RecordStore
from tiffin.engine.containers.table import ContainerTable
from tiffin.engine.events import Events
from tiffin.engine.execs import Execs
from tiffin.errors import Conflict, InvalidParameter
from tiffin.spec.container import ContainerCreateRequest
from tiffin.wire import rfc3339

Json = dict[str, Any]


class Containers:
    """`make_endpoint` is `network.endpoint.Endpoint`; `bridge` None runs without the default network."""

    def __init__(
        self,
        *,
        settings: Settings,
        records: Records,
        images: Images,
        supervisor: Supervisor,
        events: Events,
        write_etc: EtcWriter,
        bridge: Bridge | None = None,
        network_id: str = "",
        make_endpoint: Callable[..., Any] | None = None,
        resolve_seccomp: SeccompResolver | None = None,
        filter_path: FilterPath | None = None,
    ) -> None:
        self._settings, self._images, self._events = settings, images, events
        self.table = ContainerTable()
        self._store = RecordStore(records)
        networks = Networks(settings, self.table, bridge, write_etc, events, network_id)
        self.specs = SpecBuilder(settings, resolve_seccomp)
        self._networks = networks
        self._life = Life(settings, supervisor, networks, self.specs, filter_path, self._store, events)
        self._creator = Creator(settings, self.table, images, self._store, events)
        self._stopper = Stopper(settings, self._life, self._store, events)
        self._remover = Remover(settings, self.table, self._stopper, self._store, events)
        self._attacher = Attacher(settings, events)
        self.execs = Execs(self.table, self.specs, filter_path, events)
        self._recovery = Recovery(settings, self.table, records, supervisor, networks, self._life, make_endpoint)
        self._life.after_exit = self._after_exit
        self._life.on_gone = self.execs.gone
        self._life.on_event = self.execs.told
        self._remover.on_removed = self.execs.removed
        self._remover.settle = supervisor.settle

    # -- the daemon's own -------------------------------------------------------------------------------------------

    async def recover(self) -> None:
        for container in await self._recovery.recover():
            await self._after_exit(container)

    async def flush(self) -> None:
        """Every record is committed."""
        await self._store.flush()

    async def close(self) -> None:
        """Before the daemon goes: containers run on, nobody watches them, what is known is committed."""
        self._life.abandon()
        await self._store.flush()

    def users(self, image_id: str) -> list[tuple[str, bool]]:
        """Which containers were made from an image: (id, running)."""
        return [(c.id, c.record.state.running) for c in self.table if c.record.image_id == image_id]

    def counts(self) -> dict[str, int]:
        """For `info`."""
        states = [container.status.value for container in self.table]
        running, paused = states.count("running"), states.count("paused")
        return {
            "Containers": len(states),
            "ContainersRunning": running,
            "ContainersPaused": paused,
            "ContainersStopped": len(states) - running - paused,
        }

    async def _after_exit(self, container: Container) -> None:
        # Restart policies will be decided here, before --rm (which excludes them).
        if container.record.host_config.auto_remove:
            await self._remover.auto_remove(container)

    # -- life -------------------------------------------------------------------------------------------------------

    async def create(self, request: ContainerCreateRequest, name: str = "", platform: str = "") -> Created:
        return await self._creator.create(request, name, platform)

    async def start(self, reference: str, keys: str = "") -> None:
        detach_keys(keys)
        await self._life.start(self.table.get(reference))

    async def stop(self, reference: str, timeout: int | None = None, signal: str = "") -> None:
        await self._stopper.stop(self.table.get(reference), timeout, signal)

    async def restart(self, reference: str, timeout: int | None = None, signal: str = "") -> None:
        await self._stopper.restart(self.table.get(reference), timeout, signal)

    async def kill(self, reference: str, signal: str = "") -> None:
        await self._stopper.kill(self.table.get(reference), signal)

    async def pause(self, reference: str) -> None:
        await self._stopper.pause(self.table.get(reference))

    async def unpause(self, reference: str) -> None:
        await self._stopper.unpause(self.table.get(reference))

    async def resize(self, reference: str, rows: int, cols: int) -> None:
        await self._stopper.resize(self.table.get(reference), rows, cols)

    async def remove(self, reference: str, *, force: bool, volumes: bool, link: bool = False) -> None:
        if link:
            raise InvalidParameter("legacy links are not supported")
        await self._remover.remove(self.table.get(reference), force=force, volumes=volumes)

    def wait(self, reference: str, condition: str) -> asyncio.Future[WaitResult]:
        return waiting.wait(self.table.get(reference), condition)

    async def rename(self, reference: str, name: str) -> None:
        container = self.table.get(reference)
        if not name:
            raise InvalidParameter("Neither old nor new names may be empty")
        name = naming.check_name(name)
        async with container.lock:
            if container.removed:
                raise Conflict("container is marked for removal and cannot be renamed")
            old = container.record.name
            if name == old:
                raise InvalidParameter("Renaming a container with the same name as its current name")
            self.table.reserve(name, container.id)
            container.record.name = name
            try:
                await self._store.save(container)
            except Exception:
                container.record.name = old
                self.table.free_name(name)
                raise
            self.table.free_name(old)
        self._events.publish("container", "rename", container.id, {**container.attributes(), "oldName": f"/{old}"})

    # -- streams ----------------------------------------------------------------------------------------------------

    def check_attach(self, reference: str, keys: str = "") -> bool:
        """Whether the stream has a terminal (and so no frames); errors while they can still be answered."""
        container = self.table.get(reference)
        detach_keys(keys)
        self._attacher.check(container)
        return container.record.config.tty

    async def attach(
        self,
        reference: str,
        fd: int,
        tail: bytes,
        *,
        stdin: bool,
        stdout: bool,
        stderr: bool,
        keys: str,
        logs: bool,
        stream: bool,
    ) -> None:
        """Takes over `fd`."""
        try:
            container = self.table.get(reference)
            attachment = Attachment(
                fd, tail, stdin, stdout, stderr, detach_keys(keys), not container.record.config.tty
            )
        except Exception:
            os.close(fd)
            raise
        await self._attacher.attach(container, attachment, logs=logs, stream=stream)

    def logs(self, reference: str, **asked: Any) -> tuple[bool, AsyncIterator[bytes]]:
        """(multiplexed, the bytes)."""
        container = self.table.get(reference)
        return not container.record.config.tty, self._attacher.logs(container, **asked)

    # -- looking ----------------------------------------------------------------------------------------------------

    async def list(
        self, *, all: bool, limit: int, size: bool, filters: listing.Filters, version: tuple[int, int] = (1, 51)
    ) -> list[Json]:
        chosen = listing.chosen(
            self.table, all=all, limit=limit, filters=filters, image_matches=self._image_matches
        )
        summaries = [listing.summary(container) for container in chosen]
        if size:
            for container, summary in zip(chosen, summaries, strict=True):
                summary.update(await self._sizes(container))
        return summaries

    async def inspect(self, reference: str, *, size: bool, version: tuple[int, int] = (1, 51)) -> Json:
        container = self.table.get(reference)
        document = inspect.inspect(container, self._settings, version, self.execs.of(container))
        if size:
            document.update(await self._sizes(container))
        return document

    async def top(self, reference: str, arguments: str) -> Json:
        container = self.table.get(reference)
        if container.shim is None:
            raise Conflict(f"container {container.id} is not running")
        return await asyncio.get_running_loop().run_in_executor(None, top.top, container.shim.pid, arguments)

    def trace(self, reference: str) -> Json:
        container = self.table.get(reference)
        record, state = container.record, container.record.state
        ended = bool(state.finished_ns) and not state.alive
        return {
            "id": record.id,
            "name": record.name,
            "image": {"id": record.image_id, "reference": record.config.image, "layers": record.lower},
            "state": state.status.value,
            "steps": container.trace.document(),
            "exit": {"code": state.exit_code, "oom_killed": state.oom_killed, "error": state.error} if ended else None,
        }

    def spec(self, reference: str) -> Json:
        """The OCI runtime spec that a start now would use (config.json)."""
        return self.specs.build(self.table.get(reference).record, self._networks.pid_of)

    async def prune(self, filters: listing.Filters) -> Json:
        """Removes what has ended; `label`, `label!` and `until` as Docker."""
        for key in filters:
            if key not in ("label", "label!", "until"):
                raise InvalidParameter(f"invalid filter '{key}'")
        until = _until(filters.get("until", ()))
        removed, freed = [], 0
        for container in self.table:
            record = container.record
            if record.state.running or (until and record.created_ns > until) or not _pruned(record, filters):
                continue
            size = (await self._sizes(container))["SizeRw"]
            await self._remover.remove(container)
            removed.append(record.id)
            freed += size
        self._events.publish("container", "prune", "", {"reclaimed": str(freed)})
        return {"ContainersDeleted": removed or None, "SpaceReclaimed": freed}

    def _image_matches(self, record: Record, asked: str) -> bool:
        """The image itself, or one whose layers begin with all of its layers."""
        image = self._images.resolve_for_create(asked)
        below = list(image.lowerdirs)
        return bool(record.image_id == image.id or (below and record.lower[-len(below) :] == below))

    async def _sizes(self, container: Container) -> dict[str, int]:
        upper = f"{self._settings.container_dir(container.id)}/upper"
        loop = asyncio.get_running_loop()
        written = await loop.run_in_executor(None, _tree_size, [upper])
        below = await loop.run_in_executor(None, _tree_size, container.record.lower)
        return {"SizeRw": written, "SizeRootFs": written + below}


def _tree_size(roots: Sequence[str]) -> int:
    """Bytes of regular files and links; a hard link counts once."""
    total, seen = 0, set()
    for root in roots:
        for directory, _, names in os.walk(root):
            for name in names:
                try:
                    found = os.lstat(f"{directory}/{name}")
                except OSError:
                    continue
                if found.st_nlink > 1 and (found.st_dev, found.st_ino) in seen:
                    continue
                seen.add((found.st_dev, found.st_ino))
                total += found.st_size
    return total


def _until(values: Sequence[str]) -> int:
    if not values:
        return 0
    try:
        return rfc3339.parse_unix(rfc3339.client_timestamp(values[0], time.time_ns()))
    except ValueError:
        raise InvalidParameter(f"invalid filter 'until={values[0]}'") from None


def _pruned(record: Record, filters: listing.Filters) -> bool:
    labels = record.config.labels or {}

    def has(text: str) -> bool:
        key, equals, wanted = text.partition("=")
        return key in labels and (not equals or labels[key] == wanted)

    return all(has(text) for text in filters.get("label", ())) and not any(
        has(text) for text in filters.get("label!", ())
    )
