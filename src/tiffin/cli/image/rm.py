"""tiffin rmi, tiffin image rm; tiffin tag."""

from __future__ import annotations

from tiffin.cli.command import Command, Context
from tiffin.cli.exit import Exit, text
from tiffin.cli.flags import Flag, Options
from tiffin.cli.image.ls import split_tag
from tiffin.errors import TiffinError
from tiffin.wire.http1 import percent_encode


def path(name: str, rest: str = "") -> str:
    """`/images/<name><rest>`; slashes of a name stay."""
    return f"/images/{percent_encode(name, '/:@')}{rest}"


def _rm(context: Context, options: Options, names: list[str]) -> int:
    query = [("force", "1")] if options["force"] else []
    if options["no-prune"]:
        query.append(("noprune", "1"))
    errors, fatal = [], False
    for name in names:
        try:
            for item in context.client.delete(path(name), query) or []:
                if "Deleted" in item:
                    print(f"Deleted: {item['Deleted']}")
                else:
                    print(f"Untagged: {item.get('Untagged', '')}")
        except TiffinError as error:
            fatal = fatal or getattr(error, "status", 0) != 404
            errors.append(text(error))
    if errors and (fatal or not options["force"]):
        raise Exit(1, "\n".join(errors))
    if errors:
        raise Exit(0, "\n".join(errors))
    return 0


def _tag(context: Context, options: Options, names: list[str]) -> int:
    source, target = names
    repository, tag = split_tag(target)
    query = [("repo", repository), ("tag", tag or "latest")]
    context.client.post(path(source, "/tag"), query)
    return 0


RM = Command(
    _rm,
    "Remove images",
    "IMAGE [IMAGE...]",
    (
        Flag("force", "f", "bool", "Remove even what has several names or stopped containers"),
        Flag("no-prune", "", "bool", "Keep the untagged parents"),
        Flag("platform", "", "strings", "Remove only this variant (os/arch[/variant])"),
    ),
    least=1,
    aliases=("image rm", "image remove", "rmi"),
)
TAG = Command(
    _tag,
    "Give an image another name",
    "SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]",
    least=2,
    most=2,
    aliases=("image tag", "tag"),
)
