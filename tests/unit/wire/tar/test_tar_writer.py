"""The writer against the reader, tarfile and GNU tar."""

from __future__ import annotations

import io
import subprocess
import tarfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tar_trial import read
from tiffin.wire.tar import layout, writer
from tiffin.wire.tar.layout import Entry, TarError, padding

_text = st.binary(min_size=1, max_size=300).map(lambda raw: raw.replace(b"\0", b"0"))
_path = _text.map(lambda raw: raw.strip(b"/") or b"x")
_key = _text.map(lambda raw: raw.replace(b"=", b"-"))
_kinds = [layout.REGULAR, layout.DIRECTORY, layout.SYMLINK, layout.HARD_LINK, layout.FIFO, layout.CHAR_DEVICE]
_ids = st.integers(0, (1 << 32) - 2) | st.integers(0, 1000)


@st.composite
def members(draw: st.DrawFn) -> tuple[Entry, bytes]:
    kind = draw(st.sampled_from(_kinds))
    content = draw(st.binary(max_size=1500)) if kind == layout.REGULAR else b""
    entry = Entry(
        draw(_path) + (b"/" if kind == layout.DIRECTORY else b""),
        kind,
        draw(st.integers(0, 0o7777)),
        draw(_ids),
        draw(_ids),
        len(content),
        draw(st.integers(-(10**20), 10**20) | st.integers(0, 10**10).map(lambda seconds: seconds * 10**9)),
        draw(_text) if kind in (layout.SYMLINK, layout.HARD_LINK) else b"",
        uname=draw(st.just(b"") | _text),
        gname=draw(st.just(b"") | _text),
        xattrs=draw(st.none() | st.dictionaries(_key, st.binary(), min_size=1)),
    )
    if kind == layout.CHAR_DEVICE:
        entry.devmajor, entry.devminor = draw(st.integers(0, 4095)), draw(st.integers(0, 0xFFFFF))
    return entry, content


def packed(all_members: list[tuple[Entry, bytes]]) -> bytes:
    parts = [writer.header(entry) + content + bytes(padding(len(content))) for entry, content in all_members]
    return b"".join(parts) + writer.TRAILER


@settings(deadline=None, max_examples=150)
@given(st.lists(members(), max_size=5), st.integers(1, 2000))
def test_what_is_written_is_read_back_whatever_the_pieces(all_members: list[tuple[Entry, bytes]], step: int) -> None:
    data = packed(all_members)
    assert len(data) % 512 == 0
    assert read(data, step) == all_members
    assert packed(all_members) == data


@settings(deadline=None, max_examples=60)
@given(st.lists(members(), max_size=5))
def test_tarfile_reads_what_is_written(all_members: list[tuple[Entry, bytes]]) -> None:
    with tarfile.open(fileobj=io.BytesIO(packed(all_members)), errors="surrogateescape") as tar:
        for (entry, content), info in zip(all_members, tar, strict=True):
            assert info.name.encode("utf-8", "surrogateescape") == entry.name.rstrip(b"/")
            assert (info.mode, info.uid, info.gid, info.size) == (entry.mode, entry.uid, entry.gid, entry.size)
            if entry.type == layout.REGULAR:
                read_back = tar.extractfile(info)
                assert read_back is not None and read_back.read() == content


def test_gnu_tar_lists_what_is_written() -> None:
    names = [b"plain", b"p" * 120 + b"/" + b"n" * 90, b"l" * 250, "häuser/straße".encode()]
    data = packed([(Entry(name, uid=3_000_000_000, mtime_ns=-1), b"") for name in names])
    done = subprocess.run(["tar", "--quoting-style=literal", "-tf", "-"], input=data, capture_output=True, check=True)
    assert done.stdout.splitlines() == names
    assert done.stderr == b""


def test_what_fits_into_ustar_is_one_block() -> None:
    assert len(writer.header(Entry(b"a" * 150 + b"/" + b"b" * 100, mtime_ns=10**18))) == 512
    assert len(writer.header(Entry(b"a" * 156 + b"/" + b"b" * 100))) == 1536
    assert len(writer.header(Entry(b"x", mtime_ns=1))) == 1536


def test_what_no_archive_can_hold_is_an_error() -> None:
    for entry in (
        Entry(b"a\0b"),
        Entry(b"a", uid=-1),
        Entry(b"a", xattrs={b"user.a=b": b""}),
        Entry(b"a", layout.CHAR_DEVICE, devmajor=1 << 24),
    ):
        with pytest.raises(TarError):
            writer.header(entry)
