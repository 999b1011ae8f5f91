"""Making a container: judge, merge with the image, name it, write its record. Nothing runs yet.

Everything up to the commit is undone when a later step fails.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from tiffin.engine.containers import merge, mountplan, naming, validate
from tiffin.engine.containers.container import Container
from tiffin.engine.containers.ocispec import namespaces, security
from tiffin.engine.containers.ports import Images
from tiffin.engine.containers.record import MountRecord, Record
from tiffin.engine.containers.removal import remove_tree
from tiffin.engine.containers.settings import Settings
from tiffin.engine.containers.store import RecordStore
from tiffin.engine.containers.table import ContainerTable
from tiffin.engine.events import Events
from tiffin.errors import InvalidParameter, NotFound
from tiffin.spec import platform as platform_spec
from tiffin.spec.container import ContainerCreateRequest, HostConfig


def run_config(document: Mapping[str, Any]) -> dict[str, Any]:
    """The `config` object of an image configuration, or the object itself."""
    return dict((document.get("config") or {}) if "rootfs" in document else document)


def _provides(image: str, asked: str) -> bool:
    """Whether an image of the platform `image` is what --platform asks for; a variant counts when both name one."""
    try:
        wanted = platform_spec.parse(asked)
    except platform_spec.PlatformError as error:
        raise InvalidParameter(str(error)) from None
    has = platform_spec.parse(image)
    same = (has.os, has.architecture) == (wanted.os, wanted.architecture)
    return same and (not has.variant or not wanted.variant or has.variant == wanted.variant)


class Created(NamedTuple):
    id: str
    warnings: list[str]


class Creator:
    def __init__(
        self, settings: Settings, table: ContainerTable, images: Images, store: RecordStore, events: Events
    ) -> None:
        self._settings, self._table, self._images = settings, table, images
        self._store, self._events = store, events

    async def create(self, request: ContainerCreateRequest, name: str = "", platform: str = "") -> Created:
        began = time.monotonic_ns()
        config, host = request.config, request.host_config
        name = naming.check_name(name) if name else ""
        warnings = validate.check(config, host, self._settings)
        security.parse(host.security_opt)
        self._resolve_joined(host)
        id = naming.new_id(self._table.has_id)
        with contextlib.ExitStack() as undo:
            name = name or naming.random_name(self._table.has_name)
            self._table.reserve(name, id)
            undo.callback(self._table.free_name, name)
            container = self._assemble(request, id, name, platform, began)
            # In the table before the first await: from here on the image is in use.
            self._table.add(container)
            undo.callback(self._table.remove, container)
            undo.callback(setattr, container, "removed", True)
            self._make_directory(id, undo)
            container.record.mounts = mountplan.plan(config, host, self._settings, self._mounts_of)
            wrote = time.monotonic_ns()
            async with container.lock:  # nobody starts what may not come to be
                await self._store.save(container)
            container.trace.add("write the record", "store", wrote, phase="create")
            undo.pop_all()
        self._events.publish("container", "create", id, container.attributes())
        return Created(id, warnings)

    def _assemble(
        self, request: ContainerCreateRequest, id: str, name: str, platform: str, began: int
    ) -> Container:
        config, host = request.config, request.host_config
        if not config.image:
            raise InvalidParameter("no image specified: a container is made from an image")
        image = self._images.resolve_for_create(config.image)
        if platform and not _provides(image.platform, platform):
            raise NotFound(
                f"image with reference {config.image} was found but does not provide "
                f"the specified platform ({platform})"
            )
        found = time.monotonic_ns()
        merge.merge(config, run_config(image.config))
        path, args = merge.command_line(config)
        if host.network_mode != "host" and not config.hostname and host.uts_mode != "host":
            config.hostname = id[:12]
        elif host.network_mode == "host" and not config.hostname:
            config.hostname = os.uname().nodename
        record = Record(
            id=id,
            name=name,
            created_ns=time.time_ns(),
            image_id=image.id,
            chain_id=image.chain_id or "",
            lower=list(image.lowerdirs),
            path=path,
            args=args,
            config=config,
            host_config=host,
            networks=dict(request.networking_config.endpoints_config or {}),
        )
        container = Container(record)
        container.trace.steps.append(
            {
                "step": "find the image",
                "who": "engine",
                "duration_us": (found - began) // 1000,
                "facts": {"image": image.id, "layers": len(record.lower)},
                "phase": "create",
            }
        )
        container.trace.add("make the record", "engine", found, phase="create", name=name)
        return container

    def _resolve_joined(self, host: HostConfig) -> None:
        """`container:<name>` is stored as `container:<id>`, so that a rename changes nothing.

        A container that is not there is an error of start, as in Docker: on create, clients take 404 for the image's.
        """
        for field in ("network_mode", "ipc_mode", "pid_mode"):
            if other := namespaces.joined(getattr(host, field)):
                with contextlib.suppress(NotFound):
                    setattr(host, field, f"container:{self._table.get(other).id}")

    def _mounts_of(self, reference: str) -> list[MountRecord]:
        try:
            return self._table.get(reference).record.mounts
        except NotFound as missing:
            raise InvalidParameter(missing.message) from None  # 404 would be taken for the image's

    def _make_directory(self, id: str, undo: contextlib.ExitStack) -> None:
        directory = self._settings.container_dir(id)
        os.makedirs(directory, mode=0o710)
        undo.callback(remove_tree, directory)
        os.mkdir(f"{directory}/upper", 0o755)
        os.mkdir(f"{directory}/work", 0o700)
