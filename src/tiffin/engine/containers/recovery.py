"""After a start of the daemon: what became of the containers meanwhile.

    a shim answers                      → running, watched again
    exit.json, newer than the record    → exited, with its status
    it ran, and there is neither        → 137 "shim died"; 255 when the machine was booted since
    --rm and ended                      → removed
    a directory without a record        → deleted
    a run directory without a shim      → what is left of its container is ended

Restart policies are decided by the caller, with what `recover` returns.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
from typing import Any, NamedTuple

import msgspec

from tiffin.engine.containers import naming
from tiffin.engine.containers.container import Container
from tiffin.engine.containers.life import Life
from tiffin.engine.containers.networks import Networks
from tiffin.engine.containers.ports import Records, Shim, Supervisor
from tiffin.engine.containers.record import from_document
from tiffin.engine.containers.removal import remove_trees
from tiffin.engine.containers.settings import Settings
from tiffin.engine.containers.state import Status
from tiffin.engine.containers.table import ContainerTable

log = logging.getLogger("tiffin.engine")


class Ended(NamedTuple):
    """`engine.containers.ports.Exit`, read from exit.json or concluded."""

    code: int
    oom_killed: bool
    finished_at_ns: int
    error: str


class Recovery:
    def __init__(
        self,
        settings: Settings,
        table: ContainerTable,
        records: Records,
        supervisor: Supervisor,
        networks: Networks,
        life: Life,
        make_endpoint: Any,
    ) -> None:
        self._settings, self._table, self._records = settings, table, records
        self._supervisor, self._networks, self._life = supervisor, networks, life
        self._make_endpoint = make_endpoint

    async def recover(self) -> list[Container]:
        """Fills the table; returns the containers that ended while no daemon watched."""
        loop = asyncio.get_running_loop()
        for document in await loop.run_in_executor(None, self._records.load_all):
            try:
                self._table.add(Container(from_document(document)))
            except msgspec.ValidationError as wrong:
                log.error("the record of container %s cannot be read: %s", document.get("id"), wrong)
        containers = list(self._table)
        # All at once: a shim that does not answer takes its time.
        shims = await asyncio.gather(*(self._supervisor.adopt(container.id) for container in containers))
        ended = [container for container, shim in zip(containers, shims, strict=True) if self._look(container, shim)]
        await loop.run_in_executor(None, self._sweep)
        return ended

    def _look(self, container: Container, shim: Shim | None) -> bool:
        """True when it ran for the last daemon (or for nobody) and has ended."""
        record = container.record
        if shim is not None:
            self._networks.adopt(container, self._make_endpoint)
            if not record.state.alive:
                record.state.status = Status.CREATED if record.state.status is Status.CREATED else Status.EXITED
                record.state.started(shim.pid, shim.started_at_ns)
            record.state.pid = shim.pid
            self._life.running(container, shim)
            return False
        if record.state.status in (Status.REMOVING, Status.DEAD):
            record.state.status = Status.EXITED
        left = self._exit_record(record.id)
        if left is not None and left.finished_at_ns <= record.state.finished_ns:
            left = None
        if left is None:
            if not record.state.running and not self._supervisor.ran(record.id):
                return False
            left = self._concluded(record.id)
        if not record.state.running:
            record.state.status = Status.RUNNING  # it started and ended before either was written
        self._life.exited(container, left)
        return True

    def _exit_file(self, id: str) -> dict[str, Any]:
        try:
            with open(f"{self._settings.container_dir(id)}/exit.json", "rb") as file:
                document = json.loads(file.read().rstrip(b"\0 \n") or b"{}")
        except (OSError, ValueError):
            return {}
        return document if isinstance(document, dict) else {}

    def _exit_record(self, id: str) -> Ended | None:
        found = self._exit_file(id)
        code, finished = found.get("code"), found.get("finished_at_ns")
        if not isinstance(code, int) or not isinstance(finished, int) or not finished:
            return None
        return Ended(code, bool(found.get("oom_killed")), finished, str(found.get("error") or ""))

    def _concluded(self, id: str) -> Ended:
        reason = self._supervisor.lost(id)
        return Ended(137 if reason else 255, False, 0, reason)

    def _sweep(self) -> None:
        """What belongs to no container or to no running one: a create, a start or a remove was cut short."""
        self._supervisor.sweep()
        root = f"{self._settings.data_root}/containers"
        if not os.path.isdir(root):
            return
        left = [name for name in os.listdir(root) if naming.is_id(name) and not self._table.has_id(name)]
        remove_trees(f"{root}/{name}" for name in left)
