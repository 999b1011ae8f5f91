"""tiffin volume: ls, create, rm."""

from __future__ import annotations

from tiffin.cli import filters, human
from tiffin.cli.command import Command, Context
from tiffin.cli.container.lifecycle import each
from tiffin.cli.create.files import mapping
from tiffin.cli.flags import Flag, Options
from tiffin.cli.listing import Row, show
from tiffin.errors import InvalidParameter
from tiffin.wire.http1 import percent_encode

TITLES = {
    "Name": "VOLUME NAME",
    "Driver": "DRIVER",
    "Scope": "SCOPE",
    "Mountpoint": "MOUNTPOINT",
    "Labels": "LABELS",
    "Links": "LINKS",
    "Size": "SIZE",
    "Availability": "AVAILABILITY",
    "Group": "GROUP",
    "Status": "STATUS",
}


def _labels(row: Row) -> str:
    return ",".join(f"{key}={value}" for key, value in (row.data.get("Labels") or {}).items())


def _size(row: Row) -> str:
    usage = row.data.get("UsageData")
    return human.size(usage["Size"]) if usage else "N/A"


def _links(row: Row) -> str:
    usage = row.data.get("UsageData")
    return str(usage["RefCount"]) if usage else "N/A"


FIELDS = {
    "Name": lambda row: row.data.get("Name") or "",
    "Driver": lambda row: row.data.get("Driver") or "",
    "Scope": lambda row: row.data.get("Scope") or "",
    "Mountpoint": lambda row: row.data.get("Mountpoint") or "",
    "Labels": _labels,
    "Label": lambda row: lambda name: (row.data.get("Labels") or {}).get(name, ""),
    "Links": _links,
    "Size": _size,
    "Availability": lambda row: "N/A",
    "Group": lambda row: "N/A",
    "Status": lambda row: "N/A",
}


def _ls(context: Context, options: Options, arguments: list[str]) -> int:
    encoded = filters.encode(options["filter"])
    reply = context.client.get("/volumes", [("filters", encoded)] if encoded else []) or {}
    volumes = sorted(reply.get("Volumes") or [], key=lambda volume: volume.get("Name") or "")
    rows = [Row(volume, FIELDS, kind="volumeContext") for volume in volumes]
    if options["quiet"] and options["format"] in ("", "table"):
        for row in rows:
            print(row.template_field("Name"))
        return 0
    show(rows, ("Driver", "Name"), TITLES, options["format"])
    return 0


def _create(context: Context, options: Options, arguments: list[str]) -> int:
    if arguments and options["name"]:
        raise InvalidParameter(
            "conflicting options: cannot specify a volume name through both --name and as a positional arg"
        )
    document = {
        "Driver": options["driver"],
        "DriverOpts": dict(options["opt"]),
        "Labels": mapping(options["label"]),
        "Name": arguments[0] if arguments else options["name"],
    }
    print(context.client.post("/volumes/create", (), document)["Name"])
    return 0


def _rm(context: Context, options: Options, names: list[str]) -> int:
    query = [("force", "1")] if options["force"] else []

    def act(name: str) -> str:
        context.client.delete(f"/volumes/{percent_encode(name)}", query)
        return name

    return each(names, act)


def _pair(word: str) -> tuple[str, str]:
    key, _, value = word.partition("=")
    return key, value


LS = Command(
    _ls,
    "List volumes",
    flags=(
        Flag("filter", "f", "filter", "Show only what fits (dangling=true)", parse=filters.parse),
        Flag("format", "", "string", 'How to print: "table", "table TEMPLATE", "json" or a Go template'),
        Flag("quiet", "q", "bool", "Show names only"),
    ),
    most=0,
    aliases=("volume ls", "volume list"),
)
CREATE = Command(
    _create,
    "Create a volume",
    "[VOLUME]",
    (
        Flag("driver", "d", "string", "The volume's driver", "local"),
        Flag("label", "", "list", "Set labels"),
        Flag("name", "", "string", "The volume's name", hidden=True),
        Flag("opt", "o", "map", "Options of the driver", parse=_pair),
    ),
    most=1,
)
RM = Command(
    _rm,
    "Remove volumes",
    "VOLUME [VOLUME...]",
    (Flag("force", "f", "bool", "Be content with what is gone already"),),
    least=1,
    aliases=("volume rm", "volume remove"),
)
