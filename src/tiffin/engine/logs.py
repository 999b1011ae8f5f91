"""A container's log for `GET /containers/{id}/logs` and for attach with logs=1: batches of records, and their bytes.

Files are read in threads, never on the event loop; a follower that has nothing to read costs neither thread nor timer.
Filters work in Docker's order: `tail` counts records of both streams, then `since`, `until` and the streams choose.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING
from urllib.parse import quote_plus

from tiffin.engine.logfiles import Cursor
from tiffin.engine.logwatch import Watcher
from tiffin.errors import InvalidParameter
from tiffin.wire import rfc3339, stdcopy

if TYPE_CHECKING:
    from tiffin.wire.jsonlog import Record

Stop = asyncio.Event | asyncio.Future[object]


def parse_tail(text: str | None) -> int | None:
    """The API's `tail`: a number, or all (None). As in Docker, what is no number or negative is all."""
    if not text or text == "all":
        return None
    digits = text.removeprefix("+")
    return int(digits) if digits.isascii() and digits.isdigit() else None


def parse_time(name: str, text: str | None) -> int:
    """The API's `since` and `until` in nanoseconds; 0 is not set."""
    if not text:
        return 0
    try:
        return rfc3339.parse_unix(text)
    except ValueError as error:
        raise InvalidParameter(f'invalid value for "{name}": {error}') from error


async def read(
    path: str,
    *,
    stdout: bool = True,
    stderr: bool = True,
    since_ns: int = 0,
    until_ns: int = 0,
    tail: int | None = None,
    follow: bool = False,
    stop: Stop | None = None,
    watcher: Watcher | None = None,
) -> AsyncIterator[list[Record]]:
    """Batches of (stream, nanoseconds, data, attrs), oldest first.

    With `follow` it goes on until `stop` (set or done when the log's writer has closed it) and the rest has been read.
    """
    streams = {name for name, wanted in (("stdout", stdout), ("stderr", stderr)) if wanted}
    loop = asyncio.get_running_loop()
    cursor = Cursor(path, since_ns=since_ns, until_ns=until_ns, tail=tail, follow=follow)
    changes = _Changes(path, stop, watcher) if follow else None
    try:
        while True:
            last_look = changes is None or changes.stopped()
            if changes is not None:
                changes.forget()
            records = await loop.run_in_executor(None, cursor.read)
            if records:
                if len(streams) < 2:
                    records = [record for record in records if record[0] in streams]
                if records:
                    yield records
            elif cursor.ended or last_look or changes is None:
                return
            else:
                await changes.wait()
    finally:
        if changes is not None:
            changes.close()
        cursor.close()


def render(batch: list[Record], *, tty: bool, timestamps: bool = False, details: bool = False) -> bytes:
    """The bytes that a client gets: raw for a tty, else in stdcopy frames, one for each record."""
    parts: list[bytes] = []
    add = parts.append
    known_ns, stamp = -1, b""
    for stream, time_ns, data, attrs in batch:
        if details:
            data = b"%b %b" % (_details(attrs), data)
        if timestamps:
            if time_ns != known_ns:
                known_ns, stamp = time_ns, rfc3339.fixed(time_ns).encode()
            data = b"%b %b" % (stamp, data)
        if not tty:
            add(stdcopy.header(stdcopy.STDERR if stream == "stderr" else stdcopy.STDOUT, len(data)))
        add(data)
    return b"".join(parts)


def _details(attrs: dict[str, str] | None) -> bytes:
    """ "k=v,k2=v2", keys sorted, both sides in URL escapes."""
    pairs = sorted((attrs or {}).items())
    return ",".join(f"{quote_plus(key)}={quote_plus(value)}" for key, value in pairs).encode()


class _Changes:
    """Wakes one follower: at changes in the log's directory and at the container's end."""

    def __init__(self, path: str, stop: Stop | None, watcher: Watcher | None) -> None:
        self._watcher = watcher or Watcher()
        self._stop = stop
        self._event = self._watcher.subscribe(os.path.dirname(path) or ".")
        self._task = asyncio.ensure_future(stop.wait()) if isinstance(stop, asyncio.Event) else None
        ending = self._task if self._task is not None else stop
        if isinstance(ending, asyncio.Future):
            ending.add_done_callback(self._wake)

    def stopped(self) -> bool:
        if isinstance(self._stop, asyncio.Event):
            return self._stop.is_set()
        return self._stop is not None and self._stop.done()

    def forget(self) -> None:
        """Before a look at the files: what changed until now will be seen by it."""
        self._event.clear()

    async def wait(self) -> None:
        await self._event.wait()

    def close(self) -> None:
        self._watcher.unsubscribe(self._event)
        if self._task is not None:
            self._task.cancel()
        elif isinstance(self._stop, asyncio.Future):
            self._stop.remove_done_callback(self._wake)

    def _wake(self, _: object) -> None:
        self._event.set()
