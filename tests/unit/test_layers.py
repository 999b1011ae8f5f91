"""The house's plan holds: imports point down, lean rooms stay lean, packages are empty shells, files stay readable."""

from __future__ import annotations

import ast
import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SOURCES = os.path.join(ROOT, "src", "tiffin")


def _modules() -> list[str]:
    return [
        os.path.join(directory, name)
        for directory, _, names in os.walk(SOURCES)
        for name in names
        if name.endswith(".py")
    ]


def test_the_import_contracts_hold() -> None:
    program = os.path.join(os.path.dirname(sys.executable), "lint-imports")
    done = subprocess.run([program, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_packages_hold_no_code() -> None:
    assert [path for path in _modules() if path.endswith("__init__.py") and os.path.getsize(path)] == []


def test_every_module_says_what_it_is_and_delays_annotations() -> None:
    wrong = []
    for path in _modules():
        with open(path, encoding="utf-8") as file:
            text = file.read()
        documented = text.startswith(('"""', 'r"""'))
        code = ast.parse(text).body[1:]  # after the docstring
        delayed = not code or (isinstance(code[0], ast.ImportFrom) and code[0].module == "__future__")
        if text and not (documented and delayed):
            wrong.append(os.path.relpath(path, ROOT))
    assert wrong == []


def test_no_module_is_a_drawer_for_odds_and_ends() -> None:
    drawers = {"utils.py", "util.py", "helpers.py", "helper.py", "misc.py", "common.py"}
    assert [path for path in _modules() if os.path.basename(path) in drawers] == []


def test_only_the_spawner_forks() -> None:
    allowed = {os.path.join(SOURCES, "spawn", "spawner.py")}
    forking = set()
    for path in _modules():
        with open(path, encoding="utf-8") as file:
            if "os.fork(" in file.read():
                forking.add(path)
    assert forking <= allowed, forking - allowed
