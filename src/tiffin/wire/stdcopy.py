"""Frames of an attached stream without a terminal: stdout and stderr in one connection. A codec, no I/O.

    ┌──────┬───────┬──────────────┬─────────┐
    │ 1 B  │ 3 x 0 │ length, 4 B  │ payload │     stream: 0 stdin, 1 stdout, 2 stderr, 3 an error of the daemon
    │stream│       │ big endian   │         │
    └──────┴───────┴──────────────┴─────────┘
"""

from __future__ import annotations

import struct

STDIN = 0
STDOUT = 1
STDERR = 2
SYSTEM_ERROR = 3
HEADER_SIZE = 8

_HEADER = struct.Struct(">BxxxL")


class StdcopyError(ValueError):
    """The bytes are not frames."""


def header(stream: int, length: int) -> bytes:
    """The eight bytes that go before `length` bytes of `stream`."""
    return _HEADER.pack(stream, length)


def frame(stream: int, payload: bytes) -> bytes:
    """A whole frame."""
    return _HEADER.pack(stream, len(payload)) + payload


class Decoder:
    """Bytes in, (stream, piece) out. A frame's payload comes out as it arrives, in pieces: nothing is held back, so
    a frame that announces 4 GB costs nothing. Zero-length frames are skipped."""

    __slots__ = ("_left", "_partial", "_stream")

    def __init__(self) -> None:
        self._partial = b""
        self._stream = STDOUT
        self._left = 0

    @property
    def between_frames(self) -> bool:
        """Nothing of a frame is missing: the place where a stream may end."""
        return not self._left and not self._partial

    def feed(self, data: bytes | memoryview) -> list[tuple[int, memoryview]]:
        """The pieces that `data` completes, as views of it. Raises StdcopyError."""
        pieces = []
        view = memoryview(data)
        while view:
            if self._left:
                piece = view[: self._left]
                self._left -= len(piece)
                view = view[len(piece) :]
                pieces.append((self._stream, piece))
            else:
                view = self._take_header(view)
        return pieces

    def _take_header(self, view: memoryview) -> memoryview:
        missing = HEADER_SIZE - len(self._partial)
        self._partial += bytes(view[:missing])
        if len(self._partial) == HEADER_SIZE:
            self._stream, self._left = _HEADER.unpack(self._partial)
            if self._stream > SYSTEM_ERROR or self._partial[1:4] != b"\0\0\0":
                raise StdcopyError(f"Unrecognized input header: {self._partial[0]}")
            self._partial = b""
        return view[missing:]
