"""tiffin info: facts about the daemon and its host."""

from __future__ import annotations

import sys

from tiffin.cli import human
from tiffin.cli.command import Command, Context
from tiffin.cli.exit import Exit, text
from tiffin.cli.flags import Flag, Options
from tiffin.cli.system.version import client_facts
from tiffin.errors import TiffinError
from tiffin.wire import jsontext

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def _yes(value: Any) -> str:
    return "true" if value else "false"


def _listed(title: str, values: list[str] | None) -> list[str]:
    return [f" {title}:", *(f"  {value}" for value in values)] if values else []


def lines(info: dict[str, Any]) -> list[str]:
    """The server's part of the page."""
    out = [
        f" Containers: {info.get('Containers', 0)}",
        f"  Running: {info.get('ContainersRunning', 0)}",
        f"  Paused: {info.get('ContainersPaused', 0)}",
        f"  Stopped: {info.get('ContainersStopped', 0)}",
        f" Images: {info.get('Images', 0)}",
        f" Server Version: {info.get('ServerVersion', '')}",
        f" Storage Driver: {info.get('Driver', '')}",
    ]
    out += [f"  {key}: {value}" for key, value in info.get("DriverStatus") or []]
    for title, key in (("Logging Driver", "LoggingDriver"), ("Cgroup Driver", "CgroupDriver")):
        if info.get(key):
            out.append(f" {title}: {info[key]}")
    if info.get("CgroupVersion"):
        out.append(f" Cgroup Version: {info['CgroupVersion']}")
    plugins = info.get("Plugins") or {}
    out.append(" Plugins:")
    for title, key in (("Volume", "Volume"), ("Network", "Network"), ("Log", "Log")):
        out.append(f"  {title}: {' '.join(plugins.get(key) or [])}")
    out.append(f" Swarm: {(info.get('Swarm') or {}).get('LocalNodeState', 'inactive')}")
    if info.get("Runtimes"):
        out.append(f" Runtimes: {' '.join(sorted(info['Runtimes']))}")
        out.append(f" Default Runtime: {info.get('DefaultRuntime', '')}")
    if info.get("InitBinary"):
        out.append(f" Init Binary: {info['InitBinary']}")
    for title, key in (("containerd", "ContainerdCommit"), ("runc", "RuncCommit"), ("init", "InitCommit")):
        if (info.get(key) or {}).get("ID"):
            out.append(f" {title} version: {info[key]['ID']}")
    out += _security(info.get("SecurityOptions") or [])
    return out + _host(info)


def _security(options: list[str]) -> list[str]:
    out = [" Security Options:"] if options else []
    for option in options:
        name, *rest = option.split(",")
        out.append(f"  {name.removeprefix('name=')}")
        out += [f"   {key.capitalize()}: {value}" for key, _, value in (item.partition("=") for item in rest)]
    return out


def _host(info: dict[str, Any]) -> list[str]:
    out = []
    for title, key in (
        ("Kernel Version", "KernelVersion"),
        ("Operating System", "OperatingSystem"),
        ("OSType", "OSType"),
        ("Architecture", "Architecture"),
        ("CPUs", "NCPU"),
    ):
        if info.get(key):
            out.append(f" {title}: {info[key]}")
    if info.get("MemTotal"):
        out.append(f" Total Memory: {human.binary_size(info['MemTotal'])}")
    for title, key in (("Name", "Name"), ("ID", "ID")):
        if info.get(key):
            out.append(f" {title}: {info[key]}")
    out.append(f" Docker Root Dir: {info.get('DockerRootDir', '')}")
    out.append(f" Debug Mode: {_yes(info.get('Debug'))}")
    for title, key in (("HTTP Proxy", "HttpProxy"), ("HTTPS Proxy", "HttpsProxy"), ("No Proxy", "NoProxy")):
        if info.get(key):
            out.append(f" {title}: {info[key]}")
    out += _listed("Labels", info.get("Labels"))
    out.append(f" Experimental: {_yes(info.get('ExperimentalBuild'))}")
    registry = info.get("RegistryConfig") or {}
    insecure = [name for name, index in (registry.get("IndexConfigs") or {}).items() if not index.get("Secure")]
    out += _listed("Insecure Registries", insecure + (registry.get("InsecureRegistryCIDRs") or []))
    out += _listed("Registry Mirrors", registry.get("Mirrors"))
    out.append(f" Live Restore Enabled: {_yes(info.get('LiveRestoreEnabled'))}")
    pools = [f"Base: {pool['Base']}, Size: {pool['Size']}" for pool in info.get("DefaultAddressPools") or []]
    return out + _listed("Default Address Pools", pools)


def _info(context: Context, options: Options, arguments: list[str]) -> int:
    info: dict[str, Any] = {}
    failure = ""
    try:
        info = context.client.get("/info")
    except TiffinError as error:
        failure = text(error)
    form = options["format"]
    if form:
        document = {**info, "ClientInfo": {"Debug": False, **client_facts(context.client.api_version)}}
        if failure:
            document["ServerErrors"] = [failure]
        if form == "json":
            sys.stdout.write(jsontext.encode(document) + "\n")
        else:
            from tiffin.cli.formatting import prepare

            sys.stdout.write(prepare(form).render(document) + "\n")
        return 1 if failure else 0
    client = client_facts(context.client.api_version)
    page = ["Client:", f" Version:    {client['Version']}", " Context:    default", " Debug Mode: false", "", "Server:"]
    if failure:
        page += [failure, "errors pretty printing info"]
        sys.stdout.write("\n".join(page[:6]) + "\n")
        raise Exit(1, "\n".join(page[6:]))
    sys.stdout.write("\n".join([*page, *lines(info)]) + "\n\n")
    for warning in info.get("Warnings") or []:
        sys.stderr.write(warning + "\n")
    return 0


INFO = Command(
    _info,
    "Show facts about the daemon and its host",
    flags=(Flag("format", "f", "string", 'How to print: "json" or a Go template'),),
    most=0,
    aliases=("system info", "info"),
)
