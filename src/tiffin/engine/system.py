"""What the engine says of itself: /version and /info, with true figures and Docker's field names (API 1.51).

Facts about the machine are read when asked (host.py); what other parts know (containers, images, firewall) comes from
callables that the composition root gives. The engine's id is made once and kept in `<data-root>/engine-id`.
"""

from __future__ import annotations

import os
import platform
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from tiffin.engine import host
from tiffin.engine.events import Events, Filters, Subscription
from tiffin.errors import NotImplementedHere

API_VERSION = "1.51"
MIN_API_VERSION = "1.24"
INDEX = "https://index.docker.io/v1/"

_ATTACK_SURFACE = """
         Access to the remote API is equivalent to root access on the host. Refer
         to the 'Docker daemon attack surface' section in the documentation for
         more information: https://docs.docker.com/go/attack-surface/"""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the daemon's configuration says; replaced on reload."""

    version: str
    data_root: str
    debug: bool = False
    live_restore: bool = True
    labels: Sequence[str] = ()
    log_driver: str = "json-file"
    log_drivers: Sequence[str] = ("json-file", "none")
    runtimes: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: {"tiffin": {"path": "tiffin"}})
    default_runtime: str = "tiffin"
    registry_mirrors: Sequence[str] = ()
    insecure_registries: Sequence[str] = ()
    address_pools: Sequence[tuple[str, int]] = ()
    network_drivers: Sequence[str] = ("bridge", "host", "null")
    init_binary: str = "tini-static"
    seccomp_profile: str = "builtin"
    http_proxy: str = ""
    https_proxy: str = ""
    no_proxy: str = ""
    insecure_listeners: Sequence[tuple[str, bool]] = ()
    """(address, encrypted) of TCP listeners that answer anybody."""
    git_commit: str = ""
    build_time: str = ""


@dataclass(frozen=True, slots=True)
class Counts:
    """Containers by state, and images."""

    running: int = 0
    paused: int = 0
    stopped: int = 0
    images: int = 0


class Cgroups(Protocol):
    """The part of runtime.cgroup.layout.Layout that is looked at."""

    version: str


@dataclass(frozen=True, slots=True)
class Providers:
    """What other parts of the engine know; each is asked anew for every answer."""

    counts: Callable[[], Counts]
    firewall: Callable[[], Mapping[str, Any]] = lambda: {"Driver": "nftables"}
    """{"Driver", "Info": [[key, value], …]}: also the accepts placed into other owners' chains."""
    listeners: Callable[[], int] = lambda: 0
    """Live subscriptions to events."""
    disk_usage: Callable[[frozenset[str]], Awaitable[dict[str, Any]]] | None = None
    authenticate: Callable[[dict[str, Any]], Awaitable[dict[str, Any]]] | None = None


