"""The shim's event loop: epoll, callbacks by descriptor, a few timers. No threads, no signals, no asyncio."""

from __future__ import annotations

import select
from time import monotonic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Ready = Callable[[int, int], None]


class Loop:
    """Watches descriptors until `stop` is called."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._ready: dict[int, tuple[int, Ready]] = {}
        self._timers: list[tuple[float, Callable[[], None]]] = []
        self._running = True

    def watch(self, fd: int, events: int, ready: Ready) -> None:
        """Call `ready(fd, events)` whenever one of the events is there; replaces an earlier watch."""
        known = self._ready.get(fd)
        if known is None:
            self._epoll.register(fd, events)
        elif known[0] != events:
            self._epoll.modify(fd, events)
        self._ready[fd] = (events, ready)

    def unwatch(self, fd: int) -> None:
        """Forget a descriptor; must come before it is closed, since a duplicate elsewhere keeps epoll's entry alive."""
        if self._ready.pop(fd, None) is not None:
            self._epoll.unregister(fd)

    def call_at(self, when: float, action: Callable[[], None]) -> None:
        """Call `action` once at `when` (monotonic seconds); a second call of the same action moves it."""
        self._timers = [timer for timer in self._timers if timer[1] != action]
        self._timers.append((when, action))

    def stop(self) -> None:
        """End `run` after the current callback."""
        self._running = False

    def close(self) -> None:
        """Give the descriptor back."""
        self._epoll.close()

    def run(self) -> None:
        """Serve until stopped."""
        while self._running:
            for fd, events in self._epoll.poll(self._timeout()):
                entry = self._ready.get(fd)  # an earlier callback of this batch may have dropped it
                if entry is not None:
                    entry[1](fd, events)
            self._run_timers()

    def _timeout(self) -> float | None:
        if not self._timers:
            return None
        return max(0.0, min(when for when, _ in self._timers) - monotonic())

    def _run_timers(self) -> None:
        if not self._timers:
            return
        now = monotonic()
        due = [action for when, action in self._timers if when <= now]
        self._timers = [timer for timer in self._timers if timer[0] > now]
        for action in due:
            action()
