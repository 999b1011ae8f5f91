"""The groups above a container's: what must be so before a container's group can be made there.

v2:  a group with processes cannot give controllers to its children (the "no internal processes" rule), so the daemon
     steps down into a leaf, and with it whatever shares its group:

         <own>/                   was the daemon's; its subtree_control now has the controllers
         ├── tiffin-daemon/       daemon, spawner, shims
         └── tiffin/              the parent of containers, same controllers
             └── <id>/            a container

     Nothing above <own> is touched: it was delegated to us (systemd's Delegate=yes) or is the root of the tree.
v1:  a new cpuset has no cpu and no memory node and takes no process until both are set. clone_children lets every
     group below inherit them, so a container's own group costs no read and no write.
"""

from __future__ import annotations

import os
from errno import EBUSY, EINVAL, ENOENT, ENOTSUP, ESRCH

from tiffin.errors import SystemFailure
from tiffin.runtime.cgroup.files import read, write
from tiffin.runtime.cgroup.layout import DAEMON_LEAF, V2

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tiffin.runtime.cgroup.layout import Hierarchy, Layout

# What a container's limits and figures need; others (rdma, misc, perf_event) are left to the host.
WANTED = ("cpuset", "cpu", "io", "memory", "pids", "hugetlb")


def prepare(layout: Layout, parent: str) -> None:
    """At the daemon's start: make `parent` ("/tiffin") in every hierarchy and ready for containers' groups."""
    if layout.version == V2 and layout.unified is not None:
        own = layout.unified.base
        if layout.unified.own != "/" or os.path.exists(own + b"/cgroup.type"):
            _step_down(own)
        make_parents(layout.unified, os.fsencode(parent) + b"/.", controllers=True)
        return
    for tree in (*layout.trees, layout.unified):
        if tree is not None:
            make_parents(tree, os.fsencode(parent) + b"/.", controllers=False)


def withdraw(layout: Layout, parent: str) -> None:
    """Remove the group of all containers from every hierarchy, where it is empty."""
    trees = [*layout.trees, *([layout.unified] if layout.unified is not None else [])]
    for tree in trees:
        try:
            os.rmdir(tree.base + os.fsencode(parent))
        except OSError:
            pass  # still used, or never made


def make_parents(tree: Hierarchy, path: bytes, *, controllers: bool) -> None:
    """Make every group above the last component of `path`, which is relative to our own group in that tree."""
    current = tree.base
    cpuset = "cpuset" in tree.controllers and not controllers
    if controllers:
        enable(current, tree.controllers)
    for component in path.split(b"/")[1:-1]:
        above, current = current, current + b"/" + component
        try:
            os.mkdir(current, 0o755)
        except FileExistsError:
            pass
        if controllers:
            enable(current, tree.controllers)
        elif cpuset:
            inherit_cpuset(above, current)


def enable(group: bytes, available: list[str]) -> None:
    """Give the children of a v2 group the controllers that it has; those that cannot be given are left out."""
    wanted = [name for name in WANTED if name in available]
    if not wanted:
        return
    file = group + b"/cgroup.subtree_control"
    try:
        write(file, " ".join("+" + name for name in wanted).encode())
        return
    except OSError as error:
        if error.errno == EBUSY:
            raise SystemFailure(f"cgroup: {os.fsdecode(group)} has processes, so its children get no limits") from error
        if error.errno not in (EINVAL, ENOENT, ENOTSUP):
            raise
    for name in wanted:  # one of them is not available here: take the others
        try:
            write(file, b"+" + name.encode())
        except OSError as error:
            if error.errno not in (EINVAL, ENOENT, ENOTSUP):
                raise


def inherit_cpuset(above: bytes, group: bytes) -> None:
    """Give a v1 cpuset its parent's cpus and memory nodes where it has none, and let its children inherit them."""
    for file in (b"/cpuset.cpus", b"/cpuset.mems"):
        if not read(group + file).strip():
            write(group + file, read(above + file))
    write(group + b"/cgroup.clone_children", b"1")


def _step_down(own: bytes) -> None:
    """Move every process of the group `own` into its leaf; bounded, since new ones may appear meanwhile."""
    leaf = own + b"/" + DAEMON_LEAF.encode()
    try:
        os.mkdir(leaf, 0o755)
    except FileExistsError:
        pass
    for _ in range(100):
        pids = read(own + b"/cgroup.procs").split()
        if not pids:
            return
        for pid in pids:
            if pid == b"0":  # a process of a foreign pid namespace: not ours to move
                continue
            try:
                write(leaf + b"/cgroup.procs", pid)
            except OSError as error:
                if error.errno not in (ESRCH, EINVAL):  # EINVAL: a kernel thread or an exiting process
                    raise
    raise SystemFailure(f"cgroup: processes keep appearing in {os.fsdecode(own)}")
