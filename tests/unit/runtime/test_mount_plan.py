"""OCI mounts → planned mounts: types, flags, options, the cgroup tree."""

from __future__ import annotations

from typing import Any

import pytest

from tiffin.linux.mount import (
    MOUNT_ATTR__ATIME,
    MOUNT_ATTR_NOATIME,
    MOUNT_ATTR_NODEV,
    MOUNT_ATTR_NOEXEC,
    MOUNT_ATTR_NOSUID,
    MOUNT_ATTR_RDONLY,
    MOUNT_ATTR_STRICTATIME,
    MS_PRIVATE,
    MS_SHARED,
    MS_SLAVE,
)
from tiffin.runtime.mounts import Mount, plan


def one(*options: str, kind: str | None = "tmpfs", **more: Any) -> Mount:
    entry: dict[str, Any] = {"destination": "/d", "source": "s", "options": list(options), **more}
    if kind is not None:
        entry["type"] = kind
    return plan({"mounts": [entry]}, {})[0]


def test_flags_are_attributes_and_the_rest_is_for_the_file_system() -> None:
    planned = one("ro", "nosuid", "nodev", "noexec", "size=1m", "mode=755")
    assert planned.set == MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC
    assert planned.data == ["size=1m", "mode=755"]


@pytest.mark.parametrize(
    ("options", "set_", "clear"),
    [
        (("ro", "rw"), 0, MOUNT_ATTR_RDONLY),
        (("rw", "ro"), MOUNT_ATTR_RDONLY, 0),
        (("noexec", "exec"), 0, MOUNT_ATTR_NOEXEC),
        (("noatime", "strictatime"), MOUNT_ATTR_STRICTATIME, MOUNT_ATTR__ATIME),
        (("strictatime", "noatime"), MOUNT_ATTR_NOATIME, MOUNT_ATTR__ATIME),
        (("defaults",), 0, 0),
    ],
)
def test_the_last_of_two_opposites_counts(options: tuple[str, ...], set_: int, clear: int) -> None:
    planned = one(*options)
    assert planned.set == set_
    assert planned.clear & ~set_ == clear & ~set_


@pytest.mark.parametrize(("option", "recursive"), [("bind", False), ("rbind", True)])
def test_a_bind_is_told_by_its_option_whatever_its_type(option: str, recursive: bool) -> None:
    planned = one(option, "ro", kind="none")
    assert (planned.fstype, planned.recursive, planned.set) == ("bind", recursive, MOUNT_ATTR_RDONLY)
    assert one(kind=None).fstype == "bind"


@pytest.mark.parametrize(
    ("option", "value"), [("rprivate", MS_PRIVATE), ("rslave", MS_SLAVE), ("shared", MS_SHARED), ("rshared", MS_SHARED)]
)
def test_propagation_is_kept_apart(option: str, value: int) -> None:
    assert one("rbind", option, kind="bind").propagation == value


def test_the_order_of_the_spec_is_kept_and_each_describes_itself() -> None:
    entries = [{"destination": place, "type": "tmpfs", "source": "t"} for place in ("/b", "/a", "/a/c")]
    assert [mount.describe() for mount in plan({"mounts": entries}, {})] == [
        "tmpfs t on /b", "tmpfs t on /a", "tmpfs t on /a/c",
    ]  # fmt: skip
    assert plan({}, {}) == []


def test_with_v1_the_cgroup_mount_is_a_sealed_tmpfs_with_one_bind_for_each_controller() -> None:
    paths = {"memory": "/sys/fs/cgroup/memory/x", "name=systemd": "/sys/fs/cgroup/systemd/x"}
    spec = {"mounts": [{"destination": "/sys/fs/cgroup", "type": "cgroup", "options": ["ro", "nosuid"]}]}
    base, *binds = plan(spec, paths)
    assert (base.fstype, base.seal) == ("tmpfs", True)
    assert [(bind.destination, bind.source) for bind in binds] == [
        ("/sys/fs/cgroup/memory", "/sys/fs/cgroup/memory/x"),
        ("/sys/fs/cgroup/systemd", "/sys/fs/cgroup/systemd/x"),
    ]
    assert all(bind.set & MOUNT_ATTR_RDONLY and bind.set & MOUNT_ATTR_NODEV for bind in binds)


def test_a_writable_cgroup_mount_is_neither_sealed_nor_read_only() -> None:
    spec = {"mounts": [{"destination": "/sys/fs/cgroup", "type": "cgroup", "options": ["rw"]}]}
    base, bind = plan(spec, {"pids": "/sys/fs/cgroup/pids/x"})
    assert not base.seal
    assert not bind.set & MOUNT_ATTR_RDONLY
