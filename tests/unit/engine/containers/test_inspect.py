"""Inspect and list answer with the fields and types of Docker's own description of its API."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from engine_fakes import World

BESIDE = Path(__file__).parents[5] / "shared/api/docker-engine-v1.51.yaml"
SWAGGER = Path(os.environ.get("TIFFIN_API_YAML", str(BESIDE)))

# Only on Windows, or only where the image store has them.
ABSENT = {"ImageManifestDescriptor", "SizeRw", "SizeRootFs", "Health"}


@pytest.fixture(scope="module")
def definitions() -> dict[str, Any]:
    """Docker's definitions, with every value nullable: Go shows an empty slice or map as null."""
    if not SWAGGER.exists():
        pytest.skip("no description of Docker's API here (TIFFIN_API_YAML)")
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    found: dict[str, Any] = yaml.load(SWAGGER.read_text(encoding="utf-8"), loader)["definitions"]
    return {name: _nullable(definition) for name, definition in found.items()}


def _nullable(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_nullable(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: _nullable(value) for key, value in schema.items() if key not in ("example", "format", "enum")}
    if isinstance(found.get("type"), str):
        found["type"] = [found["type"], "null"]
    if "$ref" in found:
        return {"anyOf": [{"$ref": found["$ref"]}, {"type": "null"}]}
    return found


def check(document: Any, name: str, definitions: dict[str, Any]) -> None:
    jsonschema.validate(document, {"$ref": f"#/definitions/{name}", "definitions": definitions})


BODY = json.dumps(
    {
        "Image": "busybox",
        "Cmd": ["sh"],
        "Labels": {"a": "b"},
        "ExposedPorts": {"80/tcp": {}},
        "Healthcheck": {"Test": ["CMD", "true"], "Interval": 1000000000},
        "StopTimeout": 0,
        "HostConfig": {
            "Binds": ["vol:/v", "/tmp:/host"],
            "Memory": 64 << 20,
            "Ulimits": [{"Name": "nofile", "Soft": 10, "Hard": 20}],
            "Mounts": [{"Type": "tmpfs", "Target": "/t", "TmpfsOptions": {"SizeBytes": 4096}}],
            "Sysctls": {"net.core.somaxconn": "10"},
        },
    }
).encode()


@pytest.mark.parametrize("started", [False, True])
def test_inspect_has_every_field_of_dockers_description(
    tmp_path: Path, definitions: dict[str, Any], started: bool
) -> None:
    async def told() -> Any:
        world = World(str(tmp_path))
        id = await world.create("box", BODY)
        if started:
            await world.containers.start(id)
        return await world.containers.inspect(id, size=False), await world.containers.list(
            all=True, limit=0, size=False, filters={}
        )

    document, listed = json.loads(json.dumps(asyncio.run(told())))
    check(document, "ContainerInspectResponse", definitions)
    check(listed[0], "ContainerSummary", definitions)
    assert set(definitions["ContainerInspectResponse"]["properties"]) - set(document) <= ABSENT
    assert set(definitions["ContainerState"]["properties"]) - set(document["State"]) <= ABSENT
    assert set(definitions["NetworkSettings"]["properties"]) == set(document["NetworkSettings"])
    assert set(definitions["ContainerSummary"]["properties"]) - set(listed[0]) <= ABSENT
    assert document["Config"]["StopTimeout"] == 0


def test_the_host_configuration_is_shown_with_dockers_defaults(tmp_path: Path) -> None:
    async def told() -> Any:
        world = World(str(tmp_path))
        return await world.containers.inspect(await world.create("box"), size=False)

    host = asyncio.run(told())["HostConfig"]
    expected = {
        "NetworkMode": "bridge",
        "RestartPolicy": {"Name": "no", "MaximumRetryCount": 0},
        "LogConfig": {"Type": "json-file", "Config": {}},
        "IpcMode": "private",
        "CgroupnsMode": "private",
        "ShmSize": 64 << 20,
        "PortBindings": {},
        "ConsoleSize": [0, 0],
        "Dns": [],
        "Ulimits": [],
        "CapAdd": None,
        "PidsLimit": None,
    }
    assert {key: host[key] for key in expected} == expected
    assert "/proc/kcore" in host["MaskedPaths"] and "/proc/sys" in host["ReadonlyPaths"]
    assert "Init" not in host and "Sysctls" not in host


def test_a_container_that_does_not_run_has_no_address_but_a_network(tmp_path: Path) -> None:
    async def told() -> Any:
        world = World(str(tmp_path))
        id = await world.create("box")
        before = await world.containers.inspect(id, size=False)
        await world.containers.start(id)
        return before, await world.containers.inspect(id, size=True)

    before, running = asyncio.run(told())
    assert before["NetworkSettings"]["Networks"]["bridge"]["IPAddress"] == ""
    assert before["State"]["StartedAt"] == "0001-01-01T00:00:00Z"
    assert running["NetworkSettings"]["IPAddress"].startswith("172.30.0.")
    assert running["State"]["Pid"] == 4242 and running["SizeRw"] == 0
