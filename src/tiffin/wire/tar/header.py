"""One header block: is it one, and what does it say. Pure functions of 512 bytes; the layout is in layout.py."""

from __future__ import annotations

from tiffin.wire.tar.layout import (
    BLOCK_DEVICE,
    CHAR_DEVICE,
    Entry,
    TarError,
    checksums,
    parse_number,
    parse_text,
)


def verify(block: bytes) -> None:
    """Raise TarError unless the block carries its own checksum."""
    try:
        stated = parse_number(block[148:156], "checksum")
    except TarError:
        raise TarError("invalid tar header: this is not a tar archive, or it is damaged") from None
    counted = sum(block) - sum(block[148:156]) + 256
    if stated != counted and stated not in checksums(block):
        raise TarError("invalid tar header: wrong checksum")


def parse(block: bytes, kind: bytes, size: int) -> Entry:
    """The fields of a header block whose checksum is right."""
    entry = Entry(
        parse_text(block[:100]),
        kind,
        parse_number(block[100:108], "mode"),
        parse_number(block[108:116], "uid"),
        parse_number(block[116:124], "gid"),
        size,
        parse_number(block[136:148], "mtime") * 1_000_000_000,
    )
    if block[157]:
        entry.linkname = parse_text(block[157:257])
    if block[257:262] == b"ustar":
        if block[265]:
            entry.uname = parse_text(block[265:297])
        if block[297]:
            entry.gname = parse_text(block[297:329])
        if block[345] and block[262] == 0:  # GNU's magic goes on with a space, and has times where ustar has the prefix
            width = 131 if block[508:512] == b"tar\0" else 155  # star keeps its times behind a shorter prefix
            entry.name = parse_text(block[345 : 345 + width]) + b"/" + entry.name
    if kind in (CHAR_DEVICE, BLOCK_DEVICE):
        entry.devmajor = parse_number(block[329:337], "device")
        entry.devminor = parse_number(block[337:345], "device")
    return entry
