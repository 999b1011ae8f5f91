"""A stateful test: whatever is asked of a container, in whatever order, model and engine agree on what follows."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from typing import Any

from engine_fakes import FakeStartError, World
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tiffin.engine.containers.state import MOVES, Status
from tiffin.errors import Conflict, NotFound, NotModified, TiffinError


class ContainerLife(RuleBasedStateMachine):
    """`state` is what a user who knows Docker expects."""

    def __init__(self) -> None:
        super().__init__()
        self.root = tempfile.mkdtemp(prefix="tiffin-life-")
        self.loop = asyncio.new_event_loop()
        self.world = self._run(self._make())
        self.state = "gone"
        self.waits: list[tuple[str, Any]] = []

    async def _make(self) -> World:
        return World(self.root)

    def _run(self, work: Any) -> Any:
        return self.loop.run_until_complete(asyncio.wait_for(work, 5))

    def _try(self, work: Any) -> str:
        """The kind of the refusal, or empty."""
        try:
            self._run(work)
        except TiffinError as refused:
            return type(refused).__name__
        return ""

    def teardown(self) -> None:
        self._run(self.world.containers.close())
        self._run(self.loop.shutdown_default_executor())
        self.loop.close()
        shutil.rmtree(self.root)

    @property
    def container(self) -> Any:
        return self.world.containers.table.get("box")

    @rule()
    def create(self) -> None:
        refused = self._try(self.world.create("box"))
        assert refused == ("" if self.state == "gone" else "Conflict")
        self.state = "created" if self.state == "gone" else self.state

    @rule()
    def start(self) -> None:
        refused = self._try(self.world.containers.start("box"))
        expected = {"gone": "NotFound", "running": "NotModified", "paused": "Conflict"}.get(self.state, "")
        assert refused == expected
        if not refused:
            self.state = "running"

    @rule()
    def fail_to_start(self) -> None:
        self.world.supervisor.refuse = FakeStartError("permission denied", 126)
        refused = self._try(self.world.containers.start("box"))
        self.world.supervisor.refuse = None
        if self.state in ("created", "exited"):
            assert refused == "InvalidParameter" and self.container.record.state.exit_code == 126
        else:
            assert refused in ("NotFound", "NotModified", "Conflict")

    @precondition(lambda self: self.state in ("running", "paused"))
    @rule(code=st.integers(0, 255))
    def end(self, code: int) -> None:
        shim = self.world.shim(self.container.id)
        shim.end(code)
        self._run(self.world.settled(lambda: self.container.status is Status.EXITED))
        assert self.container.record.state.exit_code == code
        self.state = "exited"

    @rule(obeys=st.booleans())
    def stop(self, obeys: bool) -> None:
        if self.state in ("running", "paused"):
            self.world.shim(self.container.id).obeys = {15} if obeys else set()
        refused = self._try(self.world.containers.stop("box", 0))
        assert refused == {"gone": "NotFound", "created": "NotModified", "exited": "NotModified"}.get(self.state, "")
        if not refused:
            self.state = "exited"

    @rule()
    def kill(self) -> None:
        refused = self._try(self.world.containers.kill("box"))
        assert refused == {"gone": "NotFound", "created": "Conflict", "exited": "Conflict"}.get(self.state, "")
        if not refused:
            self.state = "exited"

    @rule()
    def restart(self) -> None:
        refused = self._try(self.world.containers.restart("box", 0))
        assert refused == ("NotFound" if self.state == "gone" else "")
        if not refused:
            self.state = "running"

    @rule()
    def pause(self) -> None:
        refused = self._try(self.world.containers.pause("box"))
        assert (refused == "") == (self.state == "running")
        if not refused:
            self.state = "paused"

    @rule()
    def unpause(self) -> None:
        refused = self._try(self.world.containers.unpause("box"))
        assert (refused == "") == (self.state == "paused")
        if not refused:
            self.state = "running"

    @rule(force=st.booleans())
    def remove(self, force: bool) -> None:
        refused = self._try(self.world.containers.remove("box", force=force, volumes=False))
        if self.state == "gone":
            assert refused == "NotFound"
        elif self.state in ("running", "paused") and not force:
            assert refused == "Conflict"
        else:
            assert refused == ""
            self.state = "gone"

    @rule()
    def restart_the_daemon(self) -> None:
        self._run(self.world.again())
        self._run(self.world.containers.recover())
        if self.state == "paused":
            # The freezer knows; the record says so too.
            assert self.container.status is Status.PAUSED

    @invariant()
    def model_and_engine_agree(self) -> None:
        try:
            status = self.container.status.value
        except NotFound:
            status = "gone"
        assert status == self.state

    @invariant()
    def addresses_belong_to_what_runs(self) -> None:
        alive = self.state in ("running", "paused")
        assert len(self.world.bridge.live) == (1 if alive else 0)


TestContainerLife = ContainerLife.TestCase
TestContainerLife.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)


def test_every_status_can_be_left_and_no_move_leads_outside_the_table() -> None:
    assert set(MOVES) == set(Status)
    assert all(MOVES[status] for status in Status)
    reached = {status for moves in MOVES.values() for status in moves}
    assert reached == set(Status) - {Status.CREATED}


def test_the_kinds_of_refusal_are_told_apart() -> None:
    assert not issubclass(NotModified, Conflict)
