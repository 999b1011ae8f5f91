"""Events: their shape, their order, and what filters let through."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tiffin.engine.events import Events, matches


def test_a_message_has_dockers_shape_and_its_old_fields() -> None:
    message = Events(lambda: 5_000_000_001).publish("container", "start", "abc", {"image": "busybox", "name": "one"})
    assert message == {
        "status": "start",
        "id": "abc",
        "from": "busybox",
        "Type": "container",
        "Action": "start",
        "Actor": {"ID": "abc", "Attributes": {"image": "busybox", "name": "one"}},
        "scope": "local",
        "time": 5,
        "timeNano": 5_000_000_001,
    }


def test_times_increase_even_when_the_clock_stands_still() -> None:
    events = Events(lambda: 7)
    times = [events.publish("volume", "create", "v", {})["timeNano"] for _ in range(3)]
    assert times == [7, 8, 9]


def collect(events: Events, count: int, **asked: Any) -> list[str]:
    async def told() -> list[str]:
        found = []
        async with events.subscribe(asked.pop("filters", {}), **asked) as subscription:
            events.publish("container", "live", "abc", {})
            async for message in subscription:
                found.append(message["Action"])
                if len(found) == count:
                    break
        return found

    return asyncio.run(told())


def test_a_subscriber_sees_what_happens_after_it_subscribed() -> None:
    events = Events()
    events.publish("container", "before", "abc", {})
    assert collect(events, 1) == ["live"]


def test_since_replays_what_is_kept_without_a_gap_to_what_is_live() -> None:
    events = Events()
    first = events.publish("container", "one", "abc", {})
    events.publish("container", "two", "abc", {})
    assert collect(events, 2, since_ns=first["timeNano"] + 1) == ["two", "live"]


def test_until_in_the_past_replays_and_ends() -> None:
    events = Events()
    last = events.publish("container", "one", "abc", {})

    async def told() -> list[str]:
        return [message["Action"] async for message in events.subscribe({}, until_ns=last["timeNano"])]

    assert asyncio.run(told()) == ["one"]


def test_closing_ends_every_subscription() -> None:
    async def told() -> list[str]:
        events = Events()
        subscription = events.subscribe({})
        events.publish("container", "one", "abc", {})
        events.close()
        return [message["Action"] async for message in subscription]

    assert asyncio.run(told()) == ["one"]


@pytest.mark.parametrize(
    ("filters", "passes"),
    [
        ({}, True),
        ({"type": ["container"]}, True),
        ({"type": ["image"]}, False),
        ({"event": ["exec_start"]}, True),
        ({"event": ["exec_start: sh"]}, True),
        ({"event": ["exec"]}, False),
        ({"container": ["one"]}, True),
        ({"container": ["abcd"]}, True),
        ({"container": ["two"]}, False),
        ({"image": ["busybox"]}, True),
        ({"image": ["busybox:1"]}, True),
        ({"image": ["other"]}, False),
        ({"label": ["a"]}, True),
        ({"label": ["a=1"]}, True),
        ({"label": ["a=2"]}, False),
        ({"type": ["container"], "event": ["die"]}, False),
        ({"scope": ["local"]}, True),
        ({"network": ["one"]}, False),
    ],
)
def test_filters(filters: dict[str, list[str]], passes: bool) -> None:
    attributes = {"image": "busybox:1", "name": "one", "a": "1"}
    message = Events().publish("container", "exec_start: sh", "abcdef", attributes)
    assert matches(message, filters) is passes
