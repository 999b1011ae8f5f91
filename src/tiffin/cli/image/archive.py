"""Images as tar archives: load, save, import."""

from __future__ import annotations

import os
import sys

from tiffin.cli.command import Command, Context
from tiffin.cli.flags import Flag, Options
from tiffin.cli.image.ls import split_tag
from tiffin.cli.image.progress import show
from tiffin.client.client import read_pieces
from tiffin.client.reply import Reply
from tiffin.errors import InvalidParameter

TAR = (("Content-Type", "application/x-tar"),)


def _source(name: str) -> int:
    """A descriptor to read from; `-` and nothing mean stdin."""
    if name in ("", "-"):
        return 0
    return os.open(name, os.O_RDONLY | os.O_CLOEXEC)


def _load(context: Context, options: Options, arguments: list[str]) -> int:
    if not options["input"] and os.isatty(0):
        raise InvalidParameter("requested load from stdin, but stdin is empty")
    query = [("quiet", "1")] if options["quiet"] or not os.isatty(1) else [("quiet", "0")]
    if options["platform"]:
        from tiffin.cli.image.transfer import platform_json

        query.append(("platform", platform_json(options["platform"])))
    reply = context.client.request("POST", "/images/load", query, read_pieces(_source(options["input"])))
    show(reply.documents(), sys.stdout)
    return 0


def _import(context: Context, options: Options, arguments: list[str]) -> int:
    source, name = arguments[0], arguments[1] if len(arguments) > 1 else ""
    query = [("changes", change) for change in options["change"]]
    if options["message"]:
        query.append(("message", options["message"]))
    if options["platform"]:
        query.append(("platform", options["platform"].lower()))
    if name:
        repository, tag = split_tag(name)
        query += [("repo", repository), ("tag", tag)]
    if "://" in source:
        reply = context.client.request("POST", "/images/create", [("fromSrc", source), *query])
    else:
        pieces = read_pieces(_source(source))
        reply = context.client.request("POST", "/images/create", [("fromSrc", "-"), *query], pieces)
    show(reply.documents(), sys.stdout)
    return 0


def write_out(reply: Reply, output: str) -> int:
    """A body to stdout, or to a file that appears only when it is whole."""
    if not output:
        for piece in reply.pieces():
            _write_all(1, piece)
        return 0
    directory, name = os.path.split(output)
    temporary = os.path.join(directory, f".{name}.{os.getpid()}.part")
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        for piece in reply.pieces():
            _write_all(fd, piece)
        os.rename(temporary, output)
    except BaseException:
        os.unlink(temporary)
        raise
    finally:
        os.close(fd)
    return 0


def refuse_terminal(output: str) -> None:
    """An archive on a terminal helps nobody."""
    if not output and os.isatty(1):
        raise InvalidParameter("cowardly refusing to save to a terminal. Use the -o flag or redirect")
    if output and not os.path.isdir(os.path.dirname(output) or "."):
        raise InvalidParameter(f'invalid output path: directory "{os.path.dirname(output)}" does not exist')


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while len(view):
        view = view[os.write(fd, view) :]


def _save(context: Context, options: Options, names: list[str]) -> int:
    refuse_terminal(options["output"])
    query = [("names", name) for name in names]
    if options["platform"]:
        from tiffin.cli.image.transfer import platform_json

        query.append(("platform", platform_json(options["platform"])))
    return write_out(context.client.request("GET", "/images/get", query), options["output"])


LOAD = Command(
    _load,
    "Load images from a tar archive",
    flags=(
        Flag("input", "i", "string", "Read this file instead of stdin"),
        Flag("platform", "", "string", "Load only this variant (os/arch[/variant])"),
        Flag("quiet", "q", "bool", "Show no progress"),
    ),
    most=0,
    aliases=("image load", "load"),
)
SAVE = Command(
    _save,
    "Write images to a tar archive, to stdout by default",
    "IMAGE [IMAGE...]",
    (
        Flag("output", "o", "string", "Write to this file instead of stdout"),
        Flag("platform", "", "string", "Save only this variant (os/arch[/variant])"),
    ),
    least=1,
    aliases=("image save", "save"),
)
IMPORT = Command(
    _import,
    "Make an image of a tar archive of a file system",
    "file|URL|- [REPOSITORY[:TAG]]",
    (
        Flag("change", "c", "list", "Apply a Dockerfile instruction to the image"),
        Flag("message", "m", "string", "Say why, in the image's history"),
        Flag("platform", "", "string", "The platform of the image's programs"),
    ),
    least=1,
    most=2,
    aliases=("image import", "import"),
)
