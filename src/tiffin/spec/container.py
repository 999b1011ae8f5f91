"""A container's configuration as Docker's API spells it: the JSON that `create` takes and `inspect` echoes (v1.51).

Typed by msgspec, so daemon side only (not one of the lean modules). Unknown fields are ignored; a wrong type is an
error that names the field; `null` means "the default" for every field, as Go's decoder has it. A slice that Go shows
as `null` when it was not given is `list | None` here; a field that Docker leaves out when empty is named in
`OMIT_EMPTY_*`. Nothing here validates meaning: that is the engine's.
"""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from tiffin.errors import InvalidParameter

T = TypeVar("T")

OMIT_EMPTY_CONFIG = (
    "ExposedPorts",
    "Healthcheck",
    "ArgsEscaped",
    "NetworkDisabled",
    "MacAddress",
    "StopSignal",
    "StopTimeout",
    "Shell",
)
OMIT_EMPTY_HOST = ("Annotations", "StorageOpt", "Tmpfs", "Sysctls", "Mounts", "KernelMemoryTCP")


class _Wire(msgspec.Struct, rename="pascal", kw_only=True):
    """Base: snake_case here, PascalCase on the wire."""


class HealthConfig(_Wire):
    test: list[str] | None = None
    interval: int = 0
    timeout: int = 0
    start_period: int = 0
    start_interval: int = 0
    retries: int = 0


class ContainerConfig(_Wire):
    """What is portable between hosts: the program and its surroundings."""

    hostname: str = ""
    domainname: str = ""
    user: str = ""
    attach_stdin: bool = False
    attach_stdout: bool = False
    attach_stderr: bool = False
    exposed_ports: dict[str, dict[str, Any]] | None = None
    tty: bool = False
    open_stdin: bool = False
    stdin_once: bool = False
    env: list[str] | None = None
    cmd: list[str] | str | None = None
    healthcheck: HealthConfig | None = None
    args_escaped: bool = False
    image: str = ""
    volumes: dict[str, dict[str, Any]] | None = None
    working_dir: str = ""
    entrypoint: list[str] | str | None = None
    network_disabled: bool = False
    mac_address: str = ""
    on_build: list[str] | None = None
    labels: dict[str, str] | None = None
    stop_signal: str = ""
    stop_timeout: int | None = None
    shell: list[str] | None = None

    @property
    def command(self) -> list[str]:
        return as_list(self.cmd)

    @property
    def entry(self) -> list[str]:
        return as_list(self.entrypoint)


class RestartPolicy(_Wire):
    name: str = ""
    maximum_retry_count: int = 0


class LogConfig(_Wire):
    type: str = ""
    config: dict[str, str] | None = None


class PortBinding(_Wire):
    host_ip: str = ""
    host_port: str = ""


class DeviceMapping(_Wire):
    path_on_host: str = ""
    path_in_container: str = ""
    cgroup_permissions: str = ""


class DeviceRequest(_Wire):
    driver: str = ""
    count: int = 0
    device_i_ds: list[str] | None = msgspec.field(default=None, name="DeviceIDs")
    capabilities: list[list[str]] | None = None
    options: dict[str, str] | None = None


class WeightDevice(_Wire):
    path: str = ""
    weight: int = 0


class ThrottleDevice(_Wire):
    path: str = ""
    rate: int = 0


class Ulimit(_Wire):
    name: str = ""
    hard: int = 0
    soft: int = 0


class BindOptions(_Wire, omit_defaults=True):
    propagation: str = ""
    non_recursive: bool = False
    create_mountpoint: bool = False
    read_only_non_recursive: bool = False
    read_only_force_recursive: bool = False


class VolumeDriverConfig(_Wire, omit_defaults=True):
    name: str = ""
    options: dict[str, str] | None = None


class VolumeOptions(_Wire, omit_defaults=True):
    no_copy: bool = False
    labels: dict[str, str] | None = None
    driver_config: VolumeDriverConfig | None = None
    subpath: str = ""


class ImageOptions(_Wire, omit_defaults=True):
    subpath: str = ""


class TmpfsOptions(_Wire, omit_defaults=True):
    size_bytes: int = 0
    mode: int = 0
    options: list[list[str]] | None = None


class Mount(_Wire, omit_defaults=True):
    type: str = ""
    source: str = ""
    target: str = ""
    read_only: bool = False
    consistency: str = ""
    bind_options: BindOptions | None = None
    volume_options: VolumeOptions | None = None
    image_options: ImageOptions | None = None
    tmpfs_options: TmpfsOptions | None = None


