"""A stream of foreign bytes, hashed, and decompressed by what its first bytes say. Reads one descriptor, no files.

    gzip  1f 8b        zstd  28 b5 2f fd (or a skippable frame)        bzip2  "BZh"        xz  fd "7zXZ" 00

Every step's output is bounded, whatever the ratio: an archive bomb costs time, which the caller limits, not memory.
All codecs are imported with this module, because a worker imports nothing once it is locked in (CVE-2019-14271); none
runs a program.
"""

from __future__ import annotations

import bz2
import hashlib
import lzma
import os
import zlib

from tiffin.wire.tar.layout import TarError

try:
    from isal import igzip_lib
except ImportError:
    igzip_lib = None  # type: ignore[assignment]
try:
    import zstandard
except ImportError:
    zstandard = None  # type: ignore[assignment]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, Final

# Input, output and the hash of a piece stay within a core's second-level cache.
PIECE: Final = 256 * 1024
# xz -9 needs 65 MiB to decompress; what asks for more is not a layer.
XZ_MEMORY: Final = 128 << 20
# zstd -19 uses windows of 8 MiB, --ultra --long=27 of 128 MiB: the most that a decoder accepts without being told.
ZSTD_WINDOW: Final = 1 << 27

_GZIP_MAGIC: Final = b"\x1f\x8b"
_BZIP2_MAGIC: Final = b"BZh"
_XZ_MAGIC: Final = b"\xfd7zXZ\x00"
_ZSTD_MAGIC: Final = b"\x28\xb5\x2f\xfd"
_LONGEST_MAGIC: Final = 6


class Source:
    """A descriptor read in pieces; what was read is counted and hashed."""

    __slots__ = ("_buffer", "_fd", "_view", "digest", "size")

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._buffer = bytearray(PIECE)
        self._view = memoryview(self._buffer)
        self.digest = hashlib.sha256()
        self.size = 0

    def piece(self, at_least: int = 1) -> memoryview:
        """The next bytes, valid until the next call; fewer than `at_least` only at the end."""
        filled = 0
        while filled < at_least:
            count = os.readv(self._fd, [self._view[filled:]])
            if count == 0:
                break
            filled += count
        piece = self._view[:filled]
        self.digest.update(piece)
        self.size += filled
        return piece


class _ZlibMember:
    """One gzip member by the standard library, with the interface that the other decompressors share."""

    def __init__(self) -> None:
        self._stream = zlib.decompressobj(wbits=31)
        self._pending: bytes = b""

    def decompress(self, data: bytes | memoryview, max_length: int) -> bytes:
        if self._pending:
            data = self._pending + bytes(data)
        out = self._stream.decompress(data, max_length)
        self._pending = self._stream.unconsumed_tail
        return out

    @property
    def eof(self) -> bool:
        return self._stream.eof

    @property
    def needs_input(self) -> bool:
        return not self._pending

    @property
    def unused_data(self) -> bytes:
        return self._stream.unused_data


def _gzip_member() -> Any:
    if igzip_lib is None:
        return _ZlibMember()
    return igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP)


def _xz_stream() -> Any:
    return lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=XZ_MEMORY)


_ERRORS: tuple[type[Exception], ...] = (OSError, EOFError, zlib.error, lzma.LZMAError, ValueError)
if igzip_lib is not None:
    _ERRORS = (*_ERRORS, igzip_lib.error)  # type: ignore[arg-type]


def decompressed(source: Source) -> tuple[str, Iterator[bytes | memoryview]]:
    """What the stream is ("tar", "gzip", "zstd", "bzip2", "xz") and its content in pieces of at most PIECE bytes."""
    head = source.piece(at_least=_LONGEST_MAGIC)
    start = bytes(head[:_LONGEST_MAGIC])
    if start.startswith(_GZIP_MAGIC):
        return "gzip", _members(source, head, "gzip", _GZIP_MAGIC, _gzip_member)
    if start.startswith(_BZIP2_MAGIC):
        return "bzip2", _members(source, head, "bzip2", _BZIP2_MAGIC, bz2.BZ2Decompressor)
    if start.startswith(_XZ_MAGIC):
        return "xz", _members(source, head, "xz", _XZ_MAGIC, _xz_stream)
    if start.startswith(_ZSTD_MAGIC) or (start[1:4] == b"\x2a\x4d\x18" and start[0] & 0xF0 == 0x50):
        return "zstd", _zstd_frames(source, head)
    return "tar", _plain(source, head)


def _plain(source: Source, head: memoryview) -> Iterator[memoryview]:
    while head:
        yield head
        head = source.piece()


def _members(
    source: Source, head: memoryview, name: str, magic: bytes, new: Callable[[], Any]
) -> Iterator[bytes | memoryview]:
    """Members one after the other, as pigz, pbzip2 and pixz write them; zeros may follow the last."""
    data: bytes | memoryview = head
    while True:
        member = new()
        while not member.eof:
            if member.needs_input and not data:
                data = source.piece()
                if not data:
                    raise TarError(f"unexpected EOF: the {name} stream is truncated")
            try:
                out = member.decompress(data, PIECE)
            except _ERRORS as error:
                raise TarError(f"the {name} stream is damaged: {error}") from error
            data = b""
            if out:
                yield out
        rest: bytes = member.unused_data
        if len(rest) < len(magic):
            rest += bytes(source.piece(at_least=len(magic)))
        if not rest.startswith(magic):
            _expect_zeros(source, rest, name)
            return
        data = rest


def _expect_zeros(source: Source, data: bytes | memoryview, name: str) -> None:
    while data:
        if bytes(data).strip(b"\0"):
            raise TarError(f"the {name} stream is followed by other data")
        data = source.piece()


class _Replay:
    """The source as the zstd reader wants it: `read(n)`, the piece already taken first."""

    __slots__ = ("_head", "_source")

    def __init__(self, source: Source, head: memoryview) -> None:
        self._source = source
        self._head = bytes(head)

    def read(self, size: int) -> bytes:
        head, self._head = self._head, b""
        return head or bytes(self._source.piece())


def _zstd_frames(source: Source, head: memoryview) -> Iterator[memoryview]:
    if zstandard is None:
        raise TarError("the layer is compressed with zstd, and Python's zstandard package is not installed")
    buffer = memoryview(bytearray(PIECE))
    decompressor = zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW)
    reader = decompressor.stream_reader(_Replay(source, head), PIECE, read_across_frames=True)  # type: ignore[arg-type]
    while True:
        try:
            count = reader.readinto(buffer)
        except zstandard.ZstdError as error:
            raise TarError(f"the zstd stream is damaged: {error}") from error
        if not count:
            return
        yield buffer[:count]
