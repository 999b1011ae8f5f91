"""Hostile archives against the unpacker alone and inside its worker: nothing outside of the root changes.

SECURITY-CASES.md, "cp and archives". Every archive of the corpus is unpacked next to a directory that must stay as it
was, to the last attribute; the unpacker may contain the attack or refuse the archive.
"""

from __future__ import annotations

import bz2
import copy
import gzip
import io
import lzma
import os
import resource
import stat
import sys
import tarfile
import tempfile
import threading
from collections.abc import Callable, Iterator
from time import monotonic
from typing import Any

import pytest
import zstandard

from tar_trial import Member, archive, directory, file, hard_link, member, opened, symlink, unpack, work
from tiffin.errors import InvalidParameter
from tiffin.linux.mount import mount, umount2
from tiffin.store.workers import unpack_main

pytestmark = pytest.mark.root

OUT = "@ABOVE@/outside"  # stands for the absolute path of the directory that must not change
UP = "../" * 30

CORPUS: dict[str, list[Member]] = {
    "dot-dot names": [file("../outside/secret", b"evil")],
    "dot-dot inside a name": [file("a/../../outside/secret", b"evil")],
    "dot-dot in a PAX path (CVE-2007-4559)": [file("x", b"evil", pax_headers={"path": "../outside/secret"})],
    "absolute names": [file(f"{OUT}/secret", b"evil"), directory(OUT, mode=0o777)],
    "write through an absolute symlink": [symlink("l", f"{OUT}/secret"), file("l", b"evil")],
    "write through a relative symlink": [symlink("l", UP + f"{OUT}/secret"), file("l", b"evil")],
    "write below a symlink": [symlink("d", OUT), file("d/secret", b"evil"), file("d/new", b"evil")],
    "write below a chain of symlinks": [
        directory("a"), symlink("a/b", "../.."), symlink("c", "a/b/outside"), file("c/secret", b"evil"),
    ],
    "write below /proc/self/cwd": [symlink("d", "/proc/self/cwd"), file("d/evil", b"evil")],
    "write below an open descriptor": [symlink("d", "/proc/self/fd/3"), file("d/../outside/secret", b"evil")],
    "a symlink as the parent, made twice": [
        symlink("d", OUT), directory("d"), file("d/secret", b"evil"), symlink("d", OUT), file("d/secret", b"evil"),
    ],
    "a directory entry over a symlink (CVE-2021-32760)": [symlink("d", OUT), directory("d", mode=0o777, uid=9)],
    "chmod through a symlink (CVE-2021-32760)": [symlink("l", f"{OUT}/secret"), hard_link("l2", "l", mode=0o777)],
    "chmod through a hard link (CVE-2026-17106)": [
        symlink("l", f"{OUT}/secret"), hard_link("h", "l", mode=0o6777, uid=9, mtime=1), file("h", b"evil"),
    ],
    "hard link outside": [hard_link("h", "../outside/secret"), file("h", b"evil")],
    "hard link to an absolute name": [hard_link("h", f"{OUT}/secret"), file("h", b"evil")],
    "hard link through a symlink": [symlink("d", OUT), hard_link("h", "d/secret"), file("h", b"evil", mode=0o777)],
    "hard link to a symlink, then written (CVE-2025-4517)": [
        symlink("l", f"{OUT}/secret"), hard_link("h", "l"), file("h", b"evil"),
    ],
    "hard link to a directory": [directory("d"), hard_link("h", "d")],
    "hard link into a symlinked directory": [file("f"), symlink("d", OUT), hard_link("d/secret", "f")],
    "whiteout on a symlinked directory": [symlink("d", OUT), file("d/.wh.secret")],
    "opaque marker on a symlinked directory": [symlink("d", OUT), file("d/.wh..wh..opq")],
    "whiteout of dot-dot": [file("d/.wh..."), file("d/.wh...")],
    "whiteout of nothing": [file("d/.wh.")],
    "whiteout with a slash": [file(".wh.x", pax_headers={"path": ".wh.../outside/secret"})],
    "a member below a whiteout": [file(".wh.d/x")],
    "a whiteout hard-linked": [file(".wh.d"), hard_link("h", "d")],
    "a device through a symlink": [symlink("d", OUT), member("d/null", tarfile.CHRTYPE, devmajor=1, devminor=3)],
    "a fifo through a symlink": [symlink("d", OUT), member("d/secret", tarfile.FIFOTYPE)],
    "a directory replaced through a symlink": [
        symlink("d", OUT), file("d/tree", b"a file where a tree is"), symlink("d/tree", "x"),
    ],
    "xattr through a symlink": [
        symlink("l", f"{OUT}/secret"), hard_link("h", "l", pax_headers={"SCHILY.xattr.user.evil": "1"}),
        symlink("s", f"{OUT}/secret", pax_headers={"SCHILY.xattr.user.evil": "1"}),
    ],
    "times through a symlink": [directory("d", mtime=1), symlink("d", OUT), symlink("s", OUT, mtime=1)],
    "times through a parent that became a symlink": [
        directory("a"), directory("a/outside", mtime=1), symlink("a", ".."), symlink("a", "@ABOVE@"),
    ],
    "a symlink to itself": [symlink("d", "d"), file("d/x")],
    "symlinks in a circle": [symlink("a", "b"), symlink("b", "a"), file("a/x")],
    "a chain of dangling symlinks": [symlink(f"l{n}", f"l{n + 1}/x") for n in range(60)] + [file("l0/f")],
    "a path too long": [file("/".join(["x" * 200] * 150) + "/f")],
    "a component too long": [file("x" * 300)],
    "a deep path": [file("d/" * 5000 + "f")],
    "a deep tree, removed again": [file("d/" * 2000 + "f"), file("d")],
    "a tree deeper than there are descriptors, removed again": [
        file("a/" + "d/" * 2000 + "f"), symlink("b", "a/" + "d/" * 1999),
        file("b/" + "d/" * 2000 + "f"), symlink("c", "b/" + "d/" * 1999),
        file("c/" + "d/" * 2000 + "f"), file("a"),
    ],
    "the root as a file": [file("."), file("./")],
    "the root as a symlink": [symlink(".", OUT), file("secret", b"evil")],
    "an empty symlink": [symlink("l", "")],
    "owners out of range": [file("f", uid=0xFFFFFFFF), file("g", gid=1 << 40)],
    "device numbers out of range": [member("c", tarfile.CHRTYPE, devmajor=0o777777, devminor=0o7777777)],
    "an unknown type": [member("x", b"Z")],
    "a time out of range": [file("f", mtime=1 << 62)],
}  # fmt: skip


