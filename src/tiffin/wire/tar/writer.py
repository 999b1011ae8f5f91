"""A deterministic tar writer: a member in, header bytes out. No I/O: the caller writes header, data and padding.

    for each member:   header(entry)   data of entry.size bytes   bytes(padding(entry.size))
    at the end:        TRAILER

A header is one ustar block where everything fits, else a PAX header in front of it, as Docker's own archives are
made. The same entry always gives the same bytes: no clock, no environment, records in a fixed order.
"""

from __future__ import annotations

from tiffin.wire.tar import pax
from tiffin.wire.tar.layout import (
    BLOCK,
    BLOCK_DEVICE,
    CHAR_DEVICE,
    PAX_LOCAL,
    REGULAR,
    ZERO_BLOCK,
    Entry,
    TarError,
    padding,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

TRAILER: Final = 2 * ZERO_BLOCK

_OCTAL_7: Final = 0o7777777
_OCTAL_11: Final = 0o77777777777
_NANOSECONDS: Final = 1_000_000_000


def header(entry: Entry) -> bytes:
    """Everything that comes before the member's data."""
    records: list[tuple[bytes, bytes]] = []
    prefix, name = b"", _text(entry.name, "name")
    if len(name) > 100 or not name.isascii():
        split = _split(name) if name.isascii() else None
        if split is None:
            records.append((b"path", name))
            name = name.decode("ascii", "replace").replace("\ufffd", "_").encode()[:100]
        else:
            prefix, name = split
    linkname = _fit(entry.linkname, 100, b"linkpath", records)
    uname = _fit(entry.uname, 31, b"uname", records)
    gname = _fit(entry.gname, 31, b"gname", records)
    uid = _fit_number(entry.uid, _OCTAL_7, b"uid", records)
    gid = _fit_number(entry.gid, _OCTAL_7, b"gid", records)
    size = _fit_number(entry.size, _OCTAL_11, b"size", records)
    seconds, fraction = divmod(entry.mtime_ns, _NANOSECONDS)
    if fraction or not 0 <= seconds <= _OCTAL_11:
        records.append((b"mtime", pax.format_time(entry.mtime_ns)))
        seconds = min(max(seconds, 0), _OCTAL_11)
    if entry.xattrs:
        for key in sorted(entry.xattrs):
            if b"=" in key or 0 in key:
                raise TarError(f"xattr name {key!r} cannot be written to a tar archive")
            records.append((pax.SCHILY_XATTR + key, entry.xattrs[key]))
    device = (entry.devmajor, entry.devminor) if entry.type in (CHAR_DEVICE, BLOCK_DEVICE) else (0, 0)
    if max(device) > _OCTAL_7:
        raise TarError(f"device number of {entry.name!r} cannot be written to a tar archive")
    block = _block(prefix, name, entry.type, entry.mode, uid, gid, size, seconds, linkname, uname, gname, device)
    return _pax_header(name, records) + block if records else block


def _pax_header(name: bytes, records: list[tuple[bytes, bytes]]) -> bytes:
    payload = pax.format_records(sorted(records))
    base = name.rstrip(b"/").rpartition(b"/")[2]
    block = _block(b"", b"PaxHeaders.0/" + base[:80], PAX_LOCAL, 0o644, 0, 0, len(payload), 0, b"", b"", b"", (0, 0))
    return block + payload + bytes(padding(len(payload)))


def _block(
    prefix: bytes,
    name: bytes,
    kind: bytes,
    mode: int,
    uid: int,
    gid: int,
    size: int,
    mtime: int,
    linkname: bytes,
    uname: bytes,
    gname: bytes,
    device: tuple[int, int],
) -> bytes:
    """One ustar block with its checksum."""
    front = b"%b%07o\0%07o\0%07o\0%011o\0%011o\0" % (name.ljust(100, b"\0"), mode & 0o7777, uid, gid, size, mtime)
    back = b"%b%bustar\x0000%b%b%07o\0%07o\0%b" % (
        kind,
        linkname.ljust(100, b"\0"),
        uname.ljust(32, b"\0"),
        gname.ljust(32, b"\0"),
        *device,
        prefix.ljust(167, b"\0"),
    )
    block = b"%b%06o\0 %b" % (front, sum(front) + sum(back) + 256, back)
    if len(block) != BLOCK:
        raise TarError(f"{name!r} cannot be written to a tar archive")
    return block


def _split(name: bytes) -> tuple[bytes, bytes] | None:
    """A long name as ustar's prefix and name, cut at a slash; None if it does not fit."""
    cut = name.rfind(b"/", 0, min(156, len(name) - 1))
    if cut <= 0 or len(name) - cut - 1 > 100:
        return None
    return name[:cut], name[cut + 1 :]


def _fit(value: bytes, width: int, key: bytes, records: list[tuple[bytes, bytes]]) -> bytes:
    """A text field: as it is, or moved to a PAX record."""
    _text(value, key.decode())
    if len(value) <= width and value.isascii():
        return value
    records.append((key, value))
    return b""


def _text(value: bytes, what: str) -> bytes:
    if 0 in value:
        raise TarError(f"{what} contains NUL")
    return value


def _fit_number(value: int, most: int, key: bytes, records: list[tuple[bytes, bytes]]) -> int:
    """A number field: as it is, or moved to a PAX record."""
    if value < 0:
        raise TarError(f"negative {key.decode()} cannot be written to a tar archive")
    if value <= most:
        return value
    records.append((key, b"%d" % value))
    return 0


def regular(name: bytes, size: int, mode: int = 0o644, mtime_ns: int = 0) -> bytes:
    """The header of a plain file: what documents inside an image archive need."""
    return header(Entry(name, REGULAR, mode, size=size, mtime_ns=mtime_ns))
