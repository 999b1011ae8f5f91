"""tiffin exec."""

from __future__ import annotations

import os
import time

from tiffin.cli import detach, terminal
from tiffin.cli.command import Command, Context
from tiffin.cli.container.attaching import start_failure_code
from tiffin.cli.container.lifecycle import path
from tiffin.cli.create.files import environment_word, gather
from tiffin.cli.exit import Exit, text
from tiffin.cli.flags import Flag, Options
from tiffin.cli.streams import Session
from tiffin.errors import TiffinError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tiffin.client.client import Client

RESIZE_TRIES = 5


def _document(options: Options, command: list[str]) -> dict[str, Any]:
    detached = options["detach"]
    document = {
        "User": options["user"],
        "Privileged": options["privileged"],
        "Tty": options["tty"],
        "AttachStdin": options["interactive"] and not detached,
        "AttachStderr": not detached,
        "AttachStdout": not detached,
        "DetachKeys": options["detach-keys"],
        "Env": gather(options["env-file"], options["env"], True) or None,
        "WorkingDir": options["workdir"],
        "Cmd": command,
    }
    if options["tty"] and any(terminal.size()):
        document["ConsoleSize"] = list(terminal.size())
    return document


def _resize(client: Client, identifier: str, tries: int = 1) -> None:
    """The size of our terminal; just after the start the process may not be there yet."""
    rows, columns = terminal.size()
    if not (rows or columns):
        return
    for attempt in range(tries):
        try:
            client.post(f"/exec/{identifier}/resize", [("h", str(rows)), ("w", str(columns))])
            return
        except TiffinError:
            if attempt + 1 < tries:
                time.sleep(0.01 * (attempt + 1))


def _exec(context: Context, options: Options, arguments: list[str]) -> int:
    client, document = context.client, _document(options, arguments[1:])
    keys = detach.parse(options["detach-keys"] or detach.DEFAULT)
    if not options["detach"]:
        terminal.require(document["AttachStdin"], document["Tty"])
    try:
        identifier = client.post(path(arguments[0], "/exec"), (), document)["Id"]
        start: dict[str, Any] = {"Detach": options["detach"], "Tty": options["tty"]}
        if "ConsoleSize" in document:
            start["ConsoleSize"] = document["ConsoleSize"]
        if options["detach"]:
            client.post(f"/exec/{identifier}/start", (), start)
            return 0
        hijacked = client.hijack(f"/exec/{identifier}/start", (), start)
    except TiffinError as error:
        code = start_failure_code(error.message)
        raise Exit(code if code != 125 else 1, text(error)) from None
    session = Session(hijacked, options["tty"], keys)
    if options["tty"] and (document["AttachStdin"] or os.isatty(1)):
        with terminal.Raw(lambda: _resize(client, identifier)):
            if "ConsoleSize" not in document:
                _resize(client, identifier, RESIZE_TRIES)
            session.run(document["AttachStdin"])
    else:
        session.run(document["AttachStdin"])
    hijacked.sock.close()
    if session.detached:
        return 0
    facts = client.get(f"/exec/{identifier}/json")
    return int(facts.get("ExitCode") or 0)


EXEC = Command(
    _exec,
    "Run a command in a running container",
    "CONTAINER COMMAND [ARG...]",
    (
        Flag("detach", "d", "bool", "Run the command in the background"),
        Flag("detach-keys", "", "string", "Keys that leave the command running and end the session"),
        Flag("env", "e", "list", "Set environment variables", parse=environment_word),
        Flag("env-file", "", "list", "Read environment variables from a file"),
        Flag("interactive", "i", "bool", "Keep stdin open"),
        Flag("privileged", "", "bool", "Give the command every capability"),
        Flag("tty", "t", "bool", "Give the command a pseudo-terminal"),
        Flag("user", "u", "string", "User to run as (name|uid[:group|gid])"),
        Flag("workdir", "w", "string", "Working directory inside"),
    ),
    least=2,
    aliases=("container exec", "exec"),
    interspersed=False,
)
