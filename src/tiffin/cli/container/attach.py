"""tiffin attach."""

from __future__ import annotations

from tiffin.cli.command import Command, Context
from tiffin.cli.container.attaching import Attached, container
from tiffin.cli.exit import Exit
from tiffin.cli.flags import Flag, Options
from tiffin.cli.terminal import require


def _attach(context: Context, options: Options, names: list[str]) -> int:
    facts = container(context.client, names[0])
    state, config = facts["State"], facts["Config"]
    if not state.get("Running"):
        raise Exit(1, "cannot attach to a stopped container, start it first")
    if state.get("Paused"):
        raise Exit(1, "cannot attach to a paused container, unpause it first")
    if state.get("Restarting"):
        raise Exit(1, "cannot attach to a restarting container, wait until it is running")
    stdin = bool(config["OpenStdin"] and not options["no-stdin"])
    require(stdin, config["Tty"])
    attached = Attached(context.client, facts["Id"], config["Tty"], options["detach-keys"])
    attached.wait_for("")
    attached.attach(stdin, True, True, options["detach-keys"])
    if options["sig-proxy"] and not config["Tty"]:
        with attached.proxy():
            return attached.status() if attached.stream() else 0
    return attached.status() if attached.stream() else 0


ATTACH = Command(
    _attach,
    "Join a running container's standard streams",
    "CONTAINER",
    (
        Flag("detach-keys", "", "string", "Keys that leave the container running and end the session"),
        Flag("no-stdin", "", "bool", "Do not attach stdin"),
        Flag("sig-proxy", "", "bool", "Pass signals on to the program", True),
    ),
    least=1,
    most=1,
    aliases=("container attach", "attach"),
)
