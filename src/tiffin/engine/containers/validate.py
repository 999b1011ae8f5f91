"""Is what the user asks for meaningful on this host? Errors and warnings in Docker's words. Pure; no I/O.

`check` also fills what Docker fills: its defaults are visible in `inspect`. Mounts are judged in `mountplan.py`,
capabilities in `spec/capabilities.py`.
"""

from __future__ import annotations

import ipaddress
import posixpath
import re

from tiffin.engine.containers import limits, signals
from tiffin.engine.containers.settings import Settings
from tiffin.errors import InvalidParameter, NotImplementedHere
from tiffin.spec import capabilities
from tiffin.spec.container import ContainerConfig, HealthConfig, HostConfig, RestartPolicy, as_list

_HOSTNAME = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?\Z")
_POLICIES = ("", "no", "always", "on-failure", "unless-stopped")
_LOG_OPTS = {
    "json-file": {"max-size", "max-file", "compress", "labels", "labels-regex", "env", "env-regex", "tag"},
    "local": {"max-size", "max-file", "compress", "labels", "env", "tag"},
    "none": set(),
}
_LOG_OPTS_ALL = {"mode", "max-buffer-size"}
_MILLISECOND = 1_000_000


def check(config: ContainerConfig, host: HostConfig, settings: Settings) -> list[str]:
    """Raises InvalidParameter, or fills defaults in place and returns warnings."""
    warnings: list[str] = []
    _check_config(config)
    _check_restart(host.restart_policy, host.auto_remove)
    _check_modes(host, settings)
    _check_network(config, host, warnings)
    limits.check(host, settings, warnings)
    _check_log(host, settings)
    host.cap_add = _capabilities("CapAdd", as_list(host.cap_add)) if host.cap_add else None
    host.cap_drop = _capabilities("CapDrop", as_list(host.cap_drop)) if host.cap_drop else None
    host.runtime = host.runtime or settings.default_runtime
    if host.runtime not in settings.runtimes:
        raise InvalidParameter(f"unknown or invalid runtime name: {host.runtime}")
    if host.storage_opt:
        raise InvalidParameter("--storage-opt is supported only for overlay over xfs with 'pquota' mount option")
    _say_what_is_missing(config, host, warnings)
    return warnings


def _say_what_is_missing(config: ContainerConfig, host: HostConfig, warnings: list[str]) -> None:
    """What this version takes and keeps but does not carry out is said at once, never dropped in silence."""
    if any((host.port_bindings or {}).values()) and host.network_mode not in ("host", "none"):
        raise NotImplementedHere("publishing ports (-p) is not available in this version: use --network host")
    if host.restart_policy.name not in ("", "no"):
        warnings.append("Restart policies are recorded, but not carried out in this version.")
    if config.healthcheck is not None and config.healthcheck.test not in (None, [], ["NONE"]):
        warnings.append("Health checks are recorded, but not carried out in this version.")


def _capabilities(field: str, names: list[str]) -> list[str]:
    try:
        return capabilities.normalize(names)
    except InvalidParameter as error:
        raise InvalidParameter(f"invalid {field}: {error.message}") from None


def _check_config(config: ContainerConfig) -> None:
    for name, value in (("hostname", config.hostname), ("domainname", config.domainname)):
        # Stricter than Docker, which lets a line break reach /etc/hosts.
        if value and (len(value) > 64 or not _HOSTNAME.match(value)):
            raise InvalidParameter(f"invalid {name} format: {value}")
    if config.working_dir:
        if not config.working_dir.startswith("/"):
            raise InvalidParameter(
                f"the working directory '{config.working_dir}' is invalid, it needs to be an absolute path"
            )
        config.working_dir = normal(config.working_dir)
    if config.stop_signal:
        signals.number(config.stop_signal)
    for item in config.env or ():
        if not item or item.startswith("=") or "\0" in item:
            raise InvalidParameter(f"invalid environment variable: {item}")
    for word in (*config.entry, *config.command, config.user):
        if "\0" in word:
            raise InvalidParameter("a program, its arguments and its user hold no NUL")
    if config.healthcheck:
        _check_health(config.healthcheck)
    for spec in config.exposed_ports or ():
        port_of(spec)


def normal(path: str) -> str:
    """posixpath.normpath without its two-leading-slashes exception."""
    return "/" + posixpath.normpath(path).lstrip("/")


def _check_health(health: HealthConfig) -> None:
    for name, value in (
        ("Interval", health.interval),
        ("Timeout", health.timeout),
        ("StartPeriod", health.start_period),
        ("StartInterval", health.start_interval),
    ):
        if value and value < _MILLISECOND:
            raise InvalidParameter(f"{name} in Healthcheck cannot be less than 1ms")
    if health.retries < 0:
        raise InvalidParameter("Retries in Healthcheck cannot be negative")


def _check_restart(policy: RestartPolicy, auto_remove: bool) -> None:
    if policy.name not in _POLICIES:
        raise InvalidParameter(
            f"invalid restart policy: unknown policy '{policy.name}'; "
            "use one of 'no', 'always', 'on-failure', or 'unless-stopped'"
        )
    if policy.maximum_retry_count < 0:
        raise InvalidParameter("invalid restart policy: maximum retry count cannot be negative")
    if policy.maximum_retry_count and policy.name != "on-failure":
        raise InvalidParameter("invalid restart policy: maximum retry count can only be used with 'on-failure'")
    policy.name = policy.name or "no"
    if auto_remove and policy.name != "no":
        raise InvalidParameter("can't create 'AutoRemove' container with restart policy")


