"""Flags of `run` and `create` to the body of POST /containers/create, field by field what the docker CLI sends."""

from __future__ import annotations

from tiffin.cli.create import files, mounts, networks, ports, values
from tiffin.cli.create.security import capabilities, security_options
from tiffin.cli.flags import Options, UsageError
from tiffin.errors import InvalidParameter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def body(options: Options, image: str, command: list[str]) -> dict[str, Any]:
    """Config, HostConfig and NetworkingConfig in one document."""
    for alias, name in (("net", "network"), ("net-alias", "network-alias"), ("dns-opt", "dns-option")):
        if options.changed(alias):
            options.given.setdefault(name, []).extend(options.given.pop(alias))
    exposed, bindings = ports.parse(options["publish"], options["expose"])
    mode, endpoints = networks.assemble(options)
    config = _config(options, image, command)
    if exposed:
        config["ExposedPorts"] = exposed
    binds, config["Volumes"] = mounts.volumes(options["volume"])
    host = _host(options, mode, bindings, binds)
    return {**config, "HostConfig": host, "NetworkingConfig": {"EndpointsConfig": endpoints}}


def _config(options: Options, image: str, command: list[str]) -> dict[str, Any]:
    interactive = options["interactive"]
    wanted = options["attach"]
    stdin = "stdin" in wanted or (interactive and not wanted)
    config: dict[str, Any] = {
        "Hostname": options["hostname"],
        "Domainname": options["domainname"],
        "User": options["user"],
        "AttachStdin": stdin,
        "AttachStdout": "stdout" in wanted or not wanted,
        "AttachStderr": "stderr" in wanted or not wanted,
        "Tty": options["tty"],
        "OpenStdin": interactive,
        "StdinOnce": interactive and stdin,
        "Env": files.gather(options["env-file"], options["env"], True) or None,
        "Cmd": command or None,
        "Image": image,
        "Volumes": {},
        "WorkingDir": options["workdir"],
        "Entrypoint": [options["entrypoint"]] if options.changed("entrypoint") else None,
        "OnBuild": None,
        "Labels": files.mapping(files.gather(options["label-file"], options["label"], False)),
    }
    health = _health(options)
    if health:
        config["Healthcheck"] = health
    if options["stop-signal"]:
        config["StopSignal"] = options["stop-signal"]
    if options.changed("stop-timeout"):
        config["StopTimeout"] = options["stop-timeout"]
    return config


HEALTH_TIMES = (
    ("health-interval", "Interval"),
    ("health-timeout", "Timeout"),
    ("health-start-period", "StartPeriod"),
    ("health-start-interval", "StartInterval"),
    ("health-retries", "Retries"),
)


def _health(options: Options) -> dict[str, Any]:
    given = {key: options[flag] for flag, key in HEALTH_TIMES if options[flag]}
    if options["no-healthcheck"]:
        if given or options["health-cmd"]:
            raise InvalidParameter("--no-healthcheck conflicts with --health-* options")
        return {"Test": ["NONE"]}
    for flag, _ in HEALTH_TIMES:
        if options[flag] < 0:
            raise InvalidParameter(f"--{flag} cannot be negative")
    if options["health-cmd"]:
        given["Test"] = ["CMD-SHELL", options["health-cmd"]]
    return given


def restart_policy(word: str) -> dict[str, Any]:
    """`on-failure:3` and its like."""
    name, colon, count = word.partition(":")
    if colon and not name:
        raise InvalidParameter("invalid restart policy format: no policy provided before colon")
    if count:
        try:
            return {"Name": name, "MaximumRetryCount": int(count)}
        except ValueError:
            raise InvalidParameter("invalid restart policy format: maximum retry count must be an integer") from None
    return {"Name": name, "MaximumRetryCount": 0}


WINDOWS_ONLY = ("cpu-count", "cpu-percent", "io-maxbandwidth", "io-maxiops")


def _checked(options: Options) -> None:
    for flag in WINDOWS_ONLY:
        if options.changed(flag):
            raise UsageError(f'"--{flag}" works on Windows daemons only; this one runs on linux')
    if not -1 <= options["memory-swappiness"] <= 100:
        raise InvalidParameter(f"invalid value: {options['memory-swappiness']}. Valid memory swappiness range is 0-100")
    if options["log-driver"] == "none" and options["log-opt"]:
        raise InvalidParameter("invalid logging opts for driver none")
    for flag, words, known in (
        ("pid", "PID", ("", "host", "private")),
        ("uts", "UTS", ("", "host", "private")),
        ("userns", "USER", ("", "host")),
        ("cgroupns", "CGROUP", ("", "host", "private")),
    ):
        value = options[flag]
        if value not in known and not (flag == "pid" and value.startswith("container:") and value != "container:"):
            names = {"CGROUP": "cgroupns"}.get(words, flag)
            raise InvalidParameter(f"--{names}: invalid {words} mode")


