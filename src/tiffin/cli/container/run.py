"""tiffin run and tiffin create."""

from __future__ import annotations

import os
import sys

from tiffin.cli import terminal
from tiffin.cli.command import Command, Context, hint
from tiffin.cli.container.attaching import Attached, start_failure_code
from tiffin.cli.container.lifecycle import path
from tiffin.cli.create import body as create_body
from tiffin.cli.create.flags import CREATE as CREATE_FLAGS
from tiffin.cli.create.flags import RUN as RUN_FLAGS
from tiffin.cli.exit import Exit, complain, text
from tiffin.cli.flags import Options
from tiffin.client.reply import ApiError
from tiffin.errors import InvalidParameter, TiffinError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tiffin.client.client import Client


class CidFile:
    """--cidfile: made before the container, filled after it, removed if there is none."""

    __slots__ = ("_fd", "_path")

    def __init__(self, name: str) -> None:
        self._path, self._fd = name, -1
        if not name:
            return
        try:
            self._fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        except FileExistsError:
            raise InvalidParameter(
                f"container ID file found, make sure the other container isn't running or delete {name}"
            ) from None
        except OSError as error:
            raise InvalidParameter(f"failed to create the container ID file: {name}: {error.strerror}") from None

    def close(self, identifier: str) -> None:
        if self._fd < 0:
            return
        if identifier:
            os.write(self._fd, identifier.encode())
        else:
            os.unlink(self._path)
        os.close(self._fd)
        self._fd = -1


def create(client: Client, options: Options, document: dict[str, Any], quiet: bool) -> str:
    """Create the container, pulling its image where that is needed and wanted; its id."""
    policy, image, platform = options["pull"], document["Image"], options["platform"]
    if policy not in ("always", "missing", "never"):
        raise InvalidParameter(f'invalid pull option: \'{policy}\': must be one of "always", "missing" or "never"')
    query = [("name", options["name"])] if options["name"] else []
    if platform:
        query.append(("platform", platform))
    file = CidFile(options["cidfile"])
    identifier = ""
    try:
        if policy == "always":
            _pull(client, image, platform, quiet)
        try:
            reply = client.post("/containers/create", query, document)
        except ApiError as error:
            if error.status != 404 or policy != "missing" or "no such image" not in error.message.lower():
                raise
            if not quiet:
                complain(f"Unable to find image '{_tagged(image)}' locally")
            _pull(client, image, platform, quiet)
            reply = client.post("/containers/create", query, document)
        identifier = str(reply["Id"])
    finally:
        file.close(identifier)
    for warning in reply.get("Warnings") or []:
        complain(f"WARNING: {warning}")
    return identifier


def _tagged(image: str) -> str:
    from tiffin.cli.image.ls import split_tag

    return image if "@" in image or split_tag(image)[1] else f"{image}:latest"


def _pull(client: Client, image: str, platform: str, quiet: bool) -> None:
    from tiffin.cli.image.transfer import pull

    pull(client, image, platform, sys.stderr, quiet)


def _create(context: Context, options: Options, arguments: list[str]) -> int:
    document = create_body.body(options, arguments[0], arguments[1:])
    print(create(context.client, options, document, options["quiet"]))
    return 0


def _streams(document: dict[str, Any], options: Options) -> None:
    """Settle which streams are attached; -d attaches none."""
    if options["detach"]:
        if options["attach"]:
            raise InvalidParameter("conflicting options: cannot specify both --attach and --detach")
        for name in ("AttachStdin", "AttachStdout", "AttachStderr", "StdinOnce"):
            document[name] = False
    else:
        terminal.require(document["AttachStdin"], document["Tty"])
    if os.isatty(1):
        document["HostConfig"]["ConsoleSize"] = list(terminal.size())


def _run(context: Context, options: Options, arguments: list[str]) -> int:
    document = create_body.body(options, arguments[0], arguments[1:])
    _streams(document, options)
    client = context.client
    identifier = create(client, options, document, options["quiet"])
    if not (document["AttachStdin"] or document["AttachStdout"] or document["AttachStderr"]):
        _start(context, identifier)
        print(identifier)
        return 0
    attached = Attached(client, identifier, document["Tty"], options["detach-keys"])
    attached.attach(document["AttachStdin"], document["AttachStdout"], document["AttachStderr"], options["detach-keys"])
    attached.wait_for("removed" if options["rm"] else "next-exit")
    if options["sig-proxy"] and not document["Tty"]:
        with attached.proxy():
            return _foreground(context, attached)
    return _foreground(context, attached)


def _foreground(context: Context, attached: Attached) -> int:
    try:
        _start(context, attached.name)
    except Exit:
        if attached.wait is not None:
            attached.wait.close()
        raise
    if not attached.stream():
        return 0
    return attached.status()


def _start(context: Context, identifier: str) -> None:
    try:
        context.client.post(path(identifier, "/start"))
    except TiffinError as error:
        message = f"tiffin: {text(error)}\n\n{hint(context.words)}"
        raise Exit(start_failure_code(error.message), message) from None


CREATE = Command(
    _create,
    "Create a container",
    "IMAGE [COMMAND] [ARG...]",
    CREATE_FLAGS,
    least=1,
    aliases=("container create", "create"),
    interspersed=False,
    wrap_errors=True,
)
RUN = Command(
    _run,
    "Create a container from an image and run it",
    "IMAGE [COMMAND] [ARG...]",
    RUN_FLAGS,
    least=1,
    aliases=("container run", "run"),
    interspersed=False,
    wrap_errors=True,
)
