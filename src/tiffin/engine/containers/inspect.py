"""`inspect`: everything Docker's API v1.51 says of one container, as a JSON document. Pure but for --size."""

from __future__ import annotations

from typing import Any

import msgspec

from tiffin.engine.containers.container import Container
from tiffin.engine.containers.ocispec import security
from tiffin.engine.containers.record import EndpointRecord, MountRecord, Record
from tiffin.engine.containers.settings import Settings
from tiffin.engine.containers.startrequest import log_path
from tiffin.engine.containers.state import Status
from tiffin.spec.container import OMIT_EMPTY_CONFIG, OMIT_EMPTY_HOST
from tiffin.wire import rfc3339

Json = dict[str, Any]

# Docker shows these as empty lists or objects, not as null.
_EMPTY_LISTS = (
    "Dns",
    "DnsOptions",
    "DnsSearch",
    "BlkioWeightDevice",
    "BlkioDeviceReadBps",
    "BlkioDeviceWriteBps",
    "BlkioDeviceReadIOps",
    "BlkioDeviceWriteIOps",
    "Devices",
    "Ulimits",
)


def inspect(container: Container, settings: Settings, version: tuple[int, int], exec_ids: list[str]) -> Json:
    record = container.record
    host = record.host_config
    opts = security.parse(host.security_opt)
    directory = settings.container_dir(record.id)
    document: Json = {
        "Id": record.id,
        "Created": rfc3339.nano(record.created_ns),
        "Path": record.path,
        "Args": record.args,
        "State": _state(record),
        "Image": record.image_id,
        "ResolvConfPath": f"{directory}/resolv.conf",
        "HostnamePath": f"{directory}/hostname",
        "HostsPath": f"{directory}/hosts",
        "LogPath": log_path(record, settings),
        "Name": f"/{record.name}",
        "RestartCount": record.restart_count,
        "Driver": settings.storage_driver,
        "Platform": "linux",
        "MountLabel": "",
        "ProcessLabel": "",
        "AppArmorProfile": security.apparmor_profile(host, opts, settings),
        "ExecIDs": exec_ids or None,
        "HostConfig": _host_config(record),
        "GraphDriver": _graph_driver(record, settings, directory),
        "Mounts": mount_points(record),
        "Config": _config(record),
        "NetworkSettings": _network_settings(record, settings, version),
    }
    return document


def _time(ns: int) -> str:
    return rfc3339.nano(ns) if ns else rfc3339.ZERO_NANO


def _state(record: Record) -> Json:
    state = record.state
    return {
        "Status": state.status.value,
        "Running": state.running,
        "Paused": state.status is Status.PAUSED,
        "Restarting": state.status is Status.RESTARTING,
        "OOMKilled": state.oom_killed,
        "Dead": state.status is Status.DEAD,
        "Pid": state.pid if state.alive else 0,
        "ExitCode": state.exit_code,
        "Error": state.error,
        "StartedAt": _time(state.started_ns),
        "FinishedAt": _time(state.finished_ns),
    }


def _config(record: Record) -> Json:
    config: Json = msgspec.to_builtins(record.config)
    config["Labels"] = config["Labels"] or {}
    for key in OMIT_EMPTY_CONFIG:
        if not config[key] and config[key] != 0:
            del config[key]
    for key in ("Cmd", "Entrypoint"):
        if isinstance(config[key], str):
            config[key] = [config[key]]
    return config


def _host_config(record: Record) -> Json:
    host: Json = msgspec.to_builtins(record.host_config)
    for key in OMIT_EMPTY_HOST:
        if not host[key]:
            del host[key]
    for key in _EMPTY_LISTS:
        host[key] = host[key] or []
    host["PortBindings"] = host["PortBindings"] or {}
    host["ConsoleSize"] = host["ConsoleSize"] or [0, 0]
    if host["Init"] is None:
        del host["Init"]
    masked, readonly = security.hidden_paths(record.host_config, security.parse(record.host_config.security_opt))
    host["MaskedPaths"], host["ReadonlyPaths"] = (masked or None), (readonly or None)
    return host