class HostConfig(_Wire):
    """What depends on this host: limits, mounts, namespaces, ports."""

    binds: list[str] | None = None
    container_i_d_file: str = msgspec.field(default="", name="ContainerIDFile")
    log_config: LogConfig = msgspec.field(default_factory=LogConfig)
    network_mode: str = ""
    port_bindings: dict[str, list[PortBinding] | None] | None = None
    restart_policy: RestartPolicy = msgspec.field(default_factory=RestartPolicy)
    auto_remove: bool = False
    volume_driver: str = ""
    volumes_from: list[str] | None = None
    console_size: list[int] | None = None
    annotations: dict[str, str] | None = None
    cap_add: list[str] | str | None = None
    cap_drop: list[str] | str | None = None
    cgroupns_mode: str = ""
    dns: list[str] | None = None
    dns_options: list[str] | None = None
    dns_search: list[str] | None = None
    extra_hosts: list[str] | None = None
    group_add: list[str] | None = None
    ipc_mode: str = ""
    cgroup: str = ""
    links: list[str] | None = None
    oom_score_adj: int = 0
    pid_mode: str = ""
    privileged: bool = False
    publish_all_ports: bool = False
    readonly_rootfs: bool = False
    security_opt: list[str] | None = None
    storage_opt: dict[str, str] | None = None
    tmpfs: dict[str, str] | None = None
    uts_mode: str = msgspec.field(default="", name="UTSMode")
    userns_mode: str = ""
    shm_size: int = 0
    sysctls: dict[str, str] | None = None
    runtime: str = ""
    isolation: str = ""
    cpu_shares: int = 0
    memory: int = 0
    nano_cpus: int = 0
    cgroup_parent: str = ""
    blkio_weight: int = 0
    blkio_weight_device: list[WeightDevice] | None = None
    blkio_device_read_bps: list[ThrottleDevice] | None = None
    blkio_device_write_bps: list[ThrottleDevice] | None = None
    blkio_device_read_iops: list[ThrottleDevice] | None = msgspec.field(default=None, name="BlkioDeviceReadIOps")
    blkio_device_write_iops: list[ThrottleDevice] | None = msgspec.field(default=None, name="BlkioDeviceWriteIOps")
    cpu_period: int = 0
    cpu_quota: int = 0
    cpu_realtime_period: int = 0
    cpu_realtime_runtime: int = 0
    cpuset_cpus: str = ""
    cpuset_mems: str = ""
    devices: list[DeviceMapping] | None = None
    device_cgroup_rules: list[str] | None = None
    device_requests: list[DeviceRequest] | None = None
    kernel_memory_tcp: int = msgspec.field(default=0, name="KernelMemoryTCP")
    memory_reservation: int = 0
    memory_swap: int = 0
    memory_swappiness: int | None = None
    oom_kill_disable: bool | None = None
    init: bool | None = None
    pids_limit: int | None = None
    ulimits: list[Ulimit] | None = None
    cpu_count: int = 0
    cpu_percent: int = 0
    io_maximum_iops: int = msgspec.field(default=0, name="IOMaximumIOps")
    io_maximum_bandwidth: int = msgspec.field(default=0, name="IOMaximumBandwidth")
    mounts: list[Mount] | None = None
    masked_paths: list[str] | None = None
    readonly_paths: list[str] | None = None


class EndpointIPAMConfig(_Wire, omit_defaults=True):
    ipv4_address: str = msgspec.field(default="", name="IPv4Address")
    ipv6_address: str = msgspec.field(default="", name="IPv6Address")
    link_local_ips: list[str] | None = msgspec.field(default=None, name="LinkLocalIPs")


class EndpointSettings(_Wire):
    """One network of a container, as asked for."""

    ipam_config: EndpointIPAMConfig | None = msgspec.field(default=None, name="IPAMConfig")
    links: list[str] | None = None
    aliases: list[str] | None = None
    mac_address: str = ""
    driver_opts: dict[str, str] | None = None
    gw_priority: int = 0


class NetworkingConfig(_Wire):
    endpoints_config: dict[str, EndpointSettings | None] | None = None


class ContainerCreateRequest(_Wire):
    config: ContainerConfig
    host_config: HostConfig
    networking_config: NetworkingConfig


class _Beside(_Wire):
    host_config: HostConfig | None = None
    networking_config: NetworkingConfig | None = None


class ExecConfig(_Wire):
    """The body of `POST /containers/{id}/exec`."""

    user: str = ""
    privileged: bool = False
    tty: bool = False
    console_size: list[int] | None = None
    attach_stdin: bool = False
    attach_stderr: bool = False
    attach_stdout: bool = False
    detach_keys: str = ""
    env: list[str] | None = None
    working_dir: str = ""
    cmd: list[str] | str | None = None


class ExecStartConfig(_Wire):
    """The body of `POST /exec/{id}/start`."""

    detach: bool = False
    tty: bool = False
    console_size: list[int] | None = None


def as_list(value: list[str] | str | None) -> list[str]:
    """Docker takes a command as a string or a list; a string is one word, never split."""
    if value is None:
        return []
    return [value] if isinstance(value, str) else value


_config = msgspec.json.Decoder(ContainerConfig)
_beside = msgspec.json.Decoder(_Beside)


def decode_create(body: bytes) -> ContainerCreateRequest:
    """The body of `POST /containers/create`; raises InvalidParameter in Docker's words."""
    try:
        config, beside = _config.decode(body), _beside.decode(body)
    except msgspec.ValidationError:
        config = decode_lenient(body, ContainerConfig)
        beside = decode_lenient(body, _Beside)
    except msgspec.DecodeError as broken:
        raise InvalidParameter(_broken_json(body, broken)) from None
    if config == ContainerConfig():
        raise InvalidParameter("config cannot be empty in order to create a container")
    return ContainerCreateRequest(
        config=config,
        host_config=beside.host_config or HostConfig(),
        networking_config=beside.networking_config or NetworkingConfig(),
    )


def decode_lenient(body: bytes, kind: type[T]) -> T:
    """Decode a body in which any field may be null; an empty body is an empty object."""
    try:
        return msgspec.convert(_without_nulls(msgspec.json.decode(body or b"{}")), kind)
    except msgspec.ValidationError as wrong:
        raise InvalidParameter(f"invalid JSON: {wrong}") from None
    except msgspec.DecodeError as broken:
        raise InvalidParameter(_broken_json(body, broken)) from None


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    return value


def _broken_json(body: bytes, broken: Exception) -> str:
    if not body.strip():
        return "invalid JSON: got EOF while reading request body"
    return f"invalid JSON: {broken}"
