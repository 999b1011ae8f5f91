"""The daemon's configuration: frozen values, and the rules they obey. Where they come from is configure.py's business.

Names of fields are the flags' with underscores; options.py is the table of flags and daemon.json keys.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tiffin.engine.system import Settings as SystemSettings
from tiffin.network.bridge import DEFAULT_BRIDGE
from tiffin.network.ipam import PoolBase

DATA_ROOT = "/var/lib/tiffin"
EXEC_ROOT = "/run/tiffin"
CONFIG_FILE = "/etc/tiffin/daemon.json"
NO_BRIDGE = "none"
STOCK_RUNTIMES = ("tiffin", "runc", "io.containerd.runc.v2")
_LEVELS = ("debug", "info", "warn", "error", "fatal")
_LOG_DRIVERS = ("json-file", "none")


class ConfigError(Exception):
    """The configuration cannot be used; the message is what the user reads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Everything that flags and daemon.json say. Lists are tuples; sizes in bytes, times in seconds."""

    config_file: str = CONFIG_FILE
    hosts: tuple[str, ...] = ()
    data_root: str = DATA_ROOT
    exec_root: str = EXEC_ROOT
    pidfile: str = ""
    group: str = ""
    debug: bool = False
    log_level: str = "info"
    validate: bool = False
    labels: tuple[str, ...] = ()
    live_restore: bool = True
    shutdown_timeout: int = 15

    tls: bool | None = None
    tlsverify: bool | None = None
    tlscacert: str = ""
    tlscert: str = ""
    tlskey: str = ""

    bridge: str = DEFAULT_BRIDGE
    bip: str = ""
    fixed_cidr: str = ""
    default_gateway: str = ""
    default_address_pools: tuple[tuple[str, int], ...] = ()
    mtu: int = 0
    icc: bool = True
    ip: str = "0.0.0.0"
    ip_forward: bool = True
    ip_masq: bool = True
    iptables: bool = True
    ip6tables: bool = True
    ipv6: bool = False
    firewall: str = "auto"
    userland_proxy: bool = False
    dns: tuple[str, ...] = ()
    dns_opts: tuple[str, ...] = ()
    dns_search: tuple[str, ...] = ()
    host_gateway_ips: tuple[str, ...] = ()

    registry_mirrors: tuple[str, ...] = ()
    insecure_registries: tuple[str, ...] = ()
    max_concurrent_downloads: int = 3
    max_concurrent_uploads: int = 5
    max_download_attempts: int = 5
    http_proxy: str = ""
    https_proxy: str = ""
    no_proxy: str = ""

    log_driver: str = "json-file"
    log_opts: Mapping[str, str] = field(default_factory=dict)
    default_ulimits: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    default_shm_size: int = 64 << 20
    default_ipc_mode: str = "private"
    default_cgroupns_mode: str = ""
    cgroup_parent: str = ""
    exec_opts: tuple[str, ...] = ()
    runtimes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    default_runtime: str = "tiffin"
    init: bool = False
    init_path: str = ""
    seccomp_profile: str = "builtin"
    no_new_privileges: bool = False
    storage_driver: str = ""
    storage_opts: tuple[str, ...] = ()
    experimental: bool = False
    features: Mapping[str, bool] = field(default_factory=dict)

    @property
    def listen(self) -> tuple[str, ...]:
        """Where to listen: the hosts, or the default socket below the exec root."""
        return self.hosts or (f"unix://{self.exec_root}/tiffin.sock",)

    @property
    def uses_tls(self) -> bool:
        return bool(self.tls or self.tlsverify)

    @property
    def verifies_clients(self) -> bool:
        return bool(self.tlsverify)

    @property
    def pid_path(self) -> str:
        return self.pidfile or f"{self.exec_root}/tiffin.pid"

    def bridge_options(self) -> dict[str, Any]:
        """Arguments of network.bridge.BridgeNetwork. Each bridge has a table of rules of its own."""
        interface = ipaddress.IPv4Interface(self.bip) if self.bip else None
        gateway = self.default_gateway or (interface.ip if interface else None)
        table = "tiffin" if self.bridge == DEFAULT_BRIDGE else f"tiffin_{_identifier(self.bridge)}"
        options: dict[str, Any] = {
            "bridge": self.bridge,
            "subnet": interface.network if interface else None,
            "gateway": ipaddress.IPv4Address(gateway) if gateway else None,
            "fixed_cidr": ipaddress.IPv4Network(self.fixed_cidr) if self.fixed_cidr else None,
            "mtu": self.mtu,
            "table": table,
            "ip_masq": self.ip_masq,
            "icc": self.icc,
            "ip_forward": self.ip_forward,
            "own_firewall_only": self.firewall == "own-only",
        }
        if self.default_address_pools:
            pools = [PoolBase(ipaddress.IPv4Network(base), size) for base, size in self.default_address_pools]
            options["pools"] = pools
        return options

    def system_settings(self, version: str) -> SystemSettings:
        """What /info and /version say of this configuration."""
        stock = {name: {"path": "tiffin"} for name in STOCK_RUNTIMES[:1]}
        return SystemSettings(
            version=version,
            data_root=self.data_root,
            debug=self.debug,
            live_restore=True,  # how this engine works, whatever the option says
            labels=self.labels,
            log_driver=self.log_driver,
            runtimes={**stock, **self.runtimes},
            default_runtime=self.default_runtime,
            registry_mirrors=self.registry_mirrors,
            insecure_registries=self.insecure_registries,
            address_pools=self.default_address_pools,
            seccomp_profile=self.seccomp_profile or "builtin",
            http_proxy=self.http_proxy or _environment("HTTP_PROXY"),
            https_proxy=self.https_proxy or _environment("HTTPS_PROXY"),
            no_proxy=self.no_proxy or _environment("NO_PROXY"),
            insecure_listeners=self._insecure_listeners(),
        )

    def _insecure_listeners(self) -> list[tuple[str, bool]]:
        if self.verifies_clients:
            return []
        return [(host.removeprefix("tcp://"), self.uses_tls) for host in self.listen if host.startswith("tcp://")]


def _identifier(name: str) -> str:
    return "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in name)


def _environment(name: str) -> str:
    return os.environ.get(name) or os.environ.get(name.lower()) or ""


def check(config: Config) -> None:
    """Raise ConfigError, in dockerd's words where it has them, for values that cannot be used."""
    _check_paths(config)
    _check_daemon(config)
    _check_network(config)
    _check_containers(config)


