"""tiffin events: what happens, as it happens."""

from __future__ import annotations

import sys
import time

from tiffin.cli import filters, moments
from tiffin.cli.command import Command, Context
from tiffin.cli.flags import Flag, Options
from tiffin.wire import jsontext

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def line(event: dict[str, Any]) -> str:
    """`2024-01-02T15:04:05.123456789Z container start <id> (image=busybox, name=x)`"""
    nanoseconds = event.get("timeNano") or (event.get("time") or 0) * 1_000_000_000
    whole, rest = divmod(nanoseconds, 1_000_000_000)
    local = time.localtime(whole)
    zone = time.strftime("%z", local)
    zone = "Z" if zone == "+0000" else f"{zone[:3]}:{zone[3:]}"
    actor = event.get("Actor") or {}
    attributes = actor.get("Attributes") or {}
    parts = [f"{time.strftime('%Y-%m-%dT%H:%M:%S', local)}.{rest:09d}{zone}"]
    parts += [event.get("Type") or "", event.get("Action") or event.get("status") or "", actor.get("ID") or ""]
    if attributes:
        parts.append("(" + ", ".join(f"{key}={attributes[key]}" for key in sorted(attributes)) + ")")
    return " ".join(part for part in parts if part)


def _events(context: Context, options: Options, arguments: list[str]) -> int:
    query = moments.query(options)
    encoded = filters.encode(options["filter"])
    if encoded:
        query.append(("filters", encoded))
    form = options["format"]
    template = None
    if form and form != "json":
        from tiffin.cli.formatting import prepare

        template = prepare(form)
    for event in context.client.request("GET", "/events", query).documents():
        text = template.render(event) if template is not None else jsontext.encode(event) if form else line(event)
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
    return 0


EVENTS = Command(
    _events,
    "Show what happens, as it happens",
    flags=(
        Flag("filter", "f", "filter", "Show only what fits (name=value)", parse=filters.parse),
        Flag("format", "", "string", 'How to print: "json" or a Go template'),
        Flag("since", "", "string", "Begin with what happened after this moment or span"),
        Flag("until", "", "string", "End at this moment or span"),
    ),
    most=0,
    aliases=("system events", "events"),
)
