"""The reader against archives of tarfile and GNU tar, and against headers that are wrong."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile

import pytest

from tar_trial import archive, directory, file, hard_link, member, read, symlink
from tiffin.wire.tar import layout, pax
from tiffin.wire.tar.layout import Entry, TarError
from tiffin.wire.tar.reader import NEED_DATA, Reader

LONG = "/".join(["directory-" + "x" * 60] * 5) + "/file"
FORMATS = [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]


def one(data: bytes) -> Entry:
    ((entry, _),) = read(data)
    return entry


def block(name: bytes = b"x", kind: bytes = b"0", **fields: bytes) -> bytes:
    """A header block with raw fields and a right checksum."""
    raw = bytearray(512)
    raw[0 : len(name)] = name
    places = {"mode": 100, "uid": 108, "gid": 116, "size": 124, "mtime": 136, "magic": 257, "prefix": 345}
    places |= {"linkname": 157, "sparse": 386, "isextended": 482, "realsize": 483, "major": 329}
    raw[156:157] = kind
    for field, value in fields.items():
        raw[places[field] : places[field] + len(value)] = value
    raw[148:156] = b"        "
    raw[148:156] = b"%06o\0 " % sum(raw)
    return bytes(raw)


def pax_header(records: bytes, kind: bytes = b"x") -> bytes:
    return block(b"p", kind, size=b"%011o" % len(records)) + records + bytes(-len(records) % 512)


@pytest.mark.parametrize("kind", FORMATS)
def test_members_of_every_kind_are_read_as_tarfile_wrote_them(kind: int) -> None:
    data = archive(
        directory("d", mode=0o1777, uid=3, gid=4, mtime=1_700_000_000),
        file("d/f", b"content", mode=0o4755, uname="root", gname="wheel"),
        symlink("d/s", "../else/where"),
        hard_link("d/h", "d/f"),
        member("d/c", tarfile.CHRTYPE, devmajor=1, devminor=3),
        member("d/b", tarfile.BLKTYPE, devmajor=8, devminor=200),
        member("d/p", tarfile.FIFOTYPE),
        kind=kind,
    )
    found = {entry.name: (entry, content) for entry, content in read(data)}
    made = found[b"d/"][0]
    assert (made.type, made.mode, made.uid, made.gid) == (layout.DIRECTORY, 0o1777, 3, 4)
    assert made.mtime_ns == 1_700_000_000 * 10**9
    assert found[b"d/f"][1] == b"content"
    assert (found[b"d/f"][0].mode, found[b"d/f"][0].uname, found[b"d/f"][0].gname) == (0o4755, b"root", b"wheel")
    assert (found[b"d/s"][0].type, found[b"d/s"][0].linkname) == (layout.SYMLINK, b"../else/where")
    assert (found[b"d/h"][0].type, found[b"d/h"][0].linkname) == (layout.HARD_LINK, b"d/f")
    assert (found[b"d/c"][0].devmajor, found[b"d/c"][0].devminor) == (1, 3)
    assert (found[b"d/b"][0].devmajor, found[b"d/b"][0].devminor) == (8, 200)
    assert found[b"d/p"][0].type == layout.FIFO


@pytest.mark.parametrize("kind", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_names_and_link_targets_are_read_from_both_kinds_of_extension(kind: int) -> None:
    data = archive(file(LONG), symlink("s" * 150, LONG), file("short"), kind=kind)
    assert [(entry.name, entry.linkname) for entry, _ in read(data)] == [
        (LONG.encode(), b""),
        (b"s" * 150, LONG.encode()),
        (b"short", b""),
    ]


def test_a_ustar_prefix_comes_before_the_name() -> None:
    name = "a" * 120 + "/" + "b" * 90
    assert one(archive(file(name), kind=tarfile.USTAR_FORMAT)).name == name.encode()


def test_every_split_of_an_archive_gives_the_same_members() -> None:
    data = archive(file(LONG, b"z" * 700), symlink("s" * 150, LONG), file("empty", b""), file("last", b"1"))
    whole = read(data)
    for step in (1, 2, 3, 7, 511, 512, 513, 1000, 10240):
        assert read(data, step) == whole
    for cut in range(0, 4096, 37):
        reader, found = Reader(), []
        for piece in (data[:cut], data[cut:]):
            reader.feed(piece)
            while (event := reader.next_event()) is not NEED_DATA:
                if isinstance(event, Entry):
                    found.append(event)
        assert found == [entry for entry, _ in whole]


def test_times_before_1970_and_parts_of_seconds_are_exact() -> None:
    times = {b"-1.5": -1_500_000_000, b"1.000000001": 1_000_000_001, b"0.1234567899": 123456789}
    for seconds, nanoseconds in times.items():
        data = pax_header(pax.format_records([(b"mtime", seconds)])) + block()
        assert one(data).mtime_ns == nanoseconds
    assert one(archive(file("x", mtime=-86400), kind=tarfile.GNU_FORMAT)).mtime_ns == -86400 * 10**9


def test_numbers_too_large_for_octal_are_read_from_base_256_and_pax() -> None:
    for kind in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        entry = one(archive(file("x", uid=3_000_000_000, gid=2_097_152), kind=kind))
        assert (entry.uid, entry.gid) == (3_000_000_000, 2_097_152)


def test_extended_attributes_are_read_from_schily_and_libarchive_records() -> None:
    records = [
        (b"LIBARCHIVE.xattr.user.a%20b", b"AAEC"),
        (b"LIBARCHIVE.xattr.user.both", b"AAEC"),
        (b"SCHILY.xattr.user.both", b"\0=\n"),
    ]
    entry = one(pax_header(pax.format_records(records)) + block())
    assert entry.xattrs == {b"user.a b": b"\0\1\2", b"user.both": b"\0=\n"}


def test_of_a_global_header_only_ownership_and_times_count() -> None:
    records = [(b"uid", b"7"), (b"path", b"evil"), (b"size", b"5"), (b"SCHILY.xattr.user.x", b"1"), (b"comment", b"c")]
    data = pax_header(pax.format_records(records), b"g") + block(b"a") + block(b"b")
    assert [(e.name, e.uid, e.size, e.xattrs) for e, _ in read(data)] == [(b"a", 7, 0, None), (b"b", 7, 0, None)]


def test_a_local_record_counts_for_one_member_and_an_empty_one_not_at_all() -> None:
    data = pax_header(pax.format_records([(b"path", b"renamed"), (b"uname", b"")])) + block(b"a") + block(b"b")
    assert [entry.name for entry, _ in read(data)] == [b"renamed", b"b"]


def test_the_size_of_a_pax_record_overrides_the_header() -> None:
    data = pax_header(pax.format_records([(b"size", b"3")])) + block(size=b"00000001000") + b"abc".ljust(512, b"\0")
    assert [content for _, content in read(data)] == [b"abc"]


def test_a_v7_name_with_a_final_slash_is_a_directory() -> None:
    assert one(block(b"old/", b"\0")).type == layout.DIRECTORY


def test_a_size_in_a_link_is_not_data() -> None:
    data = block(b"h", b"1", linkname=b"x", size=b"00000001000") + block(b"next")
    assert [(entry.name, entry.size) for entry, _ in read(data)] == [(b"h", 0), (b"next", 0)]


def test_a_checksum_of_signed_bytes_is_accepted() -> None:
    raw = bytearray(block("ä".encode()))
    raw[148:156] = b"%06o\0 " % (sum(raw[:148] + raw[156:]) + 256 - 512)
    assert one(bytes(raw)).name == "ä".encode()


def test_an_archive_may_end_without_zeros_or_padding_but_not_inside_a_member() -> None:
    data = archive(file("x", b"12345"))
    assert len(read(data[:1024])) == len(read(data[: 512 + 5])) == 1
    assert read(b"") == []
    for cut in (1, 511, 512, 516, 1024 + 100):
        with pytest.raises(TarError, match="unexpected EOF"):
            read(data[:cut])


def test_what_follows_the_end_is_ignored() -> None:
    assert len(read(archive(file("x")) + os.urandom(5000))) == 1


@pytest.mark.parametrize("shape", ["gnu", "0.0", "0.1", "1.0"])
def test_gnu_sparse_files_of_every_version_have_their_holes(shape: str, tmp_path: object) -> None:
    path = os.path.join(str(tmp_path), "holes")
    with open(path, "wb") as out:
        for number in range(40):  # more fragments than fit into a header and one extension block
            out.seek(number * 65536)
            out.write(b"%04d" % number * 1024)
        out.truncate(41 * 65536 + 5)
    options = ["--format=gnu"] if shape == "gnu" else ["--format=pax", f"--sparse-version={shape}"]
    data = subprocess.run(
        ["tar", "-cSf", "-", *options, "-C", str(tmp_path), "holes"], capture_output=True, check=True
    ).stdout
    assert len(data) < 400_000
    with open(path, "rb") as made:
        expected = made.read()
    for step in (1 << 20, 333):
        ((entry, content),) = read(data, step)
        assert (entry.name, entry.sparse, entry.size, content) == (b"holes", True, len(expected), expected)


REFUSED = {
    "text": b"this is no archive at all, but long enough to be a block".ljust(512, b"."),
    "wrong checksum": block()[:10] + b"!" + block()[11:],
    "negative size": block(size=b"\xff" * 12),
    "size beyond 64 bits": block(size=b"\x80" + b"\xff" * 11),
    "size in base 10": block(size=b"00000000009"),
    "size with an underscore": block(size=b"0000000_001"),
    "size with a sign": block(size=b"+0000000001"),
    "lone zero block": bytes(512) + block(),
    "pax: no length": pax_header(b"x path=a\n") + block(),
    "pax: length too long": pax_header(b"99 path=a\n") + block(),
    "pax: length too short": pax_header(b"5 path=a\n") + block(),
    "pax: no newline": pax_header(b"10 path=ab") + block(),
    "pax: no key": pax_header(b"5 =a\n") + block(),
    "pax: NUL in the path": pax_header(pax.format_records([(b"path", b"a\0b")])) + block(),
    "pax: negative size": pax_header(pax.format_records([(b"size", b"-1")])) + block(),
    "pax: huge size": pax_header(pax.format_records([(b"size", b"9" * 19)])) + block(),
    "pax: a time that is none": pax_header(pax.format_records([(b"mtime", b"1e9")])) + block(),
    "pax: a name too long": pax_header(pax.format_records([(b"path", b"a/" * 20_000)])) + block(),
    "an extension without end": block(b"p", b"x", size=b"77777777777"),
    "an extension without a member": pax_header(pax.format_records([(b"path", b"a")])) + bytes(1024),
    "an extension at the end": pax_header(pax.format_records([(b"path", b"a")])),
    "extensions without end": pax_header(b"") * 100 + block(),
    "sparse: descending": block(kind=b"S", sparse=b"%011o\0%011o\0%011o\0%011o\0" % (512, 1, 0, 1), realsize=b"2000"),
    "sparse: larger than real": block(kind=b"S", sparse=b"%011o\0%011o\0" % (512, 1), realsize=b"1"),
    "sparse: negative": block(kind=b"S", sparse=b"\xff" * 12 + b"%011o\0" % 1, realsize=b"2000"),
    "sparse: more stored than mapped": block(kind=b"S", size=b"0000001", realsize=b"2000"),
    "sparse 0.1: odd map": pax_header(
        pax.format_records([(b"GNU.sparse.map", b"0,1,2"), (b"GNU.sparse.size", b"10")])
    )
    + block(),
    "sparse 1.0: no numbers": pax_header(
        pax.format_records(
            [(b"GNU.sparse.major", b"1"), (b"GNU.sparse.minor", b"0"), (b"GNU.sparse.realsize", b"10")]
        )
    )
    + block(size=b"00000001000")
    + b"x" * 512,
    "sparse 1.0: a map without end": pax_header(
        pax.format_records(
            [(b"GNU.sparse.major", b"1"), (b"GNU.sparse.minor", b"0"), (b"GNU.sparse.realsize", b"10")]
        )
    )
    + block(size=b"00000001000")
    + b"99999999\n".ljust(512, b"1"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_malformed_archive_is_refused(name: str) -> None:
    for step in (1 << 20, 100):
        with pytest.raises(TarError):
            read(REFUSED[name], step)


def test_a_sparse_map_without_end_does_not_grow_without_bound() -> None:
    fragments = b"".join(b"%011o\0%011o\0" % (number, 0) for number in range(21))
    extension = fragments.ljust(504, b"\0") + b"\1" + bytes(7)
    with pytest.raises(TarError, match="sparse fragments"):
        read(block(kind=b"S", isextended=b"\1", realsize=b"2000") + extension * 4000)


def test_tarfile_and_the_reader_agree_on_an_archive_of_gnu_tar(tmp_path: object) -> None:
    root = str(tmp_path)
    os.makedirs(f"{root}/a/{'n' * 120}")
    for number in range(20):
        with open(f"{root}/a/{number}", "wb") as out:
            out.write(os.urandom(number * 100))
    os.symlink("x" * 130, f"{root}/a/link")
    os.link(f"{root}/a/1", f"{root}/a/hard")
    for shape in ("gnu", "oldgnu", "posix"):
        command = ["tar", "-cf", "-", f"--format={shape}", "-C", root, "a"]
        data = subprocess.run(command, capture_output=True, check=True)
        with tarfile.open(fileobj=io.BytesIO(data.stdout)) as tar:
            theirs = [
                (
                    os.fsencode(info.name),
                    info.mode,
                    info.uid,
                    os.fsencode(info.linkname),
                    (tar.extractfile(info) or io.BytesIO()).read() if info.isreg() else b"",
                )
                for info in tar
            ]
        ours = [(e.name.rstrip(b"/"), e.mode, e.uid, e.linkname, content) for e, content in read(data.stdout)]
        assert ours == theirs
