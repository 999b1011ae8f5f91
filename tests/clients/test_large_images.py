"""Images beyond the everyday: 300 layers, and a whole Debian."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile

import pytest

from daemon_house import DaemonHouse

LAYERS = 300
# Kept from run to run: making it takes half a minute.
DEBIAN = "/var/tmp/debian-minbase-for-tests.tar"


def layer(files: dict[str, bytes]) -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return raw.getvalue()


def many_layers(busybox_archive: str) -> bytes:
    """A docker archive: busybox, and on it layers that add a file each, write one over and hide the one before last."""
    with open(busybox_archive, "rb") as file:
        layers = [file.read()]
    for number in range(1, LAYERS):
        files = {f"n/{number}": b"%d\n" % number, "last": b"%d\n" % number}
        if number > 2:
            files[f"n/.wh.{number - 2}"] = b""
        layers.append(layer(files))
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Cmd": ["cat", "/last"]},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(data).hexdigest()}" for data in layers]},
    }
    manifest = [
        {"Config": "config.json", "RepoTags": ["deep:1"], "Layers": [f"{n}/layer.tar" for n in range(len(layers))]}
    ]
    files = {"config.json": json.dumps(config).encode(), "manifest.json": json.dumps(manifest).encode()}
    return layer({**files, **{f"{n}/layer.tar": data for n, data in enumerate(layers)}})


def test_300_layers_are_one_file_system(house: DaemonHouse, busybox_archive: str) -> None:
    assert "Loaded image: deep:1" in house.ok("load", input=many_layers(busybox_archive))
    assert house.ok("run", "--rm", "deep:1") == str(LAYERS - 1)
    assert house.ok("run", "--rm", "deep:1", "sh", "-c", "ls /n | sort -n | xargs") == f"{LAYERS - 2} {LAYERS - 1}"
    house.ok("run", "--name", "writes", "deep:1", "sh", "-c", "echo mine > /last; rm /n/298")
    assert house.ok("run", "--rm", "deep:1") == str(LAYERS - 1)
    house.ok("rm", "writes")
    house.ok("rmi", "deep:1")


@pytest.fixture(scope="session")
def debian_archive() -> str:
    """debootstrap's smallest Debian as a tar archive."""
    if not os.path.exists(DEBIAN):
        if shutil.which("debootstrap") is None:
            pytest.skip("needs debootstrap")
        tree = f"{DEBIAN}.tree"
        try:
            subprocess.run(
                ["debootstrap", "--variant=minbase", "bookworm", tree], check=True, stdout=subprocess.DEVNULL
            )
            archive = ["tar", "--numeric-owner", "--xattrs", "-C", tree, "-cf", f"{DEBIAN}.part", "."]
            subprocess.run(archive, check=True)
            os.rename(f"{DEBIAN}.part", DEBIAN)
        finally:
            shutil.rmtree(tree, ignore_errors=True)
    return DEBIAN


def test_a_debian_runs_and_keeps_its_files_to_itself(house: DaemonHouse, debian_archive: str) -> None:
    house.ok("import", debian_archive, "debian", timeout=120)
    try:
        assert house.ok("run", "--rm", "debian", "bash", "-c", "echo $BASH_VERSION").startswith("5.")
        assert house.ok("run", "--rm", "debian", "apt-get", "--version").startswith("apt ")
        assert house.docker("run", "--rm", "debian", "dpkg", "--audit").stdout == ""
        script = "echo mine > /etc/motd; mkdir /srv/new; rm /etc/issue; chown daemon /srv; dpkg --configure -a"
        house.ok("run", "--name", "writes", "debian", "bash", "-ec", script)
        id = house.ok("inspect", "-f", "{{.Id}}", "writes")
        upper = f"{house.data_root}/containers/{id}/upper"
        assert set(os.listdir(f"{upper}/etc")) - {"hosts", "hostname", "resolv.conf"} == {"issue", "motd"}
        assert os.listdir(f"{upper}/srv") == ["new"]
        fresh = "cat /etc/motd; ls /srv /etc/issue; stat -c %U /srv"
        shown = house.ok("run", "--rm", "debian", "bash", "-c", fresh)
        assert "mine" not in shown and "/etc/issue" in shown and shown.endswith("root")
        if house.docker("run", "--rm", "debian", "python3", "-c", "print(6 * 7)").returncode == 0:
            assert house.ok("run", "--rm", "debian", "python3", "-c", "print(6 * 7)") == "42"
        assert house.ok("exec", house.ok("run", "-d", "debian", "sleep", "1000"), "bash", "-c", "id -un") == "root"
    finally:
        house.remove_all()
        house.ok("rmi", "debian")
