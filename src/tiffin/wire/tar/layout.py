"""What a tar archive is made of: the header block, its fields, the kinds of member, the limits. No I/O, no state.

An archive is a sequence of 512-byte blocks; two blocks of zeros end it.

    header block    0 name 100    100 mode 8    108 uid 8    116 gid 8    124 size 12    136 mtime 12    148 checksum 8
                  156 type 1      157 linkname 100    257 magic 6    263 version 2    265 uname 32    297 gname 32
                  329 major 8     337 minor 8    345 prefix 155 (ustar)
    data            `size` bytes, padded with zeros to a full block

Numbers are octal text, or big-endian two's complement with the first byte's high bit set (GNU's base-256).
Names are bytes, as they are to Linux. Sources: POSIX.1-2017 pax, "Basic Tar Format" of the GNU tar manual.
"""

from __future__ import annotations

from tiffin.errors import InvalidParameter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

BLOCK: Final = 512
ZERO_BLOCK: Final = bytes(BLOCK)

REGULAR: Final = b"0"
HARD_LINK: Final = b"1"
SYMLINK: Final = b"2"
CHAR_DEVICE: Final = b"3"
BLOCK_DEVICE: Final = b"4"
DIRECTORY: Final = b"5"
FIFO: Final = b"6"

# Kinds that only the codec sees: they describe the next member, or are another way to write a regular file.
V7_REGULAR: Final = b"\0"
CONTIGUOUS: Final = b"7"
PAX_LOCAL: Final = b"x"
PAX_GLOBAL: Final = b"g"
GNU_LONG_NAME: Final = b"L"
GNU_LONG_LINK: Final = b"K"
GNU_SPARSE: Final = b"S"

# Members without data, whatever their size field says (some writers leave the target's size in a hard link).
HEADER_ONLY: Final = frozenset((HARD_LINK, SYMLINK, CHAR_DEVICE, BLOCK_DEVICE, DIRECTORY, FIFO))

# A PAX or GNU long name record is held in memory whole; Go's reader, whose archives we meet, has the same limit.
MAX_SPECIAL_SIZE: Final = 1 << 20
# PATH_MAX is 4096, and unpacking ends there as in Docker; but deeper trees can be made and packed, by relative descent.
MAX_NAME: Final = 32 * 1024
# A sparse map is held in memory: 65,536 fragments are about 8 MB. Layers hold no more.
MAX_SPARSE_FRAGMENTS: Final = 1 << 16
# Extension headers in a row without a member: more than one of each kind is already unusual; this ends a loop.
MAX_EXTENSIONS: Final = 64
# Sizes and offsets are signed 64-bit to the kernel.
MAX_SIZE: Final = (1 << 63) - 1


class TarError(InvalidParameter):
    """The archive is malformed, truncated, or beyond a limit."""


class Entry:
    """One member of an archive. `size` is that of the data events that follow, holes included; mtime is in ns."""

    __slots__ = (
        "devmajor",
        "devminor",
        "gid",
        "gname",
        "linkname",
        "mode",
        "mtime_ns",
        "name",
        "size",
        "sparse",
        "type",
        "uid",
        "uname",
        "xattrs",
    )

    def __init__(
        self,
        name: bytes,
        type: bytes = REGULAR,
        mode: int = 0o644,
        uid: int = 0,
        gid: int = 0,
        size: int = 0,
        mtime_ns: int = 0,
        linkname: bytes = b"",
        devmajor: int = 0,
        devminor: int = 0,
        uname: bytes = b"",
        gname: bytes = b"",
        xattrs: dict[bytes, bytes] | None = None,
    ) -> None:
        self.name = name
        self.type = type
        self.mode = mode
        self.uid = uid
        self.gid = gid
        self.size = size
        self.mtime_ns = mtime_ns
        self.linkname = linkname
        self.devmajor = devmajor
        self.devminor = devminor
        self.uname = uname
        self.gname = gname
        self.xattrs = xattrs
        self.sparse = False

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Entry):
            return NotImplemented
        return all(getattr(self, field) == getattr(other, field) for field in self.__slots__)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        shown = ", ".join(f"{field}={getattr(self, field)!r}" for field in self.__slots__)
        return f"Entry({shown})"


def parse_text(field: bytes) -> bytes:
    """A text field: up to its first NUL, or all of it."""
    end = field.find(0)
    return field if end < 0 else field[:end]


def parse_number(field: bytes, what: str) -> int:
    """A number field, octal or base-256; blank is 0."""
    if field[0] & 0x80:
        value = int.from_bytes(field, "big")
        bits = 8 * len(field)
        # The marker bit is not part of the number; the next one is its sign.
        value &= (1 << (bits - 1)) - 1
        if field[0] & 0x40:
            value -= 1 << (bits - 1)
        if not -MAX_SIZE - 1 <= value <= MAX_SIZE:
            raise TarError(f"invalid tar header: {what} does not fit into 64 bits")
        return value
    text = field.strip(b" \0")
    if text.isdigit():
        try:
            return int(text, 8)
        except ValueError:
            pass
    elif not text:
        return 0
    text = parse_text(text).rstrip(b" ")
    if text.isdigit():
        try:
            return int(text, 8)
        except ValueError:
            pass
    raise TarError(f"invalid tar header: {what} is not a number: {field!r}")


def checksums(block: bytes) -> tuple[int, int]:
    """The header's checksum as POSIX has it (unsigned bytes), and as some old writers computed it (signed)."""
    counted = block[:148] + block[156:]
    unsigned = sum(counted) + 8 * 0x20
    return unsigned, unsigned - 256 * sum(1 for byte in counted if byte & 0x80)


def padding(size: int) -> int:
    """How many zeros follow `size` bytes of data."""
    return -size % BLOCK
