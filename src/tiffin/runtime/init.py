"""Init: from the clone to the container's program. Everything here runs as PID 1 of the new namespaces.

    shim ──clone3──▶ init     ── {"born"} + netns, rtnetlink ──▶ shim     the network is made meanwhile
                              mounts, pivot_root, devices, masks
                              ── {"ready", trace} + terminal ──▶ shim
                              ◀── {"go"} ──
                              limits, ids, capabilities, seccomp, execve    the socket closes: the program runs
                              ── {"failed", message, code} ──▶             or this

No module is imported from here on, nothing is logged, and no path of the image is opened but below its root.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # not `signal`: its Enums cost time and memory in each child
import fcntl
import json
import os
import signal
import socket
import struct
from time import perf_counter_ns

from tiffin.linux.mount import (
    AT_FDCWD,
    MNT_DETACH,
    MOUNT_ATTR_RDONLY,
    MS_PRIVATE,
    MS_SHARED,
    MS_SLAVE,
    mount_setattr,
    move_mount,
    pivot_root,
    umount2,
)
from tiffin.linux.namespaces import CLONE_NEWCGROUP, setns, unshare
from tiffin.linux.openat2 import RESOLVE_NO_MAGICLINKS, openat2
from tiffin.linux.process import (
    CLOSE_RANGE_CLOEXEC,
    PR_SET_DUMPABLE,
    PR_SET_PDEATHSIG,
    close_range,
    prctl,
    setdomainname,
    sethostname,
)
from tiffin.runtime import copyup, devices, identity, mounts, privileges, program, terminal
from tiffin.runtime.apparmor import apply_on_exec
from tiffin.runtime.inroot import make_directories, open_in_root
from tiffin.runtime.seccomp.install import Prepared, load
from tiffin.spawn.channel import Channel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tiffin.runtime.cgroup.group import Cgroup

SIOCSIFFLAGS = 0x8914
IFF_UP = 0x1

_PROPAGATION = {"shared": MS_SHARED, "rshared": MS_SHARED, "slave": MS_SLAVE, "rslave": MS_SLAVE}


class Init:
    """The new process; `run` never returns."""

    def __init__(self, request: dict[str, Any], channel: Channel, root_fd: int, cgroup: Cgroup, in_v2: bool) -> None:
        self._request = request
        self._spec: dict[str, Any] = {}
        self._linux: dict[str, Any] = {}
        self._channel = channel
        self._root = root_fd
        self._cgroup = cgroup
        self._in_v2 = in_v2
        self._trace: list[dict[str, Any]] = []
        self._seccomp: Prepared | None = None

    def run(self, streams: tuple[int, int, int] | None) -> None:
        """Become the program, or report why not."""
        try:
            with open(f"{self._request['run_dir']}/config.json", "rb") as file:
                self._spec = json.load(file)
            self._linux = self._spec.get("linux") or {}
            self._namespaces()
            self._timed("cgroup", self._join_cgroup, self._cgroup.describe())
            if path := self._request.get("seccomp_path"):
                self._seccomp = load(path)
            self._timed("mounts", self._mounts, None)
            slave = self._console()
            received = self._channel.recv()
            if received is None or "go" not in received[0]:
                os._exit(1)
            self._become(slave, streams)
        except program.LaunchError as error:
            self._fail(str(error), error.code)
        except OSError as error:
            self._fail(str(error.strerror if error.filename is None else f"{error.strerror}: {error.filename}"), 125)
        except Exception as error:
            self._fail(f"{getattr(error, 'message', None) or f'{type(error).__name__}: {error}'}", 125)
        os._exit(1)

    def _fail(self, message: str, code: int) -> None:
        self._channel.send({"failed": message, "code": code})

    def _timed(self, step: str, action: Any, facts: dict[str, Any] | None) -> None:
        start = perf_counter_ns()
        made = action()
        facts = made if facts is None else facts
        self._trace.append(
            {"step": step, "who": "init", "duration_us": (perf_counter_ns() - start) // 1000, "facts": facts}
        )

    def _namespaces(self) -> None:
        """Join what is shared with others; show the new ones to the shim."""
        fds: list[int] = []
        for entry in self._linux.get("namespaces") or ():
            if entry.get("path") and entry["type"] not in ("pid", "mount"):
                fd = os.open(entry["path"], os.O_RDONLY | os.O_CLOEXEC)
                setns(fd, 0)
                os.close(fd)
        own_network = any(n["type"] == "network" and not n.get("path") for n in self._linux.get("namespaces") or ())
        if own_network and not self._request.get("connect"):
            _loopback_up()
        if self._request.get("connect"):
            fds.append(os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC))
            route = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
            fds.append(route.detach())
        self._channel.send({"born": {name: os.readlink(f"/proc/self/ns/{name}") for name in _SHOWN}}, fds)
        for fd in fds:
            os.close(fd)

    def _join_cgroup(self) -> None:
        self._cgroup.attach(0, v2=not self._in_v2)
        if any(n["type"] == "cgroup" and not n.get("path") for n in self._linux.get("namespaces") or ()):
            unshare(CLONE_NEWCGROUP)

    def _mounts(self) -> dict[str, Any]:
        """Build the tree below the root and make it ours."""
        os.umask(0)
        paths = self._cgroup.describe() if not self._cgroup.is_v2 else {}
        planned = mounts.plan(self._spec, paths)
        binds = [mount for mount in planned if mount.fstype == "bind"]
        for mount in binds:
            mount.open_source()
        propagation = _PROPAGATION.get(self._linux.get("rootfsPropagation") or "", MS_PRIVATE)
        mount_setattr(AT_FDCWD, "/", propagation=MS_SLAVE if propagation != MS_PRIVATE else MS_PRIVATE, recursive=True)
        move_mount(self._root, AT_FDCWD, self._request["run_dir"])
        for volume in self._request.get("copy_up") or ():
            copyup.fill(self._root, volume["destination"], volume["source"])
        for mount in planned:
            if mount.fstype != "bind":
                mount.open_source()
            mount.attach(self._root)
        for mount in planned:
            if mount.seal:
                mounts.Masks.seal(self._root, mount.destination)
        devices.populate(self._root, self._linux.get("devices") or [])
        self._sysctl()
        self._cover()
        self._hostnames()
        os.fchdir(self._root)
        pivot_root(".", ".")
        umount2(".", MNT_DETACH)
        os.chdir("/")
        if (self._spec.get("root") or {}).get("readonly"):
            self._prepare_directory()
            mount_setattr(self._root, attr_set=MOUNT_ATTR_RDONLY)
        os.umask(0o022)
        return {"mounts": [mount.describe() for mount in planned], "readonly": bool(self._spec["root"].get("readonly"))}

    def _cover(self) -> None:
        masks = mounts.Masks()
        for path in self._linux.get("readonlyPaths") or ():
            masks.read_only(self._root, path)
        for path in self._linux.get("maskedPaths") or ():
            masks.mask(self._root, path)
        masks.close()

    def _sysctl(self) -> None:
        """Write sysctls through a procfs that no path of the image can redirect (CVE-2025-52881)."""
        settings = self._linux.get("sysctl") or {}
        if not settings:
            return
        proc = mounts.filesystem("proc", "proc", [], 0)
        for key, value in settings.items():
            fd = open_in_root(proc, "/sys/" + key.replace(".", "/"), os.O_WRONLY, links=False)
            try:
                os.write(fd, value.encode())
            finally:
                os.close(fd)
        os.close(proc)

    def _hostnames(self) -> None:
        """Set the host name where the UTS namespace is the container's own."""
        if any(n["type"] == "uts" and not n.get("path") for n in self._linux.get("namespaces") or ()):
            if name := self._spec.get("hostname"):
                sethostname(name)
            if domain := self._spec.get("domainname"):
                setdomainname(domain)

    def _console(self) -> int | None:
        """Report that the tree stands; with a terminal, hand its other end to the shim."""
        slave = None
        fds: list[int] = []
        if self._request.get("tty"):
            master, slave = terminal.open_pair(self._root)
            terminal.mount_console(self._root, slave)
            if size := self._request.get("console_size"):
                terminal.resize(master, size[0], size[1])
            fds.append(master)
        self._channel.send({"ready": self._trace}, fds)
        for fd in fds:
            os.close(fd)
        return slave

    def _prepare_directory(self) -> None:
        """Docker makes a working directory that the image lacks, owned by root."""
        cwd = self._spec["process"].get("cwd") or "/"
        if cwd != "/":
            try:
                make_directories(self._root, cwd)
            except OSError as error:
                if error.errno not in (30, 20):  # EROFS, ENOTDIR: the chdir that follows says it better
                    raise

    def _become(self, slave: int | None, streams: tuple[int, int, int] | None) -> None:
        process = self._spec["process"]
        os.setsid()
        if slave is not None:
            terminal.take(slave)
        elif streams is not None:
            for number, fd in enumerate(streams):
                os.dup2(fd, number)
        self._prepare_directory()
        os.close(self._root)
        user, groups = self._request.get("user") or "", self._request.get("group_add") or []
        become(process, user, groups, self._seccomp, self._channel)


