"""tiffin container|image|network|volume|system prune."""

from __future__ import annotations

import sys

from tiffin.cli import filters, human
from tiffin.cli.command import Command, Context
from tiffin.cli.exit import Exit
from tiffin.cli.flags import Flag, Options
from tiffin.errors import TiffinError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def _confirmed(options: Options, question: str) -> None:
    """Ask, unless --force; anything but y is a no."""
    if options["force"]:
        return
    sys.stdout.write(f"{question}\nAre you sure you want to continue? [y/N] ")
    sys.stdout.flush()
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise Exit(1, f"{what_was_cancelled(question)} has been cancelled")


def what_was_cancelled(question: str) -> str:
    for kind in ("containers", "images", "networks", "volumes"):
        if kind in question and "-" not in question:
            return f"{kind.removesuffix('s')} prune"
    return "system prune"


def _query(pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
    encoded = filters.encode(pairs)
    return [("filters", encoded)] if encoded else []


def _report(title: str, names: list[str]) -> None:
    if names:
        sys.stdout.write(f"{title}:\n" + "\n".join(names) + "\n\n")


def _images(reply: dict[str, Any]) -> list[str]:
    found = reply.get("ImagesDeleted") or []
    return [f"untagged: {i['Untagged']}" if i.get("Untagged") else f"deleted: {i.get('Deleted', '')}" for i in found]


def _total(reply: dict[str, Any]) -> int:
    return int(reply.get("SpaceReclaimed") or 0)


def _container(context: Context, options: Options, arguments: list[str]) -> int:
    _confirmed(options, "WARNING! This will remove all stopped containers.")
    reply = context.client.post("/containers/prune", _query(options["filter"])) or {}
    _report("Deleted Containers", reply.get("ContainersDeleted") or [])
    print(f"Total reclaimed space: {human.size(_total(reply), 4)}")
    return 0


def _image(context: Context, options: Options, arguments: list[str]) -> int:
    which = "images without at least one container associated to them" if options["all"] else "dangling images"
    _confirmed(options, f"WARNING! This will remove all {which}.")
    pairs = [*options["filter"], ("dangling", "false" if options["all"] else "true")]
    reply = context.client.post("/images/prune", _query(pairs)) or {}
    _report("Deleted Images", _images(reply))
    print(f"Total reclaimed space: {human.size(_total(reply), 4)}")
    return 0


def _network(context: Context, options: Options, arguments: list[str]) -> int:
    _confirmed(options, "WARNING! This will remove all custom networks not used by at least one container.")
    reply = context.client.post("/networks/prune", _query(options["filter"])) or {}
    _report("Deleted Networks", reply.get("NetworksDeleted") or [])
    return 0


def _volume(context: Context, options: Options, arguments: list[str]) -> int:
    which = "" if options["all"] else "anonymous "
    _confirmed(options, f"WARNING! This will remove {which}local volumes not used by at least one container.")
    pairs = [*options["filter"], *([("all", "true")] if options["all"] else [])]
    reply = context.client.post("/volumes/prune", _query(pairs)) or {}
    _report("Deleted Volumes", reply.get("VolumesDeleted") or [])
    print(f"Total reclaimed space: {human.size(_total(reply), 4)}")
    return 0


def _system(context: Context, options: Options, arguments: list[str]) -> int:
    what = ["all stopped containers", "all networks not used by at least one container"]
    what += ["all anonymous volumes not used by at least one container"] if options["volumes"] else []
    what.append(
        "all images without at least one container associated to them" if options["all"] else "all dangling images"
    )
    _confirmed(options, "WARNING! This will remove:\n" + "".join(f"  - {line}\n" for line in what))
    client, given = context.client, options["filter"]
    containers = client.post("/containers/prune", _query(given)) or {}
    _report("Deleted Containers", containers.get("ContainersDeleted") or [])
    networks = client.post("/networks/prune", _query(given)) or {}
    _report("Deleted Networks", networks.get("NetworksDeleted") or [])
    total = _total(containers)
    if options["volumes"]:
        volumes = client.post("/volumes/prune", _query([p for p in given if p[0] != "until"])) or {}
        _report("Deleted Volumes", volumes.get("VolumesDeleted") or [])
        total += _total(volumes)
    images = client.post("/images/prune", _query([*given, ("dangling", "false" if options["all"] else "true")])) or {}
    _report("Deleted Images", _images(images))
    total += _total(images) + _build_cache(context, options["all"])
    print(f"Total reclaimed space: {human.size(total, 4)}")
    return 0


def _build_cache(context: Context, everything: bool) -> int:
    """The builder's cache, where the daemon has a builder."""
    try:
        reply = context.client.post("/build/prune", [("all", "1")] if everything else []) or {}
    except TiffinError as error:
        if getattr(error, "status", 0) in (404, 501):
            return 0
        raise
    _report("Deleted build cache objects", reply.get("CachesDeleted") or [])
    return _total(reply)


FILTER = Flag("filter", "", "filter", "Only what fits (until=24h, label=…)", parse=filters.parse)
FORCE = Flag("force", "f", "bool", "Do not ask")
ALL_IMAGES = Flag("all", "a", "bool", "All images that no container uses, not only untagged ones")
CONTAINER_PRUNE = Command(_container, "Remove all stopped containers", flags=(FILTER, FORCE), most=0)
IMAGE_PRUNE = Command(_image, "Remove unused images", flags=(ALL_IMAGES, FILTER, FORCE), most=0)
NETWORK_PRUNE = Command(_network, "Remove unused networks", flags=(FILTER, FORCE), most=0)
VOLUME_PRUNE = Command(
    _volume,
    "Remove unused volumes",
    flags=(Flag("all", "a", "bool", "Named volumes, too"), FILTER, FORCE),
    most=0,
)
SYSTEM_PRUNE = Command(
    _system,
    "Remove unused data",
    flags=(ALL_IMAGES, FILTER, FORCE, Flag("volumes", "", "bool", "Anonymous volumes, too")),
    most=0,
)
