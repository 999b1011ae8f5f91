"""Limits on memory, processors, block devices and processes: are they meaningful, and what follows from them.

Words are Docker's. Pure. What the limits become in a cgroup is `ocispec/resources.py` and the runtime's matter.
"""

from __future__ import annotations

from tiffin.engine.containers.settings import Settings
from tiffin.errors import InvalidParameter
from tiffin.spec.container import HostConfig

MINIMUM_MEMORY = 6 << 20


def check(host: HostConfig, settings: Settings, warnings: list[str]) -> None:
    """Raises InvalidParameter, or fills in place what follows (memory+swap is twice the memory)."""
    _check_memory(host, settings, warnings)
    _check_cpu(host, settings)
    _check_block(host)
    if not -1000 <= host.oom_score_adj <= 1000:
        raise InvalidParameter(f"Invalid value {host.oom_score_adj}, range for oom score adj is [-1000, 1000]")
    if host.pids_limit is not None and host.pids_limit < -1:
        host.pids_limit = -1
    for limit in host.ulimits or ():
        if limit.name not in ULIMITS:
            raise InvalidParameter(f"invalid ulimit type: {limit.name}")
        if limit.hard != -1 and (limit.soft > limit.hard or limit.soft == -1):
            raise InvalidParameter(
                f"ulimit soft limit must be less than or equal to hard limit: {limit.soft} > {limit.hard}"
            )


ULIMITS = {
    "core": "RLIMIT_CORE",
    "cpu": "RLIMIT_CPU",
    "data": "RLIMIT_DATA",
    "fsize": "RLIMIT_FSIZE",
    "locks": "RLIMIT_LOCKS",
    "memlock": "RLIMIT_MEMLOCK",
    "msgqueue": "RLIMIT_MSGQUEUE",
    "nice": "RLIMIT_NICE",
    "nofile": "RLIMIT_NOFILE",
    "nproc": "RLIMIT_NPROC",
    "rss": "RLIMIT_RSS",
    "rtprio": "RLIMIT_RTPRIO",
    "rttime": "RLIMIT_RTTIME",
    "sigpending": "RLIMIT_SIGPENDING",
    "stack": "RLIMIT_STACK",
}


def _check_memory(host: HostConfig, settings: Settings, warnings: list[str]) -> None:
    memory, swap, reservation = host.memory, host.memory_swap, host.memory_reservation
    if memory and memory < MINIMUM_MEMORY:
        raise InvalidParameter("Minimum memory limit allowed is 6MB")
    if memory > 0 and swap > 0 and swap < memory:
        raise InvalidParameter("Minimum memoryswap limit should be larger than memory limit, see usage")
    if memory == 0 and swap > 0:
        raise InvalidParameter("You should always set the Memory limit when using Memoryswap limit, see usage")
    if reservation and reservation < MINIMUM_MEMORY:
        raise InvalidParameter("Minimum memory reservation allowed is 6MB")
    if memory > 0 and reservation > memory:
        raise InvalidParameter("Minimum memory limit can not be less than memory reservation limit, see usage")
    if host.memory_swappiness is not None:
        if not -1 <= host.memory_swappiness <= 100:
            raise InvalidParameter(
                f"Invalid value: {host.memory_swappiness}, valid memory swappiness range is 0-100"
            )
        if host.memory_swappiness == -1:
            host.memory_swappiness = None
    if memory > 0 and not settings.swap_accounting:
        warnings.append(
            "Your kernel does not support swap limit capabilities or the cgroup is not mounted. "
            "Memory limited without swap."
        )
        host.memory_swap = -1
    elif memory > 0 and swap == 0:
        host.memory_swap = memory * 2


def _check_cpu(host: HostConfig, settings: Settings) -> None:
    if host.nano_cpus:
        if host.cpu_period:
            raise InvalidParameter("Conflicting options: Nano CPUs and CPU Period cannot both be set")
        if host.cpu_quota:
            raise InvalidParameter("Conflicting options: Nano CPUs and CPU Quota cannot both be set")
        if not 10_000_000 <= host.nano_cpus <= settings.cpus * 1_000_000_000:
            raise InvalidParameter(
                f"range of CPUs is from 0.01 to {settings.cpus}.00, "
                f"as there are only {settings.cpus} CPUs available"
            )
    if host.cpu_shares < 0:
        raise InvalidParameter(f"invalid CPU shares ({host.cpu_shares}): value must be a positive integer")
    if host.cpu_period and not 1_000 <= host.cpu_period <= 1_000_000:
        raise InvalidParameter("CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)")
    if 0 < host.cpu_quota < 1_000:
        raise InvalidParameter("CPU cfs quota can not be less than 1ms (i.e. 1000)")
    if host.cpu_realtime_period or host.cpu_realtime_runtime:
        raise InvalidParameter("kernel does not support CPU real-time scheduler")
    if host.cpuset_cpus:
        wanted = _cpuset(host.cpuset_cpus, "cpus")
        if any(cpu >= settings.cpus for cpu in wanted):
            raise InvalidParameter(
                f"Requested CPUs are not available - requested {host.cpuset_cpus}, available: 0-{settings.cpus - 1}"
            )
    if host.cpuset_mems:
        _cpuset(host.cpuset_mems, "mems")


def _cpuset(text: str, what: str) -> set[int]:
    found: set[int] = set()
    for part in text.split(","):
        low, dash, high = part.partition("-")
        if not low.isdigit() or (dash and not high.isdigit()) or int(high or low) > 8191:
            raise InvalidParameter(f"Invalid value {text} for cpuset {what}")
        found.update(range(int(low), int(high or low) + 1))
    return found


def _check_block(host: HostConfig) -> None:
    if host.blkio_weight and not 10 <= host.blkio_weight <= 1000:
        raise InvalidParameter("Range of blkio weight is from 10 to 1000")
    for device in host.blkio_weight_device or ():
        if not device.path:
            raise InvalidParameter("Path is required for a block device's weight")
    for throttle in (
        *(host.blkio_device_read_bps or ()),
        *(host.blkio_device_write_bps or ()),
        *(host.blkio_device_read_iops or ()),
        *(host.blkio_device_write_iops or ()),
    ):
        if not throttle.path:
            raise InvalidParameter("Path is required for a block device's limit")