@pytest.fixture(scope="module")
def memory() -> Iterator[str]:
    """A tmpfs: some trees here are so deep that a disk takes long to remove them, and shutil.rmtree fails."""
    path = tempfile.mkdtemp(prefix="tiffin-archives-")
    mount("tmpfs", path, "tmpfs")
    yield path
    umount2(path)
    os.rmdir(path)


@pytest.fixture
def outside(memory: str) -> str:
    """What must not change: a file, a tree, modes, owners."""
    path = os.path.join(tempfile.mkdtemp(dir=memory), "outside")
    os.makedirs(f"{path}/tree/below")
    for name in ("secret", "tree/below/file"):
        with open(f"{path}/{name}", "w", encoding="utf-8") as out:
            out.write("untouched")
        os.chmod(f"{path}/{name}", 0o600)
    return path


@pytest.fixture
def root(outside: str) -> str:
    path = os.path.join(os.path.dirname(outside), "root")
    os.mkdir(path)
    return path


def snapshot(path: str) -> list[tuple[object, ...]]:
    """Everything that can be seen of a tree and of what it is in."""
    seen: list[tuple[object, ...]] = [tuple(sorted(os.listdir(os.path.dirname(path))))]
    for directory_path, names, files in os.walk(path):
        for name in (".", *names, *files):
            full = os.path.join(directory_path, name)
            found = os.lstat(full)
            content = b""
            if stat.S_ISREG(found.st_mode):
                with open(full, "rb") as opened_file:
                    content = opened_file.read()
            metadata = (found.st_mode, found.st_uid, found.st_gid, found.st_nlink, found.st_mtime_ns, found.st_ctime_ns)
            seen.append((full, *metadata, content, tuple(os.listxattr(full, follow_symlinks=False))))
    return seen


