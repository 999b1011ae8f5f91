"""Invariant: whatever bytes arrive, in whatever pieces, the reader ends with END_OF_ARCHIVE or a TarError, having given
no more data than it was fed, and says the same for other pieces of the same bytes.

TIFFIN_FUZZ sets the number of mutants (2,000 in the suite; 100,000 for a night).
"""

from __future__ import annotations

import os
import random
import subprocess
import tempfile

import pytest

from tar_trial import archive, directory, events, file, hard_link, member, symlink
from tiffin.wire.tar.layout import Entry, TarError
from tiffin.wire.tar.reader import Hole

MUTANTS = int(os.environ.get("TIFFIN_FUZZ", "2000"))
SEED = int(os.environ.get("TIFFIN_FUZZ_SEED", "20240501"))


def corpus() -> list[bytes]:
    """Archives that between them take every way through the reader."""
    xattr = {"SCHILY.xattr.user.a": "b", "mtime": "1.5", "comment": "c"}
    members = (
        directory("d/", mtime=-5),
        file("d/" + "n" * 150, b"x" * 700, pax_headers=xattr),
        symlink("s", "t" * 200),
        hard_link("h", "d/" + "n" * 150),
        member("c", b"3", devmajor=1, devminor=3),
        file("big", b"1", uid=3_000_000_000),
    )
    seeds = [archive(*members, kind=kind) for kind in (1, 2)] + [archive(*members[2:3], *members[4:5], kind=1)]
    with tempfile.TemporaryDirectory() as root:
        with open(f"{root}/holes", "wb") as out:
            for number in range(30):
                out.seek(number * 65536)
                out.write(b"data")
        for options in (["--format=gnu"], *(["--format=pax", f"--sparse-version={v}"] for v in ("0.0", "0.1", "1.0"))):
            command = ["tar", "-cSf", "-", *options, "-C", root, "holes"]
            seeds.append(subprocess.run(command, capture_output=True, check=True).stdout)
    return seeds


def mutate(data: bytes, chance: random.Random) -> bytes:
    """A few changes; mostly with the checksums put right again, or little would get past them."""
    raw = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(raw))
        action = chance.randrange(6)
        if action == 0:
            raw[at] = chance.randrange(256)
        elif action == 1:
            raw[at] = chance.choice(b"0123456789=,. \n\0\x80\xff/gxLKS")
        elif action == 2:
            del raw[at : at + chance.choice((1, 12, 512))]
        elif action == 3:
            raw[at:at] = chance.randbytes(chance.choice((1, 12, 512)))
        elif action == 4:
            block = at // 512 * 512
            raw[block:block] = raw[block : block + 512]
        else:
            field = at // 512 * 512 + chance.choice((100, 108, 116, 124, 136, 156, 257, 386, 398, 482, 483))
            raw[field : field + 4] = chance.choice((b"\x80\0\0\0", b"\xff\xff\xff\xff", b"7777", b"    ", b"0000"))
        if not raw:
            raw = bytearray(512)
    if chance.random() < 0.8:
        for block in range(0, len(raw) - 511, 512):
            if raw[block + 257 : block + 262] == b"ustar":
                raw[block + 148 : block + 156] = b" " * 8
                raw[block + 148 : block + 156] = b"%06o\0 " % sum(raw[block : block + 512])
    return bytes(raw)


def said(data: bytes, step: int) -> tuple[list[object], str]:
    """What the reader says, with adjoining data joined, and how it ended."""
    out: list[object] = []
    given = 0
    try:
        for event in events(data, step):
            if isinstance(event, bytes):
                given += len(event)
                if out and isinstance(out[-1], bytes):
                    event = out.pop() + event  # type: ignore[operator]
            elif isinstance(event, Entry):
                event = repr(event)
            elif isinstance(event, Hole):
                assert event.length > 0
                event = event.length
            out.append(event)
        end = "end"
    except TarError as error:
        end = error.message
    assert given <= len(data)
    return out, end


@pytest.mark.parametrize("part", range(4))
def test_a_mutated_archive_is_read_or_refused(part: int) -> None:
    chance = random.Random(SEED + part)
    seeds = corpus()
    ended = 0
    for number in range(MUTANTS // 4):
        data = mutate(chance.choice(seeds), chance)
        whole = said(data, len(data))
        ended += whole[1] == "end"
        if number % 4 == 0:
            assert said(data, chance.randint(1, 700)) == whole, data.hex()
    assert 0 < ended < MUTANTS // 4  # the mutants are neither all harmless nor all refused at once
