"""One container's cgroup: the same path below our own group in every hierarchy of the machine.

    v1      <mount>/<own>/tiffin/<id>      in each of the controllers' trees
    hybrid  the same, and a group in the v2 tree for kill, freeze and clone3(CLONE_INTO_CGROUP)
    v2      <mount>/<own>/tiffin/<id>      once

Moving a running process by cgroup.procs makes the kernel wait for an RCU grace period, 5 to 8 ms on a quiet machine.
Two ways are free of it and make a container's start fast: clone3(CLONE_INTO_CGROUP) with `open_v2_dir`, and a
single-threaded process that moves itself in the v1 trees, which `attach(0)` does. Used by shim and daemon alike.
"""

from __future__ import annotations

import os
from errno import EBUSY, ENOSPC
from time import monotonic

from tiffin.errors import Conflict, SystemFailure
from tiffin.linux import bpf
from tiffin.runtime.cgroup import control, settings
from tiffin.runtime.cgroup.delegate import inherit_cpuset, make_parents
from tiffin.runtime.cgroup.device_bpf import assemble
from tiffin.runtime.cgroup.devices import reduce, v1_writes
from tiffin.runtime.cgroup.files import apply, pairs, read, write
from tiffin.runtime.cgroup.layout import V2
from tiffin.runtime.cgroup.stats import v1_stats, v2_stats

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tiffin.runtime.cgroup.layout import Hierarchy, Layout

REMOVE_S = 5.0


