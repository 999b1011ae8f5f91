"""Archives made by the standard library's tarfile and GNU tar, and ways to have them read, unpacked and packed."""

from __future__ import annotations

import io
import json
import os
import socket
import tarfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from tiffin.store.unpack import Limits, Unpacker
from tiffin.store.workers import pack_stream
from tiffin.wire.tar.layout import Entry
from tiffin.wire.tar.reader import END_OF_ARCHIVE, END_OF_ENTRY, NEED_DATA, Hole, Reader

Member = tuple[tarfile.TarInfo, bytes]


def member(name: str, kind: bytes = tarfile.REGTYPE, data: bytes = b"", **fields: Any) -> Member:
    """One member; `fields` are TarInfo's (mode, uid, linkname, mtime, pax_headers, devmajor, …)."""
    info = tarfile.TarInfo(name)
    info.type = kind
    info.size = len(data)
    info.mode = 0o755 if kind == tarfile.DIRTYPE else 0o644
    for field, value in fields.items():
        setattr(info, field, value)
    return info, data


def file(name: str, data: bytes = b"data", **fields: Any) -> Member:
    return member(name, tarfile.REGTYPE, data, **fields)


def directory(name: str, **fields: Any) -> Member:
    return member(name, tarfile.DIRTYPE, **fields)


def symlink(name: str, target: str, **fields: Any) -> Member:
    return member(name, tarfile.SYMTYPE, linkname=target, **fields)


def hard_link(name: str, target: str, **fields: Any) -> Member:
    return member(name, tarfile.LNKTYPE, linkname=target, **fields)


def archive(*members: Member, kind: int = tarfile.PAX_FORMAT) -> bytes:
    """A whole archive."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=kind) as tar:
        for info, data in members:
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def events(data: bytes, step: int = 1 << 20) -> Iterator[Any]:
    """What a reader says of an archive that arrives in pieces of `step` bytes; data as bytes."""
    reader = Reader()
    for position in range(0, len(data), step):
        reader.feed(data[position : position + step])
        while (event := reader.next_event()) is not NEED_DATA:
            yield bytes(event) if isinstance(event, memoryview) else event
    reader.feed_eof()
    while (event := reader.next_event()) is not END_OF_ARCHIVE:
        yield bytes(event) if isinstance(event, memoryview) else event


def read(data: bytes, step: int = 1 << 20) -> list[tuple[Entry, bytes]]:
    """All members with their content, holes filled; raises TarError."""
    members: list[tuple[Entry, bytes]] = []
    content = bytearray()
    for event in events(data, step):
        if isinstance(event, Entry):
            content = bytearray()
            members.append((event, b""))
        elif isinstance(event, Hole):
            assert event.length <= 1 << 30, "a test that fills such a hole has the wrong archive"
            content += bytes(event.length)
        elif event is END_OF_ENTRY:
            members[-1] = (members[-1][0], bytes(content))
        else:
            content += event
    return members


@contextmanager
def opened(path: str, flags: int = os.O_RDONLY | os.O_DIRECTORY) -> Iterator[int]:
    fd = os.open(path, flags, 0o600)
    try:
        yield fd
    finally:
        os.close(fd)


def unpack(
    data: bytes, root: str, *, lower: Sequence[str] = (), layer: bool = True, limits: Limits | None = None
) -> Unpacker:
    """Unpack in this process, without the worker around it."""
    lower_fds = [os.open(path, os.O_PATH | os.O_DIRECTORY) for path in lower]
    umask = os.umask(0)
    try:
        with opened(root) as fd:
            unpacker = Unpacker(fd, lower_fds=lower_fds, layer=layer, limits=limits)
            try:
                for position in range(0, len(data), 65536):
                    unpacker.feed(data[position : position + 65536])
                unpacker.finish()
            finally:
                unpacker.close()
            return unpacker
    finally:
        os.umask(umask)
        for lower_fd in lower_fds:
            os.close(lower_fd)


def pack(root: str, into: str, *, changes: bool = False) -> dict[str, Any]:
    """Pack in this process, to a file."""
    with opened(root) as fd, opened(into, os.O_WRONLY | os.O_CREAT | os.O_TRUNC) as out:
        return pack_stream(fd, out, changes, lambda _count: None)


def work(main: Callable[[dict[str, Any], list[int]], None], message: dict[str, Any], fds: Sequence[int]) -> Any:
    """Run a worker's entry point in a child, as the spawner would; its last packet."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    pid = os.fork()
    if pid == 0:
        try:
            ours.close()
            main(message, [theirs.fileno(), *fds])
            os._exit(0)
        finally:
            os._exit(1)
    theirs.close()
    last = None
    with ours:
        ours.settimeout(120)
        while packet := ours.recv(1 << 16):
            last = json.loads(packet)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    return last
