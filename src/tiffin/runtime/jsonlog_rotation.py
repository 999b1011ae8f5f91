"""Names and compression of a log's older files; decides nothing about when.

    x-json.log        being written
    x-json.log.1      the one before; x-json.log.2.gz the one before that; …

Files only ever move to a higher number, so a reader that opens them from the lowest on misses none. A compressed
file says in its gzip comment what it was made from ("inode mtime_ns size"): who has that file open knows it again.
"""

from __future__ import annotations

import os
import zlib
from struct import pack

_PIECE = 65536


def rotate(path: str, max_file: int) -> None:
    """Make room for a new file at `path`: everything moves up by one, what would be the `max_file`th file goes."""
    if max_file <= 1:
        _missing_ok(os.unlink, path)
        return
    for name in (f"{path}.{max_file - 1}", f"{path}.{max_file - 1}.gz"):
        _missing_ok(os.unlink, name)
    for number in range(max_file - 2, 0, -1):
        for extension in ("", ".gz"):
            _missing_ok(os.rename, f"{path}.{number}{extension}", f"{path}.{number + 1}{extension}")
    os.rename(path, f"{path}.1")


class Compression:
    """Turns `path`.1 into `path`.1.gz a piece at a time, so that no single write to the log waits for all of it."""

    __slots__ = ("_checksum", "_deflate", "_header", "_path", "_size", "_source", "_target")

    def __init__(self, path: str) -> None:
        self._path = path
        self._source = os.open(f"{path}.1", os.O_RDONLY | os.O_CLOEXEC)
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
        try:
            self._target = os.open(f"{path}.tmp", flags, 0o640)
        except OSError:
            os.close(self._source)
            raise
        self._deflate = zlib.compressobj(6, zlib.DEFLATED, -15)
        self._checksum = self._size = 0
        status = os.fstat(self._source)
        # RFC 1952: magic, deflate, FLG.FCOMMENT, mtime, no extra flags, Unix.
        header = b"\x1f\x8b\x08\x10" + pack("<I", int(status.st_mtime) & 0xFFFFFFFF) + b"\0\x03"
        self._header = header + b"%d %d %d\0" % (status.st_ino, status.st_mtime_ns, status.st_size)

    def step(self, amount: int) -> bool:
        """Compress the next `amount` bytes; True when the file is done and in its place."""
        self._write(self._header)
        self._header = b""
        while amount > 0:
            piece = os.read(self._source, _PIECE)
            if not piece:
                self._finish()
                return True
            self._checksum = zlib.crc32(piece, self._checksum)
            self._size += len(piece)
            self._write(self._deflate.compress(piece))
            amount -= len(piece)
        return False

    def abandon(self) -> None:
        """Give up; the uncompressed file stays."""
        os.close(self._source)
        os.close(self._target)
        _missing_ok(os.unlink, f"{self._path}.tmp")

    def _finish(self) -> None:
        self._write(self._deflate.flush() + pack("<II", self._checksum, self._size & 0xFFFFFFFF))
        os.rename(f"{self._path}.tmp", f"{self._path}.1.gz")
        os.unlink(f"{self._path}.1")
        os.close(self._source)
        os.close(self._target)

    def _write(self, data: bytes) -> None:
        while data:
            data = data[os.write(self._target, data) :]


def _missing_ok(call: object, *paths: str) -> None:
    try:
        call(*paths)  # type: ignore[operator]
    except FileNotFoundError:
        pass