class Cgroup:
    """Handle on a group; holds paths only, so it survives its process and can be opened again by name."""

    __slots__ = ("_directories", "_layout", "_trees", "_v2", "path")

    def __init__(self, layout: Layout, path: str) -> None:
        parts = path.split("/")
        if parts[0] or len(parts) < 2 or not all(parts[1:]) or ".." in parts or "." in parts:
            raise SystemFailure(f"cgroup: {path!r} is not an absolute, clean path")
        self.path = path
        self._layout = layout
        end = os.fsencode(path)
        self._trees: list[tuple[Hierarchy, bytes]] = [(tree, tree.base + end) for tree in layout.trees]
        self._v2 = layout.unified.base + end if layout.unified is not None else None
        if layout.unified is not None and layout.version == V2:
            self._directories = dict.fromkeys(layout.unified.controllers, layout.unified.base + end)
        else:
            self._directories = {name: group for tree, group in self._trees for name in tree.controllers}

    @classmethod
    def open(cls, layout: Layout, path: str) -> Cgroup:
        """A handle on a group that was made earlier; nothing is checked."""
        return cls(layout, path)

    @classmethod
    def create(cls, layout: Layout, path: str, resources: dict[str, Any]) -> Cgroup:
        """Make the group with the limits and device rules of an OCI spec's `linux.resources`; undone if that fails."""
        group = cls(layout, path)
        try:
            group._make()
            group._apply(resources)
            group._restrict_devices(resources.get("devices") or [])
        except BaseException:
            group._discard()
            raise
        return group

    @property
    def is_v2(self) -> bool:
        """Whether the machine has the unified tree alone."""
        return self._layout.version == V2

    def attach(self, pid: int = 0, *, v2: bool = True) -> None:
        """Move a process into the group; 0 is the caller, which must have one thread. v2=False: it is there already."""
        me = pid in (0, os.getpid())
        text = b"0" if me else b"%d" % pid
        if v2 and self._v2 is not None:
            write(self._v2 + b"/cgroup.procs", text)
        file = b"/tasks" if me else b"/cgroup.procs"
        for tree, directory in self._trees:
            try:
                write(directory + file, text)
            except OSError as error:
                if error.errno != ENOSPC or "cpuset" not in tree.controllers:
                    raise
                inherit_cpuset(directory.rpartition(b"/")[0], directory)
                write(directory + file, text)

    def open_v2_dir(self) -> int | None:
        """The v2 tree's directory, for CLONE_INTO_CGROUP; None on a pure v1 machine. The caller closes it."""
        return os.open(self._v2, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC) if self._v2 is not None else None

    def update(self, resources: dict[str, Any]) -> None:
        """Change limits of a live group. Device rules stay as they were made."""
        self._apply(resources)

    def pids(self) -> list[int]:
        """Processes in the group and below it."""
        return control.pids(self._v2 or self._one_of("freezer", "pids", "memory"))

    def kill(self) -> None:
        """SIGKILL to every process in the group and below it."""
        if self._v2 is not None:
            control.kill(self._v2)
        else:
            control.v1_kill(self._one_of("freezer"))

    def freeze(self) -> None:
        """Stop all processes; returns when they stand still."""
        if self._v2 is not None:
            control.freeze(self._v2)
        else:
            control.v1_freeze(self._one_of("freezer"))

    def thaw(self) -> None:
        """Let them go on."""
        if self._v2 is not None:
            control.thaw(self._v2)
        else:
            control.v1_thaw(self._one_of("freezer"))

    def oom_kills(self) -> int:
        """How many of its processes the kernel killed for want of memory. 0 where memory is not controlled."""
        directory = self._directories.get("memory")
        if directory is None:
            return 0
        file = b"/memory.events" if self._layout.version == V2 else b"/memory.oom_control"
        try:
            return pairs(read(directory + file)).get("oom_kill", 0)
        except FileNotFoundError:
            return 0

    def stats(self) -> dict[str, Any]:
        """The kernel's counters in one shape for v1 and v2 (stats.py)."""
        return (v2_stats if self._layout.version == V2 else v1_stats)(self._directories)

    def describe(self) -> dict[str, str]:
        """Controller → directory on the host; "unified" is the v2 tree."""
        described = {name: os.fsdecode(directory) for name, directory in self._directories.items()}
        if self._v2 is not None:
            described["unified"] = os.fsdecode(self._v2)
        return described

    def remove(self) -> None:
        """Remove the group from every hierarchy. Processes that are still exiting are waited for, 5 s at most."""
        deadline = monotonic() + REMOVE_S
        for directory in self._all():
            control.remove(directory, deadline)

    def _all(self) -> list[bytes]:
        directories = [directory for _, directory in self._trees]
        return [*directories, self._v2] if self._v2 is not None else directories

    def _one_of(self, *names: str) -> bytes:
        for name in names:
            if name in self._directories:
                return self._directories[name]
        raise SystemFailure(f"cgroup: the {names[0]} controller is not mounted")

    def _make(self) -> None:
        for tree, directory in self._trees:
            self._mkdir(tree, directory, controllers=False)
        if self._v2 is not None and self._layout.unified is not None:
            self._mkdir(self._layout.unified, self._v2, controllers=self._layout.version == V2)

    def _mkdir(self, tree: Hierarchy, directory: bytes, *, controllers: bool) -> None:
        try:
            os.mkdir(directory, 0o755)
            return
        except FileNotFoundError:
            make_parents(tree, os.fsencode(self.path), controllers=controllers)
        except FileExistsError:  # left by a crash; its counters and limits are another container's
            if control.pids(directory):
                raise Conflict(f"cgroup: {os.fsdecode(directory)} exists and has processes") from None
            control.remove(directory, monotonic())
        os.mkdir(directory, 0o755)

    def _apply(self, resources: dict[str, Any]) -> None:
        if self._layout.version != V2:
            plan = settings.v1(resources)
            if plan:
                apply(self._directories, plan)
            return
        plan = settings.v2(resources)
        if not plan:
            return
        try:
            apply(self._directories, plan)
        except SystemFailure as error:
            # A parent that was made by somebody else has not given us its controllers yet.
            if not isinstance(error.__cause__, (FileNotFoundError, PermissionError)) or self._layout.unified is None:
                raise
            make_parents(self._layout.unified, os.fsencode(self.path), controllers=True)
            apply(self._directories, plan)

    def _restrict_devices(self, rules: list[dict[str, Any]]) -> None:
        directory = self._directories.get("devices")
        if directory is not None:
            for file, value in v1_writes(rules):
                write(directory + b"/" + file, value)
            return
        default, exceptions = reduce(rules)
        if default and not exceptions:
            return
        if self._v2 is None:
            raise SystemFailure("cgroup: device access cannot be restricted: no devices controller and no v2 tree")
        program = bpf.prog_load(bpf.BPF_PROG_TYPE_CGROUP_DEVICE, assemble(default, exceptions), b"tiffin_devices")
        try:
            target = os.open(self._v2, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                bpf.prog_attach(target, program, bpf.BPF_CGROUP_DEVICE, bpf.BPF_F_ALLOW_MULTI)
            finally:
                os.close(target)
        finally:
            os.close(program)

    def _discard(self) -> None:
        for directory in self._all():
            try:
                os.rmdir(directory)
            except OSError as error:
                if error.errno not in (2, EBUSY):
                    raise
