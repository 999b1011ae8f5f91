"""tiffin inspect and the inspect of each noun: the daemon's own JSON, indented, or what a template makes of it."""

from __future__ import annotations

import sys

from tiffin.cli.command import Command, Context
from tiffin.cli.container.lifecycle import path as container_path
from tiffin.cli.exit import Exit, text
from tiffin.cli.flags import Flag, Options
from tiffin.cli.image.rm import path as image_path
from tiffin.errors import TiffinError
from tiffin.wire import jsontext
from tiffin.wire.http1 import percent_encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

# In the order in which a bare name is looked for.
KINDS = ("container", "image", "network", "volume")


def _find(context: Context, options: Options, kind: str, name: str) -> Any:
    size = [("size", "1")] if "size" in options._flags and options["size"] else []
    if kind == "container":
        return context.client.get(container_path(name, "/json"), size)
    if kind == "image":
        query = []
        if "platform" in options._flags and options["platform"]:
            from tiffin.cli.image.transfer import platform_json

            query.append(("platform", platform_json(options["platform"])))
        return context.client.get(image_path(name, "/json"), query)
    if kind == "network":
        verbose = [("verbose", "1")] if "verbose" in options._flags and options["verbose"] else []
        return context.client.get(f"/networks/{percent_encode(name)}", verbose)
    return context.client.get(f"/volumes/{percent_encode(name)}")


def _any(context: Context, options: Options, name: str) -> Any:
    """The first kind that knows the name."""
    for kind in KINDS:
        try:
            return _find(context, options, kind, name)
        except TiffinError as error:
            if getattr(error, "status", 0) not in (404, 400, 501):
                raise
    raise TiffinError(f"Error: No such object: {name}")


def _show(names: list[str], form: str, find: Callable[[str], Any]) -> int:
    found, errors = [], []
    for name in names:
        try:
            found.append(find(name))
        except TiffinError as error:
            errors.append(text(error))
    if not form:
        sys.stdout.write(jsontext.indented(found) + "\n")
    elif form == "json":
        sys.stdout.write(jsontext.encode(found) + "\n")
    else:
        from tiffin.cli.formatting import prepare

        template = prepare(form)
        for document in found:
            sys.stdout.write(template.render(document) + "\n")
    if errors:
        raise Exit(1, "\n".join(errors))
    return 0


def _inspect(context: Context, options: Options, names: list[str]) -> int:
    kind = options["type"]
    if options.changed("type") and kind not in KINDS:
        known = ", ".join(f'"{name}"' for name in KINDS)
        raise Exit(1, f'unknown type: "{kind}": must be one of {known}' if kind else "type is empty")
    if kind:
        return _show(names, options["format"], lambda name: _find(context, options, kind, name))
    return _show(names, options["format"], lambda name: _any(context, options, name))


def _of(kind: str) -> Callable[[Context, Options, list[str]], int]:
    def run(context: Context, options: Options, names: list[str]) -> int:
        return _show(names, options["format"], lambda name: _find(context, options, kind, name))

    return run


FORMAT = Flag("format", "f", "string", 'How to print: "json" or a Go template')
SIZE = Flag("size", "s", "bool", "Show how much a container wrote")
INSPECT = Command(
    _inspect,
    "Show all details of objects of any kind",
    "NAME|ID [NAME|ID...]",
    (FORMAT, SIZE, Flag("type", "", "string", "Look for this kind only: container, image, network or volume")),
    least=1,
)
CONTAINER_INSPECT = Command(
    _of("container"), "Show all details of containers", "CONTAINER [CONTAINER...]", (FORMAT, SIZE), least=1
)
IMAGE_INSPECT = Command(
    _of("image"),
    "Show all details of images",
    "IMAGE [IMAGE...]",
    (FORMAT, Flag("platform", "", "string", "Show this variant (os/arch[/variant])")),
    least=1,
)
NETWORK_INSPECT = Command(
    _of("network"),
    "Show all details of networks",
    "NETWORK [NETWORK...]",
    (FORMAT, Flag("verbose", "v", "bool", "Show more, for diagnosis")),
    least=1,
)
VOLUME_INSPECT = Command(_of("volume"), "Show all details of volumes", "VOLUME [VOLUME...]", (FORMAT,), least=1)