def _check_modes(host: HostConfig, settings: Settings) -> None:
    host.ipc_mode = host.ipc_mode or settings.ipc_mode
    host.cgroupns_mode = host.cgroupns_mode or ("host" if host.privileged else settings.cgroupns)
    for title, mode, valid in (
        ("IPC", host.ipc_mode, ("host", "private", "shareable", "none")),
        ("PID", host.pid_mode, ("", "private", "host")),
        ("UTS", host.uts_mode, ("", "host")),
        ("cgroup namespace", host.cgroupns_mode, ("host", "private")),
        ("user namespace", host.userns_mode, ("", "host")),
    ):
        joins = title in ("IPC", "PID") and len(mode) > len("container:") and mode.startswith("container:")
        if mode not in valid and not joins:
            raise InvalidParameter(f"invalid {title} mode: {mode}")
    if host.isolation not in ("", "default"):
        raise InvalidParameter(f"invalid isolation '{host.isolation}' on linux")
    if host.shm_size < 0:
        raise InvalidParameter("SHM size can not be less than 0")
    host.shm_size = host.shm_size or settings.shm_size


def _check_network(config: ContainerConfig, host: HostConfig, warnings: list[str]) -> None:
    if host.network_mode in ("", "default"):
        host.network_mode = "bridge"
    if config.network_disabled:
        host.network_mode = "none"
    mode = host.network_mode
    if mode == "container:":
        raise InvalidParameter("invalid container format container:<name|id>")
    if mode.startswith("container:"):
        _check_joined_network(config, host)
    if host.uts_mode == "host" and config.hostname:
        raise InvalidParameter("conflicting options: hostname and the UTS mode")
    if mode == "host" and host.port_bindings:
        warnings.append("Published ports are discarded when using host network mode")
    for name in host.sysctls or ():
        if mode == "host" and name.startswith("net."):
            raise InvalidParameter(f"sysctl '{name}' not allowed in host network namespace")
    if config.mac_address and not re.fullmatch(r"([0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}", config.mac_address):
        raise InvalidParameter(f"invalid MAC address: {config.mac_address}")
    for extra in host.extra_hosts or ():
        _check_extra_host(extra)
    for server in host.dns or ():
        _ip(server, f"bad nameserver address {server}")
    for spec, bindings in (host.port_bindings or {}).items():
        port_of(spec)
        for binding in bindings or ():
            if binding.host_ip:
                _ip(binding.host_ip, f"invalid IP address: {binding.host_ip}")
            if binding.host_port:
                _port_range(binding.host_port, binding.host_port)


def _check_joined_network(config: ContainerConfig, host: HostConfig) -> None:
    for given, what in (
        (config.hostname, "hostname and the network mode"),
        (host.links, "container type network can't be used with links"),
        (host.dns, "dns and the network mode"),
        (host.extra_hosts, "custom host-to-IP mapping and the network mode"),
        (config.mac_address, "mac-address and the network mode"),
        (host.port_bindings, "port publishing and the container type network mode"),
        (host.publish_all_ports, "port publishing and the container type network mode"),
        (config.exposed_ports, "port exposing and the container type network mode"),
    ):
        if given:
            raise InvalidParameter(f"conflicting options: {what}")


def _check_extra_host(extra: str) -> None:
    name, colon, address = extra.partition(":")
    if not colon:
        name, colon, address = extra.partition("=")
    if not colon or not name or not _HOSTNAME.match(name):
        raise InvalidParameter(f'bad format for add-host: "{extra}"')
    if address != "host-gateway":
        _ip(address, f'invalid IP address in add-host: "{address}"')


def _ip(text: str, complaint: str) -> None:
    try:
        ipaddress.ip_address(text.strip("[]"))
    except ValueError:
        raise InvalidParameter(complaint) from None


def port_of(spec: str) -> tuple[int, str]:
    """`80/tcp` → (80, "tcp"); a range `80-90/tcp` gives its first port."""
    number, _, protocol = spec.partition("/")
    protocol = protocol or "tcp"
    if protocol not in ("tcp", "udp", "sctp"):
        raise InvalidParameter(f'invalid port specification: "{spec}"')
    return _port_range(number, spec)[0], protocol


def _port_range(text: str, spec: str) -> tuple[int, int]:
    low, dash, high = text.partition("-")
    if low.isascii() and low.isdigit() and (not dash or (high.isascii() and high.isdigit())):
        first, last = int(low), int(high or low)
        if first <= last <= 65535:
            return first, last
    raise InvalidParameter(f'invalid port specification: "{spec}"')


def _check_log(host: HostConfig, settings: Settings) -> None:
    log = host.log_config
    if not log.type:
        log.type = settings.log_driver
    if log.type == settings.log_driver:
        log.config = {**settings.log_opts, **(log.config or {})}
    log.config = log.config or {}
    known = _LOG_OPTS.get(log.type)
    if known is None:
        raise InvalidParameter(f"logger: no log driver named '{log.type}' is registered")
    for option in log.config:
        if option not in known and option not in _LOG_OPTS_ALL:
            raise InvalidParameter(f"unknown log opt '{option}' for {log.type} log driver")
    if size := log.config.get("max-size"):
        size_of(size)
    if (count := log.config.get("max-file")) and (not count.isdigit() or int(count) < 1):
        raise InvalidParameter("max-file cannot be less than 1")


def size_of(text: str) -> int:
    """`20m` → bytes; -1 is unlimited."""
    if text == "-1":
        return -1
    found = re.fullmatch(r"(\d+(?:\.\d+)?) ?([kmgtp]?)i?b?", text.lower())
    if not found:
        raise InvalidParameter(f"invalid size: '{text}'")
    return int(float(found[1]) * 1024 ** " kmgtp".index(found[2] or " "))
