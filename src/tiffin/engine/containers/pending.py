"""Clients that attached to a container without a shim: kept until a start hands them over, or until they hang up."""

from __future__ import annotations

import contextlib
import os
import select
from collections.abc import Iterable

from tiffin.engine.containers.container import Container
from tiffin.engine.containers.ports import Attachment, Shim


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
            with contextlib.suppress(Exception):  # it has ended already: the end of the stream says so
                await shim.attach(
                    attachment.fd,
                    attachment.tail,
                    stdin=attachment.stdin,
                    stdout=attachment.stdout,
                    stderr=attachment.stderr,
                    detach_keys=attachment.detach_keys,
                    multiplexed=attachment.multiplexed,
                )
        finally:
            os.close(attachment.fd)


def close(attachments: Iterable[Attachment]) -> None:
    """Nobody will have them."""
    for attachment in attachments:
        os.close(attachment.fd)


def _hung_up(attachment: Attachment) -> bool:
    poll = select.poll()
    poll.register(attachment.fd, 0)
    return any(events & (select.POLLHUP | select.POLLERR) for _, events in poll.poll(0))
