"""Compiling: what is refused before the kernel sees it, and programs kept on disk. Needs libseccomp, not root."""

from __future__ import annotations

import ctypes
import os
import stat
from typing import Any

import pytest

from tiffin.errors import InvalidParameter, SystemFailure
from tiffin.linux import libseccomp
from tiffin.runtime.seccomp import cache
from tiffin.runtime.seccomp.cache import FilterCache
from tiffin.runtime.seccomp.compile import compile
from tiffin.runtime.seccomp.install import SockFprog, filter_flags, load
from tiffin.runtime.seccomp.resolve import native_arch, resolve
from tiffin.spec.capabilities import DEFAULT


def profile(**rule: Any) -> dict[str, Any]:
    return {
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{"names": ["uname"], "action": "SCMP_ACT_ERRNO", **rule}],
    }


def test_structures_have_the_kernels_sizes() -> None:
    assert ctypes.sizeof(libseccomp.ScmpArgCmp) == 24
    assert ctypes.sizeof(libseccomp.ScmpVersion) == 12
    assert ctypes.sizeof(SockFprog) == 16


def test_the_default_profile_fits_into_one_program() -> None:
    program = compile(resolve(None, DEFAULT, native_arch()))
    assert len(program) % 8 == 0
    assert len(program) // 8 < 4096


def test_compiling_is_a_pure_function() -> None:
    document = resolve(None, DEFAULT, native_arch())
    assert compile(document) == compile(document)


@pytest.mark.parametrize(
    ("document", "words"),
    [
        (profile(action="SCMP_ACT_WHAT"), 'invalid action "SCMP_ACT_WHAT"'),
        ({"defaultAction": ""}, 'invalid action ""'),
        (profile(action="SCMP_ACT_NOTIFY"), "SCMP_ACT_NOTIFY"),
        (profile(args=[{"index": 0, "op": "EQ"}]), 'invalid operator "EQ"'),
        (profile(args=[{"index": 6, "op": "SCMP_CMP_EQ"}]), "argument index 6"),
        ({**profile(), "architectures": ["SCMP_ARCH_VAX"]}, "SCMP_ARCH_VAX"),
    ],
)
def test_what_does_not_exist_is_an_invalid_parameter(document: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidParameter, match=words):
        compile(document)


def test_calls_that_nobody_knows_are_skipped() -> None:
    assert compile(profile(names=["no_such_call", "uname"])) == compile(profile())


def test_a_rule_that_says_what_the_default_says_is_skipped() -> None:
    assert compile(profile(action="SCMP_ACT_ALLOW"))


def test_a_missing_library_names_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> None:
        raise OSError(f"{name}: cannot open shared object file")

    monkeypatch.setattr(libseccomp, "_library", None)
    monkeypatch.setattr(ctypes, "CDLL", absent)
    with pytest.raises(SystemFailure, match="install the Debian package libseccomp2"):
        compile(profile())


def test_a_program_is_compiled_once_and_kept_private(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = FilterCache(f"{tmp_path}/filters")
    path = kept.path_for(profile())
    with open(path, "rb") as file:
        assert file.read() == compile(profile())
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert stat.S_IMODE(os.stat(os.path.dirname(path)).st_mode) == 0o700
    monkeypatch.setattr(cache, "compile", lambda document: pytest.fail("compiled twice"))
    assert FilterCache(f"{tmp_path}/filters").path_for(profile()) == path


def test_a_profiles_flags_come_back_with_its_program(tmp_path: Any) -> None:
    kept = FilterCache(str(tmp_path))
    flagged = {**profile(), "flags": ["SECCOMP_FILTER_FLAG_LOG"]}
    program = compile(profile())
    assert (load(kept.path_for(profile())).flags, load(kept.path_for(profile())).bpf) == (0, program)
    assert (load(kept.path_for(flagged)).flags, load(kept.path_for(flagged)).bpf) == (2, program)
    with pytest.raises(InvalidParameter, match="seccomp flag 'SECCOMP_FILTER_FLAG_NEW_LISTENER'"):
        kept.path_for({**profile(), "flags": ["SECCOMP_FILTER_FLAG_NEW_LISTENER"]})


def test_other_documents_and_other_libraries_have_other_programs(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = FilterCache(str(tmp_path))
    paths = {kept.path_for(profile()), kept.path_for(profile(errnoRet=11))}
    monkeypatch.setattr(libseccomp, "version", lambda: "99.0.0")
    paths.add(kept.path_for(profile()))
    assert len(paths) == 3


def test_a_file_that_a_crash_left_empty_is_written_again(tmp_path: Any) -> None:
    kept = FilterCache(str(tmp_path))
    path = kept.path_for(profile())
    os.truncate(path, 0)
    assert kept.path_for(profile()) == path
    assert os.stat(path).st_size > 0
    assert os.listdir(tmp_path) == [os.path.basename(path)]


def test_flags_are_the_kernels_bits() -> None:
    assert filter_flags(None) == 0
    assert filter_flags(["SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW"]) == 6
    with pytest.raises(KeyError):
        filter_flags(["SECCOMP_FILTER_FLAG_NEW_LISTENER"])
