"""What a layer's tar becomes on disk: as with Docker's overlay2, seen through a real overlay."""

from __future__ import annotations

import os
import stat
import struct
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tar_trial import archive, directory, file, hard_link, member, symlink, unpack
from tiffin.errors import InvalidParameter
from tiffin.linux.mount import mount, umount2
from tiffin.store.unpack import Limits

pytestmark = pytest.mark.root

OPAQUE = "trusted.overlay.opaque"
# struct vfs_cap_data, version 2, effective: cap_net_bind_service
CAPABILITY = struct.pack("<IIIII", 0x02000001, 1 << 10, 0, 0, 0)


@pytest.fixture
def root(tmp_path: object) -> str:
    path = os.path.join(str(tmp_path), "root")
    os.mkdir(path, 0o755)
    return path


@pytest.fixture
def lower(tmp_path: object) -> str:
    path = os.path.join(str(tmp_path), "lower")
    os.mkdir(path, 0o755)
    return path


@contextmanager
def merged(*layers: str) -> Iterator[str]:
    """The layers, top first, as a container would see them."""
    target = layers[0] + "-merged"
    os.mkdir(target)
    mount("overlay", target, "overlay", 0, "lowerdir=" + ":".join(layers))
    try:
        yield target
    finally:
        umount2(target)
        os.rmdir(target)


def text(path: str) -> str:
    with open(path, encoding="utf-8") as opened:
        return opened.read()


def is_whiteout(path: str) -> bool:
    found = os.lstat(path)
    return stat.S_ISCHR(found.st_mode) and found.st_rdev == 0


def attribute(path: str, name: str) -> bytes | None:
    return os.getxattr(path, name) if name in os.listxattr(path) else None


def test_members_of_every_kind_keep_their_metadata(root: str) -> None:
    data = archive(
        directory("d", mode=0o3775, uid=7, gid=8, mtime=1000),
        file("d/f", b"content", mode=0o4755, uid=1, gid=2, mtime=-5),
        file("d/plain", b"", mode=0o600, mtime=99),
        symlink("d/s", "../else/where", uid=3, gid=4, mtime=2000),
        hard_link("d/h", "d/f"),
        member("d/c", tarfile.CHRTYPE, devmajor=1, devminor=3, mode=0o2666, uid=5),
        member("d/b", tarfile.BLKTYPE, devmajor=259, devminor=70000, mode=0o660),
        member("d/p", tarfile.FIFOTYPE, mode=0o620, mtime=3000),
    )
    done = unpack(data, root)
    assert (done.entries, done.size) == (8, 7)
    found = {name: os.lstat(f"{root}/d/{name}") for name in os.listdir(f"{root}/d")}
    made = os.stat(f"{root}/d")
    assert (made.st_mode & 0o7777, made.st_uid, made.st_gid, made.st_mtime) == (0o3775, 7, 8, 1000)
    assert (found["f"].st_mode & 0o7777, found["f"].st_uid, found["f"].st_gid) == (0o4755, 1, 2)
    assert (found["f"].st_mtime, found["f"].st_nlink, found["f"].st_ino) == (-5, 2, found["h"].st_ino)
    assert (found["plain"].st_mode & 0o7777, found["plain"].st_gid, found["plain"].st_mtime) == (0o600, 0, 99)
    assert os.readlink(f"{root}/d/s") == "../else/where"
    assert (found["s"].st_uid, found["s"].st_gid, found["s"].st_mtime) == (3, 4, 2000)
    assert (found["c"].st_mode, found["c"].st_rdev, found["c"].st_uid) == (0o022666, os.makedev(1, 3), 5)
    assert (found["b"].st_mode, found["b"].st_rdev) == (0o060660, os.makedev(259, 70000))
    assert (found["p"].st_mode, found["p"].st_mtime) == (0o010620, 3000)


def test_attributes_that_belong_to_a_layer_are_kept_and_others_dropped(root: str) -> None:
    records = {
        "SCHILY.xattr.security.capability": CAPABILITY.decode("utf-8", "surrogateescape"),
        "SCHILY.xattr.user.note": "hello",
        "SCHILY.xattr.trusted.overlay.opaque": "y",
        "SCHILY.xattr.trusted.overlay.redirect": "/etc",
        "SCHILY.xattr.user.overlay.opaque": "y",
        "SCHILY.xattr.security.selinux": "label",
    }
    capability = {key: value for key, value in records.items() if "capability" not in key}
    done = unpack(archive(file("f", uid=5, pax_headers=records), directory("d", pax_headers=capability)), root)
    assert sorted(os.listxattr(f"{root}/f")) == ["security.capability", "user.note"]
    assert os.getxattr(f"{root}/f", "security.capability") == CAPABILITY  # set after the owner, which clears it
    assert os.listxattr(f"{root}/d") == ["user.note"]
    assert done.dropped_xattrs == 8


