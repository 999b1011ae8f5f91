"""Which paths of a container's /proc and /sys are hidden, and which may only be read: Docker's defaults.

Masked paths leak facts about the host or its other users (kernel memory, keys, timers, power and interrupt counters:
CVE-2020-8694, GHSA-6fw5-f8r9-fgfm) or reach its firmware. Read-only paths would change the host. A path that does not
exist is skipped by whoever applies these lists; a privileged container and `--security-opt systempaths=unconfined`
have neither list.
"""

from __future__ import annotations

import os

MASKED: tuple[str, ...] = (
    "/proc/asound",
    "/proc/acpi",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
    "/sys/devices/virtual/powercap",
)

READONLY: tuple[str, ...] = (
    "/proc/bus",
    "/proc/fs",
    "/proc/irq",
    "/proc/sys",
    "/proc/sysrq-trigger",
)


def masked_paths() -> list[str]:
    """MASKED and, on this host, each processor's thermal interrupt counters, as Docker lists them since 28.2."""
    return [*MASKED, *_thermal_throttle()]


def readonly_paths() -> list[str]:
    """READONLY as the list that a spec wants."""
    return list(READONLY)


def _thermal_throttle(root: str = "/sys/devices/system/cpu") -> list[str]:
    try:
        entries = os.listdir(root)
    except OSError:
        return []
    numbers = sorted(int(name[3:]) for name in entries if name.startswith("cpu") and name[3:].isdigit())
    paths = (f"{root}/cpu{number}/thermal_throttle" for number in numbers)
    return [path for path in paths if os.path.isdir(path)]
