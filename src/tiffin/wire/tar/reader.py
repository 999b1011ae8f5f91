"""An incremental tar reader: bytes in, events out. It does no I/O and trusts nothing.

Feed it any pieces of an archive, split anywhere, and drain the events after each:

    reader.feed(chunk)
    while (event := reader.next_event()) is not NEED_DATA: ...
    reader.feed_eof(); drain again: END_OF_ARCHIVE, or a TarError if the archive was cut

    event       Entry, then for a regular member (memoryview | Hole)* , then END_OF_ENTRY        … END_OF_ARCHIVE

A memoryview is a slice of the chunk that was fed: use it before the next feed. What follows the end of the archive
is ignored, as by every reader. Read are v7, ustar, star, GNU (long names, sparse) and PAX archives; what differs
between readers is decided as in Go's archive/tar, because that is what made and what checks the images we meet.

    HEADER ──▶ SPECIAL ──▶ HEADER            x, g, L, K: collected, applied to the next member
      │  └──▶ OLD_MAP ──▶ DATA               S with extension blocks
      │  └──▶ NEW_MAP ──▶ DATA               PAX sparse 1.0
      ├─────▶ DATA ──▶ SKIP ──▶ HEADER
      └─────▶ ZERO ──▶ DONE
"""

from __future__ import annotations

