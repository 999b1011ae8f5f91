"""A spawner, a supervisor and a busybox root file system on temporary directories: containers without a daemon.

`House.start` gives a Running container with one attached client (our end is `Running.client`); `House.run` waits for
its end and returns streams and exit. `House.leftovers` lists what of the house is still in the machine.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple

from tiffin.runtime.cgroup import delegate
from tiffin.runtime.cgroup.group import Cgroup
from tiffin.runtime.cgroup.layout import discover
from tiffin.runtime.program import LaunchError
from tiffin.runtime.shim_handle import ExecHandle, Exit, Shim
from tiffin.runtime.supervisor import Supervisor
from tiffin.spawn.client import Spawner
from tiffin.spec.capabilities import DEFAULT
from tiffin.spec.masked_paths import masked_paths, readonly_paths

BUSYBOX = "/usr/bin/busybox"
DEADLINE_S = 20.0
PASSWD = "root:x:0:0:root:/root:/bin/sh\ncook:x:1000:1001:cook:/home/cook:/bin/sh\n1234:x:77:77::/:/bin/sh\n"
GROUP = "root:x:0:\nkitchen:x:1001:\naudio:x:29:cook\n"
SAFE = ["nosuid", "noexec", "nodev"]


class Attachment(NamedTuple):
    """A client as the supervisor wants it."""

    fd: int
    tail: bytes = b""
    stdin: bool = False
    stdout: bool = True
    stderr: bool = True
    detach_keys: bytes = b""
    multiplexed: bool = True


class Result(NamedTuple):
    """What a run left."""

    code: int
    out: bytes
    err: bytes
    exit: Exit


async def until(condition: Callable[[], Any], what: str = "the condition", deadline_s: float = DEADLINE_S) -> Any:
    """Poll until the condition is true; its value."""
    loop = asyncio.get_running_loop()
    end = loop.time() + deadline_s
    while not (value := condition()):
        assert loop.time() < end, f"waited {deadline_s} s for {what}"
        await asyncio.sleep(0.01)
    return value


async def soon(awaitable: Awaitable[Any], deadline_s: float = DEADLINE_S) -> Any:
    """The result, within the deadline."""
    return await asyncio.wait_for(awaitable, deadline_s)


class Peer:
    """Our end of an attached connection."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self.sock = sock

    async def send(self, data: bytes) -> None:
        await soon(asyncio.get_running_loop().sock_sendall(self.sock, data), 60)

    def end_input(self) -> None:
        self.sock.shutdown(socket.SHUT_WR)

    async def some(self, limit: int = 1 << 18) -> bytes:
        return bytes(await soon(asyncio.get_running_loop().sock_recv(self.sock, limit)))

    async def all(self) -> bytes:
        parts = []
        while data := await self.some():
            parts.append(data)
        return b"".join(parts)

    async def line_with(self, text: bytes) -> bytes:
        """Read until `text` has come; everything so far."""
        got = b""
        while text not in got:
            data = await self.some()
            assert data, f"the stream ended before {text!r}: {got!r}"
            got += data
        return got

    def close(self) -> None:
        self.sock.close()


def streams(framed: bytes) -> tuple[bytes, bytes]:
    """(stdout, stderr) of a multiplexed stream that must end at a frame's end."""
    parts: dict[int, list[bytes]] = {1: [], 2: []}
    at = 0
    while at < len(framed):
        size = int.from_bytes(framed[at + 4 : at + 8], "big")
        assert at + 8 + size <= len(framed), "the stream ends inside a frame"
        parts[framed[at]].append(framed[at + 8 : at + 8 + size])
        at += 8 + size
    return b"".join(parts[1]), b"".join(parts[2])


