"""Limits and devices: HostConfig → OCI `linux.resources` and `linux.devices`. Reads /dev only for asked devices."""

from __future__ import annotations

import functools
import os
import re
import stat
from collections.abc import Sequence
from typing import Any

from tiffin.errors import InvalidParameter
from tiffin.spec.container import DeviceMapping, HostConfig, ThrottleDevice

_CPU_PERIOD = 100_000
_RULE = re.compile(r"([acb]) ([0-9]+|\*):([0-9]+|\*) ([rwm]{1,3})\Z")

Rule = dict[str, Any]


def _allow(kind: str, major: int | None, minor: int | None, access: str = "rwm") -> Rule:
    rule: Rule = {"allow": True, "type": kind, "access": access}
    if major is not None:
        rule["major"] = major
    if minor is not None:
        rule["minor"] = minor
    return rule


# Docker's default: any node may be made; null, zero, full, random, urandom, tty, console, ptmx and pts may be used.
DEFAULT_RULES: tuple[Rule, ...] = (
    {"allow": False, "access": "rwm"},
    _allow("c", None, None, "m"),
    _allow("b", None, None, "m"),
    _allow("c", 1, 3),
    _allow("c", 1, 5),
    _allow("c", 1, 7),
    _allow("c", 1, 8),
    _allow("c", 1, 9),
    _allow("c", 5, 0),
    _allow("c", 5, 1),
    _allow("c", 5, 2),
    _allow("c", 136, None),
)


def resources(host: HostConfig, device_rules: Sequence[Rule]) -> dict[str, Any]:
    """`linux.resources`; what is not limited is not there."""
    document: dict[str, Any] = {"devices": list(device_rules)}
    if memory := _memory(host):
        document["memory"] = memory
    if cpu := _cpu(host):
        document["cpu"] = cpu
    if block := _block(host):
        document["blockIO"] = block
    if host.pids_limit is not None:
        document["pids"] = {"limit": host.pids_limit if host.pids_limit > 0 else -1}
    return document


def _memory(host: HostConfig) -> dict[str, Any]:
    memory: dict[str, Any] = {}
    if host.memory:
        memory["limit"] = host.memory
    if host.memory_reservation:
        memory["reservation"] = host.memory_reservation
    if host.memory_swap:
        memory["swap"] = host.memory_swap
    if host.memory_swappiness is not None:
        memory["swappiness"] = host.memory_swappiness
    if host.oom_kill_disable:
        memory["disableOOMKiller"] = True
    return memory


def _cpu(host: HostConfig) -> dict[str, Any]:
    cpu: dict[str, Any] = {}
    if host.cpu_shares:
        cpu["shares"] = host.cpu_shares
    if host.nano_cpus:
        cpu["period"], cpu["quota"] = _CPU_PERIOD, host.nano_cpus * _CPU_PERIOD // 1_000_000_000
    if host.cpu_period:
        cpu["period"] = host.cpu_period
    if host.cpu_quota:
        cpu["quota"] = host.cpu_quota
    if host.cpuset_cpus:
        cpu["cpus"] = host.cpuset_cpus
    if host.cpuset_mems:
        cpu["mems"] = host.cpuset_mems
    return cpu


def _block(host: HostConfig) -> dict[str, Any]:
    block: dict[str, Any] = {}
    if host.blkio_weight:
        block["weight"] = host.blkio_weight
    if host.blkio_weight_device:
        block["weightDevice"] = [
            {**_numbers(device.path), "weight": device.weight} for device in host.blkio_weight_device
        ]
    for key, throttles in (
        ("throttleReadBpsDevice", host.blkio_device_read_bps),
        ("throttleWriteBpsDevice", host.blkio_device_write_bps),
        ("throttleReadIOPSDevice", host.blkio_device_read_iops),
        ("throttleWriteIOPSDevice", host.blkio_device_write_iops),
    ):
        if throttles:
            block[key] = [_throttle(throttle) for throttle in throttles]
    return block


