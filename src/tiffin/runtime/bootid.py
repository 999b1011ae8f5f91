"""Which boot of the machine this is, and when a process started: together they make a pid trustworthy."""

from __future__ import annotations

import os


def boot_id() -> str:
    """The kernel's random id of this boot (man 5 proc, /proc/sys/kernel/random/boot_id)."""
    return _read("/proc/sys/kernel/random/boot_id").decode().strip()


def start_time(pid: int) -> int:
    """When a process started, in clock ticks since boot (field 22 of /proc/<pid>/stat); 0 when there is none."""
    try:
        return int(_read(f"/proc/{pid}/stat").rpartition(b")")[2].split()[19])
    except (FileNotFoundError, ProcessLookupError):
        return 0


def _read(path: str) -> bytes:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(fd, 4096)
    finally:
        os.close(fd)
