"""Lock the calling process into one directory, for work on foreign bytes. There is no way back.

Afterwards `/` is the directory, in a mount namespace of its own where nothing else is mounted, without devices and
set-uid programs; only the descriptors that were asked for are open; the capabilities are what handling files needs;
nothing can be imported (CVE-2019-14271: a library or a codec of the image must never be loaded). The caller must have
imported everything, be single-threaded, and be somebody's child: its working directory, umask and limits change.

Mounts are made before and moved after `unshare`: a mount of another namespace can neither be cloned nor attached.
"""

from __future__ import annotations

import codecs
import errno
import os
import resource
import sys
import warnings

from tiffin.linux.capabilities import capset, clear_ambient, drop_bounding, last_cap
from tiffin.linux.mount import (
    AT_EMPTY_PATH,
    AT_FDCWD,
    MNT_DETACH,
    MOUNT_ATTR_NODEV,
    MOUNT_ATTR_NOEXEC,
    MOUNT_ATTR_NOSUID,
    MS_PRIVATE,
    MS_REC,
    OPEN_TREE_CLONE,
    mount,
    mount_setattr,
    move_mount,
    open_tree,
    pivot_root,
    umount2,
)
from tiffin.linux.namespaces import CLONE_NEWNS, unshare
from tiffin.linux.process import PR_SET_NO_NEW_PRIVS, close_range, prctl
from tiffin.spawn.spawner import close_imports

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection
    from typing import Final

# include/uapi/linux/capability.h
CAP_CHOWN: Final = 0
CAP_DAC_OVERRIDE: Final = 1
CAP_DAC_READ_SEARCH: Final = 2
CAP_FOWNER: Final = 3
CAP_FSETID: Final = 4
CAP_SYS_ADMIN: Final = 21
CAP_MKNOD: Final = 27
CAP_SETFCAP: Final = 31

# SYS_ADMIN is for the trusted.overlay.* attributes, which only it may set and see.
UNPACK_CAPABILITIES: Final = (
    CAP_CHOWN,
    CAP_DAC_OVERRIDE,
    CAP_FOWNER,
    CAP_FSETID,
    CAP_SYS_ADMIN,
    CAP_MKNOD,
    CAP_SETFCAP,
)
PACK_CAPABILITIES: Final = (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER, CAP_SYS_ADMIN)

# The interpreter with its codecs maps 300 MB, xz and zstd may need 128 MB each; past this an archive is an attack.
_ADDRESS_SPACE: Final = 2 << 30
# One descriptor is open per level of a tree that is packed or removed.
_DESCRIPTORS: Final = 4096


def enter(target_fd: int, keep: Collection[int], capabilities: Collection[int]) -> int:
    """Lock in. Returns a descriptor of the new `/`; `target_fd` is closed with all others that are not in `keep`.

    Raises OSError; the process is then in an undefined state and must end.
    """
    os.umask(0)
    highest = last_cap()
    for codec in ("utf-8", "ascii", "latin-1"):
        codecs.lookup(codec)  # str.encode has short cuts that load nothing; open() has not
    close_imports()
    _show_no_source()
    tree = _detached_tree(target_fd)
    unshare(CLONE_NEWNS)
    mount("", "/", None, MS_REC | MS_PRIVATE)
    if tree is None:
        _chroot(target_fd)
    else:
        _pivot(tree)
    root_fd = os.open("/", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    close_others((*keep, root_fd))
    _limit()
    _drop_privileges(capabilities, highest)
    return root_fd


def _show_no_source() -> None:
    """The interpreter shows a warning or a stray exception with its source line: it would open, by a name that now
    leads into the foreign tree, what may be a fifo."""
    warnings.simplefilter("ignore")
    sys.unraisablehook = lambda _unraisable: None
    sys.excepthook = lambda *_exception: None


def _detached_tree(target_fd: int) -> int | None:
    """A private copy of the target's mount, or None where the kernel makes none.

    A mount that was made by fsmount and not attached, as a container's root is, can be cloned since Linux 6.15 only.
    """
    try:
        tree = open_tree(target_fd, "", OPEN_TREE_CLONE | AT_EMPTY_PATH)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        return None
    mount_setattr(tree, attr_set=MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC)
    return tree


def _pivot(tree: int) -> None:
    """Put the tree over `/`, then make it the namespace's root and let go of everything below."""
    move_mount(tree, AT_FDCWD, "/")
    os.fchdir(tree)
    try:
        pivot_root(".", ".")
        umount2(".", MNT_DETACH)
    except OSError as error:
        # The initial ramfs cannot be pivoted away: then as switch_root does it.
        if error.errno != errno.EINVAL:
            raise
        os.chroot(".")
    os.chdir("/")


def _chroot(target_fd: int) -> None:
    """Without CAP_SYS_CHROOT and without a descriptor from outside there is no way out of a chroot either."""
    os.fchdir(target_fd)
    os.chroot(".")
    os.chdir("/")


def close_others(keep: Collection[int]) -> None:
    """Close every descriptor but stderr and those to keep, stdin and stdout included."""
    first = 0
    for fd in sorted({2, *keep}):
        if fd > first:
            close_range(first, fd - 1)
        first = fd + 1
    close_range(first)


def _limit() -> None:
    for limit, value in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_AS, _ADDRESS_SPACE),
        (resource.RLIMIT_NOFILE, _DESCRIPTORS),
    ):
        _, hard = resource.getrlimit(limit)
        if hard != resource.RLIM_INFINITY:
            value = min(value, hard)
        resource.setrlimit(limit, (value, value))


def _drop_privileges(capabilities: Collection[int], highest: int) -> None:
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    clear_ambient()
    drop_bounding(0, highest)
    mask = 0
    for number in capabilities:
        mask |= 1 << number
    capset(mask, mask, 0)
