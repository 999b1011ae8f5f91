"""A record becomes a runtime spec as Docker would write it, and a start request with every key it names."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest
from engine_fakes import World

from tiffin.engine.containers.attach import detach_keys
from tiffin.engine.containers.startrequest import start_request
from tiffin.errors import InvalidParameter, SystemFailure


def made(tmp_path: Path, body: dict[str, Any] | None = None, **settings: Any) -> Any:
    async def told() -> Any:
        world = World(str(tmp_path), **settings)
        id = await world.create("box", json.dumps({"Image": "busybox", **(body or {})}).encode())
        record = world.containers.table.get(id).record
        return start_request(record, world.containers.spec(id), world.settings)

    return asyncio.run(told())


def mounts(spec: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {mount["destination"]: mount for mount in spec["mounts"]}


def test_the_default_spec_is_dockers(tmp_path: Path) -> None:
    request = made(tmp_path)
    spec = request["spec"]
    assert [mount["destination"] for mount in spec["mounts"]] == [
        "/proc",
        "/dev",
        "/dev/pts",
        "/sys",
        "/sys/fs/cgroup",
        "/dev/mqueue",
        "/dev/shm",
        "/etc/resolv.conf",
        "/etc/hostname",
        "/etc/hosts",
    ]
    kinds = [namespace["type"] for namespace in spec["linux"]["namespaces"]]
    assert sorted(kinds) == ["cgroup", "ipc", "mount", "network", "pid", "uts"]
    capabilities = spec["process"]["capabilities"]
    assert set(capabilities) == {"bounding", "effective", "permitted"} and len(capabilities["bounding"]) == 14
    assert spec["process"]["env"] == [f"HOSTNAME={request['id'][:12]}", "PATH=/bin", "A=image"]
    assert spec["linux"]["cgroupsPath"] == f"/tiffin/{request['id']}"
    assert spec["linux"]["sysctl"]["net.ipv4.ip_unprivileged_port_start"] == "0"
    assert spec["linux"]["resources"]["devices"][0] == {"allow": False, "access": "rwm"}


def test_the_request_has_the_keys_that_its_docstring_lists(tmp_path: Path) -> None:
    listed = set(re.findall(r"^    ([a-z_]+) +\S", start_request.__doc__ or "", re.M)) - {""}
    assert listed >= set(made(tmp_path)) and set(made(tmp_path)) >= listed - {"stop_timeout"}


def test_limits_become_resources(tmp_path: Path) -> None:
    host = {"Memory": 64 << 20, "NanoCpus": 1_500_000_000, "PidsLimit": 0, "CpusetCpus": "0", "BlkioWeight": 300}
    resources = made(tmp_path, {"HostConfig": host})["spec"]["linux"]["resources"]
    assert resources["memory"] == {"limit": 64 << 20, "swap": 128 << 20}
    assert resources["cpu"] == {"period": 100000, "quota": 150000, "cpus": "0"}
    assert resources["pids"] == {"limit": -1} and resources["blockIO"] == {"weight": 300}


def test_modes_of_the_host_have_no_namespace(tmp_path: Path) -> None:
    host = {"NetworkMode": "host", "PidMode": "host", "IpcMode": "host", "UTSMode": "host", "CgroupnsMode": "host"}
    request = made(tmp_path, {"HostConfig": host})
    assert [namespace["type"] for namespace in request["spec"]["linux"]["namespaces"]] == ["mount"]
    assert mounts(request["spec"])["/dev/shm"]["source"] == "/dev/shm"
    assert "hostname" not in request["spec"]


def test_another_containers_namespaces_are_joined_by_its_pid(tmp_path: Path) -> None:
    async def told() -> Any:
        world = World(str(tmp_path))
        await world.create("first")
        body = {"Image": "busybox", "HostConfig": {"NetworkMode": "container:first", "IpcMode": "container:first"}}
        id = await world.create("second", json.dumps(body).encode())
        await world.containers.start("first")
        return world.containers.spec(id)

    spec = asyncio.run(told())
    joined = {item["type"]: item.get("path") for item in spec["linux"]["namespaces"]}
    assert joined["network"] == "/proc/4242/ns/net" and joined["ipc"] == "/proc/4242/ns/ipc"
    assert mounts(spec)["/dev/shm"]["source"] == "/proc/4242/root/dev/shm"


def test_privileged_has_everything_and_hides_nothing(tmp_path: Path) -> None:
    spec = made(tmp_path, {"HostConfig": {"Privileged": True}}, apparmor=True)["spec"]
    assert spec["linux"]["maskedPaths"] == spec["linux"]["readonlyPaths"] == []
    assert spec["linux"]["resources"]["devices"] == [{"allow": True, "access": "rwm"}]
    assert "CAP_SYS_ADMIN" in spec["process"]["capabilities"]["bounding"]
    assert "apparmorProfile" not in spec["process"] and "seccomp" not in spec["linux"]
    assert "rw" in mounts(spec)["/sys"]["options"]


def test_what_the_user_mounts_replaces_the_default_there(tmp_path: Path) -> None:
    host = {"Binds": ["/tmp:/dev/shm:ro", "/tmp:/etc/hosts"], "Tmpfs": {"/run": "exec,size=1m"}}
    spec = made(tmp_path, {"HostConfig": host})["spec"]
    found = mounts(spec)
    assert len(found) == len(spec["mounts"])
    assert found["/dev/shm"]["source"] == "/tmp" and "ro" in found["/dev/shm"]["options"]
    assert found["/run"]["options"] == ["nosuid", "nodev", "exec", "size=1m"]


def test_init_goes_before_the_program(tmp_path: Path) -> None:
    spec = made(tmp_path, {"HostConfig": {"Init": True}}, init_path="/usr/bin/tini-static")["spec"]
    assert spec["process"]["args"] == ["/sbin/docker-init", "--", "sh"]
    assert mounts(spec)["/sbin/docker-init"]["source"] == "/usr/bin/tini-static"


def test_init_that_is_not_installed_is_dockers_error(tmp_path: Path) -> None:
    with pytest.raises(SystemFailure, match=re.escape('exec: "docker-init": executable file not found in $PATH')):
        made(tmp_path, {"HostConfig": {"Init": True}})


def test_a_compiled_filter_takes_the_place_of_the_profile(tmp_path: Path) -> None:
    async def told() -> Any:
        world = World(str(tmp_path))
        id = await world.create("box")
        spec = world.containers.spec(id)
        spec["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_ERRNO"}
        return spec, start_request(world.containers.table.get(id).record, spec, world.settings, seccomp_path="/f.bpf")

    spec, request = asyncio.run(told())
    assert "seccomp" in spec["linux"] and "seccomp" not in request["spec"]["linux"]


def test_the_log_is_rotated_by_default_and_as_asked(tmp_path: Path) -> None:
    log = made(tmp_path)["log"]
    assert (log["driver"], log["max_size"], log["max_file"]) == ("json-file", 20 << 20, 5)
    options = {"max-size": "1m", "max-file": "2", "labels": "a"}
    body = {"Labels": {"a": "b"}, "HostConfig": {"LogConfig": {"Type": "json-file", "Config": options}}}
    log = made(tmp_path / "two", body)["log"]
    assert (log["max_size"], log["max_file"], log["attrs"]) == (1 << 20, 2, {"a": "b"})
    assert made(tmp_path / "three", {"HostConfig": {"LogConfig": {"Type": "none"}}})["log"] is None


@pytest.mark.parametrize(
    ("text", "keys"),
    [("", b"\x10\x11"), ("ctrl-a", b"\x01"), ("a,b", b"ab"), ("ctrl-@,ctrl-[,ctrl-_", b"\x00\x1b\x1f")],
)
def test_detach_keys_are_parsed(text: str, keys: bytes) -> None:
    assert detach_keys(text) == keys


@pytest.mark.parametrize("text", ["ctrl-", "ctrl-A", "ab", ",", "ctrl-1"])
def test_what_are_no_keys_is_refused(text: str) -> None:
    with pytest.raises(InvalidParameter, match=re.escape(f"Invalid detach keys ({text}) provided")):
        detach_keys(text)
