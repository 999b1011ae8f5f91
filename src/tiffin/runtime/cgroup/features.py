"""What limits this machine can enforce, and what becomes of those that it cannot: dropped, with Docker's warning.

`features` looks once, after `prepare`; `adapt` is a pure function. `info` shows the same flags.
"""

from __future__ import annotations

import os

from tiffin.runtime.cgroup.layout import V2

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tiffin.runtime.cgroup.layout import Layout

# feature → file that shows it (v1, v2); v2's are looked for in the parent of containers, the root group has none.
_FILES: dict[str, tuple[str, tuple[str, ...], tuple[str, ...]]] = {
    "memory": ("memory", ("memory.limit_in_bytes",), ("memory.max",)),
    "swap": ("memory", ("memory.memsw.limit_in_bytes",), ("memory.swap.max",)),
    "reservation": ("memory", ("memory.soft_limit_in_bytes",), ("memory.low",)),
    "swappiness": ("memory", ("memory.swappiness",), ()),
    "oom_kill_disable": ("memory", ("memory.oom_control",), ()),
    "cpu_shares": ("cpu", ("cpu.shares",), ("cpu.weight",)),
    "cpu_cfs": ("cpu", ("cpu.cfs_quota_us",), ("cpu.max",)),
    "cpuset": ("cpuset", ("cpuset.cpus",), ("cpuset.cpus",)),
    "pids": ("pids", ("pids.max",), ("pids.max",)),
    "blkio_weight": ("blkio", ("blkio.weight", "blkio.bfq.weight"), ("io.bfq.weight", "io.weight")),
    "blkio_weight_device": (
        "blkio",
        ("blkio.weight_device", "blkio.bfq.weight_device"),
        ("io.bfq.weight", "io.weight"),
    ),
    "blkio_throttle": ("blkio", ("blkio.throttle.read_bps_device",), ("io.max",)),
}

# (section, key, feature, what is not supported, what becomes of it), in Docker's words.
_WARNINGS = (
    ("memory", "limit", "memory", "memory limit capabilities", "Limitation discarded"),
    ("memory", "swap", "swap", "swap limit capabilities", "Memory limited without swap"),
    ("memory", "swappiness", "swappiness", "memory swappiness capabilities", "Memory swappiness discarded"),
    ("memory", "reservation", "reservation", "memory soft limit capabilities", "Limitation discarded"),
    ("memory", "disableOOMKiller", "oom_kill_disable", "OomKillDisable", "OomKillDisable discarded"),
    ("cpu", "shares", "cpu_shares", "CPU shares", "Shares discarded"),
    ("cpu", "quota", "cpu_cfs", "CPU CFS scheduler", "CPU period/quota discarded"),
    ("cpu", "period", "cpu_cfs", "CPU CFS scheduler", "CPU period/quota discarded"),
    ("cpu", "cpus", "cpuset", "cpuset", "Cpuset discarded"),
    ("cpu", "mems", "cpuset", "cpuset", "Cpuset discarded"),
    ("pids", "limit", "pids", "PIDs limit capabilities", "PIDs limit discarded"),
    ("blockIO", "weight", "blkio_weight", "Block I/O weight", "Weight discarded"),
    ("blockIO", "weightDevice", "blkio_weight_device", "Block I/O weight_device", "Weight-device discarded"),
    (
        "blockIO", "throttleReadBpsDevice", "blkio_throttle", "BPS Block I/O read limit",
        "Block I/O BPS read limit discarded",
    ),
    (
        "blockIO", "throttleWriteBpsDevice", "blkio_throttle", "BPS Block I/O write limit",
        "Block I/O BPS write limit discarded",
    ),
    (
        "blockIO", "throttleReadIOPSDevice", "blkio_throttle", "IOPS Block read limit",
        "Block I/O IOPS read limit discarded",
    ),
    (
        "blockIO", "throttleWriteIOPSDevice", "blkio_throttle", "IOPS Block write limit",
        "Block I/O IOPS write limit discarded",
    ),
)
# Features of which Docker does not say "or the cgroup is not mounted".
_ALWAYS_MOUNTED = ("cpu_cfs", "oom_kill_disable")


def features(layout: Layout, parent: str) -> dict[str, bool]:
    """Feature → can it be enforced. `parent` is the prepared parent of containers ("/tiffin")."""
    directories = {name: mount + (own if own != "/" else "") for name, (mount, own) in layout.controllers.items()}
    found = {}
    for feature, (controller, v1_files, v2_files) in _FILES.items():
        if layout.version == V2:
            controller = "io" if controller == "blkio" else controller
        files = v2_files if layout.version == V2 else v1_files
        directory = directories.get(controller)
        found[feature] = directory is not None and any(os.path.exists(f"{directory}{parent}/{file}") for file in files)
    return found


def adapt(resources: dict[str, Any], available: dict[str, bool]) -> tuple[dict[str, Any], list[str]]:
    """OCI resources without what cannot be enforced, and a warning for each thing that was left out."""
    adapted = dict(resources)
    warnings: list[str] = []
    for section, key, feature, what, consequence in _WARNINGS:
        values = adapted.get(section)
        if not values or values.get(key) in (None, 0, False, [], "") or available.get(feature):
            continue
        adapted[section] = {name: value for name, value in values.items() if name != key}
        mounted = "" if feature in _ALWAYS_MOUNTED else " or the cgroup is not mounted"
        warning = f"Your kernel does not support {what}{mounted}. {consequence}."
        if (section, key) == ("memory", "swap") and not available.get("memory"):
            continue  # the memory limit's own warning has said it
        if warning not in warnings:
            warnings.append(warning)
    return adapted, warnings
