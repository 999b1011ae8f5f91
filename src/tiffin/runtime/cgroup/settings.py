"""What to write where: an OCI runtime spec's `linux.resources` as a list of settings, for v1 and for v2.

A setting is (controller, ((file, value), …)): the first of the files that exists gets its value. Only files that the
resources name appear, so a container without limits costs no write. Order is free: the group that applies them tries
a refused write again after the others (memory and memsw, quota and period depend on each other). Pure functions.
"""

from __future__ import annotations

from tiffin.errors import InvalidParameter
from tiffin.runtime.cgroup.convert import cpu_max, cpu_weight, io_weight, limit, swap_max

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Setting = tuple[str, tuple[tuple[bytes, bytes], ...]]

_V1_MEMORY = (
    ("limit", b"memory.limit_in_bytes"),
    ("swap", b"memory.memsw.limit_in_bytes"),
    ("reservation", b"memory.soft_limit_in_bytes"),
    ("swappiness", b"memory.swappiness"),
)
_V1_CPU = (
    ("shares", b"cpu.shares"),
    ("period", b"cpu.cfs_period_us"),
    ("quota", b"cpu.cfs_quota_us"),
    ("burst", b"cpu.cfs_burst_us"),
    ("realtimePeriod", b"cpu.rt_period_us"),
    ("realtimeRuntime", b"cpu.rt_runtime_us"),
)
_THROTTLES = (
    ("throttleReadBpsDevice", b"blkio.throttle.read_bps_device", "rbps"),
    ("throttleWriteBpsDevice", b"blkio.throttle.write_bps_device", "wbps"),
    ("throttleReadIOPSDevice", b"blkio.throttle.read_iops_device", "riops"),
    ("throttleWriteIOPSDevice", b"blkio.throttle.write_iops_device", "wiops"),
)


def v1(resources: dict[str, Any]) -> list[Setting]:
    """Settings for the v1 controllers. Zero means "not set" in Docker's units, except for swappiness and quota."""
    plan: list[Setting] = []
    memory = resources.get("memory") or {}
    for key, file in _V1_MEMORY:
        value = memory.get(key)
        # Docker's swappiness is -1 for "the parent's", and 0 is a value of its own.
        if value is not None and (0 <= value <= 100 if key == "swappiness" else value):
            plan.append(_one("memory", file, value))
    if memory.get("disableOOMKiller"):
        plan.append(_one("memory", b"memory.oom_control", 1))
    cpu = resources.get("cpu") or {}
    for key, file in _V1_CPU:
        if cpu.get(key):
            plan.append(_one("cpu", file, cpu[key]))
    plan += _cpuset(cpu)
    pids = (resources.get("pids") or {}).get("limit")
    if pids:
        plan.append(("pids", ((b"pids.max", limit(pids)),)))
    block = resources.get("blockIO") or {}
    if block.get("weight"):
        value = b"%d" % block["weight"]
        plan.append(("blkio", ((b"blkio.weight", value), (b"blkio.bfq.weight", value))))
    for device in block.get("weightDevice") or ():
        value = b"%d:%d %d" % (device["major"], device["minor"], device["weight"])
        plan.append(("blkio", ((b"blkio.weight_device", value), (b"blkio.bfq.weight_device", value))))
    for key, file, _ in _THROTTLES:
        for device in block.get(key) or ():
            plan.append(("blkio", ((file, b"%d:%d %d" % (device["major"], device["minor"], device["rate"])),)))
    for page in resources.get("hugepageLimits") or ():
        plan.append(_one("hugetlb", b"hugetlb.%s.limit_in_bytes" % page["pageSize"].encode(), page["limit"]))
    return plan


def v2(resources: dict[str, Any]) -> list[Setting]:
    """Settings for the v2 controllers. Swappiness and OOM-killer switches do not exist there and are left out."""
    plan = _v2_memory(resources.get("memory") or {})
    cpu = resources.get("cpu") or {}
    if cpu.get("shares"):
        plan.append(_one("cpu", b"cpu.weight", cpu_weight(cpu["shares"])))
    if cpu.get("quota") or cpu.get("period"):
        plan.append(("cpu", ((b"cpu.max", cpu_max(cpu.get("quota"), cpu.get("period")).encode()),)))
    if cpu.get("burst"):
        plan.append(_one("cpu", b"cpu.max.burst", cpu["burst"]))
    if cpu.get("idle"):
        plan.append(_one("cpu", b"cpu.idle", cpu["idle"]))
    plan += _cpuset(cpu)
    pids = (resources.get("pids") or {}).get("limit")
    if pids:
        plan.append(("pids", ((b"pids.max", limit(pids)),)))
    plan += _v2_io(resources.get("blockIO") or {})
    for page in resources.get("hugepageLimits") or ():
        plan.append(_one("hugetlb", b"hugetlb.%s.max" % page["pageSize"].encode(), page["limit"]))
    for file, value in (resources.get("unified") or {}).items():
        if "/" in file or "." not in file:
            raise InvalidParameter(f"unified resource {file!r} must be a file name of cgroup v2")
        plan.append((file.split(".", 1)[0], ((file.encode(), value.encode()),)))
    return plan


def _v2_memory(memory: dict[str, Any]) -> list[Setting]:
    plan: list[Setting] = []
    maximum = memory.get("limit")
    swap = memory.get("swap")
    if maximum:
        plan.append(("memory", ((b"memory.max", limit(maximum)),)))
    if not swap and maximum is not None and maximum < 0:
        swap = -1  # no limit on memory is no limit on swap
    if swap:
        plan.append(("memory", ((b"memory.swap.max", limit(swap_max(maximum, swap))),)))
    if memory.get("reservation"):
        plan.append(("memory", ((b"memory.low", limit(memory["reservation"])),)))
    return plan


def _v2_io(block: dict[str, Any]) -> list[Setting]:
    plan: list[Setting] = []
    weight = block.get("weight")
    if weight:
        plan.append(("io", ((b"io.bfq.weight", b"%d" % weight), (b"io.weight", b"%d" % io_weight(weight)))))
    for device in block.get("weightDevice") or ():
        node = b"%d:%d" % (device["major"], device["minor"])
        one = b"%s %d" % (node, device["weight"])
        plan.append(("io", ((b"io.bfq.weight", one), (b"io.weight", b"%s %d" % (node, io_weight(device["weight"]))))))
    limits: dict[str, list[str]] = {}
    for key, _, word in _THROTTLES:
        for device in block.get(key) or ():
            rate = device["rate"] or "max"
            limits.setdefault(f"{device['major']}:{device['minor']}", []).append(f"{word}={rate}")
    plan += [("io", ((b"io.max", f"{node} {' '.join(words)}".encode()),)) for node, words in limits.items()]
    return plan


def _cpuset(cpu: dict[str, Any]) -> list[Setting]:
    return [
        ("cpuset", ((file, cpu[key].encode()),))
        for key, file in (("cpus", b"cpuset.cpus"), ("mems", b"cpuset.mems"))
        if cpu.get(key)
    ]


def _one(controller: str, file: bytes, value: int) -> Setting:
    return (controller, ((file, b"%d" % value),))
