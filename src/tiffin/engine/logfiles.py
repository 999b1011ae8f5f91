"""Reads a json-file log from the disk: across rotated files, from the end for --tail, and on, while it is written.

Synchronous; `engine/logs.py` runs it in threads. The cursor stands behind the last whole record that it returned, so a
record that is being written, or that the writer takes back on a full disk, is read again. Which file comes next is
found by inode: files only move to higher numbers (runtime/jsonlog_rotation.py names them), so a listing that is opened
from the lowest number on may meet a file twice, but misses none.
"""

from __future__ import annotations

import os
import threading
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tiffin.wire.jsonlog import decode_block

if TYPE_CHECKING:
    from tiffin.wire.jsonlog import Record

BLOCK = 256 * 1024
_TAIL_BLOCK = 64 * 1024
_RECORD_MAX = 16 << 20  # a line longer than this is no record of anybody's: skipped in pieces
_CLOCK_SLACK_NS = 1_000_000_000  # a file's mtime lags behind its last record by a tick


@dataclass(slots=True)
class _File:
    fd: int
    inode: int
    modified_ns: int
    origin: tuple[int, ...] | None = None  # of a compressed file: inode, mtime and size of the one it was made from
    compressed: bool = False  # still to be unpacked
    position: int = 0

    def same(self, other: _File) -> bool:
        """The same records. Inodes are not enough for a compressed file: that of its origin may be in use again."""
        if self.origin is None and other.origin is None:
            return self.inode == other.inode
        return self._identity() == other._identity()

    def _identity(self) -> tuple[int, ...]:
        if self.origin is not None:
            return self.origin
        status = os.fstat(self.fd)
        return status.st_ino, status.st_mtime_ns, status.st_size

    def unpack(self) -> None:
        """Exchange a compressed file for its plain text in memory."""
        if self.compressed:
            plain = _decompress(self.fd)
            os.close(self.fd)
            self.fd, self.compressed = plain, False


class Cursor:
    """A place in one container's log. `read` gives records until there are no more for now; `ended` says for good."""

    def __init__(self, path: str, *, since_ns: int, until_ns: int, tail: int | None, follow: bool) -> None:
        self._path = path
        self._since_ns = since_ns
        self._until_ns = until_ns
        self._tail = tail
        self._follow = follow
        self._files: list[_File] | None = None  # what is left to read, the current one first
        self._end = -1  # without follow: where the newest file ended when we came
        self._lock = threading.Lock()
        self._closed = False
        self.ended = False

    def read(self) -> list[Record]:
        """The next records, oldest first; an empty list when all that is there has been read."""
        try:
            with self._lock:
                return [] if self._closed or self.ended else self._read()
        finally:
            if self._closed:  # meanwhile; close() did not wait for us
                self.close()

    def close(self) -> None:
        """Never waits: a read in another thread releases the files when it is done."""
        self._closed = True
        if self._lock.acquire(blocking=False):
            try:
                self._release()
            finally:
                self._lock.release()

    def _release(self) -> None:
        for file in self._files or ():
            os.close(file.fd)
        self._files = []

    def _read(self) -> list[Record]:
        if self._files is None:
            self._open()
        while self._files:
            block = self._block(self._files[0])
            if block:
                records = self._wanted(decode_block(block))
                if records or self.ended:
                    return records
            elif not self._advance():
                return []
        if self._follow:
            self._files = self._newer_than(None)
            return self._read() if self._files else []
        self.ended = True
        return []

    def _wanted(self, records: list[Record]) -> list[Record]:
        if self._until_ns and any(record[1] > self._until_ns for record in records):
            self.ended = True
            past = next(number for number, record in enumerate(records) if record[1] > self._until_ns)
            records = records[:past]
        if self._since_ns and records and records[0][1] < self._since_ns:
            return [record for record in records if record[1] >= self._since_ns]
        return records

    def _open(self) -> None:
        files = self._newer_than(None)
        if self._tail is not None:
            files = _from_the_end(files, self._tail)
        elif self._since_ns:
            while len(files) > 1 and files[0].modified_ns + _CLOCK_SLACK_NS < self._since_ns:
                os.close(files.pop(0).fd)
        if files and not self._follow:
            self._end = os.fstat(files[-1].fd).st_size
        self._files = files

    def _block(self, file: _File) -> bytes:
        """Whole lines from the file's position on, at most about BLOCK bytes; empty if there is none yet."""
        file.unpack()
        size = BLOCK
        while True:
            amount = size
            if not self._follow and self._files is not None and len(self._files) == 1:
                amount = max(0, min(size, self._end - file.position))
            data = os.pread(file.fd, amount, file.position)
            whole = data.rfind(b"\n") + 1
            if whole:
                file.position += whole
                return data[:whole]
            if len(data) < size:
                return b""
            if size > _RECORD_MAX:
                file.position += size
            size *= 4

    def _advance(self) -> bool:
        """The current file has no whole line left: go to the next one. False if it may still grow, or was the last."""
        assert self._files
        current = self._files[0]
        if len(self._files) == 1:
            if not self._follow:
                self._release()
                return True
            try:
                if os.stat(self._path).st_ino == current.inode and current.origin is None:
                    return False
            except FileNotFoundError:
                pass  # between the writer's rename and its new file
            # The writer has left this file, perhaps after our last look at it.
            size = os.fstat(current.fd).st_size
            newer = self._newer_than(current)
            if current.position < size and self._has_line(current):
                self._files += newer
                return True
            if not newer:
                return False
            self._files += newer
        os.close(self._files.pop(0).fd)
        return True

    def _has_line(self, file: _File) -> bool:
        return b"\n" in os.pread(file.fd, BLOCK, file.position)

    def _newer_than(self, current: _File | None) -> list[_File]:
        """The log's files that are newer than that one, oldest first; all of them for None."""
        found: list[_File] = []
        number = 0
        last = _highest_number(self._path)
        while True:
            name = self._path if number == 0 else f"{self._path}.{number}"
            file = _open_file(name)
            if file is None and number > last:
                break
            number += 1
            if file is None:
                continue
            if current is not None and file.same(current):
                os.close(file.fd)
                break
            if any(file.same(other) for other in found):
                os.close(file.fd)
                continue
            found.append(file)
        found.reverse()
        return found


