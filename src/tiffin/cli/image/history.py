"""tiffin history: the steps that made an image."""

from __future__ import annotations

import time

from tiffin.cli import human
from tiffin.cli.command import Command, Context
from tiffin.cli.flags import Flag, Options
from tiffin.cli.image.rm import path
from tiffin.cli.listing import Row, show

TITLES = {
    "ID": "IMAGE",
    "CreatedAt": "CREATED AT",
    "CreatedSince": "CREATED",
    "CreatedBy": "CREATED BY",
    "Size": "SIZE",
    "Comment": "COMMENT",
}


def _created_at(row: Row) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(row.data.get("Created") or 0)) + _zone(row)


def _zone(row: Row) -> str:
    zone = time.strftime("%z", time.localtime(row.data.get("Created") or 0))
    return "Z" if zone == "+0000" else f"{zone[:3]}:{zone[3:]}"


def _created_by(row: Row) -> str:
    command = (row.data.get("CreatedBy") or "").replace("\t", " ")
    return human.ellipsis(command, 45) if row.trunc else command


FIELDS = {
    "ID": lambda row: human.short_id(row.data["Id"]) if row.trunc else row.data["Id"],
    "CreatedAt": _created_at,
    "CreatedSince": lambda row: human.ago(row.data.get("Created") or 0) if row.extra else _created_at(row),
    "CreatedBy": _created_by,
    "Size": lambda row: human.size(row.data.get("Size") or 0) if row.extra else str(row.data.get("Size") or 0),
    "Comment": lambda row: row.data.get("Comment") or "",
}


def _history(context: Context, options: Options, names: list[str]) -> int:
    query = []
    if options["platform"]:
        from tiffin.cli.image.transfer import platform_json

        query.append(("platform", platform_json(options["platform"])))
    rows = []
    for step in context.client.get(path(names[0], "/history"), query) or []:
        row = Row(step, FIELDS, not options["no-trunc"], "historyContext")
        row.extra = options["human"]
        rows.append(row)
    if options["quiet"] and options["format"] in ("", "table"):
        for row in rows:
            print(row.template_field("ID"))
        return 0
    created = "CreatedSince" if options["human"] else "CreatedAt"
    show(rows, ("ID", created, "CreatedBy", "Size", "Comment"), TITLES, options["format"])
    return 0


HISTORY = Command(
    _history,
    "Show how an image was made",
    "IMAGE",
    (
        Flag("format", "", "string", 'How to print: "table", "table TEMPLATE", "json" or a Go template'),
        Flag("human", "H", "bool", "Sizes and dates for people", True),
        Flag("no-trunc", "", "bool", "Show everything in full"),
        Flag("platform", "", "string", "Show this variant (os/arch[/variant])"),
        Flag("quiet", "q", "bool", "Show ids only"),
    ),
    least=1,
    most=1,
    aliases=("image history", "history"),
)
