"""The mounts inside a container: planned from the OCI spec as a list of operations, then done by descriptor.

Every target is opened with openat2(RESOLVE_IN_ROOT) below the new root and mounted by that descriptor, so that a path
that is swapped for a link meanwhile leads nowhere (CVE-2021-30465, CVE-2024-45310); /proc and /sys may not be links
at all (CVE-2019-19921). What is bound over a masked path is checked by descriptor (CVE-2025-31133).

    plan(spec) -> [Mount, …]     frozen; describe() for the trace and tests
    Mount.open_source()          in the host's view, before pivot_root: binds are cloned, file systems made
    Mount.attach(root_fd)        below the new root

Source: OCI runtime spec, config.md "mounts" and config-linux.md; man 2 openat2.
"""

from __future__ import annotations

import errno
import os
import stat

from tiffin.linux.mount import (
    AT_FDCWD,
    AT_RECURSIVE,
    MOUNT_ATTR__ATIME,
    MOUNT_ATTR_NOATIME,
    MOUNT_ATTR_NODEV,
    MOUNT_ATTR_NODIRATIME,
    MOUNT_ATTR_NOEXEC,
    MOUNT_ATTR_NOSUID,
    MOUNT_ATTR_RDONLY,
    MOUNT_ATTR_STRICTATIME,
    MS_PRIVATE,
    MS_SHARED,
    MS_SLAVE,
    MS_UNBINDABLE,
    OPEN_TREE_CLONE,
    fsconfig_create,
    fsconfig_flag,
    fsconfig_string,
    fsmount,
    fsopen,
    mount_setattr,
    move_mount,
    open_tree,
)
from tiffin.runtime.inroot import open_target
from tiffin.runtime.neighbour import clone_theirs, is_theirs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# option -> (attributes to set, attributes to clear)
ATTRIBUTES = {
    "ro": (MOUNT_ATTR_RDONLY, 0),
    "rw": (0, MOUNT_ATTR_RDONLY),
    "nosuid": (MOUNT_ATTR_NOSUID, 0),
    "suid": (0, MOUNT_ATTR_NOSUID),
    "nodev": (MOUNT_ATTR_NODEV, 0),
    "dev": (0, MOUNT_ATTR_NODEV),
    "noexec": (MOUNT_ATTR_NOEXEC, 0),
    "exec": (0, MOUNT_ATTR_NOEXEC),
    "relatime": (0, MOUNT_ATTR__ATIME),
    "noatime": (MOUNT_ATTR_NOATIME, MOUNT_ATTR__ATIME),
    "strictatime": (MOUNT_ATTR_STRICTATIME, MOUNT_ATTR__ATIME),
    "nodiratime": (MOUNT_ATTR_NODIRATIME, 0),
}
PROPAGATION = {
    "private": MS_PRIVATE,
    "rprivate": MS_PRIVATE,
    "slave": MS_SLAVE,
    "rslave": MS_SLAVE,
    "shared": MS_SHARED,
    "rshared": MS_SHARED,
    "unbindable": MS_UNBINDABLE,
    "runbindable": MS_UNBINDABLE,
}
_NO_LINKS_AT = ("/proc", "/sys")
_PROC_FILES = frozenset(
    f"/proc/{name}"
    for name in (
        "cpuinfo", "diskstats", "meminfo", "stat", "swaps", "uptime", "loadavg", "slabinfo", "net/dev",
        "sys/kernel/ns_last_pid", "sys/crypto/fips_enabled",
    )
)  # fmt: skip


