"""Writes a container's json-file log from the shim: whole records, rotation, and a disk that may be full.

Nothing here raises for the disk's sake: a container must not stop because its log cannot be written. What could not be
written is counted in `failed`, the file is cut back to its last whole record, and the next record starts clean.
A line is written when its newline comes, when it is LINE_MAX long, or at `close`, as Docker does it.
"""

from __future__ import annotations

import os
from time import time_ns

from tiffin.runtime.jsonlog_rotation import Compression, rotate
from tiffin.wire import jsonlog

DEFAULT_MAX_SIZE = 20_000_000
DEFAULT_MAX_FILE = 5

_REPAIR_WINDOW = 256 * 1024  # more than the longest record: LINE_MAX bytes, escaped to six times that, and attributes


class Failed:
    """What the disk did not take."""

    __slots__ = ("bytes", "last_errno", "records")

    def __init__(self) -> None:
        self.bytes = 0
        self.records = 0
        self.last_errno = 0


class JsonLogWriter:
    """One container's log. `max_size` in bytes, -1 for no limit; `max_file` counts the current file too."""

    __slots__ = (
        "_attrs", "_compress", "_compression", "_fd", "_max_file", "_max_size", "_path", "_pending", "_size", "_torn",
        "failed",
    )  # fmt: skip

    def __init__(
        self,
        path: str,
        max_size: int = DEFAULT_MAX_SIZE,
        max_file: int = DEFAULT_MAX_FILE,
        attrs: dict[str, str] | None = None,
        compress: bool = False,
    ) -> None:
        self._path = path
        self._max_size = max_size
        self._max_file = max_file
        self._attrs = jsonlog.attributes(attrs)
        self._compress = compress and max_file > 1
        self._compression: Compression | None = None
        self._pending = {"stdout": b"", "stderr": b""}
        self._fd = -1
        self._size = 0
        self._torn = False
        self.failed = Failed()
        try:
            self._open()
        except OSError as error:
            self._fail(error, b"", 0)

    def write(self, stream: str, chunk: bytes | bytearray | memoryview, now_ns: int) -> None:
        """Log what the container wrote to "stdout" or "stderr"; one time for all of the chunk."""
        segments, self._pending[stream] = jsonlog.split(self._pending[stream] + chunk)
        if not segments:
            return
        ending = jsonlog.tail(stream, now_ns, self._attrs)
        for segment in segments:
            self._append(jsonlog.encode(segment, ending))
        if self._compression is not None:
            self._compress_more(4 * len(chunk) + 65536)

    def flush(self, now_ns: int | None = None) -> None:
        """Write unfinished lines as they are: the container's output has ended."""
        for stream, rest in self._pending.items():
            if rest:
                now_ns = time_ns() if now_ns is None else now_ns
                self._pending[stream] = b""
                self._append(jsonlog.encode(rest, jsonlog.tail(stream, now_ns, self._attrs)))

    def close(self, now_ns: int | None = None) -> None:
        """Flush and close. A compression that is under way is given up: the plain file stays."""
        self.flush(now_ns)
        if self._compression is not None:
            self._compression.abandon()
            self._compression = None
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _append(self, block: bytes) -> None:
        """Write records, changing files after the record that fills one."""
        while block:
            part, rest = block, b""
            if self._max_size >= 0:
                if self._size >= self._max_size:
                    self._rotate()
                room = self._max_size - self._size
                if 0 < room < len(block):
                    end = block.index(b"\n", room - 1) + 1
                    part, rest = block[:end], block[end:]
            self._put(part)
            block = rest

    def _put(self, block: bytes) -> None:
        done = 0
        try:
            if self._fd < 0:
                self._open()
            if self._torn:
                os.write(self._fd, b"\n")
                self._torn = False
                self._size += 1
            view = memoryview(block)
            while done < len(block):
                done += os.write(self._fd, view[done:])
            self._size += done
        except OSError as error:
            self._fail(error, block, done)

    def _fail(self, error: OSError, block: bytes, done: int) -> None:
        """Count what is lost of `block`, of which `done` bytes are in the file, and take a torn record back."""
        kept = block.rfind(b"\n", 0, done) + 1
        self.failed.bytes += len(block) - kept
        self.failed.records += block.count(b"\n", kept)
        self.failed.last_errno = error.errno or 0
        if done > kept:
            try:
                os.ftruncate(self._fd, self._size + kept)
                done = kept
            except OSError:
                self._torn = True
        self._size += done

    def _open(self) -> None:
        """Open the file, to go on behind its last whole record if it exists (a restarted container, a crash)."""
        self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)
        self._size = os.fstat(self._fd).st_size
        if self._size == 0:
            return
        start = max(0, self._size - _REPAIR_WINDOW)
        end = os.pread(self._fd, self._size - start, start)
        if end.endswith(b"\n"):
            return
        whole = start + end.rfind(b"\n") + 1
        if whole == start and start > 0:
            self._torn = True  # no record of ours is that long: leave it, and start on a line of our own
            return
        os.ftruncate(self._fd, whole)
        self._size = whole

    def _rotate(self) -> None:
        """Start a new file; where that fails, go on in the old one and try again at the next record."""
        try:
            if self._compression is not None:
                self._compress_more(1 << 62)
            rotate(self._path, self._max_file)
            old, self._fd = self._fd, -1
            if old >= 0:
                os.close(old)
            self._size = 0
            self._torn = False
            self._open()
            if self._compress:
                self._compression = Compression(self._path)
        except OSError as error:
            self.failed.last_errno = error.errno or 0

    def _compress_more(self, amount: int) -> None:
        compression = self._compression
        if compression is None:
            return
        try:
            if compression.step(amount):
                self._compression = None
        except OSError as error:
            self.failed.last_errno = error.errno or 0
            self._compression = None
            compression.abandon()
