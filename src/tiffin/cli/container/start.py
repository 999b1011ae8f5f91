"""tiffin start."""

from __future__ import annotations

from tiffin.cli.command import Command, Context
from tiffin.cli.container.attaching import Attached, container
from tiffin.cli.container.lifecycle import each, path
from tiffin.cli.exit import Exit, text
from tiffin.cli.flags import Flag, Options
from tiffin.cli.terminal import require
from tiffin.errors import InvalidParameter, TiffinError


def _start(context: Context, options: Options, names: list[str]) -> int:
    if not (options["attach"] or options["interactive"]):
        query = [(name, options[name]) for name in ("checkpoint", "checkpoint-dir") if options[name]]

        failed = []

        def act(name: str) -> str:
            try:
                context.client.post(path(name, "/start"), query)
            except TiffinError:
                failed.append(name)
                raise
            return name

        try:
            return each(names, act)
        except Exit as error:
            raise Exit(1, f"{error.message}\nError: failed to start containers: {', '.join(failed)}") from None
    if len(names) > 1:
        raise InvalidParameter("you cannot start and attach multiple containers at once")
    return _attached(context, options, names[0])


def _attached(context: Context, options: Options, name: str) -> int:
    facts = container(context.client, name)
    config = facts["Config"]
    stdin = options["interactive"] and config["OpenStdin"]
    attached = Attached(context.client, facts["Id"], config["Tty"], options["detach-keys"])
    require(stdin, config["Tty"])
    attached.attach(stdin, True, True, options["detach-keys"])
    attached.wait_for("removed" if facts["HostConfig"]["AutoRemove"] else "next-exit")
    if options["sig-proxy"] and not config["Tty"]:
        with attached.proxy():
            return _foreground(attached)
    return _foreground(attached)


def _foreground(attached: Attached) -> int:
    try:
        attached.client.post(path(attached.name, "/start"))
    except TiffinError as error:
        raise Exit(1, text(error)) from None
    return attached.status() if attached.stream() else 0


START = Command(
    _start,
    "Start stopped containers",
    "CONTAINER [CONTAINER...]",
    (
        Flag("attach", "a", "bool", "Show the output and pass signals on"),
        Flag("checkpoint", "", "string", "Start from this checkpoint", hidden=True),
        Flag("checkpoint-dir", "", "string", "Where the checkpoint is", hidden=True),
        Flag("detach-keys", "", "string", "Keys that leave the container running and end the session"),
        Flag("interactive", "i", "bool", "Attach stdin too"),
        Flag("sig-proxy", "", "bool", "Pass signals on to the program", True, hidden=True),
    ),
    least=1,
    aliases=("container start", "start"),
)
