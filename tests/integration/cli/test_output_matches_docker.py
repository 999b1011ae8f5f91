"""For the command lines in output_lines.txt: what the stock docker CLI prints and returns, ours prints and returns.

Differences that are left, and why: the order of fields in `events --format json` (docker re-encodes, we pass on);
`inspect` messages about a nil index (other wording); `info` and `version` (each names itself); `system prune`
asks a builder only where the daemon has one; `exec` of a missing program says what the daemon said.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from canned_answers import register
from fake_daemon import FakeDaemon

LINES = [
    line
    for line in Path(__file__).with_name("output_lines.txt").read_text().splitlines()
    if line and not line.startswith("#")
]


@pytest.fixture(scope="module")
def host(canned: FakeDaemon) -> str:
    register(canned)
    return canned.host


def shown(command: list[str], line: str, host: str) -> tuple[int, str, str]:
    environment = {**os.environ, "DOCKER_HOST": host, "TZ": "UTC"}
    words = [*command, *shlex.split(line)]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, input="", timeout=60, check=False)
    return done.returncode, done.stdout.replace("tiffin", "docker"), done.stderr.replace("tiffin", "docker")


@pytest.mark.parametrize("line", LINES)
def test_the_output_is_dockers(host: str, line: str) -> None:
    docker = shown(["docker"], line, host)
    assert shown([sys.executable, "-P", "-m", "tiffin"], line, host) == docker
