"""scripts/demo does what the README promises, twice in a row, and scripts/busybox-image is reproducible."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))


def _run(script: str) -> subprocess.CompletedProcess[bytes]:
    command = [f"{ROOT}/scripts/{script}"]
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=120, check=False)


@pytest.mark.root
@pytest.mark.parametrize("time", ["first", "second"])
def test_the_demo_shows_output_status_and_trace_and_cleans_up(time: str) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    links = set(os.listdir("/sys/class/net"))
    done = _run("demo")
    text = done.stdout.decode()
    assert done.returncode == 0, text + done.stderr.decode()
    assert "\nhello from a container\n" in text
    assert "lunchbox: I am process 1 of these:" in text
    assert "\nout\nstatus 7\n" in text
    for step in ("connect to the bridge", "overlay", "clone", "mounts", "execve"):
        assert f"─ {step} " in text
    assert "tfdemo0" not in set(os.listdir("/sys/class/net")) - links
    assert not [name for name in os.listdir("/run") if name.startswith("tiffin-demo")]


def test_the_same_busybox_makes_the_same_image() -> None:
    first, second = _run("busybox-image").stdout, _run("busybox-image").stdout
    assert first == second
    with tarfile.open(fileobj=io.BytesIO(first)) as archive:
        names = {member.name: member for member in archive}
    assert names["bin/sh"].linkname == "busybox"
    assert names["tmp"].mode == 0o1777
    assert "etc/passwd" in names
