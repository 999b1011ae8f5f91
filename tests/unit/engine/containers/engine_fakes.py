"""Stand-ins for the rooms below the containers' engine: a supervisor without processes, records in a dict."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import time
from typing import Any

from tiffin.engine.containers.ports import Attachment
from tiffin.engine.containers.service import Containers
from tiffin.engine.containers.settings import Settings
from tiffin.engine.events import Events
from tiffin.errors import NotFound
from tiffin.spec.container import decode_create

BUSYBOX = "sha256:" + "b" * 64


class FakeStartError(Exception):
    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.message, self.exit_code = message, exit_code


@dataclasses.dataclass
class Exit:
    code: int
    oom_killed: bool = False
    finished_at_ns: int = dataclasses.field(default_factory=time.time_ns)
    error: str = ""


class FakeShim:
    """`obeys`: signals that end it at once; SIGKILL always does."""

    def __init__(self, id: str, request: dict[str, Any]) -> None:
        self.id, self.request = id, request
        self.pid = 4242
        self.started_at_ns = time.time_ns()
        self.trace = [{"step": "namespaces", "who": "runtime", "duration_us": 7, "facts": {"pid": 1}}]
        self.exited: asyncio.Future[Exit] = asyncio.get_running_loop().create_future()
        self.obeys = {15}
        self.signals: list[int] = []
        self.attached: list[tuple[int, dict[str, Any]]] = []
        self.execs: dict[str, dict[str, Any]] = {}
        self.exec_futures: dict[str, asyncio.Future[int]] = {}
        self.frozen = False
        self.size = (0, 0)

    def end(self, code: int = 0, **more: Any) -> None:
        if not self.exited.done():
            self.exited.set_result(Exit(code, **more))

    async def attach(self, fd: int, tail: bytes, **options: Any) -> asyncio.Future[str]:
        self.attached.append((os.dup(fd), {"tail": tail, **options}))
        future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        return future

    async def exec(self, exec_id: str, request: dict[str, Any], attachment: Attachment | None) -> Any:
        if request["process"]["args"][0] == "missing":
            raise FakeStartError('exec: "missing": executable file not found in $PATH', 127)
        self.execs[exec_id] = request
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.exec_futures[exec_id] = future
        return dataclasses.make_dataclass("Handle", ["pid", "exited"])(77, future)

    async def resize(self, exec_id: str | None, rows: int, cols: int) -> None:
        self.size = (rows, cols)

    async def signal(self, sig: int, all: bool = False) -> None:
        self.signals.append(sig)
        if sig == 9 or sig in self.obeys:
            self.end(128 + sig)

    async def freeze(self) -> None:
        self.frozen = True

    async def thaw(self) -> None:
        self.frozen = False

    async def update(self, resources: dict[str, Any]) -> None: ...


class FakeSupervisor:
    def __init__(self) -> None:
        self.shims: dict[str, FakeShim] = {}
        self.refuse: FakeStartError | None = None
        self.cleaned: list[str] = []
        self.lost_reason = "shim died"

    async def start(self, request: dict[str, Any], *, connect: Any, attachments: list[Attachment]) -> FakeShim:
        if self.refuse:
            raise self.refuse
        if connect is not None:
            await connect(-1, -1)
        shim = FakeShim(request["id"], request)
        for attachment in attachments:
            await shim.attach(attachment.fd, attachment.tail)
        self.shims[request["id"]] = shim
        return shim

    async def adopt(self, id: str) -> FakeShim | None:
        shim = self.shims.get(id)
        return shim if shim and not shim.exited.done() else None

    async def settle(self, id: str) -> None:
        pass

    def ran(self, id: str) -> bool:
        return False

    def lost(self, id: str) -> str:
        return self.lost_reason

    def sweep(self) -> None:
        pass

    def clean(self, id: str) -> None:
        self.cleaned.append(id)


class FakeRecords:
    def __init__(self) -> None:
        self.documents: dict[str, dict[str, Any]] = {}

    def load_all(self) -> list[dict[str, Any]]:
        return list(self.documents.values())

    async def save(self, id: str, name: str, doc: dict[str, Any]) -> None:
        await asyncio.sleep(0)
        self.documents[id] = doc

    async def delete(self, id: str) -> None:
        await asyncio.sleep(0)
        self.documents.pop(id, None)


class FakeImages:
    def resolve_for_create(self, name: str) -> Any:
        if name.split(":")[0] not in ("busybox", BUSYBOX):
            raise NotFound(f"No such image: {name if ':' in name else name + ':latest'}")
        kind = dataclasses.make_dataclass("View", ["id", "config", "lowerdirs", "chain_id", "platform"])
        config = {"Env": ["PATH=/bin", "A=image"], "Cmd": ["sh"], "Labels": {"from": "image"}, "WorkingDir": "/"}
        return kind(BUSYBOX, config, ["/layers/l/A"], "sha256:chain", "linux/amd64")


@dataclasses.dataclass(frozen=True)
class Endpoint:
    network_id: str
    endpoint_id: str
    address: str
    prefix_len: int
    gateway: str
    mac: str
    host_veth: str


class FakeBridge:
    gateway = "172.17.0.1"

    def __init__(self) -> None:
        self.live: dict[str, Endpoint] = {}
        self.number = 1

    def allocate(self, *, mac: str | None = None, address: str | None = None) -> Endpoint:
        self.number += 1
        id = f"{self.number:064x}"
        endpoint = Endpoint(
            "n" * 64, id, address or f"172.30.0.{self.number % 250}", 24, "172.30.0.1", mac or "02:42:00:00:00:02", "v"
        )
        self.live[id] = endpoint
        return endpoint

    def reserve(self, endpoint: Endpoint) -> None:
        self.live[endpoint.endpoint_id] = endpoint

    def connect(self, endpoint: Endpoint, netns_fd: int, rtnl_fd: int) -> dict[str, Any]:
        return {"veth": endpoint.host_veth}

    def release(self, endpoint: Endpoint) -> None:
        self.live.pop(endpoint.endpoint_id, None)


def write_etc(dir: str, **_: Any) -> None:
    for name in ("hosts", "hostname", "resolv.conf"):
        with open(f"{dir}/{name}", "w", encoding="ascii") as file:
            file.write("fake\n")


class World:
    """An engine over fakes; `again()` is the same host after the daemon was restarted."""

    def __init__(self, root: str, **settings: Any) -> None:
        self.settings = Settings(
            data_root=root, exec_root=f"{root}/run", boot_id="boot", cpus=2, stop_timeout=10, **settings
        )
        self.records, self.supervisor, self.bridge = FakeRecords(), FakeSupervisor(), FakeBridge()
        self._make()

    def _make(self) -> None:
        self.events = Events()
        self.seen: list[dict[str, Any]] = []
        publish = self.events.publish

        def recording(*args: Any) -> dict[str, Any]:
            message = publish(*args)
            self.seen.append(message)
            return message

        self.events.publish = recording  # type: ignore[method-assign]
        self.containers = Containers(
            settings=self.settings,
            records=self.records,
            images=FakeImages(),
            supervisor=self.supervisor,
            events=self.events,
            write_etc=write_etc,
            bridge=self.bridge,
            network_id="n" * 64,
            make_endpoint=Endpoint,
        )

    async def again(self) -> World:
        await self.containers.close()
        self._make()
        return self

    async def create(self, name: str = "", body: bytes = b'{"Image":"busybox"}') -> str:
        return (await self.containers.create(decode_create(body), name)).id

    def shim(self, id: str) -> FakeShim:
        return self.supervisor.shims[id]

    def actions(self) -> list[str]:
        return [f"{message['Type']} {message['Action']}" for message in self.seen]

    async def settled(self, condition: Any) -> None:
        """Until the condition holds; the deadline only ends a broken test."""
        async with asyncio.timeout(5):
            while not condition():
                await asyncio.sleep(0)