def _host(options: Options, mode: str, bindings: ports.Bindings, binds: list[str]) -> dict[str, Any]:
    _checked(options)
    restart = restart_policy(options["restart"])
    if options["rm"] and restart["Name"] not in ("", "no"):
        raise InvalidParameter("conflicting options: cannot specify both --restart and --rm")
    added, dropped = capabilities(options["cap-add"], options["cap-drop"])
    secure, masked, read_only_paths = security_options(options["security-opt"])
    host: dict[str, Any] = {
        "Binds": binds or None,
        "ContainerIDFile": options["cidfile"],
        "LogConfig": {"Type": options["log-driver"], "Config": files.mapping(options["log-opt"])},
        "NetworkMode": mode,
        "PortBindings": bindings,
        "RestartPolicy": restart,
        "AutoRemove": options["rm"],
        "VolumeDriver": options["volume-driver"],
        "VolumesFrom": options["volumes-from"] or None,
        "ConsoleSize": [0, 0],
        "CapAdd": added or None,
        "CapDrop": dropped or None,
        "CgroupnsMode": options["cgroupns"],
        "Dns": options["dns"],
        "DnsOptions": options["dns-option"],
        "DnsSearch": options["dns-search"],
        "ExtraHosts": options["add-host"] or None,
        "GroupAdd": options["group-add"] or None,
        "IpcMode": options["ipc"],
        "Cgroup": "",
        "Links": options["link"] or None,
        "OomScoreAdj": options["oom-score-adj"],
        "PidMode": options["pid"],
        "Privileged": options["privileged"],
        "PublishAllPorts": options["publish-all"],
        "ReadonlyRootfs": options["read-only"],
        "SecurityOpt": secure if options["security-opt"] else None,
        "UTSMode": options["uts"],
        "UsernsMode": options["userns"],
        "ShmSize": options["shm-size"],
        "Isolation": options["isolation"],
        **_resources(options),
        "MaskedPaths": masked,
        "ReadonlyPaths": read_only_paths,
    }
    optional = {
        "Mounts": options["mount"],
        "Tmpfs": mounts.tmpfs(options["tmpfs"]),
        "Sysctls": dict(options["sysctl"]),
        "Annotations": dict(options["annotation"]),
        "StorageOpt": files.mapping(options["storage-opt"]),
        "Runtime": options["runtime"],
    }
    host.update({key: value for key, value in optional.items() if value})
    if options.changed("init"):
        host["Init"] = options["init"]
    return host


def _devices(options: Options) -> list[dict[str, str]]:
    try:
        return [values.device(word) for word in options["device"] if not values.is_cdi_name(word)]
    except ValueError as error:
        raise InvalidParameter(str(error)) from None


def _resources(options: Options) -> dict[str, Any]:
    devices = _devices(options)
    cdi = [word for word in options["device"] if values.is_cdi_name(word)]
    requests = list(options["gpus"])
    if cdi:
        requests.append({"Driver": "cdi", "Count": 0, "DeviceIDs": cdi, "Capabilities": None, "Options": None})
    limits = {limit["Name"]: limit for limit in options["ulimit"]}
    resources: dict[str, Any] = {
        "CpuShares": options["cpu-shares"],
        "Memory": options["memory"],
        "NanoCpus": options["cpus"],
        "CgroupParent": options["cgroup-parent"],
        "BlkioWeight": options["blkio-weight"],
        "BlkioWeightDevice": options["blkio-weight-device"],
        "BlkioDeviceReadBps": options["device-read-bps"],
        "BlkioDeviceWriteBps": options["device-write-bps"],
        "BlkioDeviceReadIOps": options["device-read-iops"],
        "BlkioDeviceWriteIOps": options["device-write-iops"],
        "CpuPeriod": options["cpu-period"],
        "CpuQuota": options["cpu-quota"],
        "CpuRealtimePeriod": options["cpu-rt-period"],
        "CpuRealtimeRuntime": options["cpu-rt-runtime"],
        "CpusetCpus": options["cpuset-cpus"],
        "CpusetMems": options["cpuset-mems"],
        "Devices": devices,
        "DeviceCgroupRules": options["device-cgroup-rule"] or None,
        "DeviceRequests": requests or None,
        "MemoryReservation": options["memory-reservation"],
        "MemorySwap": options["memory-swap"],
        "MemorySwappiness": options["memory-swappiness"],
        "OomKillDisable": options["oom-kill-disable"],
        "PidsLimit": options["pids-limit"],
        "Ulimits": [limits[name] for name in sorted(limits)],
        "CpuCount": options["cpu-count"],
        "CpuPercent": options["cpu-percent"],
        "IOMaximumIOps": options["io-maxiops"],
        "IOMaximumBandwidth": options["io-maxbandwidth"],
    }
    return resources
