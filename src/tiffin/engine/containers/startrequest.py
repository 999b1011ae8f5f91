"""What the daemon tells a shim to start a container: one JSON document, made here and nowhere else."""

from __future__ import annotations

from typing import Any

from tiffin.engine.containers import signals
from tiffin.engine.containers.record import Record
from tiffin.engine.containers.settings import Settings
from tiffin.engine.containers.validate import size_of

DEFAULT_LOG_SIZE = 20 << 20
DEFAULT_LOG_FILES = 5


def start_request(
    record: Record, spec: dict[str, Any], settings: Settings, *, seccomp_path: str | None = None
) -> dict[str, Any]:
    """Every key:

    id             64 hexadecimal digits
    spec           OCI runtime spec; `linux.seccomp` is left out when `seccomp_path` is given
    rootfs         {"lower": [directories, top first], "upper": directory, "work": directory}
    log            {"driver", "path", "max_size" (bytes, -1 none), "max_file", "compress", "attrs" (or None)};
                   None for the driver `none`
    exit_path      where the shim writes {"boot_id", "code", "oom_killed", "finished_at_ns", "error"}
    boot_id        of this boot, for exit_path
    tty            the program gets a terminal
    console_size   [rows, columns] or None
    open_stdin     stdin is a pipe that stays open; else /dev/null
    stdin_once     stdin is closed when the first attached client that had it goes
    user           "name[:group]", numbers allowed, empty for root; resolved inside the root file system
    group_add      names or numbers, resolved there too
    seccomp_path   a compiled filter, or None
    create_sources host directories to make if missing (-v of a path that is not there)
    copy_up        [{"source": volume directory, "destination": path in the image}]: fill an empty volume from the image
    stop_signal    number, and
    stop_timeout   seconds (-1 for ever): what a shim that is told to terminate does
    """
    config, host = record.config, record.host_config
    directory = settings.container_dir(record.id)
    if seccomp_path is not None:
        spec = {**spec, "linux": {key: value for key, value in spec["linux"].items() if key != "seccomp"}}
    return {
        "id": record.id,
        "spec": spec,
        "rootfs": {"lower": record.lower, "upper": f"{directory}/upper", "work": f"{directory}/work"},
        "log": log_request(record, settings),
        "exit_path": f"{directory}/exit.json",
        "boot_id": settings.boot_id,
        "tty": config.tty,
        "console_size": host.console_size if host.console_size and any(host.console_size) else None,
        "open_stdin": config.open_stdin,
        "stdin_once": config.stdin_once,
        "user": config.user,
        "group_add": list(host.group_add or ()),
        "seccomp_path": seccomp_path,
        "create_sources": [mount.source for mount in record.mounts if "create" in mount.options],
        "copy_up": [
            {"source": mount.source, "destination": mount.destination}
            for mount in record.mounts
            if mount.type == "volume" and mount.copy_up
        ],
        "stop_signal": signals.number(config.stop_signal or "SIGTERM"),
        "stop_timeout": settings.stop_timeout if config.stop_timeout is None else config.stop_timeout,
    }


def log_path(record: Record, settings: Settings) -> str:
    """Empty where the driver keeps no file."""
    driver = record.host_config.log_config.type
    if driver not in ("json-file", "local"):
        return ""
    return f"{settings.container_dir(record.id)}/{record.id}-json.log"


def log_request(record: Record, settings: Settings) -> dict[str, Any] | None:
    log = record.host_config.log_config
    path = log_path(record, settings)
    if not path:
        return None
    options = log.config or {}
    size = options.get("max-size")
    return {
        "driver": log.type,
        "path": path,
        "max_size": size_of(size) if size else DEFAULT_LOG_SIZE,
        "max_file": int(options.get("max-file") or DEFAULT_LOG_FILES),
        "compress": options.get("compress") == "true",
        "attrs": _log_attributes(record, options),
    }


def _log_attributes(record: Record, options: dict[str, str]) -> dict[str, str] | None:
    """`--log-opt labels=a,b` and `env=A,B`: what every record carries."""
    found: dict[str, str] = {}
    labels = record.config.labels or {}
    for key in filter(None, options.get("labels", "").split(",")):
        if key in labels:
            found[key] = labels[key]
    environ = dict(item.partition("=")[::2] for item in record.config.env or ())
    for key in filter(None, options.get("env", "").split(",")):
        if key in environ:
            found[key] = environ[key]
    return found or None
