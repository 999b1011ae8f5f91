"""The AppArmor profile's text, and what happens without AppArmor."""

from __future__ import annotations

from typing import Any

import pytest

from tiffin.errors import SystemFailure
from tiffin.runtime import apparmor


def test_the_complement_of_a_path_is_spelled_out_character_by_character() -> None:
    assert apparmor._all_but("/sys/", "fs/") == ["/sys/[^f]**", "/sys/f[^s]**", "/sys/fs[^/]**"]


def test_the_profile_denies_mounts_and_names_itself_as_peer() -> None:
    text = apparmor.profile_text("my-profile")
    assert "profile my-profile flags=(attach_disconnected,mediate_deleted) {" in text
    assert "  deny mount,\n" in text
    assert "ptrace (trace, read, tracedby, readby) peer=my-profile," in text


def test_a_kernel_without_apparmor_loads_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apparmor, "ENABLED", "/nonexistent")
    assert apparmor.available() is False
    assert apparmor.load_default() is False


def test_apparmor_without_securityfs_is_a_loud_error(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    enabled = tmp_path / "enabled"
    enabled.write_text("Y\n")
    monkeypatch.setattr(apparmor, "ENABLED", str(enabled))
    monkeypatch.setattr(apparmor, "SECURITYFS", f"{tmp_path}/none")
    with pytest.raises(SystemFailure, match=r"could not be loaded: .* mount securityfs"):
        apparmor.load_default()


def test_profiles_are_recognised_whatever_their_mode(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "profiles").write_text("tiffin-default (enforce)\nother name (complain)\n")
    monkeypatch.setattr(apparmor, "SECURITYFS", str(tmp_path))
    assert apparmor.loaded("tiffin-default")
    assert apparmor.loaded("other name")
    assert not apparmor.loaded("tiffin")
