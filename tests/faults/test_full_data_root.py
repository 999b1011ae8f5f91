"""The disk of the data root is full: errors are clear, containers run on, and with room again all is well."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator

import pytest

from daemon_house import DaemonHouse, until

SIZE = 96 << 20


@pytest.fixture
def small_house(busybox_archive: str, tmp_path: object) -> Iterator[DaemonHouse]:
    """A daemon whose data root is an ext4 file system of 96 MB."""
    disk, root = f"{tmp_path}/disk", f"{tmp_path}/root"
    os.mkdir(root)
    with open(disk, "wb") as file:
        file.truncate(SIZE)
    subprocess.run(["mkfs.ext4", "-q", "-m", "0", disk], check=True)
    subprocess.run(["mount", "-o", "loop", disk, root], check=True)
    house = DaemonHouse(data_root=f"{root}/data")
    try:
        house.start().import_busybox(busybox_archive)
        yield house
    finally:
        try:
            house.close()
        finally:
            subprocess.run(["umount", root], check=True)


def fill(house: DaemonHouse) -> str:
    """Take all that is left; the path to remove for room."""
    path = f"{house.data_root}/filler"
    with open(path, "wb", buffering=0) as file:
        try:
            while True:
                file.write(b"\0" * (1 << 20))
        except OSError:
            pass
        try:
            while True:
                file.write(b"\0" * 512)
        except OSError:
            pass
    return path


def test_a_full_disk_is_said_and_survived(small_house: DaemonHouse, busybox_archive: str) -> None:
    house = small_house
    script = "trap 'exit 5' TERM; n=0; while sleep 0.01; do n=$((n+1)); echo $n; done"
    house.ok("run", "-d", "--name", "talks", "busybox", "sh", "-c", script)
    house.ok("create", "--name", "made", "busybox", "sh", "-c", "echo fine")
    filler = fill(house)
    refused = house.docker("import", busybox_archive, "second")
    assert refused.returncode == 1
    assert "no space left on device" in refused.stderr.lower()
    for command in (["run", "-d", "--name", "new", "busybox", "sleep", "9"], ["create", "--name", "new2", "busybox"]):
        done = house.docker(*command)  # may work as long as the ballast lasts, must not hang or break anything
        assert done.returncode == 0 or "no space left on device" in done.stderr.lower(), done.stderr
    assert house.ok("exec", "talks", "echo", "alive") == "alive"
    house.ok("stop", "talks")
    assert house.state("talks")["ExitCode"] == 5
    for name in house.ok("ps", "-a", "--format", "{{.Names}}").split():
        if name.startswith("new"):
            house.ok("rm", "-f", name)
    os.unlink(filler)
    assert house.ok("start", "-a", "made") == "fine"
    house.ok("rm", "talks", "made")
    assert os.listdir(f"{house.data_root}/containers") == []
    assert house.ok("images", "-q", "second") == ""
    until(lambda: os.listdir(f"{house.data_root}/tmp") == [], what="nothing temporary is left")
    house.ok("import", busybox_archive, "second")
    assert house.ok("run", "--rm", "second", "echo", "again") == "again"


def test_a_daemon_restarts_on_a_full_disk(small_house: DaemonHouse) -> None:
    house = small_house
    house.ok("run", "-d", "--name", "runs", "busybox", "sleep", "1000")
    filler = fill(house)
    house.end(9)
    house.start()
    assert house.state("runs")["Running"]
    house.ok("rm", "-f", "runs")
    os.unlink(filler)
