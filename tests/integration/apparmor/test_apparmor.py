"""The default AppArmor profile, loaded into a real kernel and applied to a program. Needs a kernel with AppArmor."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tiffin.errors import SystemFailure
from tiffin.runtime import apparmor

NAME = f"tiffin-test-{os.getpid()}"

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(not apparmor.available(), reason="this kernel has no AppArmor"),
]

UNDER = "import os, sys; from tiffin.runtime.apparmor import apply_on_exec; apply_on_exec(sys.argv[1]); "
SHELL = UNDER + "os.execv('/bin/sh', ['sh', '-c', sys.argv[2]])"


@pytest.fixture(scope="module")
def profile() -> Iterator[str]:
    assert apparmor.load_default(NAME) is True
    yield NAME
    with open(f"{apparmor.SECURITYFS}/.remove", "w", encoding="ascii") as file:
        file.write(NAME)


def shell(profile: str, script: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", SHELL, profile, script]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_a_loaded_profile_is_known_to_the_kernel(profile: str) -> None:
    assert apparmor.loaded(profile)
    assert not apparmor.loaded(profile + "-not")


def test_the_next_program_runs_under_the_profile_and_its_children_too(profile: str) -> None:
    result = shell(profile, "cat /proc/self/attr/current; sh -c 'cat /proc/self/attr/current'")
    assert result.stdout.split("\n")[:2] == [f"{profile} (enforce)"] * 2


def test_a_profile_that_is_not_loaded_is_an_error(profile: str) -> None:
    result = shell("no-such-profile", "true")
    assert "No such file or directory" in result.stderr


def test_ordinary_work_is_allowed(profile: str, tmp_path: object) -> None:
    result = shell(profile, f"cd {tmp_path} && echo x >f && ln f g && mkdir d && cat g && ls /proc/self/fd >/dev/null")
    assert (result.stdout, result.returncode) == ("x\n", 0), result.stderr


@pytest.mark.parametrize(
    "path",
    [
        "/proc/sys/kernel/core_pattern",
        "/proc/sys/vm/drop_caches",
        "/proc/sys/net/ipv4/ip_forward",
        "/proc/sysrq-trigger",
    ],
)
def test_writing_the_hosts_settings_is_denied(profile: str, path: str) -> None:
    result = shell(profile, f": >>{path}")
    assert "Permission denied" in result.stderr


def test_shared_memory_limits_stay_writable_and_ones_own_proc_too(profile: str) -> None:
    result = shell(profile, "cat /proc/sys/kernel/shmmni >/proc/sys/kernel/shmmni && echo 7 >/proc/self/oom_score_adj")
    assert (result.stderr, result.returncode) == ("", 0)


@pytest.mark.parametrize("path", ["/sys/kernel/security/apparmor/profiles", "/proc/kcore"])
def test_secrets_of_the_kernel_cannot_even_be_read(profile: str, path: str) -> None:
    if not os.path.exists(path):
        pytest.skip(f"this kernel has no {path}")
    assert "Permission denied" in shell(profile, f"head -c1 {path}").stderr


def test_mounting_is_denied_even_with_every_capability(profile: str) -> None:
    command = ["unshare", "-m", "sh", "-c", "mount -t tmpfs none /mnt"]
    assert subprocess.run(command, check=False).returncode == 0
    # Under the profile unshare must not change propagation either, which is a mount call of its own.
    script = "unshare -m --propagation unchanged sh -c 'mount -t tmpfs none /mnt && echo mounted'"
    result = shell(profile, script)
    assert result.returncode != 0
    assert "mounted" not in result.stdout


def test_signals_stay_among_the_confined(profile: str) -> None:
    outside = subprocess.Popen(["/bin/sleep", "60"])
    try:
        result = shell(profile, f"kill -9 {outside.pid}; sleep 60 & kill -9 $! && echo own")
        assert "Permission denied" in result.stderr
        assert result.stdout == "own\n"
        assert outside.poll() is None
    finally:
        outside.send_signal(signal.SIGKILL)
        outside.wait()


def test_a_parser_that_fails_is_a_loud_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apparmor, "profile_text", lambda name: "profile {{{ broken")
    with pytest.raises(SystemFailure, match=r"AppArmor is enabled on this system, but the profile .* syntax error"):
        apparmor.load_default("tiffin-broken")


def test_a_missing_parser_is_a_loud_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apparmor, "PARSERS", ("/nonexistent/apparmor_parser",))
    with pytest.raises(SystemFailure, match="install the Debian package apparmor"):
        apparmor.load_default("tiffin-broken")