def _check_paths(config: Config) -> None:
    for name, path in (("data-root", config.data_root), ("exec-root", config.exec_root)):
        if not os.path.isabs(path):
            raise ConfigError(f"{name} must be an absolute path: {path!r}")


def _check_daemon(config: Config) -> None:
    if config.log_level not in _LEVELS:
        raise ConfigError(f"invalid logging level: {config.log_level}")
    for label in config.labels:
        if "=" not in label.strip("="):
            raise ConfigError(f"bad attribute format: {label}")
    for what, number in (
        ("max concurrent downloads", config.max_concurrent_downloads),
        ("max concurrent uploads", config.max_concurrent_uploads),
        ("max download attempts", config.max_download_attempts),
    ):
        if number < 1:
            raise ConfigError(f"invalid {what}: {number}")
    if config.shutdown_timeout < -1:
        raise ConfigError(f"invalid shutdown timeout: {config.shutdown_timeout}")
    if config.storage_driver not in ("", "overlay2", "overlay"):
        raise ConfigError(f"unsupported storage driver {config.storage_driver!r}: tiffin has overlay2 only")
    if config.experimental:
        raise ConfigError("experimental: there are no experimental features")


def _check_network(config: Config) -> None:
    if len(os.fsencode(config.bridge)) > 15:
        raise ConfigError(f"invalid bridge name {config.bridge!r}: longer than 15 bytes")
    if config.firewall not in ("auto", "own-only"):
        raise ConfigError(f"invalid firewall mode {config.firewall!r}: auto or own-only")
    if config.mtu and config.mtu < 68:
        raise ConfigError(f"invalid MTU: {config.mtu}")
    if config.bip and "/" not in config.bip:  # which would mean a network of one address
        raise ConfigError(f"invalid bip: {config.bip!r}: not an address with a prefix length, like 172.30.0.1/16")
    _parsed("bip", ipaddress.IPv4Interface, config.bip)
    _parsed("fixed-cidr", ipaddress.IPv4Network, config.fixed_cidr)
    _parsed("default-gateway", ipaddress.IPv4Address, config.default_gateway)
    _parsed("ip", ipaddress.ip_address, config.ip)
    for name, addresses in (("dns", config.dns), ("host-gateway-ip", config.host_gateway_ips)):
        for address in addresses:
            _parsed(name, ipaddress.ip_address, address)
    for base, size in config.default_address_pools:
        _parsed("default-address-pool", ipaddress.IPv4Network, base)
        if not ipaddress.IPv4Network(base).prefixlen <= size <= 32:
            raise ConfigError(f"default-address-pool: {base} cannot be split into /{size}")


def _parsed(name: str, parse: Callable[[str], object], text: str) -> None:
    if not text:
        return
    try:
        parse(text)
    except ValueError as error:
        raise ConfigError(f"{name}: {error}") from None


def _check_containers(config: Config) -> None:
    if config.log_driver not in _LOG_DRIVERS:
        raise ConfigError(f"logger: no log driver named '{config.log_driver}' is registered")
    for name in config.runtimes:
        if name in STOCK_RUNTIMES:
            raise ConfigError(f"runtime name '{name}' is reserved")
    if config.default_runtime not in (*STOCK_RUNTIMES, *config.runtimes):
        raise ConfigError(f"specified default runtime '{config.default_runtime}' does not exist")
    for option in config.exec_opts:
        key, _, value = option.partition("=")
        if key != "native.cgroupdriver":
            raise ConfigError(f"invalid option {key}")
        if value != "cgroupfs":
            raise ConfigError(f"native.cgroupdriver option {value} not supported")
    if config.default_ipc_mode not in ("private", "shareable"):
        raise ConfigError(f'IPC is "{config.default_ipc_mode}": must be private or shareable')
    if config.default_cgroupns_mode not in ("", "host", "private"):
        raise ConfigError(f'default cgroup namespace mode is invalid: "{config.default_cgroupns_mode}"')
