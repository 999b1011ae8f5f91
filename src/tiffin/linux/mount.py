"""Mounts: the old calls (mount, umount2, pivot_root) and the new mount API (fsopen … mount_setattr).

Each function is one system call and raises OSError with the call's name and path. Source: man 2 mount, fsopen,
open_tree, move_mount, mount_setattr; include/uapi/linux/mount.h.
"""

from __future__ import annotations

import ctypes

from tiffin.linux.libc import c_char_p, c_int, c_size_t, c_uint, c_ulong, c_void_p, declare, encode, raise_errno

AT_FDCWD = -100
AT_EMPTY_PATH = 0x1000
AT_RECURSIVE = 0x8000
AT_SYMLINK_NOFOLLOW = 0x100
AT_NO_AUTOMOUNT = 0x800

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC = 1, 2, 4, 8
MS_REMOUNT, MS_BIND, MS_MOVE, MS_REC, MS_SILENT = 32, 4096, 8192, 16384, 32768
MS_UNBINDABLE, MS_PRIVATE, MS_SLAVE, MS_SHARED = 1 << 17, 1 << 18, 1 << 19, 1 << 20
MNT_DETACH = 2
UMOUNT_NOFOLLOW = 8

OPEN_TREE_CLONE = 1
OPEN_TREE_CLOEXEC = 0o2000000

MOVE_MOUNT_F_EMPTY_PATH = 0x4
MOVE_MOUNT_T_EMPTY_PATH = 0x40

FSOPEN_CLOEXEC = 1
FSMOUNT_CLOEXEC = 1
FSCONFIG_SET_FLAG = 0
FSCONFIG_SET_STRING = 1
FSCONFIG_SET_FD = 5
FSCONFIG_CMD_CREATE = 6

MOUNT_ATTR_RDONLY = 0x1
MOUNT_ATTR_NOSUID = 0x2
MOUNT_ATTR_NODEV = 0x4
MOUNT_ATTR_NOEXEC = 0x8
MOUNT_ATTR__ATIME = 0x70
MOUNT_ATTR_RELATIME = 0x0
MOUNT_ATTR_NOATIME = 0x10
MOUNT_ATTR_STRICTATIME = 0x20
MOUNT_ATTR_NODIRATIME = 0x80
MOUNT_ATTR_NOSYMFOLLOW = 0x200000


class MountAttr(ctypes.Structure):
    """struct mount_attr, 32 bytes (include/uapi/linux/mount.h)."""

    _fields_ = [
        ("attr_set", ctypes.c_uint64),
        ("attr_clr", ctypes.c_uint64),
        ("propagation", ctypes.c_uint64),
        ("userns_fd", ctypes.c_uint64),
    ]


_mount = declare("mount", c_char_p, c_char_p, c_char_p, c_ulong, c_char_p)
_umount2 = declare("umount2", c_char_p, c_int)
_pivot_root = declare("pivot_root", c_char_p, c_char_p)
_open_tree = declare("open_tree", c_int, c_char_p, c_uint)
_move_mount = declare("move_mount", c_int, c_char_p, c_int, c_char_p, c_uint)
_fsopen = declare("fsopen", c_char_p, c_uint)
_fsconfig = declare("fsconfig", c_int, c_uint, c_char_p, c_char_p, c_int)
_fsmount = declare("fsmount", c_int, c_uint, c_uint)
_mount_setattr = declare("mount_setattr", c_int, c_char_p, c_uint, c_void_p, c_size_t)


def mount(source: str | None, target: str, fstype: str | None, flags: int = 0, data: str | None = None) -> None:
    """mount(2)."""
    if _mount(encode(source), encode(target), encode(fstype), flags, encode(data)) < 0:
        raise_errno("mount", target)


def umount2(target: str, flags: int = 0) -> None:
    """umount2(2)."""
    if _umount2(encode(target), flags) < 0:
        raise_errno("umount2", target)


def pivot_root(new_root: str, put_old: str) -> None:
    """pivot_root(2)."""
    if _pivot_root(encode(new_root), encode(put_old)) < 0:
        raise_errno("pivot_root", new_root)


def open_tree(dir_fd: int, path: str, flags: int) -> int:
    """open_tree(2): a descriptor for a mount, or with OPEN_TREE_CLONE for a detached copy of it."""
    fd = _open_tree(dir_fd, encode(path), flags | OPEN_TREE_CLOEXEC)
    if fd < 0:
        raise_errno("open_tree", path)
    return fd


def move_mount(from_fd: int, to_fd: int, to_path: str = "") -> None:
    """move_mount(2): attach the (detached) mount `from_fd` at `to_path` below `to_fd`, or at `to_fd` itself."""
    flags = MOVE_MOUNT_F_EMPTY_PATH | (0 if to_path else MOVE_MOUNT_T_EMPTY_PATH)
    if _move_mount(from_fd, b"", to_fd, encode(to_path), flags) < 0:
        raise_errno("move_mount", to_path or f"fd {to_fd}")


def fsopen(fstype: str) -> int:
    """fsopen(2): a descriptor to configure a new superblock of this type."""
    fd = _fsopen(encode(fstype), FSOPEN_CLOEXEC)
    if fd < 0:
        raise_errno("fsopen", fstype)
    return fd


def fsconfig_string(fd: int, key: str, value: str) -> None:
    """fsconfig(2) FSCONFIG_SET_STRING; values are limited to 256 bytes by the kernel."""
    if _fsconfig(fd, FSCONFIG_SET_STRING, encode(key), encode(value), 0) < 0:
        raise_errno("fsconfig", f"{key}={value}")


def fsconfig_flag(fd: int, key: str) -> None:
    """fsconfig(2) FSCONFIG_SET_FLAG."""
    if _fsconfig(fd, FSCONFIG_SET_FLAG, encode(key), None, 0) < 0:
        raise_errno("fsconfig", key)


def fsconfig_create(fd: int) -> None:
    """fsconfig(2) FSCONFIG_CMD_CREATE."""
    if _fsconfig(fd, FSCONFIG_CMD_CREATE, None, None, 0) < 0:
        raise_errno("fsconfig", "create")


def fsmount(fd: int, attributes: int = 0) -> int:
    """fsmount(2): a detached mount of the configured superblock, with MOUNT_ATTR_* attributes."""
    mount_fd = _fsmount(fd, FSMOUNT_CLOEXEC, attributes)
    if mount_fd < 0:
        raise_errno("fsmount")
    return mount_fd


def mount_setattr(
    dir_fd: int, path: str = "", *, attr_set: int = 0, attr_clr: int = 0, propagation: int = 0, recursive: bool = False
) -> None:
    """mount_setattr(2): change attributes and propagation of a mount, or with `recursive` of all mounts below."""
    attr = MountAttr(attr_set, attr_clr, propagation, 0)
    flags = (0 if path else AT_EMPTY_PATH) | (AT_RECURSIVE if recursive else 0)
    if _mount_setattr(dir_fd, encode(path), flags, ctypes.addressof(attr), ctypes.sizeof(attr)) < 0:
        raise_errno("mount_setattr", path or f"fd {dir_fd}")
