"""Tells the event loop that something changed in a directory: one inotify descriptor for any number of followers.

The kernel allows few inotify instances per user (128), hence one for all. Where none can be had, a timer wakes the
followers instead.
"""

from __future__ import annotations

import asyncio
import os

from tiffin.linux import inotify

_MASK = inotify.IN_MODIFY | inotify.IN_CREATE | inotify.IN_MOVED_TO | inotify.IN_ONLYDIR
_POLL_S = 0.25


class Watcher:
    """`subscribe` gives an Event that is set at every change in a directory; `unsubscribe` gives it back."""

    def __init__(self) -> None:
        self._fd = -1
        self._loop: asyncio.AbstractEventLoop | None = None
        self._events: dict[int, set[asyncio.Event]] = {}
        self._timers: dict[asyncio.Event, asyncio.TimerHandle] = {}

    def subscribe(self, directory: str) -> asyncio.Event:
        """An Event for changes from now on; the subscriber clears it before it looks."""
        event = asyncio.Event()
        try:
            if self._fd < 0:
                self._fd = inotify.inotify_init1()
                self._loop = asyncio.get_running_loop()
                self._loop.add_reader(self._fd, self._readable)
            watch = inotify.inotify_add_watch(self._fd, directory, _MASK)
        except OSError:
            self._tick(event)
            return event
        self._events.setdefault(watch, set()).add(event)
        return event

    def unsubscribe(self, event: asyncio.Event) -> None:
        timer = self._timers.pop(event, None)
        if timer is not None:
            timer.cancel()
            return
        for watch, events in list(self._events.items()):
            events.discard(event)
            if not events:
                del self._events[watch]
                try:
                    inotify.inotify_rm_watch(self._fd, watch)
                except OSError:
                    pass  # the directory is gone, and its watch with it
        if not self._events:
            self.close()

    def close(self) -> None:
        """Release the descriptor; a later `subscribe` opens another."""
        if self._fd >= 0 and self._loop is not None:
            self._loop.remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1

    def _readable(self) -> None:
        try:
            buffer = os.read(self._fd, 65536)
        except BlockingIOError:
            return
        for watch, mask, _, _ in inotify.parse(buffer):
            if mask & inotify.IN_Q_OVERFLOW:  # events were lost: anything may have changed
                for events in self._events.values():
                    for event in events:
                        event.set()
            for event in self._events.get(watch, ()):
                event.set()

    def _tick(self, event: asyncio.Event) -> None:
        event.set()
        self._timers[event] = asyncio.get_running_loop().call_later(_POLL_S, self._tick, event)
