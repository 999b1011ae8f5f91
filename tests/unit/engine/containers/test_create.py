"""What create accepts, refuses (in Docker's words) and fills in."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest
from engine_fakes import World

from tiffin.engine.containers import merge, naming
from tiffin.errors import Conflict, InvalidParameter, NotFound, TiffinError
from tiffin.spec.container import ContainerConfig, decode_create


def create(tmp_path: Path, body: Any, name: str = "") -> Any:
    """(the world, the id) after one create."""

    async def told() -> Any:
        world = World(str(tmp_path))
        raw = body if isinstance(body, bytes) else json.dumps({"Image": "busybox", **body}).encode()
        return world, await world.create(name, raw)

    return asyncio.run(told())


def inspected(tmp_path: Path, body: Any) -> Any:
    world, id = create(tmp_path, body)
    return asyncio.run(world.containers.inspect(id, size=False))


REFUSED: list[tuple[dict[str, Any], type[TiffinError], str]] = [
    ({"Image": "nope"}, NotFound, "No such image: nope:latest"),
    ({"Cmd": [], "Entrypoint": [""], "Image": ""}, InvalidParameter, "no image specified"),
    ({"WorkingDir": "a"}, InvalidParameter, "the working directory 'a' is invalid, it needs to be an absolute path"),
    ({"Hostname": "a b"}, InvalidParameter, "invalid hostname format: a b"),
    ({"Hostname": "evil\n1.2.3.4 host"}, InvalidParameter, "invalid hostname format"),
    ({"Env": ["=x"]}, InvalidParameter, "invalid environment variable: =x"),
    ({"StopSignal": "FOO"}, InvalidParameter, "invalid signal: FOO"),
    ({"ExposedPorts": {"99999/tcp": {}}}, InvalidParameter, 'invalid port specification: "99999/tcp"'),
    ({"HostConfig": {"Memory": 1024}}, InvalidParameter, "Minimum memory limit allowed is 6MB"),
    (
        {"HostConfig": {"Memory": 10 << 20, "MemorySwap": 8 << 20}},
        InvalidParameter,
        "Minimum memoryswap limit should be larger than memory limit, see usage",
    ),
    (
        {"HostConfig": {"NanoCpus": 99 * 10**9}},
        InvalidParameter,
        "range of CPUs is from 0.01 to 2.00, as there are only 2 CPUs available",
    ),
    ({"HostConfig": {"CpusetCpus": "0-9"}}, InvalidParameter, "Requested CPUs are not available"),
    ({"HostConfig": {"BlkioWeight": 5}}, InvalidParameter, "Range of blkio weight is from 10 to 1000"),
    ({"HostConfig": {"OomScoreAdj": 2000}}, InvalidParameter, "Invalid value 2000"),
    (
        {"HostConfig": {"AutoRemove": True, "RestartPolicy": {"Name": "always"}}},
        InvalidParameter,
        "can't create 'AutoRemove' container with restart policy",
    ),
    ({"HostConfig": {"RestartPolicy": {"Name": "x"}}}, InvalidParameter, "invalid restart policy: unknown policy 'x'"),
    ({"HostConfig": {"IpcMode": "x"}}, InvalidParameter, "invalid IPC mode: x"),
    ({"HostConfig": {"NetworkMode": "container:"}}, InvalidParameter, "invalid container format"),
    ({"HostConfig": {"VolumesFrom": ["gone"]}}, InvalidParameter, "No such container: gone"),
    ({"HostConfig": {"CapAdd": ["NOPE"]}}, InvalidParameter, 'unknown capability: "CAP_NOPE"'),
    ({"HostConfig": {"Binds": ["/a"]}}, InvalidParameter, "invalid volume specification: '/a'"),
    ({"HostConfig": {"Binds": ["/a:b"]}}, InvalidParameter, "mount path must be absolute"),
    ({"HostConfig": {"Binds": ["/a:/b", "/c:/b/"]}}, InvalidParameter, "Duplicate mount point: /b"),
    ({"HostConfig": {"Binds": ["a/b:/c"]}}, InvalidParameter, "includes invalid characters for a local volume name"),
    ({"HostConfig": {"Binds": ["/a:/b:zap"]}}, InvalidParameter, "invalid mode: zap"),
    ({"Volumes": {"/proc": {}}}, InvalidParameter, '"/proc" cannot be mounted because it is inside /proc'),
    ({"Volumes": {"/x/../proc/sys": {}}}, InvalidParameter, "inside /proc"),
    (
        {"HostConfig": {"Mounts": [{"Type": "bind", "Source": "/not/there", "Target": "/x"}]}},
        InvalidParameter,
        'invalid mount config for type "bind": bind source path does not exist: /not/there',
    ),
    ({"HostConfig": {"SecurityOpt": ["zap=1"]}}, InvalidParameter, 'invalid --security-opt 2: "zap=1"'),
    ({"HostConfig": {"ExtraHosts": ["a"]}}, InvalidParameter, 'bad format for add-host: "a"'),
    ({"HostConfig": {"ExtraHosts": ["a:1.2"]}}, InvalidParameter, 'invalid IP address in add-host: "1.2"'),
    ({"HostConfig": {"LogConfig": {"Type": "x"}}}, InvalidParameter, "logger: no log driver named 'x' is registered"),
    (
        {"HostConfig": {"LogConfig": {"Type": "json-file", "Config": {"x": "1"}}}},
        InvalidParameter,
        "unknown log opt 'x' for json-file log driver",
    ),
    ({"HostConfig": {"Runtime": "x"}}, InvalidParameter, "unknown or invalid runtime name: x"),
    ({"HostConfig": {"Ulimits": [{"Name": "zap"}]}}, InvalidParameter, "invalid ulimit type: zap"),
    ({"Tty": "yes"}, InvalidParameter, "Tty"),
    ({"HostConfig": {"Memory": "1g"}}, InvalidParameter, "Memory"),
]


@pytest.mark.parametrize(("body", "kind", "words"), REFUSED, ids=[str(index) for index in range(len(REFUSED))])
def test_what_makes_no_sense_is_refused_in_dockers_words_and_leaves_nothing(
    tmp_path: Path, body: dict[str, Any], kind: type[TiffinError], words: str
) -> None:
    async def told() -> None:
        world = World(str(tmp_path))
        with pytest.raises(kind, match=re.escape(words)):
            await world.create("one", json.dumps({"Image": "busybox", **body}).encode())
        assert len(world.containers.table) == 0 and not world.records.documents
        assert not list((tmp_path / "containers").glob("*")) if (tmp_path / "containers").exists() else True
        await world.create("one")  # the name is free

    asyncio.run(told())


@pytest.mark.parametrize("name", ["x", "-a", "a b", "a/b", "ä1", "", "a\n"])
def test_a_name_that_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(InvalidParameter) as refused:
        naming.check_name(name)
    assert refused.value.message == (
        f"Invalid container name ({name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed"
    )


def test_the_image_is_of_the_platform_that_is_asked_for(tmp_path: Path) -> None:
    async def told() -> None:
        world = World(str(tmp_path))
        request = decode_create(b'{"Image":"busybox"}')
        with pytest.raises(NotFound, match="does not provide the specified platform"):
            await world.containers.create(request, "", "linux/arm64")
        with pytest.raises(InvalidParameter, match="invalid platform"):
            await world.containers.create(request, "", "a/b/c/d")
        await world.containers.create(request, "", "linux/amd64")

    asyncio.run(told())


def test_a_name_in_use_is_a_conflict_that_names_its_owner(tmp_path: Path) -> None:
    async def told() -> None:
        world = World(str(tmp_path))
        id = await world.create("box")
        with pytest.raises(Conflict) as refused:
            await world.create("/box")
        assert refused.value.message == (
            f'Conflict. The container name "/box" is already in use by container "{id}". '
            "You have to remove (or rename) that container to be able to reuse that name."
        )

    asyncio.run(told())


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "invalid JSON: got EOF while reading request body"),
        (b"{}", "config cannot be empty in order to create a container"),
        (b"{", "invalid JSON"),
        (b"[]", "invalid JSON"),
        (b"\xff", "invalid JSON"),
    ],
)
def test_a_body_that_is_no_configuration_is_refused(body: bytes, words: str) -> None:
    with pytest.raises(InvalidParameter, match=re.escape(words)):
        decode_create(body)


def test_null_is_the_default_for_every_field() -> None:
    body = {"Image": "busybox", "Hostname": None, "Tty": None, "HostConfig": {"Memory": None, "LogConfig": None}}
    request = decode_create(json.dumps(body).encode())
    assert request.config.hostname == "" and request.host_config.memory == 0


def test_unknown_fields_are_ignored(tmp_path: Path) -> None:
    create(tmp_path, {"Zap": 1, "HostConfig": {"Zap": [1]}})


def test_what_the_image_says_is_below_what_the_user_says(tmp_path: Path) -> None:
    config = inspected(tmp_path, {"Env": ["A=mine", "B"], "Labels": {"from": "me"}})["Config"]
    assert config["Env"] == ["A=mine", "B", "PATH=/bin"]
    assert config["Labels"] == {"from": "me"}
    assert config["Cmd"] == ["sh"] and config["Entrypoint"] is None
    assert "StopSignal" not in config and "Healthcheck" not in config


@pytest.mark.parametrize(
    ("mine", "image", "words"),
    [
        ({}, {"Cmd": ["c"], "Entrypoint": ["e"]}, ["e", "c"]),
        ({"cmd": ["m"]}, {"Cmd": ["c"], "Entrypoint": ["e"]}, ["e", "m"]),
        ({"entrypoint": ["x"]}, {"Cmd": ["c"], "Entrypoint": ["e"]}, ["x"]),
        ({"entrypoint": [""]}, {"Cmd": ["c"], "Entrypoint": ["e"]}, []),
        ({"entrypoint": [], "cmd": ["m"]}, {"Cmd": ["c"], "Entrypoint": ["e"]}, ["m"]),
        ({"cmd": "a b"}, {"Entrypoint": ["e"]}, ["e", "a b"]),
    ],
)
def test_entry_point_and_command_combine_as_in_docker(
    mine: dict[str, Any], image: dict[str, Any], words: list[str]
) -> None:
    config = ContainerConfig(image="busybox", **mine)
    merge.merge(config, image)
    if not words:
        with pytest.raises(InvalidParameter, match="no command specified"):
            merge.command_line(config)
        return
    path, args = merge.command_line(config)
    assert [path, *args] == words


def test_memory_without_swap_gets_as_much_swap_again(tmp_path: Path) -> None:
    assert inspected(tmp_path, {"HostConfig": {"Memory": 64 << 20}})["HostConfig"]["MemorySwap"] == 128 << 20


def test_published_ports_on_the_hosts_network_are_a_warning(tmp_path: Path) -> None:
    async def told() -> None:
        world = World(str(tmp_path))
        body = {
            "Image": "busybox",
            "HostConfig": {"NetworkMode": "host", "PortBindings": {"80/tcp": [{"HostPort": "80"}]}},
        }
        created = await world.containers.create(decode_create(json.dumps(body).encode()))
        assert created.warnings == ["Published ports are discarded when using host network mode"]

    asyncio.run(told())


def test_volumes_of_user_and_image_become_directories_and_mounts(tmp_path: Path) -> None:
    document = inspected(
        tmp_path,
        {
            "Volumes": {"/data": {}, "/named": {}},
            "HostConfig": {"Binds": ["vol:/named:ro", "/tmp:/host:rslave"], "Tmpfs": {"/run": "size=1m"}},
        },
    )
    mounts = {mount["Destination"]: mount for mount in document["Mounts"]}
    assert set(mounts) == {"/data", "/named", "/host"}
    assert (mounts["/named"]["Name"], mounts["/named"]["RW"]) == ("vol", False)
    assert mounts["/host"]["Propagation"] == "rslave"
    assert len(mounts["/data"]["Name"]) == 64
    assert (tmp_path / "volumes" / "vol" / "_data").is_dir()


def test_random_names_are_valid_and_differ() -> None:
    names: set[str] = set()
    for _ in range(500):
        names.add(naming.check_name(naming.random_name(names.__contains__)))
    assert len(names) == 500


def test_random_names_go_on_when_all_pairs_are_taken() -> None:
    taken = {f"{left}_{right}" for left in naming.ADJECTIVES for right in naming.DISHES}
    assert naming.random_name(taken.__contains__) not in taken
