"""tiffin update: other limits and another restart policy for existing containers."""

from __future__ import annotations

from tiffin.cli.command import Command, Context
from tiffin.cli.container.lifecycle import each, path
from tiffin.cli.create.body import restart_policy
from tiffin.cli.create.flags import CREATE
from tiffin.cli.exit import Exit, complain
from tiffin.cli.flags import Flag, Options

# Flag → field of the API's document.
FIELDS = {
    "blkio-weight": "BlkioWeight",
    "cpu-period": "CpuPeriod",
    "cpu-quota": "CpuQuota",
    "cpu-rt-period": "CpuRealtimePeriod",
    "cpu-rt-runtime": "CpuRealtimeRuntime",
    "cpu-shares": "CpuShares",
    "cpus": "NanoCpus",
    "cpuset-cpus": "CpusetCpus",
    "cpuset-mems": "CpusetMems",
    "memory": "Memory",
    "memory-reservation": "MemoryReservation",
    "memory-swap": "MemorySwap",
    "pids-limit": "PidsLimit",
}


def _update(context: Context, options: Options, names: list[str]) -> int:
    if not options.given:
        raise Exit(1, "you must provide one or more flags when using this command")
    document: dict[str, object] = {field: options[flag] for flag, field in FIELDS.items() if options.changed(flag)}
    if options["restart"]:
        document["RestartPolicy"] = restart_policy(options["restart"])

    def act(name: str) -> str:
        reply = context.client.post(path(name, "/update"), (), document) or {}
        for warning in reply.get("Warnings") or []:
            complain(warning)
        return name

    return each(names, act)


UPDATE = Command(
    _update,
    "Change the limits of containers",
    "CONTAINER [CONTAINER...]",
    (
        *(flag for flag in CREATE if flag.name in FIELDS),
        Flag(
            "restart", "", "string", "What to do when the container exits: no, on-failure[:n], always, unless-stopped"
        ),
    ),
    least=1,
    aliases=("container update", "update"),
)
