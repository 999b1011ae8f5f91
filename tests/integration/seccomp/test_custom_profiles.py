"""Profiles that users bring, in Docker's form and in OCI's, and the flags that the kernel takes."""

from __future__ import annotations

import errno
import os
import signal
from typing import Any

import pytest
from confined_child import in_child, native

from tiffin.linux import libseccomp
from tiffin.runtime.seccomp.compile import compile
from tiffin.runtime.seccomp.install import filter_flags, install
from tiffin.runtime.seccomp.resolve import native_arch, resolve
from tiffin.spec.capabilities import DEFAULT

UNAME = libseccomp.resolve("uname")


def deny(**rule: Any) -> dict[str, Any]:
    return {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["uname"], "action": "SCMP_ACT_ERRNO", **rule}]}


def test_a_deny_list_denies_only_what_it_names(confined: Any) -> None:
    assert confined(lambda: [native(UNAME, 0), os.getpid() > 0], profile=deny()) == [-errno.EPERM, True]


def test_an_errno_of_ones_own_is_returned(confined: Any) -> None:
    assert confined(lambda: native(UNAME, 0), profile=deny(errnoRet=errno.EAGAIN)) == -errno.EAGAIN


def test_a_deny_list_leaves_unknown_calls_to_the_kernel(confined: Any) -> None:
    assert confined(lambda: native(600, 0), profile=deny()) == -errno.ENOSYS


def test_a_killing_rule_kills(confined: Any) -> None:
    profile = deny()
    profile["syscalls"][0]["action"] = "SCMP_ACT_KILL_PROCESS"
    assert confined(lambda: native(UNAME, 0), profile=profile) == -signal.SIGSYS


def test_two_conditions_on_one_argument_are_alternatives(confined: Any) -> None:
    personality = libseccomp.resolve("personality")
    args = [{"index": 0, "op": "SCMP_CMP_EQ", "value": value} for value in (0xFFFFFFFF, 8)]
    profile = {
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{"names": ["personality"], "action": "SCMP_ACT_ERRNO", "errnoRet": 11, "args": args}],
    }
    calls = confined(lambda: [native(personality, value) for value in (0xFFFFFFFF, 8, 0)], profile=profile)
    assert calls[:2] == [-11, -11]
    assert calls[2] >= 0


def test_conditions_on_capabilities_follow_the_container(confined: Any) -> None:
    profile = deny(includes={"caps": ["CAP_SYS_ADMIN"]})
    assert confined(lambda: native(UNAME, 0), profile=profile) == -errno.EFAULT
    assert confined(lambda: native(UNAME, 0), (*DEFAULT, "CAP_SYS_ADMIN"), profile) == -errno.EPERM


@pytest.mark.parametrize(
    "flags", [["SECCOMP_FILTER_FLAG_LOG"], ["SECCOMP_FILTER_FLAG_TSYNC"], ["SECCOMP_FILTER_FLAG_SPEC_ALLOW"]]
)
def test_the_specs_flags_are_passed_to_the_kernel(confined: Any, flags: list[str]) -> None:
    assert confined(lambda: native(UNAME, 0), profile=deny(), flags=filter_flags(flags)) == -errno.EPERM


def test_a_broken_program_is_refused_by_the_kernel() -> None:
    assert in_child(lambda: install(b"\xff" * 8)).startswith("OSError: [Errno 22] seccomp")


def test_a_profile_that_picks_address_families_closes_socketcall(confined: Any, int80: Any) -> None:
    profile = {
        "defaultAction": "SCMP_ACT_ERRNO",
        "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"],
        "syscalls": [
            {"names": ["write", "exit_group", "brk", "mmap", "munmap", "futex", "close"], "action": "SCMP_ACT_ALLOW"},
            {
                "names": ["socket"],
                "action": "SCMP_ACT_ALLOW",
                "args": [{"index": 0, "op": "SCMP_CMP_EQ", "value": 1}],
            },
        ],
    }
    assert confined(lambda: int80(102, 1, 0), profile=profile) == -errno.ENOSYS


def test_the_default_profile_compiles_for_the_other_architecture_too() -> None:
    for arch in ("amd64", "arm64"):
        assert len(compile(resolve(None, DEFAULT, arch))) % 8 == 0
    assert native_arch() in ("amd64", "arm64")