class Mount:
    """One planned mount; immutable but for the descriptor that it holds between open_source and attach."""

    __slots__ = (
        "clear",
        "data",
        "destination",
        "fd",
        "fstype",
        "propagation",
        "recursive",
        "recursive_ro",
        "seal",
        "set",
        "source",
    )

    def __init__(self, entry: dict[str, Any]) -> None:
        self.destination: str = entry["destination"]
        self.fstype: str = entry.get("type") or "bind"
        self.source: str = entry.get("source") or self.fstype
        self.set = self.clear = 0
        self.propagation = 0
        self.recursive = False
        self.recursive_ro = False
        self.data: list[str] = []
        self.fd = -1
        self.seal = False  # make it read-only once the mount points inside it exist
        for option in entry.get("options") or ():
            self._option(option)

    def _option(self, option: str) -> None:
        if option in ("bind", "rbind"):
            self.fstype = "bind"
            self.recursive = option == "rbind"
        elif option == "rro":
            self.set |= MOUNT_ATTR_RDONLY
            self.recursive_ro = True
        elif option in ATTRIBUTES:
            attr_set, attr_clear = ATTRIBUTES[option]
            self.set = self.set & ~attr_clear | attr_set
            self.clear = self.clear & ~attr_set | attr_clear
        elif option in PROPAGATION:
            self.propagation = PROPAGATION[option]
        elif option != "defaults":
            self.data.append(option)

    def _mismatch(self) -> str:
        return (
            f'error mounting "{self.source}" to rootfs at "{self.destination}": not a directory: '
            "Are you trying to mount a directory onto a file (or vice-versa)? "
            "Check if the specified host path exists and is the expected type"
        )

    def describe(self) -> str:
        """One line for the trace."""
        return f"{self.fstype} {self.source} on {self.destination}"

    def open_source(self) -> None:
        """Make the detached mount; runs in the namespaces of the container but with the host's root in view."""
        if self.fstype == "bind":
            flags = OPEN_TREE_CLONE | (AT_RECURSIVE if self.recursive else 0)
            theirs = is_theirs(self.source)
            self.fd = clone_theirs(self.source, flags) if theirs else open_tree(AT_FDCWD, self.source, flags)
            self._apply_bind_attributes()
        else:
            self.fd = filesystem(self.fstype, self.source, self.data, self.set & ~self.clear)

    def _apply_bind_attributes(self) -> None:
        if self.propagation or self.recursive:
            mount_setattr(self.fd, propagation=self.propagation or MS_PRIVATE, recursive=self.recursive)
        if self.set or self.clear:
            recursive = self.recursive_ro
            mount_setattr(self.fd, attr_set=self.set, attr_clr=self.clear, recursive=recursive)

    def attach(self, root_fd: int) -> None:
        """Mount it on its destination below the root, making the mount point where the image has none."""
        directory = self.fstype != "bind" or stat.S_ISDIR(os.fstat(self.fd).st_mode)
        target = open_target(root_fd, self.destination, directory=directory, links=self.destination not in _NO_LINKS_AT)
        try:
            if self.fstype != "proc":
                self._keep_off_proc(root_fd, target)
            if directory != stat.S_ISDIR(os.fstat(target).st_mode):
                raise OSError(errno.ENOTDIR, self._mismatch())
            move_mount(self.fd, target)
        finally:
            os.close(target)
            os.close(self.fd)
            self.fd = -1

    def _keep_off_proc(self, root_fd: int, target: int) -> None:
        """Nothing covers procfs, by whatever link the place was named (CVE-2019-16884, CVE-2023-28642): masks, and
        programs that look for the truth there, would be dodged. Files that only inform may be replaced (lxcfs)."""
        inside = os.readlink(f"/proc/self/fd/{target}").removeprefix(os.readlink(f"/proc/self/fd/{root_fd}"))
        if inside != "/proc" and not inside.startswith("/proc/"):
            return
        if self.fstype == "bind":
            if inside in _PROC_FILES:
                return
            if inside == "/proc" and os.fstat(self.fd).st_dev == os.stat("/proc").st_dev:
                return
        raise OSError(errno.EPERM, f"{self.source} cannot be mounted on {self.destination}: it is inside /proc")


def filesystem(fstype: str, source: str, options: list[str], attributes: int) -> int:
    """A detached mount of a new instance of `fstype`."""
    fs = fsopen(fstype)
    try:
        fsconfig_string(fs, "source", source)
        for option in options:
            key, separator, value = option.partition("=")
            if separator:
                fsconfig_string(fs, key, value)
            else:
                fsconfig_flag(fs, key)
        fsconfig_create(fs)
        return fsmount(fs, attributes)
    except OSError as error:
        at = f": {error.filename}" if error.filename else ""  # the option that the kernel refuses
        raise OSError(error.errno, f"mount {fstype}: {os.strerror(error.errno or 0)}{at}") from error
    finally:
        os.close(fs)


