"""For hundreds of command lines: the body that the stock docker CLI sends to /containers/create, and ours, are equal.

Where docker refuses a line, ours refuses it in the same words. The lines are in create_lines.txt.
Not compared: the order of Env and Binds (docker takes them out of maps) and the field's order in the document.
"""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
from fake_daemon import FakeDaemon

from tiffin.cli.create.body import body
from tiffin.cli.create.flags import CREATE
from tiffin.cli.exit import text
from tiffin.cli.flags import UsageError, parse
from tiffin.errors import TiffinError

LINES = [
    line
    for line in Path(__file__).with_name("create_lines.txt").read_text().splitlines()
    if line and not line.startswith("#")
]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    directory = tmp_path_factory.mktemp("files")
    contents = {
        "env": "# c\nA=b\n  X=1 2\nHOME\nNOTSETZZ\n\nB=\n",
        "bad_env": "A B=1\n",
        "seccomp": '{ "a" : [1, 2] }\n',
    }
    for name, content in contents.items():
        (directory / name).write_text(content)
    return {name: str(directory / name) for name in contents}


def sent_by_docker(daemon: FakeDaemon, words: list[str]) -> Any:
    """The body, or the first line of the refusal."""
    daemon.seen.clear()
    daemon.on("POST", "/containers/create", {"Id": "a" * 64, "Warnings": []}, 201)
    daemon.on("GET", "/info", {"ID": "x"})
    environment = {**os.environ, "DOCKER_HOST": daemon.host}
    done = subprocess.run(
        ["docker", "create", *words], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    requests = daemon.requests("POST", "/containers/create")
    return requests[0].json if requests else done.stderr.partition("\n")[0]


def ours(words: list[str]) -> Any:
    try:
        options, rest, _ = parse(CREATE, words, False)
        return body(options, rest[0], rest[1:])
    except UsageError as error:
        return str(error)
    except TiffinError as error:
        return f"docker: {text(error)}"


def unordered(document: Any) -> Any:
    if isinstance(document, dict):
        document["Env"] = sorted(document["Env"] or [])
        document["HostConfig"]["Binds"] = sorted(document["HostConfig"]["Binds"] or [])
    return document


@pytest.mark.parametrize("line", LINES)
def test_the_body_is_dockers(canned: FakeDaemon, files: dict[str, str], line: str) -> None:
    for name, path in files.items():
        line = line.replace("{" + name + "}", path)
    words = shlex.split(line)
    assert unordered(ours(words)) == unordered(sent_by_docker(canned, words))