class Running:
    """A started container."""

    def __init__(self, house: House, shim: Shim, request: dict[str, Any], client: Peer) -> None:
        self.house = house
        self.shim = shim
        self.request = request
        self.id: str = request["id"]
        self.client = client
        self.directory = house.directory(self.id)

    async def finish(self) -> Result:
        """Read the client to its end and wait for the exit."""
        raw = await self.client.all()
        exit_: Exit = await soon(self.shim.exited)
        out, err = (raw, b"") if self.request["tty"] else streams(raw)
        self.client.close()
        await soon(self.shim.gone)
        return Result(exit_.code, out, err, exit_)

    async def kill(self) -> Exit:
        await self.shim.signal(9)
        exit_: Exit = await soon(self.shim.exited)
        self.client.close()
        await soon(self.shim.gone)
        return exit_

    async def attach(self, **options: Any) -> tuple[Peer, asyncio.Future[str]]:
        ours, theirs = socket.socketpair()
        with theirs:
            gone = await self.shim.attach(**Attachment(theirs.fileno(), **options)._asdict())
        return Peer(ours), gone

    async def exec(
        self, args: Sequence[str], *, name: str | None = None, stdin: bool = False, tty: bool = False,
        user: str = "", cwd: str = "/", caps: Sequence[str] = DEFAULT, size: list[int] | None = None, **more: Any,
    ) -> tuple[ExecHandle, Peer]:  # fmt: skip
        ours, theirs = socket.socketpair()
        process = {**process_of(args, tty=tty, cwd=cwd, caps=caps), **more.pop("process", {})}
        document = {"process": process, "user": user, "open_stdin": stdin, "seccomp_path": None, "console_size": size}
        with theirs:
            try:
                handle = await soon(
                    self.shim.exec(
                        name or os.urandom(8).hex(),
                        {**document, **more},
                        Attachment(theirs.fileno(), stdin=stdin, multiplexed=not tty),
                    )
                )
            except BaseException:
                ours.close()
                raise
        return handle, Peer(ours)

    async def exec_result(self, args: Sequence[str], **options: Any) -> tuple[int, bytes, bytes]:
        handle, peer = await self.exec(args, **options)
        raw = await peer.all()
        peer.close()
        out, err = (raw, b"") if options.get("tty") else streams(raw)
        return await soon(handle.exited), out, err

    @property
    def shim_pid(self) -> int:
        with open(f"{self.house.supervisor.run_dir(self.id)}/init.pid", encoding="utf-8") as file:
            return int(json.load(file)["shim"])


def process_of(args: Sequence[str], *, tty: bool, cwd: str, caps: Sequence[str]) -> dict[str, Any]:
    sets = {kind: list(caps) for kind in ("bounding", "effective", "permitted")}
    return {
        "terminal": tty, "args": list(args), "env": ["PATH=/bin"], "cwd": cwd, "capabilities": sets,
        "noNewPrivileges": False,
    }  # fmt: skip


def mount(destination: str, kind: str, source: str, *options: str) -> dict[str, Any]:
    return {"destination": destination, "type": kind, "source": source, "options": list(options)}


def bind(source: str, destination: str, *options: str) -> dict[str, Any]:
    return mount(destination, "bind", source, "rbind", "rprivate", *options)


def kernel_mounts() -> list[dict[str, Any]]:
    return [
        mount("/proc", "proc", "proc", *SAFE),
        mount("/dev", "tmpfs", "tmpfs", "nosuid", "strictatime", "mode=755", "size=65536k"),
        mount("/dev/pts", "devpts", "devpts", "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"),
        mount("/sys", "sysfs", "sysfs", *SAFE, "ro"),
        mount("/sys/fs/cgroup", "cgroup", "cgroup", "ro", *SAFE),
        mount("/dev/mqueue", "mqueue", "mqueue", *SAFE),
        mount("/dev/shm", "tmpfs", "shm", *SAFE, "mode=1777", "size=67108864"),
    ]


