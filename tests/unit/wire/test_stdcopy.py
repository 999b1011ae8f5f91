"""stdcopy frames survive any cutting, and nothing else passes for them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiffin.wire import stdcopy

frames = st.lists(st.tuples(st.integers(0, 3), st.binary(max_size=40)), max_size=8)


@given(frames, st.integers(1, 60))
def test_what_is_framed_comes_out_in_order_however_it_is_cut(sent: list[tuple[int, bytes]], step: int) -> None:
    data = b"".join(stdcopy.frame(stream, payload) for stream, payload in sent)
    decoder = stdcopy.Decoder()
    got: list[tuple[int, bytes]] = []
    for start in range(0, len(data), step):
        got += [(stream, bytes(piece)) for stream, piece in decoder.feed(data[start : start + step])]
    assert decoder.between_frames
    for stream in range(4):
        assert b"".join(p for s, p in got if s == stream) == b"".join(p for s, p in sent if s == stream)


def test_a_header_is_dockers() -> None:
    assert stdcopy.header(stdcopy.STDERR, 0x01020304) == b"\x02\0\0\0\x01\x02\x03\x04"


@pytest.mark.parametrize("junk", [b"\x04\0\0\0\0\0\0\1x", b"HTTP/1.1 200 OK\r\n", b"\1\1\0\0\0\0\0\1x"])
def test_other_bytes_are_refused(junk: bytes) -> None:
    with pytest.raises(stdcopy.StdcopyError):
        stdcopy.Decoder().feed(junk)


def test_a_frame_cut_short_is_noticed() -> None:
    decoder = stdcopy.Decoder()
    decoder.feed(stdcopy.frame(1, b"abc")[:-1])
    assert not decoder.between_frames
