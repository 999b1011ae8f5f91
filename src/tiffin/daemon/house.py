"""The house: every room of the daemon made and joined, in the order in which they need each other.

    listening sockets (netd) ─ spawner ─ store ─ network ─ supervisor ─ engine ─ recovery ─ API

`House.open` starts all, `close` lets go of it and leaves containers running. Nothing is decided here but what goes
where; the parts know each other only through the ports they declare.
"""

from __future__ import annotations

import asyncio
import logging
import os
import platform
import shutil
from importlib.metadata import version
from typing import Any

from tiffin.api.http.server import HttpServer
from tiffin.api.router import Router, standard_headers
from tiffin.api.routers import absent, containers, exec, images, networks, system, tiffin
from tiffin.daemon.config import Config
from tiffin.engine.containers.service import Containers
from tiffin.engine.containers.settings import Settings, host_boot_id
from tiffin.engine.events import Events
from tiffin.engine.images.service import Images
from tiffin.engine.images.use import ContainerUse
from tiffin.engine.system import Counts, Providers, System
from tiffin.network.bridge import DEFAULT_BRIDGE, BridgeNetwork
from tiffin.network.endpoint import Endpoint
from tiffin.network.etcfiles import write_etc_files
from tiffin.network.views import Attachment
from tiffin.network.views import Networks as NetworkViews
from tiffin.runtime import apparmor
from tiffin.runtime.cgroup import delegate, features
from tiffin.runtime.cgroup.layout import Layout, discover
from tiffin.runtime.seccomp.cache import FilterCache
from tiffin.runtime.seccomp.default_profile import default_profile
from tiffin.runtime.seccomp.resolve import load_profile, resolve
from tiffin.runtime.supervisor import Supervisor
from tiffin.spawn.client import Spawner
from tiffin.store.opening import Store, open_store
from tiffin.store.worker_client import ENTRIES

log = logging.getLogger("tiffin.daemon")
RECHECK_S = 30.0
ENTRY_POINTS = {**ENTRIES, "shim": "tiffin.runtime.shim:main"}
INIT_PROGRAMS = ("docker-init", "tini-static", "tini")


