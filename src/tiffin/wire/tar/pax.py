"""PAX extended headers: records to and from bytes, and what the known keys do to a member. No I/O.

    record   "%d %s=%s\\n": the decimal length of the whole record, the key, the value (any bytes)
    x        records for the next member        g   records for all later members

Of a global header only ownership and times count. A path, a link target or a size for *all* members has no meaning,
Docker ignores global headers altogether, and readers that disagree on them can be played off against each other.
An empty value means: as if the key had not been given. Source: POSIX.1-2017 pax; star(5) for SCHILY.xattr.
"""

from __future__ import annotations

import binascii

from tiffin.wire.tar.layout import MAX_NAME, MAX_SIZE, TarError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Final

    from tiffin.wire.tar.layout import Entry

GLOBAL_KEYS: Final = frozenset((b"uid", b"gid", b"uname", b"gname", b"mtime"))
SCHILY_XATTR: Final = b"SCHILY.xattr."
LIBARCHIVE_XATTR: Final = b"LIBARCHIVE.xattr."

# The length of a record within MAX_SPECIAL_SIZE needs no more digits than this.
_MAX_LENGTH_DIGITS: Final = 8
_NANOSECONDS: Final = 1_000_000_000


def parse_records(data: bytes) -> list[tuple[bytes, bytes]]:
    """All records in order, repeated keys included (GNU sparse 0.0 repeats them)."""
    records = []
    position, end = 0, len(data)
    while position < end:
        space = data.find(b" ", position, position + _MAX_LENGTH_DIGITS)
        digits = data[position:space] if space > 0 else b""
        if not digits.isdigit():
            raise TarError("invalid tar header: a PAX record has no length")
        after = position + int(digits)
        if after > end or after < space + 4 or data[after - 1] != 0x0A:
            raise TarError("invalid tar header: a PAX record has a wrong length")
        key, equals, value = data[space + 1 : after - 1].partition(b"=")
        if not equals or not key:
            raise TarError("invalid tar header: a PAX record has no key")
        records.append((key, value))
        position = after
    return records


def format_records(records: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Records as bytes; each length counts its own digits."""
    out = []
    for key, value in records:
        rest = len(key) + len(value) + 3  # the space, the equals sign, the newline
        total = rest + len(str(rest))
        total = rest + len(str(total))
        out.append(b"%d %s=%s\n" % (total, key, value))
    return b"".join(out)


def parse_time(value: bytes) -> int:
    """Decimal seconds, possibly negative or with a fraction, as nanoseconds; finer digits are cut."""
    digits = value[1:] if value[:1] == b"-" else value
    seconds, _, fraction = digits.partition(b".")
    if not seconds.isdigit() or len(seconds) > 19 or (fraction and not fraction.isdigit()):
        raise TarError(f"invalid tar header: PAX time {value[:40]!r}")
    nanoseconds = int(seconds) * _NANOSECONDS + int(fraction[:9].ljust(9, b"0"))
    return -nanoseconds if digits is not value else nanoseconds


def format_time(nanoseconds: int) -> bytes:
    """The shortest decimal form."""
    sign = b"-" if nanoseconds < 0 else b""
    seconds, fraction = divmod(abs(nanoseconds), _NANOSECONDS)
    if not fraction:
        return b"%s%d" % (sign, seconds)
    return b"%s%d.%s" % (sign, seconds, (b"%09d" % fraction).rstrip(b"0"))


def parse_decimal(value: bytes, what: str) -> int:
    """A non-negative decimal number that fits into 63 bits."""
    if not value.isdigit() or len(value) > 19:
        raise TarError(f"invalid tar header: PAX {what} {value[:40]!r}")
    number = int(value)
    if number > MAX_SIZE:
        raise TarError(f"invalid tar header: PAX {what} {value[:40]!r}")
    return number


def parse_name(value: bytes, what: str) -> bytes:
    """A path or a name: no NUL (the kernel would see another name than we do), bounded."""
    if 0 in value:
        raise TarError(f"invalid tar header: PAX {what} contains NUL")
    if len(value) > MAX_NAME:
        raise TarError(f"invalid tar header: {what} is longer than {MAX_NAME} bytes")
    return value


def parse_id(value: bytes, what: str) -> int:
    """A uid or gid; other writers are known to write negative ones, which no file can have."""
    return parse_decimal(value, what)


def apply(entry: Entry, records: Iterable[tuple[bytes, bytes]]) -> None:
    """Let records override the header's fields; unknown keys are comments."""
    encoded: dict[bytes, bytes] = {}
    xattrs: dict[bytes, bytes] = {}
    for key, value in records:
        if key.startswith(SCHILY_XATTR):
            xattrs[parse_name(key[len(SCHILY_XATTR) :], "xattr")] = value
        elif key.startswith(LIBARCHIVE_XATTR):
            encoded[parse_name(_unquote(key[len(LIBARCHIVE_XATTR) :]), "xattr")] = _base64(value)
        elif not value:
            continue
        elif key == b"path":
            entry.name = parse_name(value, "path")
        elif key == b"linkpath":
            entry.linkname = parse_name(value, "linkpath")
        elif key == b"size":
            entry.size = parse_decimal(value, "size")
        elif key == b"mtime":
            entry.mtime_ns = parse_time(value)
        elif key == b"uid":
            entry.uid = parse_id(value, "uid")
        elif key == b"gid":
            entry.gid = parse_id(value, "gid")
        elif key == b"uname":
            entry.uname = parse_name(value, "uname")
        elif key == b"gname":
            entry.gname = parse_name(value, "gname")
    if encoded or xattrs:
        entry.xattrs = {**encoded, **xattrs}


def _unquote(name: bytes) -> bytes:
    """Undo libarchive's percent-encoding of an attribute's name."""
    first, *rest = name.split(b"%")
    out = [first]
    for part in rest:
        try:
            out.append(binascii.unhexlify(part[:2]) + part[2:])
        except binascii.Error:
            out.append(b"%" + part)
    return b"".join(out)


def _base64(value: bytes) -> bytes:
    """libarchive writes base64 without padding."""
    try:
        return binascii.a2b_base64(value + b"=" * (-len(value) % 4))
    except binascii.Error as error:
        raise TarError("invalid tar header: an xattr is not base64") from error
