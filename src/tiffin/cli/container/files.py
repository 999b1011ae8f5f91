"""A container's file system as a whole: diff, export, commit."""

from __future__ import annotations

from tiffin.cli.command import Command, Context
from tiffin.cli.container.lifecycle import path
from tiffin.cli.flags import Flag, Options
from tiffin.cli.image.archive import refuse_terminal, write_out
from tiffin.cli.image.ls import split_tag

KINDS = {0: "C", 1: "A", 2: "D"}


def _diff(context: Context, options: Options, names: list[str]) -> int:
    for change in context.client.get(path(names[0], "/changes")) or []:
        print(f"{KINDS.get(change['Kind'], '?')} {change['Path']}")
    return 0


def _export(context: Context, options: Options, names: list[str]) -> int:
    refuse_terminal(options["output"])
    return write_out(context.client.request("GET", path(names[0], "/export")), options["output"])


def _commit(context: Context, options: Options, arguments: list[str]) -> int:
    query = [("container", arguments[0])]
    if len(arguments) > 1:
        repository, tag = split_tag(arguments[1])
        query += [("repo", repository), ("tag", tag)]
    if options["author"]:
        query.append(("author", options["author"]))
    if options["message"]:
        query.append(("comment", options["message"]))
    query += [("changes", change) for change in options["change"]]
    if not options["pause"]:
        query.append(("pause", "0"))
    print(context.client.post("/commit", query)["Id"])
    return 0


DIFF = Command(
    _diff,
    "Show what changed on a container's file system",
    "CONTAINER",
    least=1,
    most=1,
    aliases=("container diff", "diff"),
)
EXPORT = Command(
    _export,
    "Write a container's file system as a tar archive",
    "CONTAINER",
    (Flag("output", "o", "string", "Write to this file instead of stdout"),),
    least=1,
    most=1,
    aliases=("container export", "export"),
)
COMMIT = Command(
    _commit,
    "Make an image of a container's changes",
    "CONTAINER [REPOSITORY[:TAG]]",
    (
        Flag("author", "a", "string", "Who made it"),
        Flag("change", "c", "list", "Apply a Dockerfile instruction to the image"),
        Flag("message", "m", "string", "Why, for the image's history"),
        Flag("pause", "p", "bool", "Pause the container meanwhile", True),
    ),
    least=1,
    most=2,
    aliases=("container commit", "commit"),
)