class House:
    """All rooms of one daemon."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.events = Events()
        self.spawner = Spawner(ENTRY_POINTS)
        self._recheck: asyncio.Task[None] | None = None
        self.store: Store
        self.bridge: BridgeNetwork | None = None
        self.layout: Layout
        self.containers: Containers
        self.server: HttpServer

    async def open(self) -> None:
        """Make everything and take up what an earlier daemon left; the API may be served when this returns."""
        config = self.config
        os.makedirs(config.data_root, mode=0o710, exist_ok=True)
        for name in ("containers", "volumes"):
            os.makedirs(f"{config.data_root}/{name}", mode=0o710, exist_ok=True)
        self.layout = discover()
        delegate.prepare(self.layout, cgroup_parent(config))
        loaded = await asyncio.to_thread(apparmor.load_default)
        await self.spawner.start()
        self.store = await asyncio.to_thread(open_store, config.data_root, self.spawner.spawn)
        self.bridge = self._network()
        if self.bridge is not None:
            await asyncio.to_thread(self.bridge.ensure)
        self._engine(loaded)
        await self.containers.recover()
        if self.bridge is not None:
            await asyncio.to_thread(self.bridge.sweep)
            self._recheck = asyncio.create_task(self._keep_rules(self.bridge))
        self.server = HttpServer(self._router(), headers=standard_headers(server_name()))

    def _network(self) -> BridgeNetwork | None:
        config = self.config
        if config.bridge == "none":
            return None
        return BridgeNetwork(**config.bridge_options())

    def _engine(self, apparmor_loaded: bool) -> None:
        config = self.config
        settings = self._settings(apparmor_loaded)
        supervisor = Supervisor(config.exec_root, self.spawner, self.layout)
        filters = FilterCache(f"{config.exec_root}/seccomp")
        self.images = Images(self.store.images, self.store.workers, emit=self.events.publish, users=self._users)
        self.containers = Containers(
            settings=settings,
            records=self.store.containers,
            images=self.images,
            supervisor=supervisor,
            events=self.events,
            write_etc=write_etc_files,
            bridge=self.bridge,
            network_id=self.bridge.id if self.bridge is not None else "",
            make_endpoint=Endpoint,
            resolve_seccomp=resolve,
            filter_path=filters.path_for,
        )
        self.system = System(
            config.system_settings(version("tiffin")),
            self.layout,
            features.features(self.layout, cgroup_parent(config)),
            apparmor_loaded,
            self.events,
            Providers(counts=self._counts, firewall=self._firewall, disk_usage=self._disk_usage),
        )

    def _counts(self) -> Counts:
        counted = self.containers.counts()
        return Counts(
            counted["ContainersRunning"], counted["ContainersPaused"], counted["ContainersStopped"], self.images.count()
        )

    def _firewall(self) -> dict[str, Any]:
        facts = self.bridge.describe() if self.bridge is not None else {}
        return {"Driver": "nftables", "Info": [[key, str(value)] for key, value in facts.items()]}

    async def _disk_usage(self, kinds: frozenset[str]) -> dict[str, Any]:
        """`system df`: the pieces of those who know."""
        usage: dict[str, Any] = {}
        if "image" in kinds:
            usage.update(self.images.disk_usage())
        if "container" in kinds:
            usage["Containers"] = await self.containers.list(all=True, limit=0, size=True, filters={})
        if "volume" in kinds:
            usage["Volumes"] = []
        if "build-cache" in kinds:
            usage["BuildCache"] = []
        return usage

    def _users(self, image_id: str) -> list[ContainerUse]:
        return [ContainerUse(id, running) for id, running in self.containers.users(image_id)]

    def _settings(self, apparmor_loaded: bool) -> Settings:
        config = self.config
        able = features.features(self.layout, cgroup_parent(config))
        init = config.init_path or next(filter(None, map(shutil.which, INIT_PROGRAMS)), None)
        return Settings(
            data_root=config.data_root,
            exec_root=config.exec_root,
            boot_id=host_boot_id(),
            cgroup_version="v2" if self.layout.version == "v2" else "v1",
            cgroup_parent=cgroup_parent(config),
            swap_accounting=able["swap"],
            memory_total=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
            cpus=os.cpu_count() or 1,
            arch=platform.machine(),
            log_driver=config.log_driver,
            log_opts=config.log_opts,
            ulimits=config.default_ulimits,
            init_path=init,
            init_default=config.init,
            ipc_mode=config.default_ipc_mode,
            shm_size=config.default_shm_size,
            bridge=config.bridge or DEFAULT_BRIDGE,
            dns=config.dns,
            dns_search=config.dns_search,
            dns_options=config.dns_opts,
            apparmor=apparmor_loaded,
            seccomp_profile=seccomp_profile(config),
            no_new_privileges=config.no_new_privileges,
        )

    async def _keep_rules(self, bridge: BridgeNetwork) -> None:
        """Put back what others flush: 2 ms of work, now and then."""
        while True:
            await asyncio.sleep(RECHECK_S)
            for done in await asyncio.to_thread(bridge.recheck):
                log.info("%s", done)

    def _attachments(self) -> list[Attachment]:
        return [
            Attachment(e.network, c.id, c.record.name, e.endpoint_id, e.mac, e.address, e.prefix_len)
            for c in self.containers.table
            for e in c.record.endpoints
        ]

    def _router(self) -> Router:
        views = NetworkViews(self.bridge, "2026-01-01T00:00:00Z", self._attachments)
        router = Router()
        for routes in (
            system.routes(self.system),
            containers.routes(self.containers),
            exec.routes(self.containers.execs),
            images.routes(self.images),
            networks.routes(views),
            tiffin.routes(self.containers),
            absent.routes(),
        ):
            router.include(routes)
        return router

    def reloaded(self, config: Config) -> None:
        """SIGHUP: what may change while running has changed."""
        self.config = config
        self.system.settings = config.system_settings(version("tiffin"))

    async def close(self, timeout: float, *, for_good: bool = False) -> None:
        """Finish what was accepted and let go; containers and their shims go on.

        `for_good`: nobody takes over, so without running containers the network leaves the host as well.
        """
        if self._recheck is not None:
            self._recheck.cancel()
        await self.server.close(timeout)
        self.events.close()
        await self.containers.close()
        if for_good and not self.containers.counts()["ContainersRunning"]:
            if self.bridge is not None:
                await asyncio.to_thread(self.bridge.remove)
            delegate.withdraw(self.layout, cgroup_parent(self.config))
        await self.spawner.stop()
        await asyncio.to_thread(self.store.close)


def cgroup_parent(config: Config) -> str:
    """The group of all containers, below this daemon's own."""
    return config.cgroup_parent or "/tiffin"


def seccomp_profile(config: Config) -> dict[str, Any] | None:
    """The default profile in Docker's form: the built-in one, the user's file, or none."""
    if config.seccomp_profile == "unconfined":
        return None
    if config.seccomp_profile in ("", "builtin"):
        return default_profile()
    with open(config.seccomp_profile, "rb") as file:
        return load_profile(file.read())


def server_name() -> str:
    """The Server header."""
    return f"tiffin/{version('tiffin')} (linux)"
