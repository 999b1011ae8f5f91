"""tiffin logs."""

from __future__ import annotations

from tiffin.cli import moments
from tiffin.cli.command import Command, Context
from tiffin.cli.container.attaching import container
from tiffin.cli.container.lifecycle import path
from tiffin.cli.flags import Flag, Options
from tiffin.cli.streams import Demultiplexer, write_all


def _logs(context: Context, options: Options, names: list[str]) -> int:
    facts = container(context.client, names[0])
    query = [("stdout", "1"), ("stderr", "1"), *moments.query(options)]
    for name, key in (("timestamps", "timestamps"), ("details", "details"), ("follow", "follow")):
        if options[name]:
            query.append((key, "1"))
    query.append(("tail", options["tail"]))
    reply = context.client.request("GET", path(facts["Id"], "/logs"), query)
    if facts["Config"]["Tty"]:
        for piece in reply.pieces():
            write_all(1, memoryview(piece))
        return 0
    demultiplexer = Demultiplexer()
    for piece in reply.pieces():
        demultiplexer.feed(memoryview(piece))
    return 0


LOGS = Command(
    _logs,
    "Show the output of a container",
    "CONTAINER",
    (
        Flag("details", "", "bool", "Show what the logging driver was told to add"),
        Flag("follow", "f", "bool", "Go on with new output as it comes"),
        Flag("since", "", "string", "Show what came after this moment (2013-01-02T13:23:37Z) or span (42m)"),
        Flag("tail", "n", "string", "How many of the last lines to show", "all"),
        Flag("timestamps", "t", "bool", "Show the moment of each line"),
        Flag("until", "", "string", "Show what came before this moment or span"),
    ),
    least=1,
    most=1,
    aliases=("container logs", "logs"),
)
