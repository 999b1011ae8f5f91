"""Profiles in Docker's form become OCI's, for one set of capabilities, one architecture, one kernel."""

from __future__ import annotations

import os
from typing import Any

import pytest

from tiffin.errors import InvalidParameter
from tiffin.runtime.seccomp.default_profile import default_profile
from tiffin.runtime.seccomp.resolve import load_profile, resolve
from tiffin.spec.capabilities import DEFAULT


def allowed(document: dict[str, Any]) -> set[str]:
    return {
        name
        for rule in document["syscalls"]
        for name in rule["names"]
        if rule["action"] == "SCMP_ACT_ALLOW" and not rule.get("args")
    }


def one(**conditions: Any) -> dict[str, Any]:
    rule = {"names": ["acct"], "action": "SCMP_ACT_ALLOW", **conditions}
    return {"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [rule]}


def test_the_default_allows_only_what_the_capabilities_open() -> None:
    plain = allowed(resolve(None, DEFAULT, "amd64"))
    assert {"read", "chroot", "arch_prctl", "ptrace"} <= plain
    assert not plain & {"mount", "clone", "clone3", "bpf", "socketcall", "keyctl", "io_uring_setup", "reboot"}
    assert {"mount", "clone", "clone3", "bpf"} <= allowed(resolve(None, ["CAP_SYS_ADMIN"], "amd64"))
    assert "chroot" not in allowed(resolve(None, [], "amd64"))


def test_the_default_is_refusal_with_eperm() -> None:
    document = resolve(None, DEFAULT, "x86_64")
    assert (document["defaultAction"], document["defaultErrnoRet"]) == ("SCMP_ACT_ERRNO", 1)


def test_no_call_is_named_twice_for_everybody() -> None:
    names = [name for rule in default_profile()["syscalls"] if len(rule) == 2 for name in rule["names"]]
    assert len(names) == len(set(names)) > 300


@pytest.mark.parametrize(
    ("arch", "expected"),
    [
        ("amd64", ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"]),
        ("aarch64", ["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"]),
    ],
)
def test_the_architecture_brings_its_32_bit_companions(arch: str, expected: list[str]) -> None:
    assert resolve(None, DEFAULT, arch)["architectures"] == expected


def test_every_included_capability_is_needed_and_one_excluded_is_enough() -> None:
    both = {"caps": ["CAP_SYS_ADMIN", "CAP_SYS_PACCT"]}
    assert not resolve(one(includes=both), ["CAP_SYS_ADMIN"], "amd64")["syscalls"]
    assert resolve(one(includes=both), both["caps"], "amd64")["syscalls"]
    assert not resolve(one(excludes=both), ["CAP_SYS_ADMIN"], "amd64")["syscalls"]


def test_rules_for_another_architecture_are_left_out() -> None:
    assert not resolve(one(includes={"arches": ["arm64"]}), [], "amd64")["syscalls"]
    assert not resolve(one(excludes={"arches": ["arm64"]}), [], "arm64")["syscalls"]


@pytest.mark.parametrize(("release", "rules"), [("4.7.9-1", 0), ("4.8.0", 1), ("5.14.0-70.el9", 1), ("10.0", 1)])
def test_rules_for_a_newer_kernel_are_left_out(monkeypatch: pytest.MonkeyPatch, release: str, rules: int) -> None:
    real = os.uname()
    fake = os.uname_result((real[0], real[1], release, real[3], real[4]))
    monkeypatch.setattr(os, "uname", lambda: fake)
    assert len(resolve(one(includes={"minKernel": "4.8"}), [], "amd64")["syscalls"]) == rules
    assert len(resolve(one(excludes={"minKernel": "4.8"}), [], "amd64")["syscalls"]) == 1 - rules


def test_the_oci_form_passes_through() -> None:
    rule = {"names": ["acct"], "action": "SCMP_ACT_ERRNO", "errnoRet": 11, "args": [{"index": 0, "op": "SCMP_CMP_EQ"}]}
    document = {"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86"], "syscalls": [rule]}
    assert resolve(document, [], "amd64") == document


def test_a_single_name_is_a_list_of_one() -> None:
    document = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"name": "acct", "action": "SCMP_ACT_ERRNO"}]}
    assert resolve(document, [], "amd64")["syscalls"] == [{"names": ["acct"], "action": "SCMP_ACT_ERRNO"}]


def test_a_profile_that_says_nothing_is_no_filter() -> None:
    assert resolve({}, [], "amd64") == {}


def test_contradictions_are_refused_in_dockers_words() -> None:
    with pytest.raises(InvalidParameter, match="both 'architectures' and 'archMap' are specified"):
        resolve({**one(), "architectures": ["SCMP_ARCH_X86"], "archMap": [{}]}, [], "amd64")
    with pytest.raises(InvalidParameter, match="both 'name' and 'names' are specified"):
        resolve(one(name="acct"), [], "amd64")


@pytest.mark.parametrize("text", ["{", "[]", "", b"\xff"])
def test_a_profile_that_is_not_an_object_does_not_decode(text: str | bytes) -> None:
    with pytest.raises(InvalidParameter, match=r"^Decoding seccomp profile failed: "):
        load_profile(text)
