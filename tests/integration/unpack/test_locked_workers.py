"""The workers as processes: what they report, and what they can reach."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import lzma
import os
import stat
import tarfile
from typing import Any

import pytest
import zstandard

from tar_trial import archive, directory, file, hard_link, member, opened, symlink, work
from tiffin.linux.mount import fsconfig_create, fsmount, fsopen
from tiffin.store import worker_jail
from tiffin.store.workers import pack_main, report, unpack_main

pytestmark = pytest.mark.root

LAYER = archive(
    directory("d"), file("d/f", b"x" * 100_000, uid=5, mode=0o4755), file("d/.wh.g"), file("d/.wh..wh..opq"),
    symlink("s", "d"), hard_link("h", "d/f"), member("c", tarfile.CHRTYPE, devmajor=1, devminor=3),
)  # fmt: skip


@pytest.fixture
def root(tmp_path: object) -> str:
    path = os.path.join(str(tmp_path), "root")
    os.mkdir(path, 0o755)
    return path


def run(data: bytes, root: str, message: dict[str, Any] | None = None) -> Any:
    """Unpack by the worker."""
    with open(root + ".tar", "wb") as out:
        out.write(data)
    with opened(root + ".tar", os.O_RDONLY) as source, opened(root, os.O_PATH) as target:
        return work(unpack_main, message or {}, [source, target])


@pytest.mark.parametrize("kind", ["tar", "gzip", "zstd", "bzip2", "xz"])
def test_a_layer_is_unpacked_and_its_digests_told(kind: str, root: str) -> None:
    compress = {"gzip": gzip.compress, "zstd": zstandard.compress, "bzip2": bz2.compress, "xz": lzma.compress}
    stream = compress[kind](LAYER) if kind in compress else LAYER
    assert run(stream, root)["ok"] == {
        "diff_id": "sha256:" + hashlib.sha256(LAYER).hexdigest(),
        "tar_size": len(LAYER),
        "compressed_digest": "sha256:" + hashlib.sha256(stream).hexdigest(),
        "compressed_size": len(stream),
        "compression": kind,
        "entries": 7,
        "size": 100_000,
        "root_opaque": False,
        "dropped_xattrs": 0,
    }
    assert os.stat(f"{root}/d/f").st_mode & 0o7777 == 0o4755
    assert os.getxattr(f"{root}/d", "trusted.overlay.opaque") == b"y"
    assert os.stat(f"{root}/c").st_rdev == os.makedev(1, 3)
    assert stat.S_ISCHR(os.stat(f"{root}/d/g").st_mode)


@pytest.mark.parametrize("data", [b"nonsense" * 1000, LAYER[:2000], gzip.compress(LAYER)[:200], archive(file("../x"))])
def test_a_bad_archive_is_an_invalid_parameter(data: bytes, root: str) -> None:
    answer = run(data, root)
    assert answer["error"] == "InvalidParameter" and answer["message"]


def test_limits_of_the_message_are_kept(root: str) -> None:
    for message in ({"entries": 3}, {"size": 10}):
        assert run(LAYER, root, message)["error"] == "InvalidParameter"


def test_a_tree_is_packed_into_a_pipe_and_a_lost_reader_is_an_error(root: str) -> None:
    run(LAYER, root)
    with opened(root + ".out", os.O_WRONLY | os.O_CREAT) as out, opened(root, os.O_PATH) as target:
        told = work(pack_main, {"changes": True}, [out, target])["ok"]
        with open(root + ".out", "rb") as made:
            data = made.read()
        assert (told["diff_id"], told["size"]) == ("sha256:" + hashlib.sha256(data).hexdigest(), 100_000)
        reading, writing = os.pipe()
        os.close(reading)
        assert work(pack_main, {}, [writing, target])["error"] == "SystemFailure"
        os.close(writing)


def test_a_root_that_is_a_mount_without_a_place_is_packed(root: str) -> None:
    context = fsopen("tmpfs")
    fsconfig_create(context)
    tree = fsmount(context)
    os.close(context)
    os.mkdir("d", dir_fd=tree)
    with opened(root + ".out", os.O_WRONLY | os.O_CREAT) as out:
        assert work(pack_main, {}, [out, tree])["ok"]["entries"] == 1
    os.close(tree)


def look_around(_message: dict[str, Any], fds: list[int]) -> None:
    """What a locked-in process sees, told over the control socket."""
    from tiffin.store.workers import Control

    control = Control(fds[0])
    inherited = os.open("/etc", os.O_RDONLY)

    def work() -> dict[str, Any]:
        worker_jail.enter(fds[1], fds[:1], worker_jail.UNPACK_CAPABILITIES)
        found: dict[str, Any] = {"names": sorted(os.listdir("/")), "up": sorted(os.listdir("/.."))}
        for name, attempt in {
            "import": lambda: __import__("wave"),
            "codec": lambda: "x".encode("cp1250"),
            "inherited": lambda: os.fstat(inherited),
            "device": lambda: os.open("/null", os.O_RDONLY),
            "chroot": lambda: os.chroot("/"),
            "setuid": lambda: os.setuid(1),
            "exec": lambda: os.execve("/busybox", ["true"], {}),
        }.items():
            try:
                attempt()
                found[name] = "done"
            except (ImportError, LookupError, OSError) as error:
                found[name] = type(error).__name__
        return found

    report(control, work)


def test_a_worker_sees_its_directory_and_nothing_else(root: str) -> None:
    run(archive(file("wave.py"), file("a"), member("null", tarfile.CHRTYPE, devmajor=1, devminor=3)), root)
    with open("/usr/bin/busybox", "rb") as busybox, open(f"{root}/busybox", "wb") as out:
        out.write(busybox.read())
    os.chmod(f"{root}/busybox", 0o755)
    with opened(root, os.O_PATH) as target:
        found = work(look_around, {}, [target])["ok"]
    assert found.pop("names") == found.pop("up") == ["a", "busybox", "null", "wave.py"]
    assert found.pop("import") == "ImportError" and found.pop("codec") == "LookupError"
    assert set(found.values()) <= {"PermissionError", "OSError"}, found


def test_a_worker_leaves_the_mounts_of_the_machine_alone(root: str) -> None:
    with open("/proc/self/mountinfo", encoding="utf-8") as table:
        before = table.read()
    run(LAYER, root)
    with open("/proc/self/mountinfo", encoding="utf-8") as table:
        assert table.read() == before