def _highest_number(path: str) -> int:
    directory, name = os.path.split(path)
    highest = 0
    try:
        entries = os.listdir(directory or ".")
    except FileNotFoundError:
        return 0
    for entry in entries:
        if entry.startswith(name + "."):
            number = entry[len(name) + 1 :].removesuffix(".gz")
            highest = max(highest, int(number) if number.isdecimal() else 0)
    return highest


def _open_file(name: str) -> _File | None:
    for path, compressed in ((name, False), (name + ".gz", True)):
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        status = os.fstat(fd)
        origin = _origin(fd) or (status.st_ino, status.st_mtime_ns, -1) if compressed else None
        return _File(fd, status.st_ino, status.st_mtime_ns, origin, compressed)
    return None


def _origin(fd: int) -> tuple[int, ...]:
    """What the comment in a gzip header says, if it is of our own writing."""
    head = os.pread(fd, 128, 0)
    words = head[10:].split(b"\0", 1)[0].split() if head[3:4] == b"\x10" else []
    return tuple(map(int, words)) if len(words) == 3 and all(word.isdigit() for word in words) else ()


def _decompress(fd: int) -> int:
    """A descriptor of the plain text, in memory."""
    plain = os.memfd_create("log", os.MFD_CLOEXEC)
    inflate = zlib.decompressobj(31)
    try:
        while piece := os.read(fd, BLOCK):
            os.write(plain, inflate.decompress(piece))
    except zlib.error:
        pass  # damaged: what came before the damage is served
    return plain


def _from_the_end(files: list[_File], lines: int) -> list[_File]:
    """Place the files so that the last `lines` records follow; those that are not needed are closed."""
    kept: list[_File] = []
    for file in reversed(files):
        if lines <= 0 and kept:
            os.close(file.fd)
            continue
        kept.append(file)
        file.unpack()
        file.position, lines = _back(file.fd, lines)
    kept.reverse()
    return kept


def _back(fd: int, lines: int) -> tuple[int, int]:
    """(offset of the last `lines` whole lines of a file, how many are still missing)."""
    at = os.fstat(fd).st_size
    wanted = lines + 1  # the newline before the first line we want; the one that ends the last line counts too
    while at > 0:
        start = max(0, at - _TAIL_BLOCK)
        block = os.pread(fd, at - start, start)
        here = block.count(b"\n")
        if here >= wanted:
            position = len(block)
            for _ in range(wanted):
                position = block.rfind(b"\n", 0, position)
            return start + position + 1, 0
        wanted -= here
        at = start
    return 0, max(0, wanted - 1)