from tiffin.wire.tar import pax, sparse
from tiffin.wire.tar.header import parse, verify
from tiffin.wire.tar.layout import (
    BLOCK,
    CONTIGUOUS,
    DIRECTORY,
    GNU_LONG_LINK,
    GNU_LONG_NAME,
    GNU_SPARSE,
    HEADER_ONLY,
    MAX_EXTENSIONS,
    MAX_SPECIAL_SIZE,
    PAX_GLOBAL,
    PAX_LOCAL,
    REGULAR,
    V7_REGULAR,
    ZERO_BLOCK,
    Entry,
    TarError,
    padding,
    parse_number,
    parse_text,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final

_SPECIAL: Final = frozenset((PAX_LOCAL, PAX_GLOBAL, GNU_LONG_NAME, GNU_LONG_LINK))


class Signal:
    """An event that carries nothing but its name."""

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return self._name


class Hole:
    """`length` bytes of a sparse member that are zero and need no space."""

    __slots__ = ("length",)

    def __init__(self, length: int) -> None:
        self.length = length


if TYPE_CHECKING:
    Event = Entry | memoryview | Hole | Signal

NEED_DATA: Final = Signal("NEED_DATA")
END_OF_ENTRY: Final = Signal("END_OF_ENTRY")
END_OF_ARCHIVE: Final = Signal("END_OF_ARCHIVE")


class Reader:
    """The state machine above; `_step` is the state."""

    __slots__ = (
        "_collected",
        "_data_left",
        "_end",
        "_entry",
        "_eof",
        "_extensions",
        "_fragments",
        "_global",
        "_gnu_link",
        "_gnu_name",
        "_local",
        "_map",
        "_partial",
        "_position",
        "_sparse_at",
        "_sparse_next",
        "_special_kind",
        "_special_left",
        "_step",
        "_stored",
        "_to_skip",
        "_view",
    )

    def __init__(self) -> None:
        self._view = memoryview(b"")
        self._position = self._end = 0
        self._eof = False
        self._partial = bytearray()  # less than one block, carried from chunk to chunk
        self._collected = bytearray()  # the payload of an extension header
        self._special_kind = b""
        self._special_left = 0
        self._local: list[tuple[bytes, bytes]] = []
        self._global: dict[bytes, bytes] = {}
        self._gnu_name = self._gnu_link = b""
        self._extensions = 0
        self._entry = Entry(b"")
        self._stored = 0  # bytes of the member in the archive
        self._data_left = 0
        self._to_skip = 0
        self._fragments: list[tuple[int, int]] = []
        self._sparse_next = self._sparse_at = 0
        self._map = sparse.MapReader()
        self._step: Callable[[], Event | None] = self._header

    def feed(self, chunk: bytes | bytearray | memoryview) -> None:
        """Give the next piece; all events of the last one must have been taken."""
        if self._position < self._end and self._step != self._done:
            raise ValueError("the events of the last chunk were not drained")
        self._view = memoryview(chunk)
        self._position, self._end = 0, len(self._view)

    def feed_eof(self) -> None:
        """Say that there is no more."""
        self.feed(b"")
        self._eof = True

    def next_event(self) -> Event:
        """The next event; NEED_DATA when the chunk is used up. Raises TarError, after which the reader is of no use."""
        while True:
            event = self._step()
            if event is not None:
                return event

    # -- pieces -------------------------------------------------------------------------------------------------------

    def _block(self) -> bytes | None:
        """The next whole block, or None if the chunk ends first."""
        position = self._position
        if not self._partial:
            after = position + BLOCK
            if after <= self._end:
                self._position = after
                return bytes(self._view[position:after])
        taken = min(BLOCK - len(self._partial), self._end - position)
        self._partial += self._view[position : position + taken]
        self._position = position + taken
        if len(self._partial) < BLOCK:
            return None
        block = bytes(self._partial)
        self._partial.clear()
        return block

    def _starved(self) -> Signal:
        """The chunk has ended inside something."""
        if self._eof:
            raise TarError("unexpected EOF: the tar archive is truncated")
        return NEED_DATA

    # -- states -------------------------------------------------------------------------------------------------------

    def _header(self) -> Event | None:
        block = self._block()
        if block is None:
            # An archive without its two blocks of zeros is complete if it ends between members.
            if self._eof and not self._partial and not self._extensions:
                self._step = self._done
                return None
            return self._starved()
        if not block[0] and block == ZERO_BLOCK:
            self._step = self._zero
            return None
        verify(block)
        kind = block[156:157]
        size = parse_number(block[124:136], "size")
        if size < 0:
            raise TarError("invalid tar header: negative size")
        if kind in _SPECIAL:
            self._begin_special(kind, size)
            return None
        return self._begin_entry(block, kind, size)

    def _begin_special(self, kind: bytes, size: int) -> None:
        self._extensions += 1
        if size > MAX_SPECIAL_SIZE:
            raise TarError(f"invalid tar header: an extension header is longer than {MAX_SPECIAL_SIZE} bytes")
        if self._extensions > MAX_EXTENSIONS:
            raise TarError(f"invalid tar header: more than {MAX_EXTENSIONS} extension headers in a row")
        self._special_kind = kind
        self._special_left = size
        self._to_skip = padding(size)
        self._collected.clear()
        self._step = self._special

    def _special(self) -> Event | None:
        position = self._position
        taken = min(self._special_left, self._end - position)
        self._collected += self._view[position : position + taken]
        self._position = position + taken
        self._special_left -= taken
        if self._special_left:
            return self._starved()
        payload = bytes(self._collected)
        self._collected.clear()
        kind = self._special_kind
        if kind == PAX_LOCAL:
            self._local = pax.parse_records(payload)
        elif kind == PAX_GLOBAL:
            for key, value in pax.parse_records(payload):
                if key in pax.GLOBAL_KEYS:
                    self._global[key] = value
        elif kind == GNU_LONG_NAME:
            self._gnu_name = pax.parse_name(parse_text(payload), "name")
        else:
            self._gnu_link = pax.parse_name(parse_text(payload), "link name")
        self._step = self._skip
        return None

    def _begin_entry(self, block: bytes, kind: bytes, size: int) -> Entry | None:
        entry = parse(block, kind, size)
        described: sparse.PaxSparse | None = None
        if self._global:
            pax.apply(entry, self._global.items())
        if self._local:
            pax.apply(entry, self._local)
            if kind not in HEADER_ONLY:
                described = sparse.from_records(self._local)
            self._local = []
        if self._gnu_name or self._gnu_link:
            entry.name = self._gnu_name or entry.name
            entry.linkname = self._gnu_link or entry.linkname
            self._gnu_name = self._gnu_link = b""
        self._extensions = 0
        if kind in (V7_REGULAR, REGULAR, CONTIGUOUS):
            # Before there was a type for directories a trailing slash was it.
            entry.type = DIRECTORY if entry.name.endswith(b"/") and kind != CONTIGUOUS else REGULAR
        if entry.type in HEADER_ONLY:
            entry.size = 0
        self._entry = entry
        self._stored = self._data_left = entry.size
        self._to_skip = padding(entry.size)
        if kind == GNU_SPARSE:
            return self._begin_old_sparse(block)
        if described is not None:
            return self._begin_pax_sparse(described)
        self._step = self._data
        return entry

    def _data(self) -> Event | None:
        left = self._data_left
        if not left:
            self._step = self._skip
            return END_OF_ENTRY
        position = self._position
        after = position + left
        if after > self._end:
            after = self._end
            if after == position:
                return self._starved()
        self._position = after
        self._data_left = left - (after - position)
        return self._view[position:after]

    def _skip(self) -> Event | None:
        taken = min(self._to_skip, self._end - self._position)
        self._position += taken
        self._to_skip -= taken
        if self._to_skip:
            # The last member's padding may be missing: Go's reader lets that pass, hand-made archives rely on it.
            if self._eof and not self._extensions:
                self._step = self._done
                return None
            return self._starved()
        self._step = self._header
        return None

    def _zero(self) -> Event | None:
        block = self._block()
        if block is None:
            if self._eof and not self._partial:
                self._step = self._done
                return None
            return self._starved()
        if block != ZERO_BLOCK:
            raise TarError("invalid tar header: a lone block of zeros inside the archive")
        self._step = self._done
        return None

    def _done(self) -> Event | None:
        if self._extensions:
            raise TarError("unexpected EOF: an extension header without a member")
        self._position = self._end
        return END_OF_ARCHIVE if self._eof else NEED_DATA

    # -- sparse members -----------------------------------------------------------------------------------------------

    def _begin_old_sparse(self, block: bytes) -> Entry | None:
        entry = self._entry
        entry.type = REGULAR
        entry.size = parse_number(block[483:495], "sparse size")
        if entry.size < 0:
            raise TarError("invalid tar header: negative size")
        self._fragments = []
        sparse.parse_old_fragments(block, 386, 4, self._fragments)
        if block[482]:
            self._step = self._old_map
            return None
        return self._begin_fragments()

    def _old_map(self) -> Event | None:
        block = self._block()
        if block is None:
            return self._starved()
        sparse.parse_old_fragments(block, 0, 21, self._fragments)
        if block[504]:
            return None
        return self._begin_fragments()

    def _begin_pax_sparse(self, described: sparse.PaxSparse) -> Entry | None:
        entry = self._entry
        entry.size = described.size
        entry.name = described.name or entry.name
        entry.type = REGULAR
        if described.fragments is None:
            self._map = sparse.MapReader()
            self._step = self._new_map
            return None
        self._fragments = described.fragments
        return self._begin_fragments()

    def _new_map(self) -> Event | None:
        if self._data_left < BLOCK:
            raise TarError("invalid tar header: a sparse map is longer than its member")
        block = self._block()
        if block is None:
            return self._starved()
        self._data_left -= BLOCK
        fragments = self._map.feed(block)
        if fragments is None:
            return None
        self._fragments = fragments
        return self._begin_fragments()

    def _begin_fragments(self) -> Entry:
        sparse.check(self._entry, self._fragments, self._data_left)
        self._entry.sparse = True
        self._sparse_next = self._sparse_at = 0
        self._data_left = 0
        self._step = self._sparse_data
        return self._entry

    def _sparse_data(self) -> Event | None:
        if self._data_left:
            event = self._data()
            if isinstance(event, memoryview):
                self._sparse_at += len(event)
            return event
        if self._sparse_next < len(self._fragments):
            offset, length = self._fragments[self._sparse_next]
            if offset > self._sparse_at:
                hole = Hole(offset - self._sparse_at)
                self._sparse_at = offset
                return hole
            self._data_left = length
            self._sparse_next += 1
            return None
        if self._entry.size > self._sparse_at:
            hole = Hole(self._entry.size - self._sparse_at)
            self._sparse_at = self._entry.size
            return hole
        self._fragments = []
        self._step = self._skip
        return END_OF_ENTRY
