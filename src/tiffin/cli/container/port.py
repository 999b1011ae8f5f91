"""tiffin port and tiffin top."""

from __future__ import annotations

from tiffin.cli.command import Command, Context
from tiffin.cli.container.attaching import container
from tiffin.cli.container.lifecycle import path
from tiffin.cli.exit import Exit
from tiffin.cli.flags import Options
from tiffin.cli.tabular import align


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def _order(key: str) -> tuple[int, str]:
    port, _, protocol = key.partition("/")
    return (int(port) if port.isdigit() else 0, protocol)


def _port(context: Context, options: Options, arguments: list[str]) -> int:
    ports = (container(context.client, arguments[0]).get("NetworkSettings") or {}).get("Ports") or {}
    if len(arguments) > 1:
        wanted = arguments[1] if "/" in arguments[1] else f"{arguments[1]}/tcp"
        if not ports.get(wanted):
            raise Exit(1, f"Error: No public port '{arguments[1]}' published for {arguments[0]}")
        for binding in ports[wanted]:
            print(f"{_bracketed(binding['HostIp'])}:{binding['HostPort']}")
        return 0
    for key in sorted(ports, key=_order):
        for binding in ports[key] or []:
            print(f"{key} -> {_bracketed(binding['HostIp'])}:{binding['HostPort']}")
    return 0


def _top(context: Context, options: Options, arguments: list[str]) -> int:
    query = [("ps_args", " ".join(arguments[1:]))] if len(arguments) > 1 else []
    listing = context.client.get(path(arguments[0], "/top"), query)
    rows = [listing["Titles"], *(listing["Processes"] or [])]
    print(align("\n".join("\t".join(row) for row in rows), 20, 3))
    return 0


PORT = Command(
    _port,
    "List the published ports of a container",
    "CONTAINER [PRIVATE_PORT[/PROTO]]",
    least=1,
    most=2,
    aliases=("container port", "port"),
)
TOP = Command(
    _top,
    "Show the processes of a container",
    "CONTAINER [ps OPTIONS]",
    least=1,
    aliases=("container top", "top"),
    interspersed=False,
)
