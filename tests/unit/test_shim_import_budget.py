"""What the spawner and its children import. A shim lives as long as its container: every module is memory held by each.

The spawner forks them from a warm interpreter, so import time is paid once, but pages that reference counts touch are
copied for each shim.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

import tiffin

FORBIDDEN = {
    "aiohttp",
    "argparse",
    "asyncio",
    "dataclasses",
    "email",
    "hashlib",
    "http",
    "httptools",
    "inspect",
    "logging",
    "msgspec",
    "pathlib",
    "pyroute2",
    "ssl",
    "subprocess",
    "tempfile",
    "threading",
    "typing",
    "urllib",
}
PROBE = """
import sys
sys.path.insert(0, sys.argv[1])
__import__(sys.argv[2])
print("MODULES", *sorted(sys.modules))
"""
# Bare `python -I -S` has some 30 modules; these are the most that each may have in all.
BUDGETS = {
    "tiffin.spawn.spawner": 90,
    "tiffin.runtime.shim": 140,
    "tiffin.network.netd": 90,
}


def modules(name: str) -> set[str]:
    src = tiffin.__path__[0].rpartition("/")[0]
    command = [sys.executable, "-I", "-S", "-c", PROBE, src, name]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    return set(done.stdout.split()[1:])


@pytest.mark.parametrize("name", BUDGETS)
def test_a_long_lived_process_imports_little_and_nothing_heavy(name: str) -> None:
    found = modules(name)
    heavy = {module for module in found if module.split(".")[0] in FORBIDDEN}
    assert not heavy
    assert len(found) <= BUDGETS[name], sorted(found)


def test_the_shim_knows_no_engine() -> None:
    rooms = ("api", "cli", "client", "daemon", "engine", "network", "registry", "store")
    assert not [name for name in modules("tiffin.runtime.shim") if name.startswith(tuple(f"tiffin.{r}" for r in rooms))]
