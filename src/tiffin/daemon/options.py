"""The table of options: flag, daemon.json key, kind, default, help. Flags, file and --help are all read from it.

A kind turns the words of a flag (`from_words`) and the value of a JSON key (`from_json`) into a Config field's value.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tiffin.daemon.config import CONFIG_FILE, DATA_ROOT, EXEC_ROOT

_TRUE = frozenset(("1", "t", "T", "true", "TRUE", "True"))
_FALSE = frozenset(("0", "f", "F", "false", "FALSE", "False"))
_UNITS = {"b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}


@dataclass(frozen=True, slots=True)
class Kind:
    """`word` is what --help calls the argument ("" for a switch). Both functions raise ValueError."""

    word: str
    from_words: Callable[[Sequence[str]], Any]
    from_json: Callable[[Any], Any]


def _bool(words: Sequence[str]) -> bool:
    if words[-1] in _TRUE:
        return True
    if words[-1] in _FALSE:
        return False
    raise ValueError(f'strconv.ParseBool: parsing "{words[-1]}": invalid syntax')


def _int(words: Sequence[str]) -> int:
    digits = words[-1].removeprefix("-")
    if not (digits.isascii() and digits.isdigit()):
        raise ValueError(f'strconv.ParseInt: parsing "{words[-1]}": invalid syntax')
    return int(words[-1])


def size(words: Sequence[str]) -> int:
    """ "64m", "1GiB", "1048576": bytes."""
    text = words[-1].strip().lower().removesuffix("b").removesuffix("i") or words[-1]
    number, factor = (text[:-1], _UNITS[text[-1]]) if text[-1:] in _UNITS else (text, 1)
    try:
        return int(float(number) * factor)
    except ValueError:
        raise ValueError(f"invalid size: '{words[-1]}'") from None


def _ulimit(text: str) -> tuple[str, tuple[int, int]]:
    name, equals, limits = text.partition("=")
    soft, colon, hard = limits.partition(":")
    if not equals or not soft.lstrip("-").isdigit() or (colon and not hard.lstrip("-").isdigit()):
        raise ValueError(f"invalid ulimit argument: {text}")
    return name, (int(soft), int(hard or soft))


def _pool(text: str) -> tuple[str, int]:
    fields = dict(part.partition("=")[::2] for part in text.split(","))
    if set(fields) != {"base", "size"} or not fields["size"].isdigit():
        raise ValueError(f"invalid field in {text!r}: must be base=…,size=…")
    return fields["base"], int(fields["size"])


def _runtime(text: str) -> tuple[str, dict[str, Any]]:
    name, equals, path = text.partition("=")
    if not name or not equals or not path:
        raise ValueError(f"invalid runtime argument: {text}")
    return name, {"path": path}


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise ValueError(f"invalid key=value argument: {text}")
    return name, value


def _flag_of(text: str) -> tuple[str, bool]:
    name, equals, value = text.partition("=")
    return name, _bool([value]) if equals else True


def _exactly(kind: type, shown: str) -> Callable[[Any], Any]:
    def check(value: Any) -> Any:
        if type(value) is not kind:
            raise ValueError(f"must be {shown}")
        return value

    return check


def _strings(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ValueError("must be a list of strings")
    return tuple(value)


def _object_of(check: Callable[[Any], Any]) -> Callable[[Any], dict[str, Any]]:
    def convert(value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise ValueError("must be an object")
        return {name: check(item) for name, item in value.items()}

    return convert


def _json_size(value: Any) -> int:
    return size([value]) if isinstance(value, str) else int(_exactly(int, "a size")(value))


def _json_pools(value: Any) -> tuple[tuple[str, int], ...]:
    try:
        return tuple((str(pool["base"]), int(pool["size"])) for pool in value)
    except (TypeError, KeyError, ValueError):
        raise ValueError('must be a list of {"base": …, "size": …}') from None


def _json_ulimit(value: Any) -> tuple[int, int]:
    try:
        return int(value["Soft"]), int(value["Hard"])
    except (TypeError, KeyError, ValueError):
        raise ValueError('must be objects of {"Name", "Soft", "Hard"}') from None


def _json_runtime(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict) or not isinstance(value.get("path"), str):
        raise ValueError('must be objects with a "path"')
    return value


STRING = Kind("string", lambda words: words[-1], _exactly(str, "a string"))
BOOL = Kind("", _bool, _exactly(bool, "true or false"))
INT = Kind("int", _int, _exactly(int, "a number"))
BYTES = Kind("bytes", size, _json_size)
LIST = Kind("list", tuple, _strings)
MAP = Kind("map", lambda words: dict(map(_pair, words)), _object_of(_exactly(str, "an object of strings")))
FEATURES = Kind("map", lambda words: dict(map(_flag_of, words)), _object_of(_exactly(bool, "an object of booleans")))
ULIMITS = Kind("ulimit", lambda words: dict(map(_ulimit, words)), _object_of(_json_ulimit))
POOLS = Kind("pool-options", lambda words: tuple(map(_pool, words)), _json_pools)
RUNTIMES = Kind("runtime", lambda words: dict(map(_runtime, words)), _object_of(_json_runtime))


@dataclass(frozen=True, slots=True)
class Option:
    """One option. `key` "" is a flag only; `flag` "" is a file key only; `live` is taken over by a reload."""

    flag: str
    field: str
    kind: Kind
    help: str
    key: str = ""
    short: str = ""
    shown: str = ""
    live: bool = False


def _of(
    flag: str, kind: Kind, help: str, *, key: str | None = None, field: str = "", short: str = "", shown: str = "",
    live: bool = False,
) -> Option:
    name = flag if key is None else key
    return Option(flag, field or (name or flag).replace("-", "_"), kind, help, name, short, shown, live)


OPTIONS: tuple[Option, ...] = (
    _of("add-runtime", RUNTIMES, "Register an additional OCI compatible runtime", key="runtimes", live=True),
    _of("bip", STRING, "IPv4 address for the default bridge"),
    _of("bridge", STRING, 'Bridge of the default network, made where it is missing; "none" for no network',
        short="b", shown='"tiffin0"'),
    _of("cgroup-parent", STRING, "Set parent cgroup for all containers"),
    _of("config-file", STRING, "Daemon configuration file", key="", field="config_file", shown=f'"{CONFIG_FILE}"'),
    _of("data-root", STRING, "Root directory of persistent state", shown=f'"{DATA_ROOT}"'),
    _of("debug", BOOL, "Enable debug mode", short="D", live=True),
    _of("default-address-pool", POOLS, "Default address pools for node specific local networks",
        key="default-address-pools"),
    _of("default-cgroupns-mode", STRING, 'Default mode for containers cgroup namespace ("host" | "private")'),
    _of("default-gateway", STRING, "Default gateway IPv4 address for the default bridge network"),
    _of("default-ipc-mode", STRING, 'Default mode for containers ipc ("shareable" | "private")', shown='"private"'),
    _of("default-runtime", STRING, "Default OCI runtime for containers", shown='"tiffin"', live=True),
    _of("default-shm-size", BYTES, "Default shm size for containers", shown="64MiB"),
    _of("default-ulimit", ULIMITS, "Default ulimits for containers", key="default-ulimits"),
    _of("dns", LIST, "DNS server to use"),
    _of("dns-opt", LIST, "DNS options to use", key="dns-opts"),
    _of("dns-search", LIST, "DNS search domains to use"),
    _of("exec-opt", LIST, "Runtime execution options", key="exec-opts"),
    _of("exec-root", STRING, "Root directory for execution state files", shown=f'"{EXEC_ROOT}"'),
    _of("experimental", BOOL, "Enable experimental features (there are none)"),
    _of("feature", FEATURES, "Enable feature in the daemon", key="features", live=True),
    _of("firewall", STRING, 'Rules in other owners\' firewall chains ("auto" | "own-only")', shown='"auto"'),
    _of("fixed-cidr", STRING, "IPv4 subnet for the default bridge network"),
    _of("group", STRING, 'Group for the unix socket (default "tiffin" or "docker" where they exist)', short="G"),
    _of("host", LIST, "Daemon socket(s) to connect to", key="hosts", short="H"),
    _of("host-gateway-ip", LIST, "IP addresses that the special 'host-gateway' string in --add-host resolves to",
        key="host-gateway-ips"),
    _of("http-proxy", STRING, "HTTP proxy URL to use for outgoing traffic"),
    _of("https-proxy", STRING, "HTTPS proxy URL to use for outgoing traffic"),
    _of("icc", BOOL, "Enable inter-container communication for the default bridge network", shown="true"),
    _of("init", BOOL, "Run an init in the container to forward signals and reap processes"),
    _of("init-path", STRING, "Path to the init binary"),
    _of("insecure-registry", LIST, "Enable insecure registry communication", key="insecure-registries", live=True),
    _of("ip", STRING, "Host IP for port publishing from the default bridge network", shown="0.0.0.0"),
    _of("ip-forward", BOOL, "Enable IP forwarding in system configuration", shown="true"),
    _of("ip-masq", BOOL, "Enable IP masquerading for the default bridge network", shown="true"),
    _of("ip6tables", BOOL, "Accepted for dockerd's sake: rules live in a table of our own", shown="true"),
    _of("iptables", BOOL, "Accepted for dockerd's sake: rules live in a table of our own", shown="true"),
    _of("ipv6", BOOL, "Enable IPv6 networking for the default bridge network"),
    _of("label", LIST, "Set key=value labels to the daemon", key="labels", live=True),
    _of("live-restore", BOOL, "Accepted: containers always outlive the daemon", shown="true", live=True),
    _of("log-driver", STRING, "Default driver for container logs", shown='"json-file"'),
    _of("log-level", STRING, 'Set the logging level ("debug"|"info"|"warn"|"error"|"fatal")', short="l",
        shown='"info"', live=True),
    _of("log-opt", MAP, "Default log driver options for containers", key="log-opts"),
    _of("max-concurrent-downloads", INT, "Set the max concurrent downloads", shown="3", live=True),
    _of("max-concurrent-uploads", INT, "Set the max concurrent uploads", shown="5", live=True),
    _of("max-download-attempts", INT, "Set the max download attempts for each pull", shown="5", live=True),
    _of("mtu", INT, "Set the MTU for the default bridge network", shown="1500"),
    _of("no-new-privileges", BOOL, "Set no-new-privileges by default for new containers"),
    _of("no-proxy", STRING, "Comma-separated list of hosts or IP addresses for which the proxy is skipped"),
    _of("pidfile", STRING, "Path to use for daemon PID file", short="p", shown=f'"{EXEC_ROOT}/tiffin.pid"'),
    _of("registry-mirror", LIST, "Preferred registry mirror", key="registry-mirrors", live=True),
    _of("seccomp-profile", STRING, 'Path to seccomp profile; "unconfined" to disable the default', shown='"builtin"'),
    _of("shutdown-timeout", INT, "Set the default shutdown timeout", shown="15", live=True),
    _of("storage-driver", STRING, "Storage driver to use (overlay2)", short="s"),
    _of("storage-opt", LIST, "Storage driver options", key="storage-opts"),
    _of("tls", BOOL, "Use TLS; implied by --tlsverify. --tls=false lets TCP listen without it"),
    _of("tlscacert", STRING, "Trust certs signed only by this CA"),
    _of("tlscert", STRING, "Path to TLS certificate file"),
    _of("tlskey", STRING, "Path to TLS key file"),
    _of("tlsverify", BOOL, "Use TLS and verify the remote. --tlsverify=false serves clients without a certificate"),
    _of("userland-proxy", BOOL, "Accepted: published ports need no proxy"),
    _of("validate", BOOL, "Validate daemon configuration and exit", key=""),
)
BY_FLAG = {option.flag: option for option in OPTIONS}
BY_SHORT = {option.short: option for option in OPTIONS if option.short}
BY_KEY = {option.key: option for option in OPTIONS if option.key}
PROXY_KEYS = ("http-proxy", "https-proxy", "no-proxy")
"""In daemon.json these three live in the object "proxies"."""