def made(members: list[Member], outside: str) -> bytes:
    """The archive, with the outside's real path."""
    members = [(copy.copy(info), data) for info, data in members]
    for info, _ in members:
        info.name = info.name.replace("@ABOVE@", os.path.dirname(outside))
        info.linkname = info.linkname.replace("@ABOVE@", os.path.dirname(outside))
    return archive(*members)


def in_process(data: bytes, root: str) -> str:
    try:
        unpack(data, root)
    except InvalidParameter as error:
        return error.message
    return "contained"


def in_worker(data: bytes, root: str) -> str:
    with open(root + ".tar", "wb") as out:
        out.write(data)
    try:
        with opened(root + ".tar", os.O_RDONLY) as source, opened(root, os.O_PATH) as target:
            answer = work(unpack_main, {}, [source, target])
    finally:
        os.unlink(root + ".tar")
    if "ok" in answer:
        return "contained"
    assert answer["error"] == "InvalidParameter", answer
    return str(answer["message"])


@pytest.mark.parametrize("how", [in_process, in_worker])
@pytest.mark.parametrize("name", CORPUS)
def test_nothing_outside_is_touched_by(name: str, how: Callable[[bytes, str], str], root: str, outside: str) -> None:
    before = snapshot(outside)
    here = os.listdir(".")
    said = how(made(CORPUS[name], outside), root)
    assert said
    assert snapshot(outside) == before
    assert os.listdir(".") == here


def test_what_is_refused_is_refused_and_what_is_contained_is_inside(root: str, outside: str) -> None:
    refused = {
        "dot-dot names", "dot-dot inside a name", "dot-dot in a PAX path (CVE-2007-4559)", "hard link outside",
        "hard link to an absolute name", "hard link through a symlink", "hard link to a directory",
        "whiteout of dot-dot",
        "whiteout of nothing", "whiteout with a slash", "a member below a whiteout", "a whiteout hard-linked",
        "a symlink to itself", "symlinks in a circle", "a chain of dangling symlinks", "a component too long",
        "the root as a file", "the root as a symlink", "an empty symlink", "owners out of range",
        "device numbers out of range", "an unknown type", "a path too long", "a deep path",
    }  # fmt: skip
    found = set()
    said = {}
    for number, name in enumerate(CORPUS):
        below = f"{root}/{number}"
        os.mkdir(below)
        said[name] = in_process(made(CORPUS[name], outside), below)
        if said[name] != "contained":
            found.add(name)
    found.discard("a tree deeper than there are descriptors, removed again")  # how many there are is the caller's
    assert found == refused, said
    number = list(CORPUS).index("write below a symlink")
    with open(f"{root}/{number}{outside}/new", "rb") as inside:
        assert inside.read() == b"evil"


def test_a_directory_swapped_for_a_symlink_meanwhile_leads_nowhere(root: str, outside: str) -> None:
    """CVE-2018-15664: another process changes the tree while it is written to."""
    os.mkdir(f"{root}/d")
    os.symlink(outside, f"{root}/evil")
    before = snapshot(outside)
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            for a, b in (("d", "spare"), ("evil", "d"), ("d", "evil"), ("spare", "d")):
                try:
                    os.rename(f"{root}/{a}", f"{root}/{b}")
                except OSError:
                    pass

    swapper = threading.Thread(target=swap)
    swapper.start()
    try:
        for round_ in range(150):
            members = [file("d/secret", b"evil", mode=0o777), file(f"d/{round_}"), directory("d", mode=0o777, mtime=1)]
            members += [file("d/.wh.tree"), hard_link("h", "d/secret")]
            try:
                unpack(archive(*members), root)
            except Exception:
                pass  # a tree that changes may well be an error
    finally:
        stop.set()
        swapper.join()
    assert snapshot(outside)[1:] == before[1:]


