"""Ending containers on purpose: signals, stop, kill, restart; and pause. Words and codes are Docker's."""

from __future__ import annotations

import asyncio
import signal

from tiffin.engine.containers import signals
from tiffin.engine.containers.container import Container
from tiffin.engine.containers.life import Life
from tiffin.engine.containers.ports import Shim
from tiffin.engine.containers.settings import Settings
from tiffin.engine.containers.state import Status
from tiffin.engine.containers.store import RecordStore
from tiffin.engine.events import Events
from tiffin.errors import Conflict, InvalidParameter, NotModified, SystemFailure

KILL_PATIENCE = 10.0
"""Seconds that a SIGKILL may take before it is called a failure."""
ENDING_SECONDS = 1.0
"""Seconds in which a container whose shim refuses turns out to have ended."""


class Stopper:
    def __init__(self, settings: Settings, life: Life, store: RecordStore, events: Events) -> None:
        self._settings, self._life, self._store, self._events = settings, life, store, events

    async def kill(self, container: Container, text: str = "") -> None:
        number = signals.number(text or "SIGKILL")
        shim = self._shim(container)
        if number == signal.SIGKILL:
            container.record.state.stopped_by_user = True
        await self._signal(container, shim, number)
        if number == signal.SIGKILL:
            await self._gone(container, shim, KILL_PATIENCE)

    async def stop(self, container: Container, timeout: int | None = None, text: str = "") -> None:
        """The container's stop signal, then SIGKILL after `timeout` seconds (-1: never)."""
        number = signals.number(text) if text else self.stop_signal(container)
        shim = container.shim
        if shim is None:
            raise NotModified(f"Container {container.id} is already stopped")
        await self._stop(container, shim, self.timeout(container, timeout), number)

    def stop_signal(self, container: Container) -> int:
        return signals.number(container.record.config.stop_signal or "SIGTERM")

    def timeout(self, container: Container, asked: int | None) -> int:
        for seconds in (asked, container.record.config.stop_timeout):
            if seconds is not None:
                return seconds
        return self._settings.stop_timeout

    async def _stop(self, container: Container, shim: Shim, timeout: int, number: int) -> None:
        container.record.state.stopped_by_user = True
        await self._signal(container, shim, number)
        if not await self._gone(container, shim, None if timeout < 0 else float(timeout)):
            await self._signal(container, shim, signal.SIGKILL)
            if not await self._gone(container, shim, KILL_PATIENCE):
                raise SystemFailure(f"cannot stop container: {container.id}: it does not end when killed")
        self._events.publish("container", "stop", container.id, container.attributes())

    async def restart(self, container: Container, timeout: int | None = None, text: str = "") -> None:
        number = signals.number(text) if text else self.stop_signal(container)
        container.restarts += 1
        try:
            if container.shim is not None:
                await self._stop(container, container.shim, self.timeout(container, timeout), number)
            async with container.lock:
                if container.shim is None:
                    self._life.check_start(container)
                    await self._life.start_locked(container)
        finally:
            container.restarts -= 1
        self._events.publish("container", "restart", container.id, container.attributes())

    async def pause(self, container: Container) -> None:
        async with container.lock:
            shim = self._shim(container)
            if container.status is Status.PAUSED:
                raise Conflict(f"Container {container.id} is already paused")
            try:
                await shim.freeze()
            except Exception:
                await self._or_ended(container, shim)
                raise
            if container.shim is shim:
                container.record.state.move(Status.PAUSED)
                self._events.publish("container", "pause", container.id, container.attributes())
                self._store.save_soon(container)

    async def unpause(self, container: Container) -> None:
        async with container.lock:
            if container.shim is None or container.status is not Status.PAUSED:
                raise SystemFailure(f"Container {container.id} is not paused")
            await self._thaw(container, container.shim)

    async def _thaw(self, container: Container, shim: Shim) -> None:
        try:
            await shim.thaw()
        except Exception:
            await self._or_ended(container, shim)
            raise
        if container.shim is shim and container.status is Status.PAUSED:
            container.record.state.move(Status.RUNNING)
            self._events.publish("container", "unpause", container.id, container.attributes())
            self._store.save_soon(container)

    async def resize(self, container: Container, rows: int, cols: int) -> None:
        if not 0 <= rows <= 65535 or not 0 <= cols <= 65535:
            raise InvalidParameter(f"invalid terminal size: {rows} rows, {cols} columns")
        shim = self._shim(container)
        try:
            await shim.resize(None, rows, cols)
        except Exception:
            await self._or_ended(container, shim)
            raise
        size = {"height": str(rows), "width": str(cols)}
        self._events.publish("container", "resize", container.id, {**container.attributes(), **size})

    def _shim(self, container: Container) -> Shim:
        if container.shim is None:
            raise Conflict(f"container {container.id} is not running")
        return container.shim

    async def _signal(self, container: Container, shim: Shim, number: int) -> None:
        if shim.exited.done():
            return
        try:
            await shim.signal(number)
            killed = {**container.attributes(), "signal": str(number)}
            self._events.publish("container", "kill", container.id, killed)
            if container.status is Status.PAUSED and number != signal.SIGSTOP:
                # Docker lets a stopped or killed paused container run, so that the signal arrives.
                await self._thaw(container, shim)
        except Exception:  # it may end at any moment, by this signal too
            if not await self._gone(container, shim, ENDING_SECONDS):
                raise

    async def _or_ended(self, container: Container, shim: Shim) -> None:
        """A shim that refused or went: the usual reason is that the container has just ended."""
        if await self._gone(container, shim, ENDING_SECONDS):
            raise Conflict(f"container {container.id} is not running") from None

    async def _gone(self, container: Container, shim: Shim, seconds: float | None) -> bool:
        """Whether this run has ended within that time (and the engine has noticed)."""
        ended = container.ended
        if container.shim is not shim or ended is None:
            return True
        done, _ = await asyncio.wait([ended], timeout=seconds)
        return bool(done)
