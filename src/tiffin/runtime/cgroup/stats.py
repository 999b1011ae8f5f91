"""A group's counters as the kernel keeps them, in one shape for v1 and v2. What a file does not tell is left out.

    cpu     usage_ns, user_ns, system_ns, percpu_ns (v1), periods, throttled_periods, throttled_ns
    memory  usage, max_usage, limit (absent: none), failcnt (v1), stat {…}
    pids    current, limit (absent: none)
    blkio   bytes, ios: [(major, minor, "read" | "write" | …, value), …]
"""

from __future__ import annotations

from tiffin.runtime.cgroup.files import pairs, read

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_UNLIMITED = 1 << 62  # v1 says "no limit" by the largest page-aligned number
_TICK_NS = 10_000_000  # cpuacct.stat counts in USER_HZ, which is 100 on every architecture we run on


def v1_stats(groups: dict[str, bytes]) -> dict[str, Any]:
    """Counters of a group that has a directory per controller."""
    stats: dict[str, Any] = {}
    cpuacct = groups.get("cpuacct")
    cpu: dict[str, Any] = {}
    if cpuacct is not None:
        ticks = pairs(_text(cpuacct, b"cpuacct.stat"))
        cpu = {
            "usage_ns": _number(cpuacct, b"cpuacct.usage") or 0,
            "user_ns": ticks.get("user", 0) * _TICK_NS,
            "system_ns": ticks.get("system", 0) * _TICK_NS,
            "percpu_ns": [int(value) for value in _text(cpuacct, b"cpuacct.usage_percpu").split()],
        }
    if "cpu" in groups:
        quota = pairs(_text(groups["cpu"], b"cpu.stat"))
        cpu["periods"] = quota.get("nr_periods", 0)
        cpu["throttled_periods"] = quota.get("nr_throttled", 0)
        cpu["throttled_ns"] = quota.get("throttled_time", 0)
    if cpu:
        stats["cpu"] = cpu
    memory = groups.get("memory")
    if memory is not None:
        files = {"usage": b"usage_in_bytes", "max_usage": b"max_usage_in_bytes", "limit": b"limit_in_bytes"}
        figures = {key: _number(memory, b"memory." + file) for key, file in files.items()}
        figures["failcnt"] = _number(memory, b"memory.failcnt")
        stats["memory"] = {key: value for key, value in figures.items() if value is not None}
        stats["memory"]["stat"] = pairs(_text(memory, b"memory.stat"))
    blkio = groups.get("blkio")
    if blkio is not None:
        stats["blkio"] = {
            "bytes": _operations(_text(blkio, b"blkio.throttle.io_service_bytes_recursive")),
            "ios": _operations(_text(blkio, b"blkio.throttle.io_serviced_recursive")),
        }
    return _with_pids(stats, groups)


def v2_stats(groups: dict[str, bytes]) -> dict[str, Any]:
    """Counters of a group in the one tree of v2."""
    stats: dict[str, Any] = {}
    if "cpu" in groups:
        cpu = pairs(_text(groups["cpu"], b"cpu.stat"))
        stats["cpu"] = {
            "usage_ns": cpu.get("usage_usec", 0) * 1000,
            "user_ns": cpu.get("user_usec", 0) * 1000,
            "system_ns": cpu.get("system_usec", 0) * 1000,
            "periods": cpu.get("nr_periods", 0),
            "throttled_periods": cpu.get("nr_throttled", 0),
            "throttled_ns": cpu.get("throttled_usec", 0) * 1000,
        }
    memory = groups.get("memory")
    if memory is not None:
        files = {"usage": b"memory.current", "max_usage": b"memory.peak", "limit": b"memory.max"}
        figures = {key: _number(memory, file) for key, file in files.items()}
        stats["memory"] = {key: value for key, value in figures.items() if value is not None}
        stats["memory"]["stat"] = pairs(_text(memory, b"memory.stat"))
    if "io" in groups:
        stats["blkio"] = _io(_text(groups["io"], b"io.stat"))
    return _with_pids(stats, groups)


def _with_pids(stats: dict[str, Any], groups: dict[str, bytes]) -> dict[str, Any]:
    if "pids" in groups:
        figures = {"current": _number(groups["pids"], b"pids.current"), "limit": _number(groups["pids"], b"pids.max")}
        stats["pids"] = {key: value for key, value in figures.items() if value is not None}
    return stats


def _operations(text: bytes) -> list[tuple[int, int, str, int]]:
    """v1: "8:0 Read 4096" lines and a total."""
    found = []
    for line in text.decode().splitlines():
        fields = line.split()
        if len(fields) == 3:
            major, _, minor = fields[0].partition(":")
            found.append((int(major), int(minor), fields[1].lower(), int(fields[2])))
    return found


def _io(text: bytes) -> dict[str, list[tuple[int, int, str, int]]]:
    """v2: "8:0 rbytes=4096 wbytes=0 rios=1 wios=0 dbytes=0 dios=0" lines."""
    found: dict[str, list[tuple[int, int, str, int]]] = {"bytes": [], "ios": []}
    for line in text.decode().splitlines():
        node, *fields = line.split()
        major, _, minor = node.partition(":")
        for field in fields:
            key, _, value = field.partition("=")
            operation = {"r": "read", "w": "write", "d": "discard"}.get(key[:1])
            if operation and key[1:] in found:
                found[key[1:]].append((int(major), int(minor), operation, int(value)))
    return found


def _text(directory: bytes, file: bytes) -> bytes:
    try:
        return read(directory + b"/" + file)
    except OSError:  # gone, or not offered by this kernel
        return b""


def _number(directory: bytes, file: bytes) -> int | None:
    text = _text(directory, file).strip()
    return int(text) if text.isdigit() and int(text) < _UNLIMITED else None