def test_nothing_of_the_tree_is_imported_executed_or_read(root: str) -> None:
    """CVE-2019-14271. Every module file of this interpreter is a fifo in the tree: whoever opens one hangs."""
    places = {module.__file__ for module in list(sys.modules.values()) if getattr(module, "__file__", None)}
    places |= {f"{path}/{name}" for path in sys.path for name in ("sitecustomize.py", "encodings/cp1250.py")}
    places |= {"/usr/bin/xz", "/usr/bin/unpigz", "/usr/bin/zstd", "/lib/x86_64-linux-gnu/libnss_files.so.2"}
    places |= {"/etc/passwd", "/etc/nsswitch.conf", "/etc/ld.so.cache", "/usr/lib/locale/locale-archive"}
    members = [member(place, tarfile.FIFOTYPE, mode=0o777) for place in sorted(places) if place]
    assert in_worker(archive(*members), root) == "contained"
    assert stat.S_ISFIFO(os.stat(f"{root}/usr/bin/xz").st_mode)
    layer = archive(file("häuser", b"x", uname="nobody", gname="audio"), file("b"))
    for stream in (layer, gzip.compress(layer), bz2.compress(layer), lzma.compress(layer), zstandard.compress(layer)):
        assert in_worker(stream, root) == "contained"
        assert in_worker(stream[: len(stream) // 3] + b"damaged" * 100, root) != "contained"
    assert in_worker(archive(file("x", uid=1 << 40)), root) != "contained"


def test_a_sparse_file_of_exabytes_is_refused(root: str) -> None:
    """CVE-2026-32288: neither memory nor disk follows what a header promises."""
    info = tarfile.TarInfo("holes")
    info.pax_headers = {"GNU.sparse.map": "0,1", "GNU.sparse.size": str(1 << 60)}
    info.size = 1
    with pytest.raises(InvalidParameter, match="larger than"):
        unpack(archive((info, b"x")), root)


def test_repeated_opaque_markers_cost_no_more_than_their_number(root: str) -> None:
    """CVE-2026-95838: each marker must not walk what the layer has so far."""
    unpack(archive(*(file(f"d/{number}", b"") for number in range(3000))), root)
    calls = 0

    def count(frame: Any, event: str, _argument: Any) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    data = archive(*(file("d/.wh..wh..opq", b"") for _ in range(3000)))
    sys.setprofile(count)
    try:
        unpack(data, root)
    finally:
        sys.setprofile(None)
    assert calls < 3000 * 120
    assert len(os.listdir(f"{root}/d")) == 3000


def test_long_implied_paths_cost_no_more_than_their_length(root: str) -> None:
    """A path of 2,000 components must not be resolved 2,000 times from the root."""
    deadline = monotonic() + 60
    data = archive(*(file(f"{number}/" + "d/" * 2000 + "f") for number in range(20)))
    unpack(data, root)
    assert monotonic() < deadline  # a minute for 40,000 directories: a thousand times what it takes


def test_a_bomb_is_refused_before_it_fills_anything(root: str) -> None:
    info = tarfile.TarInfo("zeros")
    info.size = 1 << 41
    packer = zstandard.ZstdCompressor(level=1).compressobj()
    stream = packer.compress(info.tobuf(tarfile.GNU_FORMAT)) + packer.flush()
    assert "larger than" in in_worker(stream, root)
    assert os.listdir(root) == []


def test_no_descriptor_is_lost_on_any_archive(root: str, outside: str) -> None:
    """CVE-2026-114236."""
    before = sorted(os.listdir("/proc/self/fd"))
    for number, members in enumerate(CORPUS.values()):
        os.mkdir(f"{root}/{number}")
        in_process(made(members, outside), f"{root}/{number}")
    assert sorted(os.listdir("/proc/self/fd")) == before


def test_memory_does_not_follow_the_archive(root: str) -> None:
    """200 MB of members and extension headers through a worker, with little of it kept at any time."""
    big = io.BytesIO()
    with tarfile.open(fileobj=big, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for number in range(100):
            info = tarfile.TarInfo(f"f{number}")
            info.pax_headers = {"comment": "c" * 900_000}
            info.size = 1_000_000
            tar.addfile(info, io.BytesIO(bytes(1_000_000)))
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    ours = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert in_worker(big.getvalue(), root) == "contained"
    grown = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss - max(children, ours)
    assert grown < 64 * 1024  # KiB
