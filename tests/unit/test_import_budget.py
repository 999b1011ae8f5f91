"""What the lean processes import. The interpreter's own start is most of what a short command may cost."""

from __future__ import annotations

import subprocess
import sys

import pytest

import tiffin

FORBIDDEN = {
    "argparse",
    "asyncio",
    "dataclasses",
    "enum",
    "http",
    "inspect",
    "json",
    "logging",
    "msgspec",
    "pathlib",
    "re",
    "rich",
    "selectors",
    "signal",
    "socket",
    "ssl",
    "subprocess",
    "threading",
    "typing",
    "urllib",
}
# Bare `python -I -S` has some 30 modules; these are the most that a command may have in all.
BUDGETS = [
    (["--help"], 45),
    (["ps", "--help"], 60),
    (["ps"], 60),
    (["images"], 60),
    (["run", "--rm", "busybox", "true"], 75),
    (["exec", "x", "true"], 70),
    (["logs", "x"], 65),
    (["rm", "x"], 60),
]
PROBE = """
import sys
sys.path.insert(0, sys.argv[1])
from tiffin.cli.main import main
code = main(["-H", "unix:///nonexistent/tiffin.sock", *sys.argv[2:]] if sys.argv[2] != "--help" else sys.argv[2:])
print("MODULES", *sorted(sys.modules))
"""


def modules(words: list[str]) -> set[str]:
    src = tiffin.__path__[0].rpartition("/")[0]
    command = [sys.executable, "-I", "-S", "-c", PROBE, src, *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    line = next(line for line in done.stdout.splitlines() if line.startswith("MODULES"))
    return set(line.split()[1:])


@pytest.mark.parametrize(("words", "budget"), BUDGETS, ids=str)
def test_a_command_imports_little_and_nothing_heavy(words: list[str], budget: int) -> None:
    found = modules(words)
    heavy = {name for name in found if name.split(".")[0] in FORBIDDEN}
    assert not heavy
    assert len(found) <= budget, sorted(found)


def test_help_imports_no_command() -> None:
    found = modules(["--help"])
    assert not [
        name for name in found if name.startswith(("tiffin.cli.container", "tiffin.cli.image", "tiffin.client"))
    ]


def test_the_client_never_imports_the_daemon_side() -> None:
    rooms = ("api", "daemon", "engine", "network", "registry", "runtime", "spawn", "store")
    found = modules(["run", "busybox"])
    assert not [name for name in found if name.startswith(tuple(f"tiffin.{room}" for room in rooms))]
