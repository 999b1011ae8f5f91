"""A container's life cycle: one Enum, one table of moves, and the persisted snapshot that carries it.

    created ──▶ running ──▶ exited ──▶ removing ──▶ (gone)
       │        │  ▲ ▲        │ ▲          │
       │   paused◀─┘ │        ▼ │          ▼
       │             └── restarting       dead
       └──────────────▶ removing

An illegal move raises Conflict and names both states. The booleans of Docker's API (`Running`, `Paused`, …) are
derived from the status here and nowhere stored. This module does no I/O.
"""

from __future__ import annotations

import enum
import time

import msgspec

from tiffin.errors import Conflict


class Status(enum.Enum):
    """The words are Docker's."""

    CREATED = "created"
    RUNNING = "running"
    PAUSED = "paused"
    RESTARTING = "restarting"
    REMOVING = "removing"
    EXITED = "exited"
    DEAD = "dead"


MOVES: dict[Status, frozenset[Status]] = {
    Status.CREATED: frozenset({Status.RUNNING, Status.EXITED, Status.REMOVING}),
    Status.RUNNING: frozenset({Status.PAUSED, Status.RESTARTING, Status.EXITED}),
    Status.PAUSED: frozenset({Status.RUNNING, Status.RESTARTING, Status.EXITED}),
    Status.RESTARTING: frozenset({Status.RUNNING, Status.EXITED}),
    Status.EXITED: frozenset({Status.RUNNING, Status.RESTARTING, Status.REMOVING}),
    Status.REMOVING: frozenset({Status.DEAD}),
    Status.DEAD: frozenset({Status.REMOVING}),
}

ALIVE = frozenset({Status.RUNNING, Status.PAUSED})
"""A process exists."""


class Snapshot(msgspec.Struct, kw_only=True):
    """What is stored of a life: times are nanoseconds since the epoch, 0 for never."""

    status: Status = Status.CREATED
    exit_code: int = 0
    error: str = ""
    oom_killed: bool = False
    started_ns: int = 0
    finished_ns: int = 0
    pid: int = 0
    stopped_by_user: bool = False

    @property
    def running(self) -> bool:
        """Docker's `Running`: also true while paused, and between a restart policy's attempts."""
        return self.status in (Status.RUNNING, Status.PAUSED, Status.RESTARTING)

    @property
    def alive(self) -> bool:
        return self.status in ALIVE

    def move(self, to: Status) -> None:
        """The only place that changes `status`."""
        if to not in MOVES[self.status]:
            raise Conflict(f"container cannot go from {self.status.value} to {to.value}")
        self.status = to

    def started(self, pid: int, started_ns: int) -> None:
        self.move(Status.RUNNING)
        self.pid, self.started_ns = pid, started_ns
        self.exit_code, self.error, self.oom_killed, self.stopped_by_user = 0, "", False, False

    def exited(self, code: int, *, finished_ns: int = 0, oom_killed: bool = False, error: str = "") -> None:
        self.move(Status.EXITED)
        self.pid, self.exit_code, self.error, self.oom_killed = 0, code, error, oom_killed
        self.finished_ns = finished_ns or time.time_ns()

    def start_failed(self, code: int, error: str) -> None:
        """A failed start leaves the status as it was, as in Docker: `Created` with exit code 127."""
        self.pid, self.exit_code, self.error = 0, code, error
        if self.status is Status.RESTARTING:
            self.move(Status.EXITED)