def plan(spec: dict[str, Any], cgroup_paths: dict[str, str]) -> list[Mount]:
    """The mounts of an OCI spec in order. With v1, where the paths of the container's groups are given, `cgroup` is a
    tmpfs with one bind for each controller; with v2 it is the one tree."""
    mounts: list[Mount] = []
    for entry in spec.get("mounts") or ():
        if entry.get("type") != "cgroup":
            mounts.append(Mount(entry))
        elif cgroup_paths:
            mounts += _cgroup_v1(entry, cgroup_paths)
        else:
            mounts.append(_cgroup_v2(entry, spec))
    return mounts


def _cgroup_v2(entry: dict[str, Any], spec: dict[str, Any]) -> Mount:
    """A mount of its own in a cgroup namespace of its own. In the host's namespace that would set the options of the
    host's mount anew (nsdelegate would be lost), so there the host's mount is bound."""
    if any(n["type"] == "cgroup" for n in (spec.get("linux") or {}).get("namespaces") or ()):
        return Mount({**entry, "type": "cgroup2", "source": "cgroup"})
    return Mount({**entry, "type": "bind", "source": entry["destination"]})


def _cgroup_v1(entry: dict[str, Any], paths: dict[str, str]) -> list[Mount]:
    base = entry["destination"]
    safe = ["nosuid", "noexec", "nodev"]
    mounts = [Mount({"destination": base, "type": "tmpfs", "source": "tmpfs", "options": [*safe, "mode=755"]})]
    access = ["ro"] if "ro" in (entry.get("options") or ()) else []
    for controller, path in paths.items():
        target = {"destination": f"{base}/{controller.removeprefix('name=')}", "type": "bind", "source": path}
        mounts.append(Mount({**target, "options": ["bind", *safe, *access]}))
    mounts[0].seal = bool(access)
    return mounts


class Masks:
    """Masked and read-only paths (OCI linux.maskedPaths, linux.readonlyPaths), done last, inside the new root."""

    __slots__ = ("_empty", "_null")

    def __init__(self) -> None:
        self._null = os.open("/dev/null", os.O_PATH | os.O_CLOEXEC)
        status = os.fstat(self._null)
        if not stat.S_ISCHR(status.st_mode) or status.st_rdev != os.makedev(1, 3):
            raise OSError(errno.EINVAL, "the host's /dev/null is not the null device")
        self._empty = -1

    def mask(self, root_fd: int, path: str) -> None:
        """Cover a file with the null device, a directory with an empty read-only tmpfs; absent is fine."""
        target = _existing(root_fd, path)
        if target < 0:
            return
        try:
            if not stat.S_ISDIR(os.fstat(target).st_mode):
                cover = open_tree(self._null, "", OPEN_TREE_CLONE | 0x1000)
            elif self._empty < 0:  # the first; the others are its clones, for which older kernels want it mounted
                cover = filesystem("tmpfs", "tmpfs", ["nr_inodes=1"], MOUNT_ATTR_RDONLY)
                self._empty = os.dup(cover)
            else:
                cover = open_tree(self._empty, "", OPEN_TREE_CLONE | 0x1000)
            move_mount(cover, target)
            os.close(cover)
        finally:
            os.close(target)

    @staticmethod
    def read_only(root_fd: int, path: str) -> None:
        """Bind a path onto itself, read-only with everything mounted below it."""
        target = _existing(root_fd, path)
        if target < 0:
            return
        try:
            copy = open_tree(target, "", OPEN_TREE_CLONE | AT_RECURSIVE | 0x1000)
            mount_setattr(copy, attr_set=MOUNT_ATTR_RDONLY, recursive=True)
            move_mount(copy, target)
            os.close(copy)
        finally:
            os.close(target)

    @staticmethod
    def seal(root_fd: int, path: str) -> None:
        """Make the mount at a path read-only, without what is mounted below it."""
        target = _existing(root_fd, path)
        try:
            mount_setattr(target, attr_set=MOUNT_ATTR_RDONLY)
        finally:
            os.close(target)

    def close(self) -> None:
        """Close the templates."""
        os.close(self._null)
        if self._empty >= 0:
            os.close(self._empty)


def _existing(root_fd: int, path: str) -> int:
    try:
        return open_target(root_fd, path, directory=False, create=False)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            return -1
        raise