_SHOWN = ("mnt", "pid", "net", "ipc", "uts", "cgroup")


def become(
    process: dict[str, Any], user: str, group_add: list[str], seccomp: Prepared | None, channel: Channel
) -> None:
    """The last steps: the process is inside, its streams are 0, 1 and 2; ends in execve."""
    if (score := process.get("oomScoreAdj")) is not None:
        oom_score(score)
    file, env = settle(process, user, group_add, seccomp, channel)
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    program.execute(file, process["args"], env)


def settle(
    process: dict[str, Any], user: str, group_add: list[str], seccomp: Prepared | None, channel: Channel
) -> tuple[str, dict[str, str]]:
    """Take on the limits, directory, identity and privileges of the program; its file and environment. As exec does.

    Everything else but the channel is closed before the first path of the image is looked at: a link in the image to
    /proc/self/fd/N would lead out, and execve resolves its path before it closes descriptors (CVE-2024-21626).
    """
    close_others(channel.fileno())
    who = identity.resolve(user, group_add, identity.read_rows("/etc/passwd"), identity.read_rows("/etc/group"))
    env = program.environment(process.get("env") or [], who.home)
    for fd in (0, 1, 2):
        terminal.give_to(fd, who.uid)
    privileges.set_limits(process.get("rlimits") or [])
    profile = process.get("apparmorProfile")
    proc = mounts.filesystem("proc", "proc", [], 0) if profile else -1
    close_range(3, flags=CLOSE_RANGE_CLOEXEC)
    _enter_directory(process.get("cwd") or "/", who)
    file = program.find(process["args"][0], env.get("PATH", ""))
    if profile:
        _apply_profile(proc, profile)
    for number in _IGNORED_HERE:
        _signal.signal(number, _signal.SIG_DFL)
    _signal.pthread_sigmask(_signal.SIG_SETMASK, ())
    prctl(PR_SET_DUMPABLE, 0)
    privileges.drop(process, who, seccomp)
    return file, env


