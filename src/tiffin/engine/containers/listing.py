"""`ps`: the summaries of containers, newest first, and its filters. Pure; sizes are measured by the caller."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tiffin.engine.containers.container import Container
from tiffin.engine.containers.inspect import mount_points, networks
from tiffin.engine.containers.record import Record
from tiffin.engine.containers.state import Snapshot, Status
from tiffin.engine.containers.table import ContainerTable
from tiffin.engine.containers.validate import port_of
from tiffin.errors import InvalidParameter, NotFound

Json = dict[str, Any]
Filters = Mapping[str, Sequence[str]]
ImageMatch = Callable[[Record, str], bool]

KNOWN = {
    "ancestor",
    "before",
    "exited",
    "expose",
    "health",
    "id",
    "isolation",
    "is-task",
    "label",
    "name",
    "network",
    "publish",
    "since",
    "status",
    "volume",
}


def chosen(
    table: ContainerTable,
    *,
    all: bool,
    limit: int,
    filters: Filters,
    image_matches: ImageMatch,
) -> list[Container]:
    """`image_matches(record, asked)` says whether the container's image is, or descends from, the asked one."""
    for key in filters:
        if key not in KNOWN:
            raise InvalidParameter(f"invalid filter '{key}'")
    containers = sorted(table, key=lambda container: container.record.created_ns, reverse=True)
    containers = _between(table, containers, filters)
    tests = _tests(filters, image_matches)
    everything = all or limit > 0 or any(filters.get(key) for key in ("status", "exited", "before", "since"))
    found = [
        container
        for container in containers
        if (everything or container.record.state.running) and _passes(container.record, tests)
    ]
    return found[:limit] if limit > 0 else found


def _passes(record: Record, tests: Sequence[Callable[[Record], bool]]) -> bool:
    return all(test(record) for test in tests)


def _between(table: ContainerTable, containers: list[Container], filters: Filters) -> list[Container]:
    for key in ("before", "since"):
        for reference in filters.get(key, ()):
            edge = table.get(reference).record.created_ns
            older = key == "before"
            containers = [
                container
                for container in containers
                if (container.record.created_ns < edge if older else container.record.created_ns > edge)
            ]
    return containers


Test = Callable[[Record], bool]


def _tests(filters: Filters, image_matches: ImageMatch) -> list[Test]:
    makers: dict[str, Callable[[Sequence[str]], Test]] = {
        "ancestor": lambda values: _ancestor(values, image_matches),
        "exited": _exited,
        "expose": lambda values: _ports(values, lambda record: record.config.exposed_ports or {}),
        "health": _health,
        "id": lambda values: lambda record: any(record.id.startswith(value) for value in values),
        "isolation": lambda values: lambda record: any(record.host_config.isolation == value for value in values),
        "is-task": lambda values: lambda record: values[0].lower() in ("false", "0"),
        "label": _labels,
        "name": _names,
        "network": _network,
        "publish": lambda values: _ports(values, lambda record: record.host_config.port_bindings or {}),
        "status": _status,
        "volume": _volume,
    }
    return [makers[key](values) for key, values in filters.items() if values and key in makers]


def _ancestor(values: Sequence[str], image_matches: ImageMatch) -> Test:
    def test(record: Record) -> bool:
        for value in values:
            try:
                if record.config.image == value or image_matches(record, value):
                    return True
            except (NotFound, InvalidParameter):
                continue
        return False

    return test


def _exited(values: Sequence[str]) -> Test:
    try:
        codes = {int(value) for value in values}
    except ValueError:
        raise InvalidParameter(f"invalid filter 'exited={values[0]}'") from None
    # A container that never ran, or runs, has not exited with 0.
    return lambda record: (
        record.state.exit_code in codes and not record.state.running and bool(record.state.finished_ns)
    )


def _health(values: Sequence[str]) -> Test:
    for value in values:
        if value not in ("none", "starting", "healthy", "unhealthy"):
            raise InvalidParameter(f"invalid filter 'health={value}'")
    return lambda record: "none" in values


def _labels(values: Sequence[str]) -> Test:
    pairs = [value.partition("=") for value in values]

    def test(record: Record) -> bool:
        labels = record.config.labels or {}
        return all(key in labels and (not equals or labels[key] == wanted) for key, equals, wanted in pairs)

    return test