def _graph_driver(record: Record, settings: Settings, directory: str) -> Json:
    data = {
        "ID": record.id,
        "LowerDir": ":".join(record.lower),
        "MergedDir": f"{directory}/merged",
        "UpperDir": f"{directory}/upper",
        "WorkDir": f"{directory}/work",
    }
    return {"Name": settings.storage_driver, "Data": data}


def mount_points(record: Record) -> list[Json]:
    return [_mount_point(mount) for mount in record.mounts if mount.driver != "--tmpfs"]


def _mount_point(mount: MountRecord) -> Json:
    point: Json = {"Type": mount.type}
    if mount.name:
        point["Name"] = mount.name
    point["Source"], point["Destination"] = mount.source, mount.destination
    if mount.driver:
        point["Driver"] = mount.driver
    return {**point, "Mode": mount.mode, "RW": mount.rw, "Propagation": mount.propagation}


def networks(record: Record, version: tuple[int, int] = (1, 51)) -> dict[str, Json]:
    """By name: of a running container its endpoints, of another the network that it will join, with empty values."""
    mode = record.host_config.network_mode
    if mode.startswith("container:"):
        return {}
    names = [mode if mode != "default" else "bridge"]
    live = {endpoint.network: endpoint for endpoint in record.endpoints}
    return {name: _endpoint(record, name, live.get(name), version) for name in names}


def _endpoint(record: Record, name: str, live: EndpointRecord | None, version: tuple[int, int]) -> Json:
    asked = record.networks.get(name)
    settings: Json = {
        "IPAMConfig": msgspec.to_builtins(asked.ipam_config) if asked and asked.ipam_config else None,
        "Links": asked.links if asked else None,
        "Aliases": asked.aliases if asked else None,
        "MacAddress": live.mac if live else (asked.mac_address if asked else ""),
        "DriverOpts": asked.driver_opts if asked else None,
        "GwPriority": asked.gw_priority if asked else 0,
        "NetworkID": live.network_id if live else "",
        "EndpointID": live.endpoint_id if live else "",
        "Gateway": live.gateway if live else "",
        "IPAddress": live.address if live else "",
        "IPPrefixLen": live.prefix_len if live else 0,
        "IPv6Gateway": "",
        "GlobalIPv6Address": "",
        "GlobalIPv6PrefixLen": 0,
        "DNSNames": None,
    }
    if version < (1, 48):
        del settings["GwPriority"]
    if version < (1, 44):
        del settings["DNSNames"]
    return settings


def _network_settings(record: Record, settings: Settings, version: tuple[int, int]) -> Json:
    live = record.endpoints[0] if record.endpoints else None
    alive = record.state.alive
    sandbox = record.id if alive else ""
    return {
        "Bridge": "",
        "SandboxID": sandbox,
        "SandboxKey": f"/proc/{record.state.pid}/ns/net" if alive else "",
        "Ports": ports(record),
        "HairpinMode": False,
        "LinkLocalIPv6Address": "",
        "LinkLocalIPv6PrefixLen": 0,
        "SecondaryIPAddresses": None,
        "SecondaryIPv6Addresses": None,
        "EndpointID": live.endpoint_id if live else "",
        "Gateway": live.gateway if live else "",
        "GlobalIPv6Address": "",
        "GlobalIPv6PrefixLen": 0,
        "IPAddress": live.address if live else "",
        "IPPrefixLen": live.prefix_len if live else 0,
        "IPv6Gateway": "",
        "MacAddress": live.mac if live else "",
        "Networks": networks(record, version),
    }


def ports(record: Record) -> dict[str, Any]:
    """Exposed ports of a running container; publishing is not here yet."""
    if not record.state.alive:
        return {}
    return {port if "/" in port else f"{port}/tcp": None for port in record.config.exposed_ports or ()}
