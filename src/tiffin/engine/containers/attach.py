"""Attaching a client's connection to a container, and reading its log.

A container that does not run yet keeps its clients: they are handed to the shim together with the start, so that no
byte of output is lost between.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator

from tiffin.engine import logs
from tiffin.engine.containers import pending
from tiffin.engine.containers.container import Container
from tiffin.engine.containers.ports import Attachment
from tiffin.engine.containers.settings import Settings
from tiffin.engine.containers.startrequest import log_path
from tiffin.engine.containers.state import Status
from tiffin.engine.events import Events
from tiffin.errors import Conflict, InvalidParameter, NotImplementedHere

DEFAULT_DETACH_KEYS = b"\x10\x11"
_NAMED = {"@": 0, "[": 27, "\\": 28, "]": 29, "^": 30, "_": 31}


def detach_keys(text: str) -> bytes:
    """`ctrl-p,ctrl-q` → two bytes; empty is the default. InvalidParameter in Docker's words."""
    if not text:
        return DEFAULT_DETACH_KEYS
    keys = bytearray()
    for word in text.split(","):
        name = word.removeprefix("ctrl-")
        if len(word) == 1 and word.isascii():
            keys.append(ord(word))
        elif word == "DEL":
            keys.append(127)
        elif name != word and len(name) == 1 and name.isascii() and name.islower():
            keys.append(ord(name) - 96)
        elif name != word and name in _NAMED:
            keys.append(_NAMED[name])
        else:
            raise InvalidParameter(f"Invalid detach keys ({text}) provided")
    return bytes(keys)


class Attacher:
    def __init__(self, settings: Settings, events: Events) -> None:
        self._settings, self._events = settings, events

    def check(self, container: Container) -> None:
        """Before the connection is handed over, while an error can still be an answer."""
        match container.status:
            case Status.PAUSED:
                raise Conflict(f"container {container.name} is paused, unpause the container before attach")
            case Status.RESTARTING:
                raise Conflict(f"container {container.name} is restarting, wait until the container is running")
            case Status.REMOVING | Status.DEAD:
                raise Conflict(f"container {container.name} is marked for removal")

    async def attach(self, container: Container, attachment: Attachment, *, logs: bool, stream: bool) -> None:
        """Takes over `attachment.fd`."""
        keep = False
        try:
            if logs:
                await self._replay(container, attachment)
            if not stream:
                return
            if not container.record.config.open_stdin:
                attachment = attachment._replace(stdin=False)
            self._events.publish("container", "attach", container.id, container.attributes())
            shim = container.shim
            if shim is None:
                pending.keep(container, attachment)
                keep = True
                return
            await pending.give(shim, attachment)
        finally:
            if not keep:
                os.close(attachment.fd)

    async def _replay(self, container: Container, attachment: Attachment) -> None:
        path = log_path(container.record, self._settings)
        if not path:
            return
        loop = asyncio.get_running_loop()
        with socket.socket(fileno=os.dup(attachment.fd)) as connection:
            connection.setblocking(False)
            async for batch in logs.read(path, stdout=attachment.stdout, stderr=attachment.stderr):
                try:
                    await loop.sock_sendall(connection, logs.render(batch, tty=not attachment.multiplexed))
                except (BrokenPipeError, ConnectionResetError):
                    return

    def logs(
        self,
        container: Container,
        *,
        follow: bool,
        stdout: bool,
        stderr: bool,
        since: str,
        until: str,
        tail: str,
        timestamps: bool,
        details: bool,
    ) -> AsyncIterator[bytes]:
        """The log as the bytes of a response. Checks now, reads while it is iterated."""
        if not stdout and not stderr:
            raise InvalidParameter("Bad parameters: you must choose at least one stream")
        path = log_path(container.record, self._settings)
        if not path:
            raise NotImplementedHere("configured logging driver does not support reading")
        since_ns, until_ns = logs.parse_time("since", since), logs.parse_time("until", until)
        count = logs.parse_tail(tail)

        async def read() -> AsyncIterator[bytes]:
            stop = container.ended if container.shim is not None else None
            async for batch in logs.read(
                path,
                stdout=stdout,
                stderr=stderr,
                since_ns=since_ns,
                until_ns=until_ns,
                tail=count,
                follow=follow and stop is not None,
                stop=stop,
            ):
                yield logs.render(batch, tty=container.record.config.tty, timestamps=timestamps, details=details)

        return read()
