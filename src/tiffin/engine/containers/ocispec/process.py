"""The program: HostConfig and Config → OCI `process`, for a container's first program and for exec. No I/O.

The user is a name that only the image's own passwd explains, so `user` stays 0:0 here and the name travels beside the
spec (`user`, `group_add`): init resolves it inside the root file system, and sets HOME from it.
"""

from __future__ import annotations

from typing import Any

from tiffin.engine.containers.limits import ULIMITS
from tiffin.engine.containers.merge import merge_env
from tiffin.engine.containers.record import Record
from tiffin.engine.containers.settings import Settings
from tiffin.spec.container import ExecConfig, as_list

DEFAULT_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
INIT_TARGET = "/sbin/docker-init"


def environment(record: Record, tty: bool) -> list[str]:
    """PATH, HOSTNAME and TERM below what image and user say; a name without `=` is absent."""
    below = [DEFAULT_PATH, f"HOSTNAME={record.config.hostname}"]
    if tty:
        below.append("TERM=xterm")
    mine = record.config.env or []
    names = {item.split("=", 1)[0] for item in mine}
    merged = [item for item in below if item.split("=", 1)[0] not in names]
    for item in mine:
        if "=" in item:
            merged.append(item)
    return merged


def process(
    record: Record,
    settings: Settings,
    *,
    capabilities: list[str],
    apparmor: str,
    no_new_privileges: bool,
    with_init: bool,
) -> dict[str, Any]:
    config, host = record.config, record.host_config
    args = [record.path, *record.args]
    document: dict[str, Any] = {
        "terminal": config.tty,
        "user": {"uid": 0, "gid": 0},
        "args": [INIT_TARGET, "--", *args] if with_init else args,
        "env": environment(record, config.tty),
        "cwd": config.working_dir or "/",
        "capabilities": capability_sets(capabilities),
        "rlimits": rlimits(record, settings),
        "noNewPrivileges": no_new_privileges,
        "oomScoreAdj": host.oom_score_adj,
    }
    if config.tty and host.console_size and any(host.console_size):
        document["consoleSize"] = {"height": host.console_size[0], "width": host.console_size[1]}
    if apparmor:
        document["apparmorProfile"] = apparmor
    return document


def capability_sets(names: list[str]) -> dict[str, list[str]]:
    """Inheritable and ambient stay empty (CVE-2022-24769)."""
    return {"bounding": names, "effective": names, "permitted": names}


def rlimits(record: Record, settings: Settings) -> list[dict[str, Any]]:
    wanted = dict(settings.ulimits)
    for limit in record.host_config.ulimits or ():
        wanted[limit.name] = (limit.soft, limit.hard)
    return [
        {"type": ULIMITS[name], "soft": _bits(soft), "hard": _bits(hard)} for name, (soft, hard) in wanted.items()
    ]


def _bits(value: int) -> int:
    """-1 is RLIM_INFINITY, 2^64-1 in the spec's JSON."""
    return value & 0xFFFF_FFFF_FFFF_FFFF


def exec_process(
    record: Record,
    asked: ExecConfig,
    settings: Settings,
    *,
    tty: bool,
    console_size: list[int] | None,
    capabilities: list[str],
    apparmor: str,
    no_new_privileges: bool,
) -> dict[str, Any]:
    """OCI process of an exec; its user travels beside it, as for the container."""
    environ = merge_env(asked.env or [], environment(record, tty))
    document: dict[str, Any] = {
        "terminal": tty,
        "user": {"uid": 0, "gid": 0},
        "args": as_list(asked.cmd),
        "env": [item for item in environ if "=" in item],
        "cwd": asked.working_dir or record.config.working_dir or "/",
        "capabilities": capability_sets(capabilities),
        "rlimits": rlimits(record, settings),
        "noNewPrivileges": no_new_privileges,
        "oomScoreAdj": record.host_config.oom_score_adj,
    }
    if tty and console_size and any(console_size):
        document["consoleSize"] = {"height": console_size[0], "width": console_size[1]}
    if apparmor:
        document["apparmorProfile"] = apparmor
    return document