class System:
    """The engine as a whole; implements `api.routers.system.SystemApi`."""

    def __init__(
        self,
        settings: Settings,
        cgroups: Cgroups,
        features: Mapping[str, bool],
        apparmor: bool,
        events: Events,
        providers: Providers,
    ) -> None:
        """`features`: runtime.cgroup.features.features(…); `apparmor`: the default profile is loaded."""
        self.settings = settings
        self.id = engine_id(settings.data_root)
        self._cgroups = cgroups
        self._features = features
        self._apparmor = apparmor
        self._events = events
        self._providers = providers

    async def version(self) -> dict[str, Any]:
        settings = self.settings
        python = f"python{platform.python_version()}"
        facts = {
            "ApiVersion": API_VERSION,
            "MinAPIVersion": MIN_API_VERSION,
            "GitCommit": settings.git_commit,
            "GoVersion": python,
            "Os": "linux",
            "Arch": host.go_architecture(),
            "KernelVersion": host.kernel_version(),
            "BuildTime": settings.build_time,
        }
        engine = {"Name": "Engine", "Version": settings.version, "Details": {**facts, "Experimental": "false"}}
        return {
            "Platform": {"Name": "tiffin"},
            "Components": [engine],
            "Version": settings.version,
            **{name: value for name, value in facts.items() if value or name not in ("BuildTime",)},
        }

    async def info(self) -> dict[str, Any]:
        counts = self._providers.counts()
        settings = self.settings
        return {
            "ID": self.id,
            "Containers": counts.running + counts.paused + counts.stopped,
            "ContainersRunning": counts.running,
            "ContainersPaused": counts.paused,
            "ContainersStopped": counts.stopped,
            "Images": counts.images,
            "Driver": "overlay2",
            "DriverStatus": self._driver_status(),
            "Plugins": {
                "Volume": ["local"],
                "Network": list(settings.network_drivers),
                "Authorization": None,
                "Log": list(settings.log_drivers),
            },
            **self._limits(),
            "IPv4Forwarding": host.ipv4_forwarding(),
            "Debug": settings.debug,
            "NFd": len(os.listdir("/proc/self/fd")),
            "OomKillDisable": self._can("oom_kill_disable"),
            "NGoroutines": len(os.listdir("/proc/self/task")),
            "SystemTime": host.now(),
            "LoggingDriver": settings.log_driver,
            "CgroupDriver": "cgroupfs",
            "CgroupVersion": "2" if self._cgroups.version == "v2" else "1",
            "NEventsListener": self._providers.listeners(),
            **_machine(),
            "IndexServerAddress": INDEX,
            "RegistryConfig": self._registries(),
            "GenericResources": None,
            "DockerRootDir": settings.data_root,
            "HttpProxy": host.without_password(settings.http_proxy),
            "HttpsProxy": host.without_password(settings.https_proxy),
            "NoProxy": settings.no_proxy,
            "Labels": list(settings.labels),
            "ExperimentalBuild": False,
            "ServerVersion": settings.version,
            "Runtimes": {name: dict(runtime) for name, runtime in settings.runtimes.items()},
            "DefaultRuntime": settings.default_runtime,
            "Swarm": _NO_SWARM,
            "LiveRestoreEnabled": settings.live_restore,
            "Isolation": "",
            "InitBinary": settings.init_binary,
            "ContainerdCommit": {"ID": ""},
            "RuncCommit": {"ID": ""},
            "InitCommit": {"ID": ""},
            "SecurityOptions": self._security_options(),
            **self._address_pools(),
            "FirewallBackend": dict(self._providers.firewall()),
            "CDISpecDirs": [],
            "Warnings": self._warnings(),
        }

    async def disk_usage(self, kinds: frozenset[str]) -> dict[str, Any]:
        if self._providers.disk_usage is None:
            raise NotImplementedHere("disk usage is not supported yet")
        return await self._providers.disk_usage(kinds)

    async def authenticate(self, credentials: dict[str, Any]) -> dict[str, Any]:
        if self._providers.authenticate is None:
            raise NotImplementedHere("logging in to a registry is not supported yet")
        return await self._providers.authenticate(credentials)

    def events(self, filters: Filters, since_ns: int, until_ns: int) -> Subscription:
        return self._events.subscribe(filters, since_ns, until_ns)

    # -- parts of info ----------------------------------------------------------------------------------------------

    def _can(self, feature: str) -> bool:
        return bool(self._features.get(feature))

    def _limits(self) -> dict[str, bool]:
        return {
            "MemoryLimit": self._can("memory"),
            "SwapLimit": self._can("swap"),
            "CpuCfsPeriod": self._can("cpu_cfs"),
            "CpuCfsQuota": self._can("cpu_cfs"),
            "CPUShares": self._can("cpu_shares"),
            "CPUSet": self._can("cpuset"),
            "PidsLimit": self._can("pids"),
        }

    def _driver_status(self) -> list[list[str]]:
        return [
            ["Backing Filesystem", host.backing_filesystem(self.settings.data_root)],
            ["Supports d_type", "true"],
            ["Using metacopy", "false"],
            ["Native Overlay Diff", "true"],
            ["userxattr", "false"],
        ]

    def _security_options(self) -> list[str]:
        options = ["name=apparmor"] if self._apparmor else []
        options.append(f"name=seccomp,profile={self.settings.seccomp_profile}")
        if self._cgroups.version == "v2":
            options.append("name=cgroupns")
        return options

    def _registries(self) -> dict[str, Any]:
        mirrors = list(self.settings.registry_mirrors)
        hub = {"Name": "docker.io", "Mirrors": mirrors, "Secure": True, "Official": True}
        ranges = ["::1/128", "127.0.0.0/8"]
        indexes: dict[str, Any] = {"docker.io": hub}
        for registry in self.settings.insecure_registries:
            if "/" in registry:
                ranges.append(registry)
            else:
                indexes[registry] = {"Name": registry, "Mirrors": [], "Secure": False, "Official": False}
        return {"InsecureRegistryCIDRs": ranges, "IndexConfigs": indexes, "Mirrors": mirrors}

    def _address_pools(self) -> dict[str, Any]:
        pools = [{"Base": base, "Size": size} for base, size in self.settings.address_pools]
        return {"DefaultAddressPools": pools} if pools else {}

    def _warnings(self) -> list[str]:
        found = [warning for feature, warning in _MISSING if not self._can(feature)]
        if not host.ipv4_forwarding():
            found.append("WARNING: IPv4 forwarding is disabled")
        for address, encrypted in self.settings.insecure_listeners:
            scheme, lack = ("https", "TLS client verification") if encrypted else ("http", "encryption")
            found.append(f"WARNING: API is accessible on {scheme}://{address} without {lack}.{_ATTACK_SURFACE}")
        return found


_MISSING = (
    ("memory", "WARNING: No memory limit support"),
    ("swap", "WARNING: No swap limit support"),
    ("cpu_cfs", "WARNING: No cpu cfs quota support"),
    ("cpu_cfs", "WARNING: No cpu cfs period support"),
    ("cpu_shares", "WARNING: No cpu shares support"),
    ("cpuset", "WARNING: No cpuset support"),
    ("pids", "WARNING: No pids limit support"),
)
_NO_SWARM: dict[str, Any] = {
    "NodeID": "",
    "NodeAddr": "",
    "LocalNodeState": "inactive",
    "ControlAvailable": False,
    "Error": "",
    "RemoteManagers": None,
}


def _machine() -> dict[str, Any]:
    system, system_version = host.operating_system()
    return {
        "KernelVersion": host.kernel_version(),
        "OperatingSystem": system,
        "OSVersion": system_version,
        "OSType": "linux",
        "Architecture": platform.machine(),
        "NCPU": len(os.sched_getaffinity(0)),
        "MemTotal": host.memory_total(),
        "Name": platform.node(),
    }


def engine_id(data_root: str) -> str:
    """The id of this data root, made at the first call."""
    path = os.path.join(data_root, "engine-id")
    try:
        with open(path, encoding="ascii") as file:
            return file.read().strip()
    except FileNotFoundError:
        pass
    made = str(uuid.uuid4())
    draft = f"{path}.new"
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="ascii") as file:
        file.write(made)
        file.flush()
        os.fsync(file.fileno())
    os.rename(draft, path)
    return made