def _throttle(throttle: ThrottleDevice) -> dict[str, Any]:
    return {**_numbers(throttle.path), "rate": throttle.rate}


def _numbers(path: str) -> dict[str, int]:
    try:
        device = os.stat(path).st_rdev
    except OSError as error:
        raise InvalidParameter(f"stat {path}: {os.strerror(error.errno or 0).lower()}") from None
    return {"major": os.major(device), "minor": os.minor(device)}


def devices(host: HostConfig) -> tuple[list[dict[str, Any]], list[Rule]]:
    """(`linux.devices` to make, cgroup rules). Privileged: every device of the host, everything allowed."""
    if host.device_requests:
        wanted = [caps for request in host.device_requests for caps in request.capabilities or ()]
        raise InvalidParameter(
            f'could not select device driver "{host.device_requests[0].driver}" '
            f"with capabilities: [{' '.join('[' + ' '.join(caps) + ']' for caps in wanted)}]"
        )
    if host.privileged:
        return _host_devices(), [{"allow": True, "access": "rwm"}]
    if not host.devices and not host.device_cgroup_rules:
        return [], _default_rules()
    nodes: list[dict[str, Any]] = []
    rules = list(DEFAULT_RULES)
    for mapping in host.devices or ():
        for node in _mapped(mapping):
            nodes.append(node)
            access = mapping.cgroup_permissions or "rwm"
            rules.append(_allow(node["type"], node["major"], node["minor"], access))
    for text in host.device_cgroup_rules or ():
        rules.append(_rule(text))
    return nodes, rules


@functools.cache
def _default_rules() -> list[Rule]:
    return list(DEFAULT_RULES)


def _rule(text: str) -> Rule:
    found = _RULE.match(text)
    if not found:
        raise InvalidParameter(f"invalid device cgroup rule format: '{text}'")
    kind, major, minor, access = found.groups()
    return _allow(kind, None if major == "*" else int(major), None if minor == "*" else int(minor), access)


def _mapped(mapping: DeviceMapping) -> list[dict[str, Any]]:
    """One device, or all those in a directory."""
    if mapping.cgroup_permissions and not set(mapping.cgroup_permissions) <= set("rwm"):
        raise InvalidParameter(f"invalid device mode: {mapping.cgroup_permissions}")
    target = mapping.path_in_container or mapping.path_on_host
    source = os.path.realpath(mapping.path_on_host)
    if node := _node(source, target):
        return [node]
    if os.path.isdir(source):
        return [
            node
            for directory, _, names in os.walk(source)
            for name in names
            if (node := _node(f"{directory}/{name}", f"{target}{directory[len(source):]}/{name}"))
        ]
    reason = "not a device node" if os.path.exists(source) else "no such file or directory"
    raise InvalidParameter(
        f'error gathering device information while adding custom device "{mapping.path_on_host}": {reason}'
    )


def _node(source: str, target: str) -> dict[str, Any] | None:
    try:
        found = os.stat(source, follow_symlinks=False)
    except OSError:
        return None
    kind = "c" if stat.S_ISCHR(found.st_mode) else "b" if stat.S_ISBLK(found.st_mode) else ""
    if not kind:
        return None
    return {
        "type": kind,
        "path": target,
        "major": os.major(found.st_rdev),
        "minor": os.minor(found.st_rdev),
        "fileMode": stat.S_IMODE(found.st_mode),
        "uid": found.st_uid,
        "gid": found.st_gid,
    }


_NOT_SHARED = {"pts", "shm", "fd", "mqueue", ".lxc", ".lxd-mounts", ".udev", "console", "ptmx"}


def _host_devices() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for directory, names, files in os.walk("/dev"):
        names[:] = [name for name in names if name not in _NOT_SHARED]
        for name in files:
            if name not in _NOT_SHARED and (node := _node(f"{directory}/{name}", f"{directory}/{name}")):
                found.append(node)
    return found
