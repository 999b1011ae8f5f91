"""Layouts as they are found on real machines, from the text of /proc/self/mountinfo and /proc/self/cgroup."""

from __future__ import annotations

import pytest

from tiffin.runtime.cgroup.layout import Layout, parse

HYBRID_MOUNTS = """\
23 1 254:0 / / rw,relatime - ext4 /dev/vda rw
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,xattr,release_agent=/x,name=systemd
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw,nsdelegate
"""
HYBRID_GROUPS = "9:name=systemd:/\n4:memory:/box/a71\n2:cpu,cpuacct:/\n0::/user.slice\n"

V2_MOUNTS = "35 24 0:30 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot\n"


def test_a_hybrid_machine_has_one_tree_per_v1_mount_and_a_v2_tree() -> None:
    layout = parse(HYBRID_MOUNTS, HYBRID_GROUPS)
    assert layout.version == "hybrid"
    assert layout.controllers == {
        "cpu": ("/sys/fs/cgroup/cpu,cpuacct", "/"),
        "cpuacct": ("/sys/fs/cgroup/cpu,cpuacct", "/"),
        "memory": ("/sys/fs/cgroup/memory", "/box/a71"),
        "name=systemd": ("/sys/fs/cgroup/systemd", "/"),
    }
    assert [tree.base for tree in layout.trees][:2] == [b"/sys/fs/cgroup/cpu,cpuacct", b"/sys/fs/cgroup/memory/box/a71"]
    assert layout.unified is not None
    assert layout.unified.base == b"/sys/fs/cgroup/unified/user.slice"


def test_a_v1_machine_has_no_v2_tree() -> None:
    mounts = "".join(line + "\n" for line in HYBRID_MOUNTS.splitlines() if "cgroup2" not in line)
    layout = parse(mounts, HYBRID_GROUPS)
    assert (layout.version, layout.unified) == ("v1", None)


@pytest.mark.parametrize(
    ("group", "base"),
    [
        ("/", b"/sys/fs/cgroup"),
        ("/system.slice/tiffin.service", b"/sys/fs/cgroup/system.slice/tiffin.service"),
        ("/user.slice/session-3.scope (deleted)", b"/sys/fs/cgroup/user.slice/session-3.scope"),
        ("/a/tiffin-daemon", b"/sys/fs/cgroup/a"),
        ("/tiffin-daemon", b"/sys/fs/cgroup"),
        ("/../../elsewhere", b"/sys/fs/cgroup"),
    ],
)
def test_on_v2_the_daemons_place_is_its_own_group_without_the_leaf_it_made(group: str, base: bytes) -> None:
    layout = parse(V2_MOUNTS, f"0::{group}\n")
    assert layout.version == "v2"
    assert layout.unified is not None
    assert layout.unified.base == base


def test_inside_a_container_the_mounts_root_is_taken_off_the_path() -> None:
    mounts = "99 98 0:32 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n"
    assert parse(mounts, "4:memory:/docker/abc/child\n").controllers["memory"] == ("/sys/fs/cgroup/memory", "/child")
    assert parse(mounts, "4:memory:/docker/abc\n").controllers["memory"] == ("/sys/fs/cgroup/memory", "/")
    assert parse(mounts, "4:memory:/docker/abcd\n").controllers["memory"] == ("/sys/fs/cgroup/memory", "/")


def test_a_named_hierarchy_alone_does_not_make_a_machine_hybrid() -> None:
    mounts = V2_MOUNTS + "40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd\n"
    assert parse(mounts, "1:name=systemd:/\n0::/a\n").version == "v2"


def test_spaces_in_a_mount_point_are_unescaped() -> None:
    layout = parse("35 24 0:30 / /mnt/my\\040groups rw - cgroup2 cgroup2 rw\n", "0::/\n")
    assert layout.unified is not None
    assert layout.unified.mount == "/mnt/my groups"


def test_no_cgroup_mount_is_an_error() -> None:
    with pytest.raises(FileNotFoundError):
        parse("23 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n", "0::/\n")


def test_a_layout_survives_json() -> None:
    layout = parse(HYBRID_MOUNTS, HYBRID_GROUPS)
    again = Layout.from_json(layout.to_json())
    assert again.to_json() == layout.to_json()
    assert [tree.base for tree in again.trees] == [tree.base for tree in layout.trees]
