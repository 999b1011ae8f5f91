"""Starting a container and watching it end.

    start: allocate an endpoint ─ write /etc files ─ spec ─ supervisor ─ running ─ watcher
    end:   watcher ─ exited ─ release the endpoint ─ `die` ─ waiters ─ record ─ --rm

The watcher takes no lock: an end is not asked for. It changes the state in one step of the event loop; whoever holds
the container's lock and awaits sees it when it goes on.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import Awaitable, Callable
from typing import Any

from tiffin.engine.containers import pending
from tiffin.engine.containers.container import Container, WaitResult
from tiffin.engine.containers.networks import Networks
from tiffin.engine.containers.ocispec.build import SpecBuilder
from tiffin.engine.containers.ports import Attachment, Exit, FilterPath, Shim, Supervisor
from tiffin.engine.containers.settings import Settings
from tiffin.engine.containers.startrequest import start_request
from tiffin.engine.containers.state import Status
from tiffin.engine.containers.store import RecordStore
from tiffin.engine.events import Events
from tiffin.errors import Conflict, InvalidParameter, NotModified, SystemFailure, TiffinError

log = logging.getLogger("tiffin.engine")
AfterExit = Callable[[Container], Awaitable[None]]


class Life:
    """`after_exit` is called for a container that ended (auto-remove; later restart policies)."""

    def __init__(
        self,
        settings: Settings,
        supervisor: Supervisor,
        networks: Networks,
        specs: SpecBuilder,
        filter_path: FilterPath | None,
        store: RecordStore,
        events: Events,
    ) -> None:
        self._settings, self._supervisor, self._networks = settings, supervisor, networks
        self._specs, self._filter_path, self._store, self._events = specs, filter_path, store, events
        self._tasks: set[asyncio.Task[None]] = set()
        self.after_exit: AfterExit | None = None
        self.on_gone: Callable[[Container], None] | None = None
        self.on_event: Callable[[dict[str, Any]], None] = lambda _event: None

    # -- start ------------------------------------------------------------------------------------------------------

    async def start(self, container: Container) -> None:
        async with container.lock:
            self.check_start(container)
            await self.start_locked(container)

    def check_start(self, container: Container) -> None:
        """For whoever holds the lock: it may have been removed while he waited."""
        if container.removed:
            raise Conflict("container is marked for removal and cannot be started")
        match container.status:
            case Status.PAUSED:
                raise Conflict("cannot start a paused container, try unpause instead")
            case Status.RUNNING:
                raise NotModified(f"Container {container.id} is already running")
            case Status.REMOVING | Status.DEAD:
                raise Conflict("container is marked for removal and cannot be started")

    async def start_locked(self, container: Container) -> None:
        """The caller holds the lock and has looked at the state."""
        container.trace.clear_start()
        early = pending.take(container)
        try:
            shim = await self._run(container, early)
        except Exception as failure:
            late = pending.take(container)
            pending.refuse([*early, *late])
            pending.close(late)
            raise await self._failed(container, failure) from failure
        finally:
            pending.close(early)
        container.trace.merge(shim.trace)
        self.running(container, shim)
        container.record.state.started(shim.pid, shim.started_at_ns)
        self._events.publish("container", "start", container.id, container.attributes())
        self._store.save_soon(container)
        await pending.hand_over(container, shim)

    async def _run(self, container: Container, attachments: list[Attachment]) -> Shim:
        trace, record = container.trace, container.record
        now = time.monotonic_ns()
        self._networks.allocate(container)
        with contextlib.ExitStack() as undo:
            undo.callback(self._networks.release, container)
            facts = {"address": record.endpoints[0].address} if record.endpoints else {}
            now = trace.add("allocate an address", "network", now, mode=record.host_config.network_mode, **facts)
            self._networks.write_files(container)
            now = trace.add("write hosts, hostname, resolv.conf", "network", now)
            spec = self._specs.build(record, self._networks.pid_of)
            seccomp = spec["linux"].get("seccomp")
            path = self._filter_path(seccomp) if seccomp and self._filter_path else None
            request = start_request(record, spec, self._settings, seccomp_path=path)
            now = trace.add("make the runtime spec", "engine", now, cgroup=spec["linux"]["cgroupsPath"])
            with contextlib.suppress(FileNotFoundError):
                os.unlink(request["exit_path"])
            connect = self._networks.connector(container)
            shim = await self._supervisor.start(request, connect=connect, attachments=attachments)
            trace.add("start shim and program", "runtime", now, pid=shim.pid)
            undo.pop_all()
        return shim

    async def _failed(self, container: Container, failure: Exception) -> Exception:
        """The error to answer with. The status stays as it was; --rm removes the container."""
        code = int(getattr(failure, "exit_code", 128))
        message = str(getattr(failure, "message", failure))
        container.record.state.start_failed(code, message)
        self._events.publish(
            "container", "die", container.id, {**container.attributes(), "exitCode": str(code), "execDuration": "0"}
        )
        self._resolve(container, WaitResult(code))  # with an error the stock CLI logs it beside that of the start
        self._store.save_soon(container)
        if container.record.host_config.auto_remove:
            self._later(self._ended(container))
        if isinstance(failure, TiffinError) and not hasattr(failure, "exit_code"):
            return failure
        if code in (126, 127):
            return InvalidParameter(message)
        return SystemFailure(message)

    # -- while it runs ----------------------------------------------------------------------------------------------

    def running(self, container: Container, shim: Shim) -> None:
        """A shim is there, new or adopted: watch it."""
        container.shim = shim
        shim.on_event = self.on_event
        container.ended = asyncio.get_running_loop().create_future()
        self._later(self._watch(container, shim))

    async def _watch(self, container: Container, shim: Shim) -> None:
        exit: Exit = await asyncio.shield(shim.exited)
        self.exited(container, exit)
        await self._ended(container)

    def exited(self, container: Container, exit: Exit) -> None:
        """The end, in one step."""
        state, trace = container.record.state, container.trace
        now = time.monotonic_ns()
        container.shim = None
        self._supervisor.clean(container.id)
        started_ns, by_user = state.started_ns, state.stopped_by_user
        state.exited(exit.code, finished_ns=exit.finished_at_ns, oom_killed=exit.oom_killed, error=exit.error)
        state.stopped_by_user = by_user
        attributes = container.attributes()
        if exit.oom_killed:
            self._events.publish("container", "oom", container.id, attributes)
        seconds = max(0, state.finished_ns - started_ns) // 1_000_000_000 if started_ns else 0
        died = {**attributes, "exitCode": str(exit.code), "execDuration": str(seconds)}
        self._events.publish("container", "die", container.id, died)
        try:
            self._networks.release(container)
        except (TiffinError, OSError) as error:  # whoever waits for the end has to hear of it all the same
            log.error("container %s: releasing its endpoint failed: %s", container.id, error)
        trace.add("record the end", "engine", now, code=exit.code, oom_killed=exit.oom_killed)
        if container.ended is not None and not container.ended.done():
            container.ended.set_result(None)
        if self.on_gone is not None:
            self.on_gone(container)
        self._resolve(container, WaitResult(exit.code))
        if not container.record.host_config.auto_remove:
            self._store.save_soon(container)

    def _resolve(self, container: Container, result: WaitResult) -> None:
        waiters, container.exit_waiters = container.exit_waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(result)

    async def _ended(self, container: Container) -> None:
        if self.after_exit is not None:
            await self.after_exit(container)

    def abandon(self) -> None:
        """Watch nothing any more: the daemon goes, the containers stay."""
        for task in self._tasks:
            task.cancel()

    def _later(self, work: Any) -> None:
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