def test_whiteouts_hide_what_lower_layers_have(root: str, lower: str) -> None:
    unpack(archive(directory("a"), file("a/gone"), file("a/kept"), directory("b"), file("b/old"), file("b2")), lower)
    data = archive(
        file("a/.wh.gone", b"ignored"), directory("b"), file("b/new"), file("b/.wh..wh..opq"), file(".wh.b2"),
        file(".wh..wh.plnk"), file(".wh..wh.orph/x"), file("x/.wh..wh.aufs"),
    )  # fmt: skip
    done = unpack(data, root)
    assert is_whiteout(f"{root}/a/gone") and is_whiteout(f"{root}/b2")
    assert attribute(f"{root}/b", OPAQUE) == b"y"
    assert not done.root_opaque
    with merged(root, lower) as view:
        assert os.listdir(f"{view}/a") == ["kept"]
        assert os.listdir(f"{view}/b") == ["new"]
        assert not [name for name in os.listdir(view) if ".wh." in name or name == "b2"]


def test_the_order_of_whiteouts_and_files_in_a_layer_does_not_matter(root: str, lower: str) -> None:
    unpack(archive(file("d/old"), file("e/old"), file("f"), file("g")), lower)
    for members in (
        [directory("d"), file("d/new"), file(".wh.d"), file("f", b"new"), file(".wh.f")],
        [file(".wh.d"), directory("d"), file("d/new"), file(".wh.f"), file("f", b"new")],
        [file(".wh.d"), file("d/new"), file(".wh.f"), file("f", b"new")],
    ):
        top = root + str(len(os.listdir(os.path.dirname(root))))
        os.mkdir(top)
        unpack(archive(*members), top)
        with merged(top, lower) as view:
            assert os.listdir(f"{view}/d") == ["new"]
            assert text(f"{view}/f") == "new"
            assert sorted(os.listdir(view)) == ["d", "e", "f", "g"]


def test_an_opaque_root_is_told(root: str) -> None:
    assert unpack(archive(file(".wh..wh..opq"), file("x")), root).root_opaque


def test_without_layer_semantics_whiteout_names_are_ordinary(root: str) -> None:
    unpack(archive(file(".wh.x"), file(".wh..wh..opq")), root, layer=False)
    assert sorted(os.listdir(root)) == [".wh..wh..opq", ".wh.x"]


def test_the_last_of_equal_names_wins_and_a_directory_is_merged(root: str) -> None:
    data = archive(
        file("a", b"1"), file("a", b"2"),
        directory("d", mode=0o700), file("d/kept"), directory("d", mode=0o711),
        directory("e"), file("e/deep"), file("e", b"file now"),
        file("g"), directory("g"), file("g/x"),
        symlink("s", "d"), file("s", b"no link"),
        file("h1", b"h"), hard_link("h2", "h1"), file("h1", b"other"), hard_link("h2", "h2"),
    )  # fmt: skip
    unpack(data, root)
    assert text(f"{root}/a") == "2"
    assert os.listdir(f"{root}/d") == ["kept"] and os.stat(f"{root}/d").st_mode & 0o777 == 0o711
    assert text(f"{root}/e") == "file now" and os.listdir(f"{root}/g") == ["x"]
    assert text(f"{root}/s") == "no link" and not os.path.islink(f"{root}/s")
    assert (text(f"{root}/h1"), text(f"{root}/h2")) == ("other", "h")


def test_the_root_keeps_its_own_mode(root: str) -> None:
    unpack(archive(directory("./", mode=0o700, uid=5, mtime=7), file("./x")), root)
    assert (os.stat(root).st_mode & 0o777, os.stat(root).st_uid) == (0o755, 0)


def test_times_of_directories_survive_what_is_written_into_them(root: str) -> None:
    unpack(archive(directory("a", mtime=5), directory("a/b", mtime=6), file("a/b/c"), file("a/d")), root)
    assert (os.stat(f"{root}/a").st_mtime, os.stat(f"{root}/a/b").st_mtime) == (5, 6)


def test_directories_that_are_only_implied_are_made(root: str) -> None:
    unpack(archive(file("a/b/c/f")), root)
    assert [os.stat(f"{root}/{path}").st_mode & 0o7777 for path in ("a", "a/b", "a/b/c")] == [0o755] * 3


def test_implied_directories_are_as_the_lower_layers_have_them(root: str, lower: str) -> None:
    unpack(archive(directory("tmp", mode=0o1777, mtime=5), directory("tmp/u", mode=0o700, uid=9, gid=9)), lower)
    unpack(archive(file("tmp/u/v/f")), root, lower=[lower])
    assert os.stat(f"{root}/tmp").st_mode & 0o7777 == 0o1777
    made = os.stat(f"{root}/tmp/u")
    assert (made.st_mode & 0o7777, made.st_uid, made.st_gid) == (0o700, 9, 9)
    assert os.stat(f"{root}/tmp/u/v").st_mode & 0o7777 == 0o755


