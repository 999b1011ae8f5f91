"""A container's exit record: what tells a later daemon how it ended, when no daemon was there to hear of it."""

from __future__ import annotations

import json
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SIZE = 512


def exit_code(status: int) -> int:
    """Docker's exit code of a wait status: 128+n for signal n."""
    return 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def reserve(path: str) -> None:
    """Take the record's room on the disk at start, so that a disk that is full at the end cannot lose it."""
    _write(path, b"{}".ljust(SIZE))


def record(path: str, document: dict[str, Any]) -> None:
    """Write over the room that was reserved.

    Not synced: a record that a crash of the machine loses belongs to an earlier boot, whose containers are 255 anyway.
    """
    try:
        _write(path, json.dumps(document).encode().ljust(SIZE))
    except OSError:
        pass  # the container was removed by force meanwhile, or the disk is broken: the daemon hears of the end anyway


def _write(path: str, raw: bytes) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        os.pwrite(fd, raw, 0)
    finally:
        os.close(fd)
