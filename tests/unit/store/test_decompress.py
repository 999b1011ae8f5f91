"""Streams of every compression, whole and cut, plain and hostile."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import lzma
import os
import tempfile
import zlib

import pytest
import zstandard

from tiffin.store import decompress
from tiffin.store.decompress import PIECE, Source, decompressed
from tiffin.wire.tar.layout import TarError

CONTENT = os.urandom(300_000) + bytes(2_000_000) + b"end"
COMPRESS = {
    "tar": lambda data: data,
    "gzip": gzip.compress,
    "zstd": zstandard.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
}


def through(data: bytes) -> tuple[str, bytes]:
    """The kind and the content of a stream; checks its digest and that every piece is bounded."""
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.seek(0)
        source = Source(file.fileno())
        kind, pieces = decompressed(source)
        out = bytearray()
        for piece in pieces:
            assert 0 < len(piece) <= PIECE
            out += piece
        assert (source.size, source.digest.digest()) == (len(data), hashlib.sha256(data).digest())
        return kind, bytes(out)


@pytest.mark.parametrize("kind", COMPRESS)
def test_a_stream_is_recognised_and_decompressed(kind: str) -> None:
    assert through(COMPRESS[kind](CONTENT)) == (kind, CONTENT)


@pytest.mark.parametrize("kind", COMPRESS)
def test_several_members_are_one_stream(kind: str) -> None:
    assert through(COMPRESS[kind](CONTENT) + COMPRESS[kind](b"more")) == (kind, CONTENT + b"more")


def test_an_empty_stream_is_an_empty_tar() -> None:
    assert through(b"") == ("tar", b"")


def test_a_zstd_stream_may_begin_and_end_with_skippable_frames() -> None:
    skippable = b"\x50\x2a\x4d\x18\x04\0\0\0abcd"
    assert through(skippable + zstandard.compress(CONTENT) + skippable) == ("zstd", CONTENT)


def test_zeros_may_follow_a_gzip_stream_and_nothing_else() -> None:
    assert through(gzip.compress(CONTENT) + bytes(1_000_000)) == ("gzip", CONTENT)
    with pytest.raises(TarError, match="followed by other data"):
        through(gzip.compress(CONTENT) + b"junk")


@pytest.mark.parametrize("kind", ["gzip", "bzip2", "xz"])
def test_a_truncated_stream_is_refused(kind: str) -> None:
    data = COMPRESS[kind](CONTENT)
    for cut in (7, 100, len(data) // 2, len(data) - 1):
        with pytest.raises(TarError):
            through(data[:cut])


@pytest.mark.parametrize("kind", ["gzip", "bzip2", "xz", "zstd"])
def test_a_damaged_stream_is_refused(kind: str) -> None:
    data = bytearray(COMPRESS[kind](b"some text, over and over; " * 20_000))
    for position in range(12, 40):
        data[position] ^= 0x5A
    with pytest.raises(TarError):
        through(bytes(data))


def test_a_wrong_checksum_of_a_gzip_stream_is_refused() -> None:
    data = bytearray(gzip.compress(CONTENT))
    data[-6] ^= 1
    with pytest.raises(TarError):
        through(bytes(data))


def test_zlib_serves_where_isal_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decompress, "igzip_lib", None)
    assert through(gzip.compress(CONTENT) + gzip.compress(b"more")) == ("gzip", CONTENT + b"more")
    with pytest.raises(TarError):
        through(gzip.compress(CONTENT)[:-10])


def test_an_xz_stream_that_wants_much_memory_is_refused() -> None:
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 1 << 29}]
    packer = lzma.LZMACompressor(filters=filters)
    with pytest.raises(TarError):
        through(packer.compress(b"x") + packer.flush())


def test_a_bomb_is_handed_out_in_bounded_pieces() -> None:
    packer = zlib.compressobj(9, wbits=31)
    data = b"".join(packer.compress(bytes(1 << 20)) for _ in range(64)) + packer.flush()
    assert len(through(data)[1]) == 64 << 20
    assert len(through(zstandard.compress(bytes(64 << 20)))[1]) == 64 << 20