def test_a_hard_link_to_a_file_of_a_lower_layer_is_copied_up(root: str, lower: str, tmp_path: object) -> None:
    bottom = os.path.join(str(tmp_path), "bottom")
    os.mkdir(bottom)
    records = {"SCHILY.xattr.user.note": "x"}
    unpack(archive(file("d/f", b"deep", mode=0o4755, uid=3, mtime=9, pax_headers=records), file("d/w")), bottom)
    unpack(archive(file("d/.wh.w")), lower)
    unpack(archive(hard_link("e/link", "d/f")), root, lower=[lower, bottom])
    copy = os.stat(f"{root}/d/f")
    assert text(f"{root}/e/link") == "deep" and copy.st_ino == os.stat(f"{root}/e/link").st_ino
    assert (copy.st_mode & 0o7777, copy.st_uid, copy.st_mtime) == (0o4755, 3, 9)
    assert attribute(f"{root}/d/f", "user.note") == b"x"
    for target in ("d/w", "d", "nowhere"):
        with pytest.raises(InvalidParameter, match="no hard link target"):
            unpack(archive(hard_link("e/other", target)), root, lower=[lower, bottom])
    with pytest.raises(InvalidParameter, match="no hard link target"):
        unpack(archive(file("d/.wh..wh..opq"), hard_link("e/other", "d/f2")), root, lower=[lower, bottom])


def test_a_symlink_of_the_same_layer_is_followed_inside_the_root(root: str) -> None:
    data = archive(
        directory("usr/bin"), symlink("bin", "usr/bin"), file("bin/sh", b"1"),
        symlink("var/run", "/run"), file("var/run/pid", b"2"),
        symlink("deep/up", "../../../../srv/x"), file("deep/up/y", b"3"),
    )  # fmt: skip
    unpack(data, root)
    assert text(f"{root}/usr/bin/sh") == "1" and os.path.islink(f"{root}/bin")
    assert text(f"{root}/run/pid") == "2" and text(f"{root}/srv/x/y") == "3"


def test_a_symlink_of_a_lower_layer_gives_way_to_a_directory_as_in_docker(root: str, lower: str) -> None:
    unpack(archive(file("usr/bin/sh"), symlink("bin", "usr/bin")), lower)
    unpack(archive(file("bin/new")), root, lower=[lower])
    with merged(root, lower) as view:
        assert os.listdir(f"{view}/bin") == ["new"]
        assert os.listdir(f"{view}/usr/bin") == ["sh"]


def test_a_group_given_by_a_setgid_directory_does_not_stick(root: str) -> None:
    unpack(archive(directory("d", mode=0o2775, gid=50), file("d/f", gid=0), directory("d/e", mode=0o755)), root)
    assert (os.stat(f"{root}/d/f").st_gid, os.stat(f"{root}/d/e").st_gid) == (0, 0)
    assert os.stat(f"{root}/d/e").st_mode & 0o7777 == 0o755


def test_sparse_files_keep_their_holes(root: str, tmp_path: object) -> None:
    with open(f"{tmp_path}/holes", "wb") as out:
        out.seek(5 << 20)
        out.write(b"end")
        out.truncate(50 << 20)
    command = ["tar", "-cSf", "-", "--format=gnu", "-C", str(tmp_path), "holes"]
    done = unpack(subprocess.run(command, capture_output=True, check=True).stdout, root)
    found = os.stat(f"{root}/holes")
    assert (found.st_size, done.size) == (50 << 20, 50 << 20) and found.st_blocks * 512 < 1 << 20
    assert subprocess.run(["cmp", f"{tmp_path}/holes", f"{root}/holes"], check=False).returncode == 0


def test_limits_on_entries_and_size_are_kept(root: str) -> None:
    data = archive(*(file(f"f{number}", b"x" * 10) for number in range(10)))
    with pytest.raises(InvalidParameter, match="more than 9 members"):
        unpack(data, root, limits=Limits(entries=9))
    with pytest.raises(InvalidParameter, match="larger than 99 bytes"):
        unpack(data, root, limits=Limits(size=99))


@pytest.mark.parametrize("shape", ["gnu", "posix"])
def test_a_real_tree_comes_out_as_gnu_tar_unpacks_it(shape: str, root: str, tmp_path: object) -> None:
    source = ["-C", "/usr/lib/python3.11", "json", "email", "unittest"]
    command = ["tar", "-cf", "-", f"--format={shape}", "--xattrs", *source]
    data = subprocess.run(command, capture_output=True, check=True).stdout
    other = f"{tmp_path}/other"
    os.mkdir(other)
    subprocess.run(["tar", "-xpf", "-", "-C", other], input=data, check=True)
    unpack(data, root)
    listing = ["find", ".", "-mindepth", "1", "-printf", "%p %y %m %U %G %n %l %T@ ", "-type", "f", "-printf", "%s"]
    listing += ["-o", "-printf", "\n"]
    ours, theirs = (
        sorted(subprocess.run(listing, cwd=path, capture_output=True, check=True).stdout.splitlines())
        for path in (root, other)
    )
    assert ours == theirs
    assert subprocess.run(["diff", "-r", "--no-dereference", root, other], check=False).returncode == 0
