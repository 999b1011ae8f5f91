"""One throw-away VM for everything marked `vm`: it runs parts of the test-suite where cgroup v2 and AppArmor are real.

    host pytest ── scripts/vm-run ──▶ guest: pytest SUITES --junitxml=<shared directory>/results.xml
         ▲                                                        │
         └────────── one host test per suite reads its cases ─────┘

The guest has the host's root read-only below an overlay, so the same interpreter and virtual environment run in it.
SUITES is the explicit list; add a path to it when its tests should also hold under cgroup v2. See docs/vm.md.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

SUITES = [
    "tests/vm/guest",
    "tests/integration/cgroup",
    "tests/integration/seccomp",
    "tests/integration/apparmor",
    "tests/integration/runtime/test_exec.py",
    "tests/integration/runtime/test_file_system.py",
]

TIMEOUT_S = 600  # three minutes on a machine with nothing else to do
MEMORY_MIB = 2048
INSIDE = os.environ.get("TIFFIN_IN_VM") == "1"

# Tests under guest/ make no sense on the host; the suite's driver makes none in the guest.
collect_ignore = ["test_v2.py"] if INSIDE else ["guest"]


class Results:
    """What the guest said: its whole output, its exit status, and one record per test."""

    def __init__(self, output: str, status: int, cases: list[tuple[str, str, str]]) -> None:
        self.output = output
        self.status = status
        self.cases = cases  # (class name as a dotted path, test name, "" or what went wrong)

    def of(self, suite: str) -> list[tuple[str, str, str]]:
        prefix = suite.removesuffix(".py").replace("/", ".") + "."
        return [case for case in self.cases if (case[0] + ".").startswith(prefix)]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One host test per suite."""
    if "suite" in metafunc.fixturenames:
        metafunc.parametrize("suite", SUITES)


def missing() -> str | None:
    """Why no VM can boot here, or None."""
    programs = {
        "qemu-system-x86_64": "qemu-system-x86",
        "busybox": "busybox-static",
        "cpio": "cpio",
        "depmod": "kmod",
        "mkfs.ext4": "e2fsprogs",
    }
    search = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    absent = [package for program, package in programs.items() if shutil.which(program, path=search) is None]
    if not any(name.startswith("vmlinuz-") for name in os.listdir("/boot")):
        absent.append("linux-image-cloud-amd64")
    if absent:
        return f"no VM without the Debian packages {', '.join(absent)}"
    return None if os.geteuid() == 0 else "a VM needs root"


@pytest.fixture(scope="session")
def guest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Results]:
    """Boot, run every suite, power off; the VM is gone when this returns."""
    reason = missing()
    if reason is not None:
        pytest.skip(reason)
    shared = str(tmp_path_factory.mktemp("vm"))
    pytest_command = [
        sys.executable,
        "-m",
        "pytest",
        *("-p", "no:cacheprovider", "-o", "console_output_style=classic"),
        *("--basetemp=/var/lib/vmscratch/pytest", f"--junitxml={shared}/results.xml"),
        *SUITES,
    ]
    variables = "TIFFIN_IN_VM=1 PYTHONDONTWRITEBYTECODE=1"
    command = [f"{ROOT}/scripts/vm-run", "-m", str(MEMORY_MIB), "-t", str(TIMEOUT_S), "-w", ROOT]
    command += ["-d", ROOT, "-d", shared, "--", f"exec env {variables} {shlex.join(pytest_command)}"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    lines = []
    assert process.stdout is not None
    with process.stdout:
        for line in process.stdout:
            sys.stdout.write(line)
            lines.append(line)
    status = process.wait()
    yield Results("".join(lines), status, _cases(f"{shared}/results.xml"))


def _cases(path: str) -> list[tuple[str, str, str]]:
    if not os.path.exists(path):
        return []
    cases = []
    for case in ElementTree.parse(path).getroot().iter("testcase"):
        trouble = [child for child in case if child.tag in ("failure", "error")]
        skipped = [child for child in case if child.tag == "skipped"]
        text = "\n".join(f"{child.get('message')}\n{child.text}" for child in trouble)
        if skipped:
            text = f"skipped: {skipped[0].get('message')}"
        cases.append((case.get("classname", ""), case.get("name", ""), text))
    return cases
