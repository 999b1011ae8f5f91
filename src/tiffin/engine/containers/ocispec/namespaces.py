"""Which namespaces a container has of its own, shares with the host, or joins. Pure: pids are given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tiffin.spec.container import HostConfig

PidOf = Callable[[str], int]
"""The pid of a running container, by id or name; Conflict when it does not run."""


def joined(mode: str) -> str:
    """The other container of a mode like `container:<id>`, else empty."""
    return mode.removeprefix("container:") if mode.startswith("container:") else ""


def namespaces(host: HostConfig, pid_of: PidOf) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [{"type": "mount"}]
    for kind, mode, file in (
        ("network", host.network_mode, "net"),
        ("uts", host.uts_mode, "uts"),
        ("pid", host.pid_mode, "pid"),
        ("ipc", host.ipc_mode, "ipc"),
    ):
        if other := joined(mode):
            found.append({"type": kind, "path": f"/proc/{pid_of(other)}/ns/{file}"})
        elif mode != "host":
            found.append({"type": kind})
    if host.cgroupns_mode == "private":
        found.append({"type": "cgroup"})
    return found