def _names(values: Sequence[str]) -> Test:
    """Regular expressions, with or without the leading slash."""
    try:
        patterns = [re.compile(value) for value in values]
    except re.error as wrong:
        raise InvalidParameter(f"invalid filter 'name': {wrong}") from None
    return lambda record: any(
        pattern.search("/" + record.name) or pattern.search(record.name) for pattern in patterns
    )


def _network(values: Sequence[str]) -> Test:
    def test(record: Record) -> bool:
        mine = {record.host_config.network_mode, *networks(record)}
        ids = [endpoint.network_id for endpoint in record.endpoints]
        return any(value in mine or any(id.startswith(value) for id in ids) for value in values)

    return test


def _ports(values: Sequence[str], having: Callable[[Record], Mapping[str, Any]]) -> Test:
    wanted: set[tuple[int, str]] = set()
    for value in values:
        numbers, _, protocol = value.partition("/")
        low, _, high = numbers.partition("-")
        if not low.isdigit() or (high and not high.isdigit()):
            raise InvalidParameter(f"invalid filter '{value}'")
        wanted |= {(port, protocol or "tcp") for port in range(int(low), int(high or low) + 1)}
    return lambda record: any(port_of(port) in wanted for port in having(record))


def _status(values: Sequence[str]) -> Test:
    states = {status.value for status in Status}
    for value in values:
        if value not in states:
            raise InvalidParameter(f"invalid filter 'status={value}'")
    return lambda record: record.state.status.value in values


def _volume(values: Sequence[str]) -> Test:
    wanted = set(values)
    return lambda record: any(
        not wanted.isdisjoint((mount.name, mount.destination, mount.source)) for mount in record.mounts
    )


def summary(container: Container) -> Json:
    record = container.record
    host: Json = {"NetworkMode": record.host_config.network_mode}
    if record.host_config.annotations:
        host["Annotations"] = record.host_config.annotations
    return {
        "Id": record.id,
        "Names": [f"/{record.name}"],
        "Image": record.config.image,
        "ImageID": record.image_id,
        "Command": " ".join([record.path, *(_quoted(arg) for arg in record.args)]),
        "Created": record.created_ns // 1_000_000_000,
        "Ports": _exposed(record),
        "Labels": record.config.labels or {},
        "State": record.state.status.value,
        "Status": status_text(record.state),
        "HostConfig": host,
        "NetworkSettings": {"Networks": networks(record)},
        "Mounts": mount_points(record),
    }


def _quoted(word: str) -> str:
    return f"'{word}'" if " " in word else word


def _exposed(record: Record) -> list[Json]:
    if not record.state.alive:
        return []
    pairs = sorted(port_of(port) for port in record.config.exposed_ports or ())
    return [{"PrivatePort": number, "Type": protocol} for number, protocol in pairs]


def status_text(state: Snapshot, now_ns: int = 0) -> str:
    """`Up 5 minutes (Paused)`, `Exited (0) 3 seconds ago`, as `docker ps` shows them."""
    now = now_ns or time.time_ns()
    up, since = human(now - state.started_ns), human(now - state.finished_ns)
    match state.status:
        case Status.RUNNING:
            return f"Up {up}"
        case Status.PAUSED:
            return f"Up {up} (Paused)"
        case Status.RESTARTING:
            return f"Restarting ({state.exit_code}) {since} ago"
        case Status.REMOVING:
            return "Removal In Progress"
        case Status.DEAD:
            return "Dead"
        case Status.EXITED:
            return f"Exited ({state.exit_code}) {since} ago"
    return "Created"


def human(ns: int) -> str:
    """A duration in words, rounded as Docker does."""
    seconds = max(0, ns) // 1_000_000_000
    if seconds < 60:
        return "Less than a second" if seconds < 1 else "1 second" if seconds == 1 else f"{seconds} seconds"
    minutes = seconds // 60
    if minutes < 60:
        return "About a minute" if minutes == 1 else f"{minutes} minutes"
    hours = int(seconds / 3600 + 0.5)
    if hours < 48:
        return "About an hour" if hours == 1 else f"{hours} hours"
    for limit, divisor, unit in ((24 * 14, 24, "days"), (24 * 60, 24 * 7, "weeks"), (24 * 730, 24 * 30, "months")):
        if hours < limit:
            return f"{hours // divisor} {unit}"
    return f"{hours // (24 * 365)} years"
