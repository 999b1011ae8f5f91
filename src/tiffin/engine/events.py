"""Events: a ring of the last ones and live subscriptions, in Docker's message shape.

One JSON object per event; `status`, `id` and `from` are the shape of API 1.21 that clients still read. Times are
nanoseconds and strictly increasing, so that `since` a received time never repeats or skips one. Not stored on disk.
A subscriber that does not read is dropped by its own bounded queue (`QUEUE`), never slowing the engine.
"""

from __future__ import annotations

import asyncio
import collections
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from typing import Any

RING = 1024
QUEUE = 8192

Message = dict[str, Any]
Filters = Mapping[str, Iterable[str]]


class Events:
    """`publish` is called by every part of the engine; `subscribe` by the API and by health or restart logic."""

    def __init__(self, clock: Callable[[], int] = time.time_ns) -> None:
        self._clock = clock
        self._last = 0
        self._ring: collections.deque[Message] = collections.deque(maxlen=RING)
        self._live: set[asyncio.Queue[Message | None]] = set()

    def publish(self, kind: str, action: str, actor: str, attributes: Mapping[str, str]) -> Message:
        self._last = max(self._clock(), self._last + 1)
        message: Message = {
            "Type": kind,
            "Action": action,
            "Actor": {"ID": actor, "Attributes": dict(attributes)},
            "scope": "local",
            "time": self._last // 1_000_000_000,
            "timeNano": self._last,
        }
        if kind in ("container", "image"):
            message = {"status": action, "id": actor, **message}
            if kind == "container" and attributes.get("image"):
                message["from"] = attributes["image"]
        self._ring.append(message)
        for queue in list(self._live):
            try:
                queue.put_nowait(message)
            except asyncio.QueueFull:
                self._live.discard(queue)
        return message

    def subscribe(self, filters: Filters, since_ns: int = 0, until_ns: int = 0) -> Subscription:
        """Stored events after `since_ns` (0: none), then live ones until `until_ns` (0: for ever). Live from now on."""
        queue: asyncio.Queue[Message | None] = asyncio.Queue(QUEUE)
        self._live.add(queue)
        return Subscription(self, queue, self._past(since_ns, until_ns), filters, until_ns)

    def unsubscribe(self, queue: asyncio.Queue[Message | None]) -> None:
        self._live.discard(queue)

    def is_live(self, queue: asyncio.Queue[Message | None]) -> bool:
        return queue in self._live

    def close(self) -> None:
        """Ends every subscription; the daemon is going."""
        for queue in list(self._live):
            self._live.discard(queue)
            if not queue.full():
                queue.put_nowait(None)

    def _past(self, since_ns: int, until_ns: int) -> list[Message]:
        # Docker replays the ring when either bound is given.
        if not since_ns and not until_ns:
            return []
        return [m for m in self._ring if m["timeNano"] >= since_ns and (not until_ns or m["timeNano"] <= until_ns)]

    def remaining(self, until_ns: int) -> float | None:
        """Seconds until that time, None for no end."""
        return max(0.0, (until_ns - self._clock()) / 1e9) if until_ns else None


class Subscription:
    """An asynchronous iterator over events; `close` it, or leave it by `async with`."""

    def __init__(
        self,
        events: Events,
        queue: asyncio.Queue[Message | None],
        past: list[Message],
        filters: Filters,
        until_ns: int,
    ) -> None:
        self._events, self._queue, self._past = events, queue, past
        self._filters, self._until_ns = filters, until_ns

    async def __aenter__(self) -> Subscription:
        return self

    async def __aexit__(self, *failure: object) -> None:
        self.close()

    def close(self) -> None:
        self._events.unsubscribe(self._queue)

    async def __aiter__(self) -> AsyncIterator[Message]:
        for message in self._past:
            if matches(message, self._filters):
                yield message
        while self._events.is_live(self._queue) or not self._queue.empty():
            try:
                async with asyncio.timeout(self._events.remaining(self._until_ns)):
                    live = await self._queue.get()
            except TimeoutError:
                return
            if live is None or (self._until_ns and live["timeNano"] > self._until_ns):
                return
            if matches(live, self._filters):
                yield live


def matches(message: Message, filters: Filters) -> bool:
    """Values of one key are alternatives, keys add up; a label filter wants all its values."""
    return all(_FILTERS.get(key, _named(key))(message, tuple(values)) for key, values in filters.items() if values)


Test = Callable[[Message, tuple[str, ...]], bool]


def _named(kind: str) -> Test:
    """container=, volume=, network=, daemon=: the event is of that kind, and its actor has that id or name."""

    def test(message: Message, values: tuple[str, ...]) -> bool:
        actor = message["Actor"]
        if message["Type"] != kind:
            return False
        names = {actor["ID"], actor["Attributes"].get("name", "")}
        return any(value in names or (len(value) >= 4 and actor["ID"].startswith(value)) for value in values)

    return test


def _event(message: Message, values: tuple[str, ...]) -> bool:
    """`exec_start` also matches `exec_start: sh -c …`; `health_status` matches `health_status: healthy`."""
    action: str = message["Action"]
    return any(action == value or action.split(":", 1)[0] == value for value in values)


def _image(message: Message, values: tuple[str, ...]) -> bool:
    actor, attributes = message["Actor"], message["Actor"]["Attributes"]
    if message["Type"] == "image":
        names = {actor["ID"], attributes.get("name", "")}
    elif message["Type"] == "container":
        names = {attributes.get("image", "")}
    else:
        return False
    names |= {name.rsplit(":", 1)[0] for name in names}
    return any(value in names for value in values)


def _label(message: Message, values: tuple[str, ...]) -> bool:
    attributes = message["Actor"]["Attributes"]
    for value in values:
        key, has_value, wanted = value.partition("=")
        if key not in attributes or (has_value and attributes[key] != wanted):
            return False
    return True


_FILTERS: dict[str, Test] = {
    "type": lambda message, values: message["Type"] in values,
    "event": _event,
    "image": _image,
    "label": _label,
    "scope": lambda message, values: message["scope"] in values,
}
