"""Rules for every test: leave the machine as you found it, and skip only for a capability that this machine lacks.

Leaks are looked for after each file, since a file's tests may share a daemon, and only outside tests/unit. With
TIFFIN_TEST_STRICT=1, which scripts/test sets, the whole machine is compared; otherwise only the processes below this
one, so that others may use the machine meanwhile.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from time import monotonic, sleep

import pytest

import machine_state

STRICT = os.environ.get("TIFFIN_TEST_STRICT") == "1"
PATIENCE_S = 5.0  # links and cgroups die asynchronously

# A skip must say which capability is missing. Root may not claim to need root.
ALLOWED_SKIPS = (
    r"this kernel has no .+",
    r"this (architecture|processor) has no .+",
    r"i386 has no .+",
    r"int 0x80 is x86 only",
    r"no block I/O weight",
    r"no description of Docker's API here .+",
    r"no VM without the Debian packages .+",
    r"needs (docker|dockerd|podman|runc|crun|firewall-cmd|ufw|iptables-legacy|ip6?tables)\b.*",
    r"(needs|only in) the VM\b.*",
    *((r"needs root\b.*", r"a VM needs root") if os.geteuid() != 0 else ()),
)
_unexpected: list[str] = []


@pytest.fixture(scope="module", autouse=True)
def the_machine_is_left_as_it_was(request: pytest.FixtureRequest) -> Iterator[None]:
    """Compare before and after a file of tests; wait a little for what dies late."""
    if "unit" in request.path.relative_to(request.config.rootpath).parts:
        yield
        return
    look = machine_state.everything if STRICT else machine_state.own
    before = look()
    yield
    deadline = monotonic() + PATIENCE_S
    while (left := machine_state.added(before, look())) and monotonic() < deadline:
        sleep(0.05)  # a poll with a deadline
    assert not left, "left behind:\n" + "\n".join(left)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What boots a VM runs last: it takes longest."""
    items.sort(key=lambda item: item.get_closest_marker("vm") is not None or "/tests/vm/" in str(item.path))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Remember skips that name no missing capability."""
    if not report.skipped or hasattr(report, "wasxfail") or not isinstance(report.longrepr, tuple):
        return
    reason = report.longrepr[2].removeprefix("Skipped: ")
    if not any(re.fullmatch(allowed, reason, re.DOTALL) for allowed in ALLOWED_SKIPS):
        _unexpected.append(f"{report.nodeid}: {reason}")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """An unexpected skip is a failure where the suite must be complete."""
    if _unexpected and STRICT and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name them."""
    if _unexpected:
        terminalreporter.section("skips that name no missing capability", sep="=", red=STRICT)
        for line in _unexpected:
            terminalreporter.line(line)
