"""The root file system: an overlay of the image's read-only layers and one writable layer, as a detached mount.

The mount is made with the new mount API and is never attached in the host's mount table: its descriptor is what the
shim keeps and what init moves into its own namespace. Where the kernel has no `lowerdir+` (before 6.5) the option
string may not exceed 256 bytes there, so the mount is made with mount(2), relative to the layers' directory of short
links (up to a page of options, about 340 layers), in a private mount namespace, and cloned from there.
Source: Documentation/filesystems/overlayfs.rst.
"""

from __future__ import annotations

import errno
import os

from tiffin.linux.mount import (
    AT_FDCWD,
    MNT_DETACH,
    MS_PRIVATE,
    MS_REC,
    OPEN_TREE_CLONE,
    fsconfig_create,
    fsconfig_string,
    fsmount,
    fsopen,
    mount,
    open_tree,
    umount2,
)
from tiffin.linux.namespaces import CLONE_NEWNS, setns, unshare

# What overlayfs reports or needs differently is switched off explicitly, so that a layer means the same on every host.
_OPTIONS = {"index": "off", "metacopy": "off", "redirect_dir": "off"}


def overlay(lower: list[str], upper: str | None, work: str | None, attributes: int = 0) -> int:
    """A detached overlay mount; `lower` is top first, without `upper` it is read-only. Returns its descriptor."""
    if upper is None and len(lower) == 1:
        return open_tree(AT_FDCWD, lower[0], OPEN_TREE_CLONE)
    fs = fsopen("overlay")
    try:
        fsconfig_string(fs, "source", "overlay")
        for layer in lower:
            fsconfig_string(fs, "lowerdir+", layer)
        if upper is not None and work is not None:
            fsconfig_string(fs, "upperdir", upper)
            fsconfig_string(fs, "workdir", work)
        for key, value in _OPTIONS.items():
            fsconfig_string(fs, key, value)
        fsconfig_create(fs)
        return fsmount(fs, attributes)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
    finally:
        os.close(fs)
    return _overlay_by_options(lower, upper, work)


def _overlay_by_options(lower: list[str], upper: str | None, work: str | None) -> int:
    base = os.path.dirname(lower[0])
    data = "lowerdir=" + ":".join(_short(layer, base).replace(":", "\\:") for layer in lower)
    if upper is not None and work is not None:
        data += f",upperdir={_short(upper, base)},workdir={_short(work, base)}"
    data += "".join(f",{key}={value}" for key, value in _OPTIONS.items())
    if len(data) >= os.sysconf("SC_PAGE_SIZE"):
        raise OSError(errno.E2BIG, f"mount overlay: {len(lower)} layers do not fit into this kernel's mount options")
    host = os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    target = os.path.dirname(upper) if upper is not None else lower[0]
    try:
        unshare(CLONE_NEWNS)
        mount(None, "/", None, MS_REC | MS_PRIVATE)
        os.chdir(base)
        mount("overlay", target, "overlay", 0, data)
        fd = open_tree(AT_FDCWD, target, OPEN_TREE_CLONE)
        umount2(target, MNT_DETACH)
        return fd
    finally:
        setns(host, CLONE_NEWNS)
        os.close(host)
        os.chdir("/")


def _short(path: str, base: str) -> str:
    """The path as seen from `base`, where it is beside or below it; further up a link may lead astray."""
    return os.path.relpath(path, base) if path.startswith(os.path.dirname(base) + "/") else path
