"""The daemon's side of the shims: start one, find one again, talk to it. asyncio; knows containers only by id.

    Supervisor.start   make the run directory, spawn a shim, lend it the network step, wait for "started"
    Supervisor.adopt   connect to <exec-root>/<id>/shim.sock of a shim that outlived an earlier daemon
    shim_handle.Shim   one running container: attach, exec, resize, signal, freeze, thaw, update; `exited`

Descriptors are borrowed: the caller closes its own after the call.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import shutil
import signal
import socket
import time
from collections.abc import Sequence
from typing import Any

from tiffin.runtime.bootid import boot_id, start_time
from tiffin.runtime.cgroup.group import Cgroup
from tiffin.runtime.cgroup.layout import Layout
from tiffin.runtime.shim_handle import (
    Attachment,
    Connect,
    Exit,
    NeverHeard,
    Shim,
    StartError,
)
from tiffin.spawn.channel import Channel, pair
from tiffin.spawn.client import Spawner

log = logging.getLogger(__name__)

SHIM_DIED = "shim died"
ID_LENGTH = 64
CONNECT_S = 2.0
ADOPT_S = 10.0  # a shim that is starting an exec answers nobody meanwhile


class Supervisor:
    """Starts and finds shims. `exec_root` holds one directory (0700) for each running container."""

    def __init__(self, exec_root: str, spawner: Spawner, layout: Layout) -> None:
        self._exec_root = exec_root
        self._spawner = spawner
        self._layout = layout
        self._shims: dict[str, Shim] = {}

    def run_dir(self, id: str) -> str:
        """Where a running container's socket, pid and config.json are."""
        return f"{self._exec_root}/{id}"

    async def start(
        self, request: dict[str, Any], *, connect: Connect | None, attachments: Sequence[Attachment]
    ) -> Shim:
        """Start a container; raises StartError, and then nothing of it is left.

        A request that a dying spawner took with it is made again, once: nothing has run of it.
        """
        await self.settle(request["id"])
        # The last run's shim may still be on its way out: the run directory is no longer its to remove.
        self._shims.pop(request["id"], None)
        try:
            shim = await self._attempt(request, connect, attachments)
        except NeverHeard:
            log.warning("container %s: the request was lost with the spawner; asking again", request["id"])
            shim = await self._attempt(request, connect, attachments)
        self._keep(shim)
        return shim

    async def _attempt(
        self, request: dict[str, Any], connect: Connect | None, attachments: Sequence[Attachment]
    ) -> Shim:
        id = request["id"]
        run_dir = self.run_dir(id)
        self._make_run_dir(run_dir)
        with open(f"{run_dir}/config.json", "w", encoding="utf-8") as file:
            file.write(json.dumps(request["spec"]))
        ours, theirs = pair()
        shim = Shim(id, ours, lambda: self._shim_died(id))
        linux = request["spec"]["linux"]
        message = self._message(request, connect is not None, [shim._announce(each) for each in attachments])
        fds = [theirs.fileno(), *(attachment.fd for attachment in attachments)]
        try:
            try:
                began = time.perf_counter_ns()
                Cgroup.create(self._layout, linux["cgroupsPath"], linux.get("resources") or {})
                made_us = (time.perf_counter_ns() - began) // 1000
                await self._spawner.spawn("shim", message, fds)
            finally:
                theirs.close()
            await shim._started(connect)
        except BaseException:
            shim.close()
            self._end_remains(id)
            self.clean(id)
            raise
        facts = {"path": linux["cgroupsPath"]}
        shim.trace.insert(0, {"step": "make the cgroup", "who": "runtime", "duration_us": made_us, "facts": facts})
        return shim

    def _message(self, request: dict[str, Any], connect: bool, attachments: list[dict[str, Any]]) -> dict[str, Any]:
        """What the shim gets. The spec itself stays on disk for init, and the group is made here: a shim keeps every
        page it touches."""
        linux = request["spec"]["linux"]
        return {
            **{key: value for key, value in request.items() if key != "spec"},
            "cgroup_path": linux["cgroupsPath"],
            "namespaces": linux.get("namespaces") or [],
            "args": request["spec"]["process"]["args"],
            "run_dir": self.run_dir(request["id"]),
            "connect": connect,
            "attachments": attachments,
        }

    def _keep(self, shim: Shim) -> None:
        """The run directory goes when the shim goes, unless the container was started again meanwhile."""
        self._shims[shim.id] = shim

        def gone() -> None:
            if self._shims.get(shim.id) is shim:
                del self._shims[shim.id]
                self.clean(shim.id)

        shim.on_gone = gone
        shim.on_stuck = lambda: self._kill_shim(shim.id)
        if shim.gone.done():
            gone()

    async def settle(self, id: str) -> None:
        """Wait until a container that has ended holds no mount and no cgroup; its shim may still serve slow readers."""
        shim = self._shims.get(id)
        if shim is not None:
            await asyncio.shield(shim.cleaned)

    def _make_run_dir(self, run_dir: str) -> None:
        try:
            os.mkdir(run_dir, 0o700)
        except FileExistsError:
            shutil.rmtree(run_dir, ignore_errors=True)
            os.mkdir(run_dir, 0o700)

    async def adopt(self, id: str) -> Shim | None:
        """The shim that outlived an earlier daemon; None when there is none."""
        run_dir = self.run_dir(id)
        try:
            directory = os.open(run_dir, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        connection.settimeout(CONNECT_S)  # a shim that accepts nothing must not hold up the daemon
        try:
            connection.connect(f"/proc/self/fd/{directory}/shim.sock")
        except OSError:
            connection.close()
            return None
        finally:
            os.close(directory)
        shim = Shim(id, Channel(connection), lambda: self._shim_died(id))
        try:
            await asyncio.wait_for(shim._resume(), ADOPT_S)
        except (StartError, TimeoutError):
            shim.close()
            return None
        self._keep(shim)
        return shim

    def _read(self, id: str, name: str) -> dict[str, Any]:
        try:
            with open(f"{self.run_dir(id)}/{name}", encoding="utf-8") as file:
                return dict(json.load(file))
        except (OSError, ValueError):
            return {}

    def _shim_died(self, id: str) -> Exit:
        """The shim is gone without a word: its container goes with it."""
        self._end_remains(id)
        return Exit(137, False, time.time_ns(), SHIM_DIED)

    def _kill_shim(self, id: str) -> None:
        """The end of its connection is its death, and that its container's."""
        record = self._read(id, "init.pid")
        if record and record["boot_id"] == boot_id() and start_time(record["shim"]) == record["shim_start_time"]:
            os.kill(record["shim"], signal.SIGKILL)

    def _end_remains(self, id: str) -> None:
        """Kill what is left in a container's cgroup and remove the group."""
        layout = self._read(id, "init.pid").get("layout")
        path = (self._read(id, "config.json").get("linux") or {}).get("cgroupsPath")
        if not path:
            return
        group = Cgroup.open(Layout.from_json(layout) if layout else self._layout, path)
        try:
            group.kill()
            group.remove()
        except OSError as error:
            log.warning("container %s: its cgroup cannot be removed: %s", id, error)

    def ran(self, id: str) -> bool:
        """A shim got as far as recording its program's pid, and nobody cleaned up after it."""
        return os.path.exists(f"{self.run_dir(id)}/init.pid")

    def lost(self, id: str) -> str:
        """What became of a container that ran when the last daemon saw it and has neither shim nor exit record:
        "shim died" in this boot, "" for another boot. Ends what may be left of it."""
        record = self._read(id, "init.pid")
        same_boot = record.get("boot_id") == boot_id()
        if same_boot:
            if start_time(record["pid"]) == record["start_time"]:
                os.kill(record["pid"], signal.SIGKILL)
            self._end_remains(id)
        self.clean(id)
        return SHIM_DIED if same_boot else ""

    def sweep(self) -> None:
        """After the adoptions: end and remove what belongs to nobody, such as a start that died with its daemon."""
        for name in os.listdir(self._exec_root):
            if len(name) == ID_LENGTH and name not in self._shims:
                self._end_remains(name)
                self.clean(name)

    def clean(self, id: str) -> None:
        """Remove the run directory of a container that has ended."""
        shutil.rmtree(self.run_dir(id), ignore_errors=True)
