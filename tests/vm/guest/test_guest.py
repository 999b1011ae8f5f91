"""What the VM must offer, so that a pass of the other suites in it means something. Runs inside."""

from __future__ import annotations

import os
import subprocess

import pytest

from tiffin.runtime import apparmor

pytestmark = pytest.mark.root


def run(*argv: str) -> str:
    return subprocess.run(argv, check=True, capture_output=True, text=True, timeout=60).stdout


def test_cgroup_v2_is_the_only_hierarchy_and_has_the_controllers() -> None:
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        types = [line.split(" - ")[1].split()[0] for line in file]
    assert "cgroup2" in types
    assert "cgroup" not in types
    with open("/sys/fs/cgroup/cgroup.subtree_control", encoding="ascii") as file:
        assert {"cpu", "memory", "pids", "io", "cpuset"} <= set(file.read().split())


def test_apparmor_is_on() -> None:
    assert apparmor.available()
    assert os.path.isdir(apparmor.SECURITYFS)


def test_an_overlay_mounts_on_the_scratch_disk(tmp_path: object) -> None:
    for name in ("lower", "upper", "work", "merged"):
        os.mkdir(f"{tmp_path}/{name}")
    options = f"lowerdir={tmp_path}/lower,upperdir={tmp_path}/upper,workdir={tmp_path}/work"
    run("mount", "-t", "overlay", "overlay", "-o", options, f"{tmp_path}/merged")
    try:
        with open(f"{tmp_path}/merged/file", "w", encoding="ascii") as file:
            file.write("x")
        assert os.listdir(f"{tmp_path}/upper") == ["file"]
    finally:
        run("umount", f"{tmp_path}/merged")


def test_bridges_veths_and_nftables_work() -> None:
    run("ip", "link", "add", "tgbr0", "type", "bridge")
    try:
        run("ip", "link", "add", "tgv0", "type", "veth", "peer", "name", "tgv1")
        run("ip", "link", "set", "tgv0", "master", "tgbr0")
        rules = "add table ip tgtest; add chain ip tgtest nat { type nat hook postrouting priority 100; }; "
        run("nft", rules + "add rule ip tgtest nat ip saddr 172.31.0.0/24 masquerade")
        assert "masquerade" in run("nft", "list", "table", "ip", "tgtest")
    finally:
        subprocess.run(["nft", "delete", "table", "ip", "tgtest"], check=False)
        subprocess.run(["ip", "link", "del", "tgv0"], check=False)
        run("ip", "link", "del", "tgbr0")
