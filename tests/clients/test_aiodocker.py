"""aiodocker, the asyncio library."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import aiodocker
import pytest

from daemon_house import DaemonHouse

Use = Callable[[aiodocker.Docker], Awaitable[None]]


def with_client(house: DaemonHouse, use: Use) -> None:
    async def session() -> None:
        async with aiodocker.Docker(url=house.host) as docker:
            await asyncio.wait_for(use(docker), 60)

    asyncio.run(session())


def config(*command: str, **more: Any) -> dict[str, Any]:
    return {"Image": "busybox", "Cmd": list(command), **more}


def test_create_start_wait_log_delete(house: DaemonHouse) -> None:
    async def use(docker: aiodocker.Docker) -> None:
        program = config("sh", "-c", "echo out; echo err >&2; exit 4")
        container = await docker.containers.create_or_replace("aio", program)
        await container.start()
        assert (await container.wait())["StatusCode"] == 4
        assert await container.log(stdout=True) == ["out\n"]
        assert await container.log(stderr=True) == ["err\n"]
        assert (await container.show())["State"]["ExitCode"] == 4
        await container.delete()
        assert await docker.containers.list(all=True) == []

    with_client(house, use)


def test_follow_a_log(house: DaemonHouse) -> None:
    async def use(docker: aiodocker.Docker) -> None:
        container = await docker.containers.run(config("sh", "-c", "for n in 1 2 3; do echo $n; sleep 0.05; done"))
        assert "".join([line async for line in container.log(stdout=True, follow=True)]) == "1\n2\n3\n"

    with_client(house, use)


def test_exec(house: DaemonHouse) -> None:
    async def use(docker: aiodocker.Docker) -> None:
        container = await docker.containers.run(config("sleep", "1000"))
        execution = await container.exec(["sh", "-c", "read l; echo got $l; exit 5"], stdin=True)
        async with execution.start(detach=False) as stream:
            await stream.write_in(b"words\n")
            message = await stream.read_out()
            assert message is not None and message.data == b"got words\n"
            assert await stream.read_out() is None
        assert (await execution.inspect())["ExitCode"] == 5

    with_client(house, use)


def test_attach(house: DaemonHouse) -> None:
    async def use(docker: aiodocker.Docker) -> None:
        container = await docker.containers.create(config("cat", OpenStdin=True, StdinOnce=True, AttachStdin=True))
        async with container.attach(stdin=True, stdout=True, stderr=True) as stream:
            await container.start()
            await stream.write_in(b"there and back\n")
            message = await stream.read_out()
            assert message is not None and (message.stream, message.data) == (1, b"there and back\n")
        await container.kill()

    with_client(house, use)


def test_events(house: DaemonHouse) -> None:
    async def use(docker: aiodocker.Docker) -> None:
        subscriber = docker.events.subscribe()
        container = await docker.containers.run(config("true"))
        await container.wait()
        await container.delete()
        actions = []
        while "destroy" not in actions:
            event = await subscriber.get()
            assert event is not None
            actions.append(event["Action"])
        assert "die" in actions

    with_client(house, use)


def test_errors(house: DaemonHouse) -> None:
    async def use(docker: aiodocker.Docker) -> None:
        with pytest.raises(aiodocker.DockerError) as raised:
            await docker.containers.get("not-there")
        assert raised.value.status == 404
        with pytest.raises(aiodocker.DockerError) as raised:
            await docker.containers.create(config("true", Image="no-such-image"))
        assert (raised.value.status, raised.value.message) == (404, "No such image: no-such-image:latest")

    with_client(house, use)


def test_images(house: DaemonHouse) -> None:
    async def use(docker: aiodocker.Docker) -> None:
        (image,) = await docker.images.list()
        assert image["RepoTags"] == ["busybox:latest"]
        assert (await docker.images.inspect("busybox"))["Id"] == image["Id"]
        await docker.images.tag("busybox", repo="again")
        await docker.images.delete("again")

    with_client(house, use)
