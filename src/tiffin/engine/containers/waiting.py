"""`wait`: a future that is there before the answer's head goes out, so that no end is missed."""

from __future__ import annotations

import asyncio

from tiffin.engine.containers.container import Container, WaitResult
from tiffin.errors import InvalidParameter

CONDITIONS = ("not-running", "next-exit", "removed")


def wait(container: Container, condition: str) -> asyncio.Future[WaitResult]:
    """not-running: now if it does not run; next-exit: the end of this or the next run; removed: when it is gone."""
    condition = condition or "not-running"
    if condition not in CONDITIONS:
        raise InvalidParameter(f'invalid condition: "{condition}"')
    future: asyncio.Future[WaitResult] = asyncio.get_running_loop().create_future()
    state = container.record.state
    if condition == "not-running" and not state.running:
        future.set_result(WaitResult(state.exit_code))
    elif condition == "removed":
        _queue(container.removal_waiters, future)
    else:
        _queue(container.exit_waiters, future)
    return future


def _queue(waiters: list[asyncio.Future[WaitResult]], future: asyncio.Future[WaitResult]) -> None:
    """Until it is resolved, or its client has gone: some ask again and again for as long as a container runs."""
    waiters.append(future)

    def forget(done: asyncio.Future[WaitResult]) -> None:
        if done.cancelled() and done in waiters:
            waiters.remove(done)

    future.add_done_callback(forget)
