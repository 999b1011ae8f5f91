"""tiffin ps, tiffin container ls."""

from __future__ import annotations

from tiffin.cli import filters, human
from tiffin.cli.command import Command, Context
from tiffin.cli.container.ports import displayed
from tiffin.cli.exit import complain
from tiffin.cli.flags import Flag, Options
from tiffin.cli.listing import Row, show
from tiffin.wire import jsontext

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

COLUMNS = ("ID", "Image", "Command", "RunningFor", "Status", "Ports", "Names")
TITLES = {
    "ID": "CONTAINER ID",
    "Names": "NAMES",
    "Image": "IMAGE",
    "Command": "COMMAND",
    "CreatedAt": "CREATED AT",
    "RunningFor": "CREATED",
    "Ports": "PORTS",
    "State": "STATE",
    "Status": "STATUS",
    "Size": "SIZE",
    "Labels": "LABELS",
    "Mounts": "MOUNTS",
    "LocalVolumes": "LOCAL VOLUMES",
    "Networks": "NETWORKS",
    "Platform": "PLATFORM",
}


RAW = (
    ("container_id", "ID"),
    ("image", "Image"),
    ("command", "Command"),
    ("created_at", "CreatedAt"),
    ("state", "State"),
    ("status", "Status"),
    ("names", "Names"),
    ("labels", "Labels"),
    ("ports", "Ports"),
)


def _names(row: Row) -> str:
    names = [name.lstrip("/") for name in row.data.get("Names") or []]
    if row.trunc:  # the names that links give have another slash
        names = [name for name in names if "/" not in name]
    return ",".join(names)


def _image(row: Row) -> str:
    image: str = row.data.get("Image") or ""
    if not image:
        return "<no image>"
    if not row.trunc:
        return image
    short = human.short_id(row.data.get("ImageID") or "")
    if short and short == human.short_id(image):
        return short
    return image.partition("@")[0] if "@" in image else image


def _command(row: Row) -> str:
    command = row.data.get("Command") or ""
    return jsontext.quote(human.ellipsis(command, 20) if row.trunc else command)


def _labels(row: Row) -> str:
    labels = row.data.get("Labels") or {}
    return ",".join(f"{key}={labels[key]}" for key in sorted(labels))


def _label(row: Row) -> Any:
    labels = row.data.get("Labels") or {}
    return lambda name: labels.get(name, "")


def _mounts(row: Row) -> str:
    names = [mount.get("Name") or mount.get("Source") or "" for mount in row.data.get("Mounts") or []]
    return ",".join(human.ellipsis(name, 15) if row.trunc else name for name in names)


def _local_volumes(row: Row) -> str:
    return str(sum(mount.get("Driver") == "local" for mount in row.data.get("Mounts") or []))


def _networks(row: Row) -> str:
    return ",".join((row.data.get("NetworkSettings") or {}).get("Networks") or {})


def _size(row: Row) -> str:
    own, virtual = row.data.get("SizeRw") or 0, row.data.get("SizeRootFs") or 0
    return human.size(own) + (f" (virtual {human.size(virtual)})" if virtual > 0 else "")


def _platform(row: Row) -> str | None:
    platform = (row.data.get("ImageManifestDescriptor") or {}).get("platform")
    if not platform:
        return None
    return "/".join(
        part for part in (platform.get("os"), platform.get("architecture"), platform.get("variant")) if part
    )


FIELDS = {
    "ID": lambda row: human.short_id(row.data["Id"]) if row.trunc else row.data["Id"],
    "Names": _names,
    "Image": _image,
    "Command": _command,
    "CreatedAt": lambda row: human.moment(row.data.get("Created") or 0),
    "RunningFor": lambda row: human.ago(row.data.get("Created") or 0),
    "Ports": lambda row: displayed(row.data.get("Ports") or []),
    "State": lambda row: row.data.get("State") or "",
    "Status": lambda row: row.data.get("Status") or "",
    "Size": _size,
    "Labels": _labels,
    "Label": _label,
    "Mounts": _mounts,
    "LocalVolumes": _local_volumes,
    "Networks": _networks,
    "Platform": _platform,
}


def _query(options: Options) -> list[tuple[str, str]]:
    query = []
    last = 1 if options["latest"] and options["last"] == -1 else options["last"]
    if options["all"]:
        query.append(("all", "1"))
    if last > 0:
        query.append(("limit", str(last)))
    wants_size = options["size"]
    form = options["format"]
    if not options.changed("size") and not options["quiet"]:  # sizes cost the daemon a walk: only where they show
        wants_size = ".Size" in form or "json ." in form
    if wants_size:
        query.append(("size", "1"))
    encoded = filters.encode(options["filter"])
    if encoded:
        query.append(("filters", encoded))
    return query


def _ls(context: Context, options: Options, arguments: list[str]) -> int:
    containers = context.client.get("/containers/json", _query(options)) or []
    rows = [Row(data, FIELDS, not options["no-trunc"], "ContainerContext") for data in containers]
    if options["quiet"]:
        for row in rows:
            print(row.template_field("ID"))
        if options["format"] not in ("", "table"):
            complain("WARNING: Ignoring custom format, because both --format and --quiet are set.")
        return 0
    show(rows, (*COLUMNS, "Size") if options["size"] else COLUMNS, TITLES, options["format"], RAW)
    return 0


LS = Command(
    _ls,
    "List containers",
    flags=(
        Flag("all", "a", "bool", "Show containers in every state, not only running ones"),
        Flag("filter", "f", "filter", "Show only what fits (name=value)", parse=filters.parse),
        Flag("format", "", "string", 'How to print: "table", "table TEMPLATE", "json" or a Go template'),
        Flag("last", "n", "int", "Show the n containers created last, in every state", -1),
        Flag("latest", "l", "bool", "Show the container created last, in every state"),
        Flag("no-trunc", "", "bool", "Show ids and commands in full"),
        Flag("quiet", "q", "bool", "Show ids only"),
        Flag("size", "s", "bool", "Show how much each container wrote"),
    ),
    most=0,
    aliases=("container ls", "container list", "container ps", "ps"),
)
