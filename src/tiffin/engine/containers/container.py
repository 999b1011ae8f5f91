"""One live container: its record, and what exists only while the daemon runs. Behaviour is in the modules beside."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from tiffin.engine.containers.ports import Attachment, Shim
from tiffin.engine.containers.record import Record
from tiffin.engine.containers.state import Status
from tiffin.engine.containers.trace import Trace


class WaitResult(NamedTuple):
    code: int
    error: str = ""


class Container:
    """`lock` is held by whoever moves the container between resting states: start, remove, rename, pause, restart."""

    def __init__(self, record: Record) -> None:
        self.record = record
        self.lock = asyncio.Lock()
        self.shim: Shim | None = None
        self.pending: list[Attachment] = []
        self.exit_waiters: list[asyncio.Future[WaitResult]] = []
        self.removal_waiters: list[asyncio.Future[WaitResult]] = []
        self.trace = Trace()
        self.ended: asyncio.Future[object] | None = None
        """Done when the present run has ended; what `logs --follow` watches."""
        self.execs: set[str] = set()
        self.restarts = 0
        """Restarts under way: an end on the way to a start removes nothing."""
        self.removed = False
        """Its record is gone or going: whoever still holds this object may neither start nor save it."""

    @property
    def id(self) -> str:
        return self.record.id

    @property
    def name(self) -> str:
        return self.record.name

    @property
    def status(self) -> Status:
        return self.record.state.status

    def attributes(self) -> dict[str, str]:
        """What events say about a container: its labels, its image and its name."""
        config = self.record.config
        return {**(config.labels or {}), "image": config.image, "name": self.record.name}
