"""Clients that attached to a container without a shim: kept until a start hands them over, or until they hang up."""

from __future__ import annotations

import contextlib
import logging
import os
import select
import socket
from collections.abc import Iterable

from tiffin.engine.containers.container import Container
from tiffin.engine.containers.ports import Attachment, Shim

log = logging.getLogger("tiffin.engine")
LAST_READS = 64


def keep(container: Container, attachment: Attachment) -> None:
    """Takes over the descriptor. Those who hung up meanwhile go: a container may wait for its start for long."""
    container.pending = [*take(container), attachment]


def take(container: Container) -> list[Attachment]:
    """Whoever still waits; the descriptors are the caller's now."""
    waiting, container.pending = container.pending, []
    gone = [attachment for attachment in waiting if _hung_up(attachment)]
    close(gone)
    return [attachment for attachment in waiting if attachment not in gone]


async def hand_over(container: Container, shim: Shim) -> None:
    """To a shim that was being started when they came."""
    for attachment in take(container):
        try:
            await give(shim, attachment)
        finally:
            os.close(attachment.fd)


async def give(shim: Shim, attachment: Attachment) -> None:
    """To a shim, unless the container has just ended: then the end of the stream says so."""
    try:
        await shim.attach(
            attachment.fd,
            attachment.tail,
            stdin=attachment.stdin,
            stdout=attachment.stdout,
            stderr=attachment.stderr,
            detach_keys=attachment.detach_keys,
            multiplexed=attachment.multiplexed,
        )
    except Exception as failure:
        log.debug("container %s: a client came too late: %s", shim.id, failure)
        refuse([attachment])


def refuse(attachments: Iterable[Attachment]) -> None:
    """Their container will not have them. What they sent is taken first: closing with unread input resets a peer."""
    for attachment in attachments:
        with socket.socket(fileno=os.dup(attachment.fd)) as connection, contextlib.suppress(OSError):
            connection.setblocking(False)
            connection.shutdown(socket.SHUT_RDWR)
            for _ in range(LAST_READS):
                if not connection.recv(1 << 16):
                    break


def close(attachments: Iterable[Attachment]) -> None:
    """Nobody will have them."""
    for attachment in attachments:
        os.close(attachment.fd)


def _hung_up(attachment: Attachment) -> bool:
    poll = select.poll()
    poll.register(attachment.fd, 0)
    return any(events & (select.POLLHUP | select.POLLERR) for _, events in poll.poll(0))
