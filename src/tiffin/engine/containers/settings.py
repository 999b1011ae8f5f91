"""What the daemon decides once for all its containers: directories, defaults, what the host has.

Built by the composition root from flags, daemon.json and the host; frozen.

    <data_root>/containers/<id>/    upper/ work/ hosts hostname resolv.conf <id>-json.log exit.json
    <data_root>/volumes/<name>/_data
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Any


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    data_root: str
    exec_root: str
    boot_id: str = ""
    cgroup_version: str = "v2"
    cgroup_parent: str = "/tiffin"
    swap_accounting: bool = True
    memory_total: int = 0
    cpus: int = 1
    arch: str = "x86_64"
    default_runtime: str = "tiffin"
    runtimes: Sequence[str] = ("tiffin", "runc", "io.containerd.runc.v2")
    log_driver: str = "json-file"
    log_opts: Mapping[str, str] = dataclasses.field(default_factory=dict)
    ulimits: Mapping[str, tuple[int, int]] = dataclasses.field(default_factory=dict)
    """name → (soft, hard), for containers that do not set it."""
    init_path: str | None = None
    """docker-init or tini-static on the host; None where not installed."""
    init_default: bool = False
    ipc_mode: str = "private"
    shm_size: int = 64 << 20
    bridge: str = "tiffin0"
    dns: Sequence[str] = ()
    dns_search: Sequence[str] = ()
    dns_options: Sequence[str] = ()
    apparmor: bool = False
    apparmor_profile: str = "tiffin-default"
    seccomp_profile: dict[str, Any] | None = None
    """The default profile in Docker's form; None runs without a filter."""
    no_new_privileges: bool = False
    stop_timeout: int = 10
    storage_driver: str = "overlay2"

    def container_dir(self, id: str) -> str:
        return f"{self.data_root}/containers/{id}"

    def volume_dir(self, name: str) -> str:
        return f"{self.data_root}/volumes/{name}/_data"

    @property
    def cgroupns(self) -> str:
        """Docker's default: private where cgroup v2 is all there is, host elsewhere."""
        return "private" if self.cgroup_version == "v2" else "host"


@functools.cache
def host_boot_id() -> str:
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        return file.read().strip()