class House:
    """One spawner and one supervisor; everything below one short temporary directory."""

    def __init__(self) -> None:
        self.root = tempfile.mkdtemp(prefix="thouse-")
        self.exec_root = f"{self.root}/run"
        os.mkdir(self.exec_root, 0o700)
        self.cgroup_parent = f"/tiffin-rt-{os.getpid()}"
        self.layout = discover()
        delegate.prepare(self.layout, self.cgroup_parent)
        self.image = f"{self.root}/img"
        make_image(self.image)
        self.spawner = Spawner({"shim": "tiffin.runtime.shim:main"})
        self.supervisor = Supervisor(self.exec_root, self.spawner, self.layout)
        self.peers: list[Peer] = []

    def directory(self, id: str) -> str:
        return f"{self.root}/c/{id}"

    def copy_image(self, name: str) -> str:
        """An image of its own for a test that spoils it."""
        path = f"{self.root}/{name}"
        shutil.rmtree(path, ignore_errors=True)
        shutil.copytree(self.image, path, symlinks=True)
        return path

    def spec(self, id: str, args: Sequence[str], *, tty: bool, cwd: str, caps: Sequence[str]) -> dict[str, Any]:
        return {
            "ociVersion": "1.2.0",
            "process": process_of(args, tty=tty, cwd=cwd, caps=caps),
            "root": {"path": "rootfs", "readonly": False},
            "hostname": "lunchbox",
            "mounts": kernel_mounts(),
            "linux": {
                "cgroupsPath": f"{self.cgroup_parent}/{id}",
                "resources": {},
                "namespaces": [{"type": kind} for kind in ("pid", "network", "ipc", "uts", "mount")],
                "maskedPaths": masked_paths(),
                "readonlyPaths": readonly_paths(),
            },
        }

    def request(
        self, args: Sequence[str], *, tty: bool = False, cwd: str = "/", caps: Sequence[str] = DEFAULT,
        lower: list[str] | None = None, mounts: Sequence[dict[str, Any]] = (), process: dict[str, Any] | None = None,
        linux: dict[str, Any] | None = None, readonly: bool = False, log: bool = False, **more: Any,
    ) -> dict[str, Any]:  # fmt: skip
        id = os.urandom(32).hex()
        directory = self.directory(id)
        os.makedirs(f"{directory}/upper")
        os.makedirs(f"{directory}/work")
        spec = self.spec(id, args, tty=tty, cwd=cwd, caps=caps)
        spec["process"].update(process or {})
        taken = {entry["destination"] for entry in mounts}
        spec["mounts"] = [entry for entry in spec["mounts"] if entry["destination"] not in taken] + list(mounts)
        spec["linux"].update(linux or {})
        spec["root"]["readonly"] = readonly
        rootfs = {"lower": lower or [self.image], "upper": f"{directory}/upper", "work": f"{directory}/work"}
        log_document = {"path": f"{directory}/log", "max_size": -1, "max_file": 1} if log else None
        return {
            "id": id, "spec": spec, "rootfs": rootfs, "user": "", "group_add": [], "log": log_document,
            "exit_path": f"{directory}/exit.json", "open_stdin": False, "stdin_once": True, "tty": tty,
            "seccomp_path": None, **more,
        }  # fmt: skip

    async def start(
        self, args: Sequence[str], *, tail: bytes = b"", detach_keys: bytes = b"", connect: Any = None, **options: Any
    ) -> Running:
        request = self.request(args, **options)
        ours, theirs = socket.socketpair()
        attachment = Attachment(
            theirs.fileno(), tail, bool(request["open_stdin"]), True, True, detach_keys, not request["tty"]
        )
        with theirs:
            try:
                shim = await soon(self.supervisor.start(request, connect=connect, attachments=[attachment]), 60)
            except BaseException:
                ours.close()
                raise
        peer = Peer(ours)
        self.peers.append(peer)
        return Running(self, shim, request, peer)

    async def run(self, args: Sequence[str], **options: Any) -> Result:
        running = await self.start(args, **options)
        return await running.finish()

    async def sh(self, script: str, **options: Any) -> Result:
        return await self.run(["sh", "-c", script], **options)

    # -- what is left -------------------------------------------------------------------------------------------

    def leftovers(self) -> list[str]:
        found = [f"run directory {name}" for name in os.listdir(self.exec_root)]
        with open("/proc/self/mountinfo", encoding="utf-8") as file:
            found += [f"mount {line.split()[4]}" for line in file if self.root in line]
        for path in set(Cgroup.open(self.layout, self.cgroup_parent).describe().values()):
            found += [f"cgroup {path}/{entry.name}" for entry in os.scandir(path) if entry.is_dir()]
        found += [f"process {line}" for line in self._processes()]
        return found

    def _processes(self) -> list[str]:
        found = []
        for name in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as file:
                    stat = file.read()
                with open(f"/proc/{name}/cgroup", encoding="utf-8") as file:
                    inside = self.cgroup_parent in file.read()
            except OSError:
                continue
            state, parent = stat.rpartition(")")[2].split()[:2]
            ours = int(parent) == self.spawner.pid and int(name) != self.spawner.pid
            if state != "Z" and (ours or inside):
                found.append(stat[:60])
        return found

    async def settle(self) -> list[str]:
        """What is left after at most 5 s."""
        loop = asyncio.get_running_loop()
        end = loop.time() + 5
        while (left := self.leftovers()) and loop.time() < end:
            await asyncio.sleep(0.02)
        return left

    async def end_all(self) -> None:
        """A test failed half way: end what it left behind."""
        for id in os.listdir(self.exec_root):
            shim = self.supervisor._shims.get(id) or await self.supervisor.adopt(id)
            if shim is None:
                self.supervisor.lost(id)
                continue
            try:
                await shim.signal(9)
                await soon(shim.gone)
            except LaunchError:
                pass

    async def close_peers(self) -> None:
        """What a failed test still holds."""
        for peer in self.peers:
            peer.close()
        self.peers.clear()

    async def close(self) -> None:
        await self.spawner.stop()
        Cgroup.open(self.layout, self.cgroup_parent).remove()
        shutil.rmtree(self.root)


def make_image(path: str) -> None:
    """A root file system of busybox alone."""
    for name in ("bin", "tmp", "etc", "root", "home/cook", "proc", "sys", "dev"):
        os.makedirs(f"{path}/{name}")
    os.chmod(f"{path}/tmp", 0o1777)
    os.chown(f"{path}/home/cook", 1000, 1001)
    shutil.copy(BUSYBOX, f"{path}/bin/busybox")
    for applet in subprocess.run([BUSYBOX, "--list"], check=True, capture_output=True, text=True).stdout.split():
        if applet != "busybox":
            os.symlink("busybox", f"{path}/bin/{applet}")
    for name, text in (("passwd", PASSWD), ("group", GROUP)):
        with open(f"{path}/etc/{name}", "w", encoding="utf-8") as file:
            file.write(text)
