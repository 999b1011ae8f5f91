"""Worker entry point: split an image archive (docker save, OCI layout) into numbered files, hashed.

    fds                [control, stream, directory]          as in workers.py; the process is locked into the directory
    directory/<n>      the content of the n-th regular member
    worker → daemon    {"member": {"name", "file": n, "size", "digest"}}      a regular file
                       {"member": {"name", "link": target, "hard": bool}}     a link; nothing is made on disk
                       {"ok": {"compression", "members"}}  or  {"error": kind, "message": text}

Names are told, never used as names on disk: an archive's paths cannot lead anywhere (CVE-2024-3727). The last of
members with one name wins, as for every reader. Names that are not UTF-8 are refused: no tool writes them.
"""

from __future__ import annotations

import hashlib
import json
import os
import socket

from tiffin.store import worker_jail
from tiffin.store.decompress import Source, decompressed
from tiffin.store.workers import Control, report
from tiffin.wire.tar.layout import HARD_LINK, REGULAR, SYMLINK, Entry, TarError
from tiffin.wire.tar.reader import END_OF_ARCHIVE, END_OF_ENTRY, NEED_DATA, Hole, Reader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Final

MEMBERS_LIMIT: Final = 20_000  # an image of 1,000 layers has 3,000 in Docker's oldest format
SPARSE_ZEROS: Final = bytes(64 * 1024)
SIZE_LIMIT: Final = 1 << 40


class Splitter:
    """Feed it the archive; it writes files below `directory_fd` and calls `tell` for each member."""

    __slots__ = ("_directory_fd", "_entry", "_file", "_hash", "_reader", "_tell", "_total", "members")

    def __init__(self, directory_fd: int, tell: Callable[[dict[str, Any]], None]) -> None:
        self._directory_fd = directory_fd
        self._tell = tell
        self._reader = Reader()
        self._entry = Entry(b"")
        self._file = -1
        self._hash = hashlib.sha256()
        self._total = 0
        self.members = 0

    def feed(self, piece: bytes | memoryview) -> None:
        """The next bytes of the tar."""
        self._reader.feed(piece)
        self._drain()

    def finish(self) -> None:
        """The tar has ended."""
        self._reader.feed_eof()
        self._drain()

    def _drain(self) -> None:
        while True:
            event = self._reader.next_event()
            if event is NEED_DATA or event is END_OF_ARCHIVE:
                return
            if event is END_OF_ENTRY:
                self._end()
            elif isinstance(event, Entry):
                self._begin(event)
            elif isinstance(event, Hole):
                self._zeros(event.length)
            elif isinstance(event, memoryview):
                self._write(event)

    def _begin(self, entry: Entry) -> None:
        self._entry = entry
        if entry.type not in (REGULAR, SYMLINK, HARD_LINK):
            return
        if self.members >= MEMBERS_LIMIT:
            raise TarError(f"the archive has more than {MEMBERS_LIMIT} members")
        self.members += 1
        if entry.type == REGULAR:
            self._total += entry.size
            if self._total > SIZE_LIMIT:
                raise TarError(f"the archive holds more than {SIZE_LIMIT} bytes")
            self._hash = hashlib.sha256()
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            self._file = os.open(str(self.members), flags, 0o600, dir_fd=self._directory_fd)
        else:
            link = {"link": _text(entry.linkname), "hard": entry.type == HARD_LINK}
            self._tell({"member": {"name": _text(entry.name), **link}})

    def _write(self, data: memoryview | bytes) -> None:
        self._hash.update(data)
        while data:
            data = data[os.write(self._file, data) :]

    def _zeros(self, length: int) -> None:
        while length:
            count = min(length, len(SPARSE_ZEROS))
            self._write(SPARSE_ZEROS[:count])
            length -= count

    def _end(self) -> None:
        if self._file < 0:
            return
        os.close(self._file)
        self._file = -1
        digest = f"sha256:{self._hash.hexdigest()}"
        facts = {"file": self.members, "size": self._entry.size, "digest": digest}
        self._tell({"member": {"name": _text(self._entry.name), **facts}})


def _text(name: bytes) -> str:
    try:
        return name.decode()
    except UnicodeDecodeError:
        raise TarError(f"the archive has a member whose name is not UTF-8: {name!r}") from None


def ingest_main(message: dict[str, Any], fds: list[int]) -> None:
    """Split the archive on fds[1] into fds[2]."""
    control_fd, stream_fd, directory_fd = fds
    control = Control(control_fd)
    # A second handle on the same socket: a member must not be lost as a progress figure may.
    line = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET, 0, fileno=os.dup(control_fd))

    def tell(packet: dict[str, Any]) -> None:
        line.send(json.dumps(packet).encode(), socket.MSG_NOSIGNAL)

    def work() -> dict[str, Any]:
        keep = (control_fd, stream_fd, line.fileno())
        root_fd = worker_jail.enter(directory_fd, keep, worker_jail.UNPACK_CAPABILITIES)
        source = Source(stream_fd)
        compression, pieces = decompressed(source)
        splitter = Splitter(root_fd, tell)
        for piece in pieces:
            splitter.feed(piece)
        splitter.finish()
        return {"compression": compression, "members": splitter.members}

    line.setblocking(True)
    report(control, work)


def inflate_main(message: dict[str, Any], fds: list[int]) -> None:
    """Write the decompressed stream fds[1] as the file "content" of the directory fds[2]. ok: {"size"}."""
    control_fd, stream_fd, directory_fd = fds
    control = Control(control_fd)

    def work() -> dict[str, Any]:
        root_fd = worker_jail.enter(directory_fd, (control_fd, stream_fd), worker_jail.UNPACK_CAPABILITIES)
        target = os.open("content", os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=root_fd)
        _, pieces = decompressed(Source(stream_fd))
        size = 0
        for piece in pieces:
            size += len(piece)
            if size > SIZE_LIMIT:
                raise TarError(f"the archive expands to more than {SIZE_LIMIT} bytes")
            view = memoryview(piece)
            while view:
                view = view[os.write(target, view) :]
        return {"size": size}

    report(control, work)
