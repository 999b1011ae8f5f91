"""tiffin version: the client's and the daemon's."""

from __future__ import annotations

import os
import sys
import time

from tiffin.cli.command import Command, Context
from tiffin.cli.exit import Exit, text
from tiffin.cli.flags import Flag, Options
from tiffin.client.client import API_VERSION
from tiffin.errors import TiffinError
from tiffin.wire import rfc3339

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

NUMBER = "0.1.0"
MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}


def one_line() -> str:
    return f"Tiffin version {NUMBER}"


def client_facts(api: str) -> dict[str, Any]:
    system = os.uname()
    return {
        "Platform": {"Name": "Tiffin"},
        "Version": NUMBER,
        "ApiVersion": api,
        "DefaultAPIVersion": API_VERSION,
        "PythonVersion": sys.version.split()[0],
        "Os": system.sysname.lower(),
        "Arch": MACHINES.get(system.machine, system.machine),
        "Context": "default",
    }


def _lines(facts: dict[str, Any], rows: tuple[tuple[str, str], ...], margin: str) -> list[str]:
    return [
        f"{margin}{title + ':':<{20 - len(margin)}}{facts.get(key, '')}"
        for title, key in rows
        if facts.get(key) not in (None, "")
    ]


def _built(moment: str) -> str:
    """`Tue Jan  2 03:04:05 2024`"""
    try:
        return time.asctime(time.gmtime(rfc3339.parse(moment) // rfc3339.SECOND))
    except ValueError:
        return moment


def _describe(client: dict[str, Any], server: dict[str, Any] | None) -> str:
    client = {**client, "OsArch": f"{client['Os']}/{client['Arch']}"}
    rows = (("Version", "Version"), ("API version", "ApiVersion"), ("Python version", "PythonVersion"))
    lines = ["Client:", *_lines(client, (*rows, ("OS/Arch", "OsArch"), ("Context", "Context")), " ")]
    if server is None:
        return "\n".join(lines)
    name = (server.get("Platform") or {}).get("Name", "")
    lines += ["", f"Server: {name}".rstrip()]
    for component in server.get("Components") or []:
        details = component.get("Details") or {}
        facts = {**details, "Version": component.get("Version", "")}
        if "ApiVersion" in details:
            minimum = details.get("MinAPIVersion", "")
            facts["ApiVersion"] = f"{details['ApiVersion']} (minimum version {minimum})"
        if "Os" in details:
            facts["OsArch"] = f"{details['Os']}/{details.get('Arch', '')}"
        if facts.get("BuildTime"):
            facts["BuildTime"] = _built(facts["BuildTime"])
        lines.append(f" {component.get('Name', '')}:")
        more = (("Go version", "GoVersion"), ("Git commit", "GitCommit"), ("Built", "BuildTime"))
        lines += _lines(facts, (*rows, *more, ("OS/Arch", "OsArch"), ("Experimental", "Experimental")), "  ")
    return "\n".join(lines)


def _version(context: Context, options: Options, arguments: list[str]) -> int:
    server, failure = None, ""
    try:
        server = context.client.get("/version")
    except TiffinError as error:
        failure = text(error)
    client = client_facts(context.client.api_version)
    if options["format"]:
        from tiffin.cli.formatting import prepare
        from tiffin.wire import jsontext

        document = {"Client": client, "Server": server}
        if options["format"] == "json":
            print(jsontext.encode(document))
        else:
            print(prepare(options["format"]).render(document))
    else:
        print(_describe(client, server))
    if failure:
        raise Exit(1, failure)
    return 0


VERSION_FLAGS = (Flag("format", "f", "string", 'How to print: "json" or a Go template'),)
VERSION = Command(_version, "Show the versions of client and daemon", flags=VERSION_FLAGS, most=0)
