"""GNU sparse files: four ways to write a map of fragments, all bounded (CVE-2026-32288). No I/O.

    old GNU (type S)   4 fragments in the header at 386, isextended at 482, real size at 483;
                       then blocks of 21 fragments with isextended at 504
    PAX 0.0            GNU.sparse.size, and GNU.sparse.offset, GNU.sparse.numbytes repeated
    PAX 0.1            GNU.sparse.map = "offset,size,offset,size,…"
    PAX 1.0            GNU.sparse.realsize, and the map in front of the data, as lines of digits, padded to a block

A fragment is (offset, length); what lies between fragments is a hole. Source: GNU tar manual, "Sparse Formats".
"""

from __future__ import annotations

from tiffin.wire.tar.layout import MAX_SPARSE_FRAGMENTS, TarError, parse_number
from tiffin.wire.tar.pax import parse_decimal, parse_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from tiffin.wire.tar.layout import Entry

    Fragments = list[tuple[int, int]]

_PREFIX = b"GNU.sparse."
_MAX_DIGITS = 19  # of a number below 2**63


def parse_old_fragments(block: bytes, start: int, count: int, into: Fragments) -> None:
    """Fragments of an old GNU header (start 386, count 4) or an extension block (start 0, count 21)."""
    for position in range(start, start + 24 * count, 24):
        if not block[position]:
            return
        into.append(
            (
                parse_number(block[position : position + 12], "sparse offset"),
                parse_number(block[position + 12 : position + 24], "sparse length"),
            )
        )
    if len(into) > MAX_SPARSE_FRAGMENTS:
        raise TarError(f"invalid tar header: more than {MAX_SPARSE_FRAGMENTS} sparse fragments")


class PaxSparse:
    """What PAX records say about a sparse member. `fragments` is None where the map precedes the data (1.0)."""

    __slots__ = ("fragments", "name", "size")

    def __init__(self, name: bytes, size: int, fragments: Fragments | None) -> None:
        self.name = name
        self.size = size
        self.fragments = fragments


def from_records(records: Iterable[tuple[bytes, bytes]]) -> PaxSparse | None:
    """The sparse description in a member's records, or None if it is an ordinary member."""
    values: dict[bytes, bytes] = {}
    offsets: list[int] = []
    lengths: list[int] = []
    for key, value in records:
        if not key.startswith(_PREFIX):
            continue
        key = key[len(_PREFIX) :]
        if key == b"offset":
            offsets.append(parse_decimal(value, "sparse offset"))
        elif key == b"numbytes":
            lengths.append(parse_decimal(value, "sparse length"))
        else:
            values[key] = value
    if not values and not offsets:
        return None
    name = parse_name(values.get(b"name", b""), "GNU.sparse.name")
    version = (values.get(b"major", b"0"), values.get(b"minor", b"0"))
    size = values.get(b"realsize") or values.get(b"size")
    if version == (b"1", b"0"):
        if size is None:
            raise TarError("invalid tar header: a sparse member has no size")
        return PaxSparse(name, parse_decimal(size, "sparse size"), None)
    if version[0] != b"0":
        raise TarError("invalid tar header: unknown version of sparse member")
    if b"map" in values:
        numbers = values[b"map"].split(b",") if values[b"map"] else []
        offsets = [parse_decimal(number, "sparse map") for number in numbers[0::2]]
        lengths = [parse_decimal(number, "sparse map") for number in numbers[1::2]]
    elif not offsets and values.get(b"numblocks", b"") != b"0":
        return None
    if len(offsets) != len(lengths) or size is None:
        raise TarError("invalid tar header: a sparse map has no pairs or no size")
    if len(offsets) > MAX_SPARSE_FRAGMENTS:
        raise TarError(f"invalid tar header: more than {MAX_SPARSE_FRAGMENTS} sparse fragments")
    return PaxSparse(name, parse_decimal(size, "sparse size"), list(zip(offsets, lengths, strict=True)))


class MapReader:
    """The map in front of a 1.0 member's data: blocks in, fragments out when the map is complete."""

    __slots__ = ("_count", "_numbers", "_rest")

    def __init__(self) -> None:
        self._rest = b""
        self._count = -1
        self._numbers: list[int] = []

    def feed(self, block: bytes) -> Fragments | None:
        """Take one block; the fragments if it was the last of the map."""
        lines = (self._rest + block).split(b"\n")
        self._rest = lines.pop()
        for line in lines:
            number = parse_decimal(line, "sparse map")
            if self._count < 0:
                if number > MAX_SPARSE_FRAGMENTS:
                    raise TarError(f"invalid tar header: more than {MAX_SPARSE_FRAGMENTS} sparse fragments")
                self._count = number
            else:
                self._numbers.append(number)
            if len(self._numbers) == 2 * self._count:
                return list(zip(self._numbers[0::2], self._numbers[1::2], strict=True))
        if len(self._rest) > _MAX_DIGITS:
            raise TarError("invalid tar header: a sparse map is not made of numbers")
        return None


def check(entry: Entry, fragments: Fragments, stored: int) -> None:
    """Fragments ascend without overlap, end within the real size, and are as long as the data that is stored."""
    end = total = 0
    for offset, length in fragments:
        if offset < end or length < 0:
            raise TarError(f"invalid tar header: the sparse map of {entry.name!r} does not ascend")
        end = offset + length
        total += length
    if end > entry.size or total != stored:
        raise TarError(f"invalid tar header: the sparse map of {entry.name!r} does not fit its size")
