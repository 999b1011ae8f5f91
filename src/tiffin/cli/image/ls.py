"""tiffin images, tiffin image ls."""

from __future__ import annotations

from tiffin.cli import filters, human
from tiffin.cli.command import Command, Context
from tiffin.cli.flags import Flag, Options
from tiffin.cli.listing import Row, show

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

NONE = "<none>"
TITLES = {
    "ID": "IMAGE ID",
    "Repository": "REPOSITORY",
    "Tag": "TAG",
    "Digest": "DIGEST",
    "CreatedSince": "CREATED",
    "CreatedAt": "CREATED AT",
    "Size": "SIZE",
    "Containers": "CONTAINERS",
    "VirtualSize": "SIZE",
    "SharedSize": "SHARED SIZE",
    "UniqueSize": "UNIQUE SIZE",
}


def _count(row: Row, key: str) -> int:
    value = row.data.get(key)
    return -1 if value is None else int(value)


def _sized(row: Row, key: str) -> str:
    count = _count(row, key)
    return "N/A" if count < 0 else human.size(count)


def _unique(row: Row) -> str:
    shared = _count(row, "SharedSize")
    return "N/A" if shared < 0 else human.size(_count(row, "Size") - shared)


def _containers(row: Row) -> str:
    count = _count(row, "Containers")
    return "N/A" if count < 0 else str(count)


FIELDS = {
    "ID": lambda row: human.short_id(row.data["Id"]) if row.trunc else row.data["Id"],
    "Repository": lambda row: row.extra[0],
    "Tag": lambda row: row.extra[1],
    "Digest": lambda row: row.extra[2],
    "CreatedSince": lambda row: human.ago(row.data.get("Created") or 0),
    "CreatedAt": lambda row: human.moment(row.data.get("Created") or 0),
    "Size": lambda row: human.size(row.data.get("Size") or 0),
    "Containers": _containers,
    "VirtualSize": lambda row: human.size(row.data.get("Size") or 0, 4),
    "SharedSize": lambda row: _sized(row, "SharedSize"),
    "UniqueSize": _unique,
}


def split_tag(reference: str) -> tuple[str, str]:
    """`repo:tag` apart; the colon of a port belongs to the repository."""
    head, colon, tail = reference.rpartition(":")
    return (head, tail) if colon and "/" not in tail else (reference, "")


def names(image: dict[str, Any], digests: bool) -> Iterator[tuple[str, str, str]]:
    """The lines of one image: repository, tag, digest."""
    tags: dict[str, list[str]] = {}
    for reference in image.get("RepoTags") or []:
        repository, tag = split_tag(reference)
        if repository != NONE:
            tags.setdefault(repository, []).append(tag)
    found: dict[str, list[str]] = {}
    for reference in image.get("RepoDigests") or []:
        repository, _, digest = reference.partition("@")
        if repository != NONE:
            found.setdefault(repository, []).append(digest)
    for repository, own in tags.items():
        theirs = found.pop(repository, [])
        if digests:
            yield from ((repository, tag, digest) for tag in own for digest in theirs or [NONE])
        else:
            yield from ((repository, tag, NONE) for tag in own)
    for repository, theirs in found.items():
        if digests:
            yield from ((repository, NONE, digest) for digest in theirs)
        elif theirs:
            yield (repository, NONE, NONE)
    if not (image.get("RepoTags") or image.get("RepoDigests")):
        yield (NONE, NONE, NONE)


def _query(options: Options, arguments: list[str]) -> list[tuple[str, str]]:
    pairs = list(options["filter"])
    if arguments:
        pairs.append(("reference", arguments[0]))
    query = [("all", "1")] if options["all"] else []
    encoded = filters.encode(pairs)
    if encoded:
        query.append(("filters", encoded))
    return query


def _ls(context: Context, options: Options, arguments: list[str]) -> int:
    images = context.client.get("/images/json", _query(options, arguments)) or []
    form, digests = options["format"], options["digests"]
    needs_digest = digests or "{{.Digest}}" in form.replace(" ", "")
    rows = []
    for image in images:
        for line in names(image, needs_digest):
            row = Row(image, FIELDS, not options["no-trunc"], "imageContext")
            row.extra = line
            rows.append(row)
    if options["quiet"] and form in ("", "table"):
        for row in rows:
            print(row.template_field("ID"))
        return 0
    middle = ("Digest",) if digests else ()
    show(rows, ("Repository", "Tag", *middle, "ID", "CreatedSince", "Size"), TITLES, form)
    return 0


LS = Command(
    _ls,
    "List images",
    "[REPOSITORY[:TAG]]",
    (
        Flag("all", "a", "bool", "Show the images between, too"),
        Flag("digests", "", "bool", "Show digests"),
        Flag("filter", "f", "filter", "Show only what fits (name=value)", parse=filters.parse),
        Flag("format", "", "string", 'How to print: "table", "table TEMPLATE", "json" or a Go template'),
        Flag("no-trunc", "", "bool", "Show ids in full"),
        Flag("quiet", "q", "bool", "Show ids only"),
    ),
    most=1,
    aliases=("image ls", "image list", "images"),
)
