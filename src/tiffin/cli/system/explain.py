"""tiffin explain: the trace of a container as a tree. What each step did, how long it took, what the kernel made."""

from __future__ import annotations

import os
import sys

from tiffin.cli.command import Command, Context
from tiffin.cli.container.lifecycle import path
from tiffin.cli.flags import Flag, Options
from tiffin.wire import jsontext

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

BOLD, DIM, PLAIN = "\x1b[1m", "\x1b[2m", "\x1b[0m"


def _duration(microseconds: float) -> str:
    return f"{microseconds / 1000:.2f} ms" if microseconds >= 100 else f"{microseconds:.0f} µs"


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "-" if value is None else str(value)


def facts_tree(facts: Any) -> list[tuple[str, list[Any]]]:
    """Facts as (text, children) pairs; nested objects and lists become branches."""
    rows: list[tuple[str, list[Any]]] = []
    items = facts.items() if isinstance(facts, dict) else [("", item) for item in facts]
    for key, value in items:
        if isinstance(value, dict) and value:
            rows.append((str(key) or "·", facts_tree(value)))
        elif isinstance(value, list) and value:
            short = all(not isinstance(item, (dict, list)) for item in value)
            joined = ", ".join(_value(item) for item in value) if short else ""
            if short and len(joined) < 72:
                rows.append((f"{key}: {joined}" if key else joined, []))
            else:
                rows.append((f"{key}: {len(value)}" if key else f"{len(value)}", facts_tree(value)))
        else:
            shown = _value(value) if value not in ([], {}) else "none"
            rows.append((f"{key}: {shown}" if key else shown, []))
    return rows


def tree(trace: dict[str, Any], color: bool) -> list[str]:
    """The lines of the page."""
    bold, dim, plain = (BOLD, DIM, PLAIN) if color else ("", "", "")
    steps = trace.get("steps") or []
    total = sum(step.get("duration_us") or 0 for step in steps)
    reference = (trace.get("image") or {}).get("reference")
    image = f" from {reference}" if reference else ""
    lines = [
        f"{bold}{trace.get('name', '').lstrip('/')}{plain} ({trace.get('id', '')[:12]}){image}, {_duration(total)}"
    ]
    rows: list[tuple[str, list[Any]]] = []
    width = max((len(str(step.get("step", ""))) for step in steps), default=0)
    for step in steps:
        name, who = str(step.get("step", "")), str(step.get("who", ""))
        spent = _duration(step.get("duration_us") or 0)
        rows.append(
            (
                f"{bold}{name:<{width}}{plain}  {spent:>9}  {dim}{who}{plain}".rstrip(),
                facts_tree(step.get("facts") or {}),
            )
        )
    if trace.get("exit"):
        rows.append((f"{bold}exit{plain}", facts_tree(trace["exit"])))
    _draw(rows, "", lines)
    return lines


def _draw(rows: list[tuple[str, list[Any]]], margin: str, lines: list[str]) -> None:
    for index, (text, children) in enumerate(rows):
        last = index == len(rows) - 1
        lines.append(f"{margin}{'└─ ' if last else '├─ '}{text}")
        _draw(children, margin + ("   " if last else "│  "), lines)


def _explain(context: Context, options: Options, names: list[str]) -> int:
    trace = context.client.get("/tiffin" + path(names[0], "/trace"))
    form = options["format"]
    if form == "json":
        sys.stdout.write(jsontext.indented(trace) + "\n")
    elif form:
        from tiffin.cli.formatting import prepare

        sys.stdout.write(prepare(form).render(trace) + "\n")
    else:
        color = os.isatty(1) and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        sys.stdout.write("\n".join(tree(trace, color)) + "\n")
    return 0


EXPLAIN = Command(
    _explain,
    "Show step by step how a container came about",
    "CONTAINER",
    (Flag("format", "f", "string", 'How to print: "json" or a Go template'),),
    least=1,
    most=1,
)