# execve puts handlers back to the default, but what is ignored stays ignored: by interpreter, shim, spawner,
# or whoever started the daemon.
_IGNORED_HERE = (
    _signal.SIGPIPE, _signal.SIGXFSZ, _signal.SIGHUP, _signal.SIGINT, _signal.SIGTERM, _signal.SIGQUIT, _signal.SIGCHLD,
    _signal.SIGUSR1, _signal.SIGUSR2, _signal.SIGWINCH, _signal.SIGTSTP, _signal.SIGTTIN, _signal.SIGTTOU,
)  # fmt: skip


def close_others(kept: int) -> None:
    """Close all descriptors but the standard streams and `kept`."""
    if kept > 3:
        close_range(3, kept - 1)
    close_range(kept + 1)


def _enter_directory(cwd: str, who: identity.Identity) -> None:
    """chdir as the user would be allowed to, and make sure that it is inside (CVE-2024-21626)."""
    try:
        directory = openat2(AT_FDCWD, cwd, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC, 0, RESOLVE_NO_MAGICLINKS)
        os.fchdir(directory)
        os.close(directory)
    except OSError as error:
        reason = os.strerror(error.errno or 0).lower()
        raise program.LaunchError(f'chdir to cwd ("{cwd}") set in config.json failed: {reason}', 126) from None
    try:
        inside = os.getcwd().startswith("/")
    except FileNotFoundError:
        inside = False
    if not inside:
        raise program.LaunchError(f"current working directory is outside of container mount namespace root: {cwd}", 126)


def _loopback_up() -> None:
    """Without a network there is still a loopback; with one, who connects it brings the loopback up too."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as control:
        fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", IFF_UP))


def oom_score(score: int) -> None:
    """Set the caller's oom_score_adj, on the procfs that is mounted here."""
    fd = os.open("/proc/self/oom_score_adj", os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, str(score).encode())
    except PermissionError:
        pass  # lowering it needs CAP_SYS_RESOURCE, which not every host grants
    finally:
        os.close(fd)


def _apply_profile(proc: int, name: str) -> None:
    """Name the profile of the next exec on a procfs of our own; a profile that is not loaded is ENOENT."""
    try:
        apply_on_exec(name, proc)
    except OSError as error:
        reason = os.strerror(error.errno or 0).lower()
        raise program.LaunchError(
            f"unable to apply apparmor profile: apparmor failed to apply profile {name}: {reason}"
        ) from None
