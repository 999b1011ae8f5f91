"""Fixtures: a function run in a child under a filter, and 32-bit system calls where the kernel has them."""

from __future__ import annotations

import platform
from collections.abc import Callable, Collection
from typing import Any

import pytest
from confined_child import compat, in_child, libc

from tiffin.runtime.seccomp.compile import compile
from tiffin.runtime.seccomp.install import install
from tiffin.runtime.seccomp.resolve import native_arch, resolve
from tiffin.spec.capabilities import DEFAULT

PR_SET_NO_NEW_PRIVS = 38


@pytest.fixture
def confined() -> Callable[..., Any]:
    """confined(work, caps=, profile=): run `work` in a child under the profile (None: the default) for these caps."""

    def run(
        work: Callable[[], Any], caps: Collection[str] = DEFAULT, profile: dict[str, Any] | None = None, flags: int = 0
    ) -> Any:
        program = compile(resolve(profile, caps, native_arch()))

        def child() -> Any:
            libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
            install(program, flags)
            return work()

        return in_child(child)

    return run


@pytest.fixture
def int80() -> Callable[..., int]:
    """int 0x80, or a skip where this kernel or processor has none."""
    if platform.machine() != "x86_64":
        pytest.skip("int 0x80 is x86 only")
    call = compat()
    if in_child(lambda: call(20)) in (-11, -38):
        pytest.skip("this kernel has no 32-bit system calls (CONFIG_IA32_EMULATION)")
    return call


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Some calls here (mount, unshare, chroot) need root to get past the filter's side of the kernel."""
    for item in items:
        if "integration/seccomp" in item.path.as_posix():
            item.add_marker(pytest.mark.root)
