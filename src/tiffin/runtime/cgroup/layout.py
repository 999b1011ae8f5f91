"""Which cgroup hierarchies this process sees, and where in each of them it stands.

Three kinds of machine:

    v1      one tree per controller                     /sys/fs/cgroup/{cpu,memory,…}
    hybrid  the same, and a v2 tree beside them         /sys/fs/cgroup/{cpu,memory,…,unified}
    v2      one tree with every controller              /sys/fs/cgroup

The groups that the engine makes are children of its own group, which may differ from hierarchy to hierarchy. Nothing
is written here. Sources: /proc/self/mountinfo and /proc/self/cgroup (man 7 cgroups); `parse` takes their text.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# The leaf that a v2 daemon moves itself into; it is not part of the daemon's place in the tree (see delegate.py).
DAEMON_LEAF = "tiffin-daemon"

V1, HYBRID, V2 = "v1", "hybrid", "v2"


class Hierarchy:
    """One mounted tree: its controllers, where it is mounted, and our own group below that mount ("/" is its top)."""

    __slots__ = ("base", "controllers", "mount", "own")

    def __init__(self, controllers: list[str], mount: str, own: str) -> None:
        self.controllers = controllers
        self.mount = mount
        self.own = own
        self.base = os.fsencode(mount if own == "/" else mount + own)


class Layout:
    """`version` is "v1", "hybrid" or "v2"; `trees` are the v1 hierarchies, `unified` is the v2 tree, if any."""

    __slots__ = ("trees", "unified", "version")

    def __init__(self, version: str, trees: list[Hierarchy], unified: Hierarchy | None) -> None:
        self.version = version
        self.trees = trees
        self.unified = unified

    @property
    def controllers(self) -> dict[str, tuple[str, str]]:
        """Controller → (mount point, own group's path below it). A named v1 hierarchy is "name=systemd"."""
        found: dict[str, tuple[str, str]] = {}
        trees = self.trees if self.version != V2 or self.unified is None else [self.unified]
        for tree in trees:
            for controller in tree.controllers:
                found[controller] = (tree.mount, tree.own)
        return found

    def to_json(self) -> dict[str, Any]:
        def one(tree: Hierarchy) -> dict[str, Any]:
            return {"controllers": tree.controllers, "mount": tree.mount, "own": tree.own}

        unified = self.unified
        trees = [one(tree) for tree in self.trees]
        return {"version": self.version, "trees": trees, "unified": one(unified) if unified is not None else None}

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Layout:
        unified = document["unified"]
        trees = [Hierarchy(**tree) for tree in document["trees"]]
        return cls(document["version"], trees, Hierarchy(**unified) if unified is not None else None)


def discover() -> Layout:
    """The layout that this process sees."""
    layout = parse(_read("/proc/self/mountinfo"), _read("/proc/self/cgroup"))
    if layout.unified is not None:
        path = os.fsdecode(layout.unified.base) + "/cgroup.controllers"
        layout.unified.controllers = _read(path).split()
    return layout


def parse(mountinfo: str, cgroup: str) -> Layout:
    """The layout that these two /proc files describe; the v2 tree's controllers are not in them and stay empty."""
    own_of = _own_groups(cgroup)
    trees: list[Hierarchy] = []
    unified: Hierarchy | None = None
    seen: set[str] = set()
    for line in mountinfo.splitlines():
        left, _, right = line.partition(" - ")
        kind, _, options = right.split(" ", 2) if right.count(" ") >= 2 else ("", "", "")
        if kind not in ("cgroup", "cgroup2"):
            continue
        fields = left.split(" ")
        root, mount = _unescape(fields[3]), _unescape(fields[4])
        if kind == "cgroup2":
            if unified is None:
                unified = Hierarchy([], mount, _below(root, own_of.get("", "/")))
            continue
        controllers = [option for option in options.split(",") if option in own_of]
        key = ",".join(controllers)
        if controllers and key not in seen:
            seen.add(key)
            trees.append(Hierarchy(controllers, mount, _below(root, own_of[controllers[0]])))
    if unified is not None:
        unified.own = _without_leaf(unified.own)
        unified.base = Hierarchy([], unified.mount, unified.own).base
    if not any(controller[:5] != "name=" for tree in trees for controller in tree.controllers):
        if unified is None:
            raise FileNotFoundError(2, "no cgroup hierarchy is mounted", "/sys/fs/cgroup")
        return Layout(V2, [], unified)
    return Layout(V1 if unified is None else HYBRID, trees, unified)


def _own_groups(cgroup: str) -> dict[str, str]:
    """Controller → own path, from /proc/self/cgroup ("4:memory:/a", "9:name=systemd:/", "0::/" is v2)."""
    own: dict[str, str] = {}
    for line in cgroup.splitlines():
        _, names, path = line.split(":", 2)
        for name in names.split(","):
            own[name] = path.removesuffix(" (deleted)")
    return own


def _below(root: str, path: str) -> str:
    """`path` as seen below a mount whose root is `root`; what lies outside of the mount is taken as its top."""
    if root == "/":
        inside = path
    elif path == root or path.startswith(root + "/"):
        inside = path[len(root) :] or "/"
    else:
        inside = "/"
    return "/" if inside.startswith("/..") else inside


def _without_leaf(own: str) -> str:
    parent, _, last = own.rpartition("/")
    return (parent or "/") if last == DAEMON_LEAF else own


def _unescape(field: str) -> str:
    """mountinfo writes space, tab, newline and backslash as \\040 and so on."""
    if "\\" not in field:
        return field
    head, *rest = field.split("\\")
    return head + "".join(chr(int(part[:3], 8)) + part[3:] for part in rest)


def _read(path: str) -> str:
    with open(path, "rb", buffering=0) as file:
        return os.fsdecode(file.readall())
