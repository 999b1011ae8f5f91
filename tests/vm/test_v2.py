"""Parts of the test-suite again, in a VM: unified cgroup v2, AppArmor on, Debian's stock kernel."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Results

pytestmark = [pytest.mark.vm, pytest.mark.root]

# Skips that are right in the guest; any other means that the guest lacks something it should have.
EXPECTED_SKIPS = ("i386 has no ", "this architecture has no ", "needs a v1 ", "needs cgroup v1")


def test_the_suite_holds_in_a_vm_with_cgroup_v2_and_apparmor(guest: Results, suite: str) -> None:
    cases = guest.of(suite)
    assert cases, f"the guest ran no test of {suite} (status {guest.status}):\n{guest.output[-8000:]}"
    skips = [(name, text) for _, name, text in cases if text.startswith("skipped: ")]
    failed = [f"{where}::{name}\n{text}" for where, name, text in cases if text and not text.startswith("skipped: ")]
    assert not failed, "\n\n".join(failed)
    odd = [f"{name}: {text}" for name, text in skips if not any(known in text for known in EXPECTED_SKIPS)]
    assert not odd, f"unexpected skips in the guest: {os.linesep.join(odd)}"


def test_the_guests_run_as_a_whole_succeeded(guest: Results) -> None:
    assert guest.status == 0, guest.output[-8000:]
