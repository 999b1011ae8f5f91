"""tiffin stats: what containers use, once or again and again."""

from __future__ import annotations

import _thread
import os
import sys
import time

from tiffin.cli import human
from tiffin.cli.command import Command, Context
from tiffin.cli.container.lifecycle import path
from tiffin.cli.exit import Exit
from tiffin.cli.flags import Flag, Options
from tiffin.cli.listing import Row, show
from tiffin.errors import TiffinError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

TITLES = {
    "ID": "CONTAINER ID",
    "Container": "CONTAINER",
    "Name": "NAME",
    "CPUPerc": "CPU %",
    "MemUsage": "MEM USAGE / LIMIT",
    "MemPerc": "MEM %",
    "NetIO": "NET I/O",
    "BlockIO": "BLOCK I/O",
    "PIDs": "PIDS",
}
COLUMNS = ("ID", "Name", "CPUPerc", "MemUsage", "MemPerc", "NetIO", "BlockIO", "PIDs")


def cpu_percent(stats: dict[str, Any]) -> float:
    """Processor time beside the host's, 100 per processor."""
    now, before = stats.get("cpu_stats") or {}, stats.get("precpu_stats") or {}
    used = _at(now, "cpu_usage", "total_usage") - _at(before, "cpu_usage", "total_usage")
    system = (now.get("system_cpu_usage") or 0) - (before.get("system_cpu_usage") or 0)
    processors = now.get("online_cpus") or len(_at(now, "cpu_usage", "percpu_usage") or []) or 1
    return used / system * processors * 100.0 if used > 0 and system > 0 else 0.0


def _at(document: dict[str, Any], first: str, second: str) -> Any:
    return (document.get(first) or {}).get(second) or 0


def memory_used(memory: dict[str, Any]) -> int:
    """Usage without the cache that the kernel would give up."""
    usage, details = memory.get("usage") or 0, memory.get("stats") or {}
    cache = details.get("total_inactive_file", details.get("inactive_file", 0))
    return usage - cache if cache < usage else usage


def _memory_percent(row: Row) -> str:
    memory = row.data.get("memory_stats") or {}
    limit = memory.get("limit") or 0
    return f"{memory_used(memory) / limit * 100:.2f}%" if limit else "0.00%"


def _memory(row: Row) -> str:
    memory = row.data.get("memory_stats") or {}
    return f"{human.binary_size(memory_used(memory))} / {human.binary_size(memory.get('limit') or 0)}"


def _network(row: Row) -> str:
    networks = (row.data.get("networks") or {}).values()
    received, sent = (sum(n.get(key) or 0 for n in networks) for key in ("rx_bytes", "tx_bytes"))
    return f"{human.size(received)} / {human.size(sent)}"


def _block(row: Row) -> str:
    entries = (row.data.get("blkio_stats") or {}).get("io_service_bytes_recursive") or []
    read, written = (sum(e["value"] for e in entries if e.get("op", "").lower() == op) for op in ("read", "write"))
    return f"{human.size(read)} / {human.size(written)}"


FIELDS = {
    "ID": lambda row: human.short_id(row.data.get("id") or "") if row.trunc else row.data.get("id") or "",
    "Container": lambda row: row.extra,
    "Name": lambda row: (row.data.get("name") or "").removeprefix("/") or "--",
    "CPUPerc": lambda row: f"{cpu_percent(row.data):.2f}%",
    "MemUsage": _memory,
    "MemPerc": _memory_percent,
    "NetIO": _network,
    "BlockIO": _block,
    "PIDs": lambda row: str((row.data.get("pids_stats") or {}).get("current") or 0),
}


class Latest:
    """The last figures of each container, kept up by one thread per container."""

    def __init__(self, context: Context, stream: bool) -> None:
        self.context, self.stream = context, stream
        self.figures: dict[str, dict[str, Any] | None] = {}
        self.errors: list[str] = []

    def watch(self, name: str) -> None:
        self.figures[name] = None
        _thread.start_new_thread(self._follow, (name,))

    def _follow(self, name: str) -> None:
        try:
            query = [("stream", "1" if self.stream else "0")]
            for document in self.context.client.request("GET", path(name, "/stats"), query).documents():
                self.figures[name] = document
        except TiffinError as error:
            self.errors.append(error.message)
        if self.stream or self.figures.get(name) is None:
            self.figures.pop(name, None)

    def ready(self) -> bool:
        return all(value is not None for value in list(self.figures.values()))


def _names(context: Context, options: Options, arguments: list[str]) -> list[str]:
    if arguments:
        return arguments
    query = [("all", "1")] if options["all"] else []
    return [human.short_id(found["Id"]) for found in context.client.get("/containers/json", query) or []]


def _stats(context: Context, options: Options, arguments: list[str]) -> int:
    stream = not options["no-stream"]
    latest = Latest(context, stream)
    latest.context.client.endpoint.describe()  # the client is made before threads share it
    for name in _names(context, options, arguments):
        latest.watch(name)
    while not latest.ready():
        time.sleep(0.02)
    while True:
        if latest.errors and not stream:
            raise Exit(1, "\n".join(f"Error response from daemon: {e}" for e in latest.errors))
        _page(latest, options, stream)
        if not stream or (arguments and not latest.figures):
            return 0
        time.sleep(0.5)


def _page(latest: Latest, options: Options, stream: bool) -> None:
    rows = []
    for name, figures in list(latest.figures.items()):
        row = Row(figures or {"id": name}, FIELDS, not options["no-trunc"], "statsContext")
        row.extra = name
        rows.append(row)
    if stream and os.isatty(1):
        sys.stdout.write("\x1b[H\x1b[2J")
    show(rows, COLUMNS, TITLES, options["format"])
    sys.stdout.flush()


STATS = Command(
    _stats,
    "Show what resources containers use",
    "[CONTAINER...]",
    (
        Flag("all", "a", "bool", "Show containers in every state"),
        Flag("format", "", "string", 'How to print: "table", "table TEMPLATE", "json" or a Go template'),
        Flag("no-stream", "", "bool", "Show the first figures and end"),
        Flag("no-trunc", "", "bool", "Show ids in full"),
    ),
    aliases=("container stats", "stats"),
)
