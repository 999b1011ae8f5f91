"""Commands that move containers from state to state: stop, kill, restart, pause, unpause, rename, rm, wait.

Each works through all names it is given, prints those that went well and ends with 1 if any did not.
"""

from __future__ import annotations

from tiffin.cli.command import Command, Context
from tiffin.cli.exit import Exit, text
from tiffin.cli.flags import Flag, Options
from tiffin.errors import TiffinError
from tiffin.wire.http1 import percent_encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


def path(name: str, rest: str = "") -> str:
    """`/containers/<name><rest>`; an empty name would address the list instead."""
    if not name.strip("/ "):
        raise TiffinError("invalid container name or ID: value is empty")
    return f"/containers/{percent_encode(name.removeprefix('/'))}{rest}"


def each(names: list[str], act: Callable[[str], object]) -> int:
    """Do it for all and print what `act` gives; the failures are told together at the end."""
    errors = []
    for name in names:
        try:
            result = act(name)
            if result is not None:
                print(result, flush=True)
        except TiffinError as error:
            errors.append(text(error))
    if errors:
        raise Exit(1, "\n".join(errors))
    return 0


def _stopping(options: Options) -> list[tuple[str, str]]:
    query = []
    if options["signal"]:
        query.append(("signal", options["signal"]))
    for name in ("timeout", "time"):
        if options.changed(name):
            query.append(("t", str(options[name])))
            break
    return query


def _stop(context: Context, options: Options, names: list[str]) -> int:
    query = _stopping(options)

    def act(name: str) -> str:
        context.client.post(path(name, "/stop"), query)
        return name

    return each(names, act)


def _restart(context: Context, options: Options, names: list[str]) -> int:
    query = _stopping(options)

    def act(name: str) -> str:
        context.client.post(path(name, "/restart"), query)
        return name

    return each(names, act)


def _kill(context: Context, options: Options, names: list[str]) -> int:
    query = [("signal", options["signal"])] if options["signal"] else []

    def act(name: str) -> str:
        context.client.post(path(name, "/kill"), query)
        return name

    return each(names, act)


def _pause(context: Context, options: Options, names: list[str]) -> int:
    def act(name: str) -> str:
        context.client.post(path(name, "/pause"))
        return name

    return each(names, act)


def _unpause(context: Context, options: Options, names: list[str]) -> int:
    def act(name: str) -> str:
        context.client.post(path(name, "/unpause"))
        return name

    return each(names, act)


def _rename(context: Context, options: Options, names: list[str]) -> int:
    old, new = (name.strip() for name in names)
    if not old or not new:
        raise TiffinError("Error: Neither old nor new names may be empty")
    context.client.post(path(old, "/rename"), [("name", new)])
    return 0


def _rm(context: Context, options: Options, names: list[str]) -> int:
    query = [(key, "1") for key, flag in (("force", "force"), ("link", "link"), ("v", "volumes")) if options[flag]]

    missing = []

    def act(name: str) -> str | None:
        try:
            context.client.delete(path(name), query)
            return name
        except TiffinError as error:
            if not (options["force"] and getattr(error, "status", 0) == 404):
                raise
            missing.append(text(error))  # told, but no failure: it is gone, as wished
            return None

    code = each(names, act)
    if missing:
        raise Exit(0, "\n".join(missing))
    return code


def _wait(context: Context, options: Options, names: list[str]) -> int:
    return each(names, lambda name: context.client.post(path(name, "/wait"))["StatusCode"])


STOPPING = (
    Flag("signal", "s", "string", "The signal to ask with"),
    Flag("timeout", "t", "int", "Seconds to wait before killing (-1: for ever)"),
    Flag("time", "", "int", "The same as --timeout", hidden=True),
)
MANY_USAGE = "CONTAINER [CONTAINER...]"
STOP = Command(_stop, "Stop running containers", MANY_USAGE, STOPPING, least=1, aliases=("container stop", "stop"))
RESTART = Command(
    _restart, "Restart containers", MANY_USAGE, STOPPING, least=1, aliases=("container restart", "restart")
)
KILL = Command(
    _kill,
    "Send a signal to running containers",
    MANY_USAGE,
    (Flag("signal", "s", "string", "The signal (SIGKILL if not given)"),),
    least=1,
    aliases=("container kill", "kill"),
)
PAUSE = Command(_pause, "Pause all processes of containers", MANY_USAGE, least=1, aliases=("container pause", "pause"))
UNPAUSE = Command(
    _unpause, "Let paused containers go on", MANY_USAGE, least=1, aliases=("container unpause", "unpause")
)
RENAME = Command(
    _rename, "Rename a container", "CONTAINER NEW_NAME", least=2, most=2, aliases=("container rename", "rename")
)
RM = Command(
    _rm,
    "Remove containers",
    MANY_USAGE,
    (
        Flag("force", "f", "bool", "Kill what still runs; be content with what is gone already"),
        Flag("link", "l", "bool", "Remove the link of that name"),
        Flag("volumes", "v", "bool", "Remove the containers' anonymous volumes too"),
    ),
    least=1,
    aliases=("container rm", "container remove", "rm"),
)
WAIT = Command(
    _wait,
    "Wait until containers stop, then print their exit codes",
    MANY_USAGE,
    least=1,
    aliases=("container wait", "wait"),
)
