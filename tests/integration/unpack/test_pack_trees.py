"""Trees as tar: exports and changes, against tarfile and against what unpacks them."""

from __future__ import annotations

import io
import os
import socket
import stat
import subprocess
import tarfile
from typing import Any

import pytest

from tar_trial import archive, directory, file, hard_link, member, pack, read, symlink, unpack
from tiffin.errors import SystemFailure
from tiffin.linux.mount import mount, umount2

pytestmark = pytest.mark.root

LISTING = ["ls", "-lRn", "--time-style=+%s"]


@pytest.fixture
def root(tmp_path: object) -> str:
    path = os.path.join(str(tmp_path), "root")
    os.mkdir(path, 0o755)
    return path


def packed(root: str, **options: Any) -> bytes:
    path = root + ".tar"
    done = pack(root, path, **options)
    with open(path, "rb") as made:
        data = made.read()
    assert done["tar_size"] == len(data)
    return data


TREE = archive(
    directory("d", mode=0o3775, uid=7, gid=8, mtime=1000),
    file("d/f", b"content", mode=0o4755, uid=1, gid=3_000_000, mtime=-5),
    file("d/big", os.urandom(300_001), pax_headers={"SCHILY.xattr.user.note": "x"}),
    file("d/" + "n" * 200, b"1", mtime=5),
    hard_link("d/h", "d/f"),
    symlink("s", "t" * 150, mtime=9),
    member("c", tarfile.CHRTYPE, devmajor=1, devminor=3, mtime=9),
    member("p", tarfile.FIFOTYPE, mtime=9),
    file("häuser", b"", mtime=9),
)


def test_a_tree_that_is_packed_and_unpacked_packs_to_the_same_bytes(root: str, tmp_path: object) -> None:
    unpack(TREE, root)
    data = packed(root)
    again = f"{tmp_path}/again"
    os.mkdir(again)
    unpack(data, again)
    assert packed(again) == data
    assert [entry.name for entry, _ in read(data)] == sorted(entry.name for entry, _ in read(data))
    assert b"d/big" in {entry.name for entry, _ in read(data) if entry.xattrs == {b"user.note": b"x"}}


def test_gnu_tar_finds_no_difference_to_the_tree(root: str) -> None:
    unpack(TREE, root)
    packed(root)
    done = subprocess.run(["tar", "-df", root + ".tar", "-C", root], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_parts_of_seconds_are_cut_as_docker_does(root: str) -> None:
    with open(f"{root}/x", "wb"):
        pass
    os.utime(f"{root}/x", ns=(0, 1_999_999_999))
    ((entry, _),) = read(packed(root))
    assert entry.mtime_ns == 1_000_000_000


def test_sockets_are_left_out_and_symlinks_not_followed(root: str) -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(f"{root}/sock")
    os.symlink("/etc", f"{root}/etc")
    ((entry, _),) = read(packed(root))
    assert (entry.name, entry.linkname) == (b"etc", b"/etc")


def test_an_upper_directory_becomes_a_layer_that_says_the_same(root: str, tmp_path: object) -> None:
    lower, merged, upper, work, again, view = (f"{tmp_path}/{name}" for name in "LMUWAV")
    for path in (lower, merged, upper, work, again, view):
        os.mkdir(path)
    unpack(archive(file("gone"), file("d/old"), file("changed", b"1"), file("kept/x"), symlink("l", "d")), lower)
    mount("overlay", merged, "overlay", 0, f"lowerdir={lower},upperdir={upper},workdir={work}")
    try:
        os.unlink(f"{merged}/gone")
        os.unlink(f"{merged}/d/old")
        os.rmdir(f"{merged}/d")
        os.mkdir(f"{merged}/d")
        for path in ("changed", "d/new", "kept/y"):
            with open(f"{merged}/{path}", "w", encoding="utf-8") as out:
                out.write("new")
        expected = subprocess.run(LISTING, cwd=merged, capture_output=True, check=True).stdout
    finally:
        umount2(merged)
    data = packed(upper, changes=True)
    names = [entry.name for entry, _ in read(data)]
    assert names == [b"changed", b"d/", b"d/.wh..wh..opq", b"d/new", b".wh.gone", b"kept/", b"kept/y"]
    unpack(data, again)
    mount("overlay", view, "overlay", 0, f"lowerdir={again}:{lower}")
    try:
        found = subprocess.run(LISTING, cwd=view, capture_output=True, check=True).stdout
    finally:
        umount2(view)
    assert found == expected


def test_an_upper_directory_with_a_redirect_is_refused(root: str) -> None:
    os.mkdir(f"{root}/d")
    os.setxattr(f"{root}/d", "trusted.overlay.redirect", b"/etc")
    with pytest.raises(SystemFailure, match=r"overlay\.redirect"):
        packed(root, changes=True)


def test_an_export_shows_no_attribute_of_the_overlay(root: str) -> None:
    os.mkdir(f"{root}/d")
    os.setxattr(f"{root}/d", "trusted.overlay.opaque", b"y")
    ((entry, _),) = read(packed(root))
    assert entry.xattrs is None


def test_a_deep_tree_is_packed(root: str) -> None:
    fd = os.open(root, os.O_RDONLY)
    for _ in range(300):
        os.mkdir("d" * 50, dir_fd=fd)
        below = os.open("d" * 50, os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = below
    os.close(fd)
    data = packed(root)
    assert max(len(entry.name) for entry, _ in read(data)) == 300 * 51
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        assert len(tar.getnames()) == 300
    assert stat.S_ISDIR(os.stat(root).st_mode)
