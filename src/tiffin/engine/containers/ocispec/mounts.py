"""A container's mounts in order, as Docker lays them out: the kernel's own first, then what was asked for. No I/O.

    /proc  /dev  /dev/pts  /sys  /sys/fs/cgroup  /dev/mqueue  /dev/shm
    /etc/resolv.conf  /etc/hostname  /etc/hosts     from the container's directory
    binds, volumes, tmpfs                           parents before children

A default mount gives way to one that the user asked for at the same place.
"""

from __future__ import annotations

from typing import Any

from tiffin.engine.containers.ocispec.process import INIT_TARGET
from tiffin.engine.containers.record import MountRecord, Record
from tiffin.engine.containers.settings import Settings

Json = dict[str, Any]


def _mount(destination: str, kind: str, source: str, *options: str) -> Json:
    return {"destination": destination, "type": kind, "source": source, "options": list(options)}


# Shared by every spec and never changed.
_PROC = _mount("/proc", "proc", "proc", "nosuid", "noexec", "nodev")
_DEV = _mount("/dev", "tmpfs", "tmpfs", "nosuid", "strictatime", "mode=755", "size=65536k")
_PTS = _mount(
    "/dev/pts", "devpts", "devpts", "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"
)
_SYS = _mount("/sys", "sysfs", "sysfs", "nosuid", "noexec", "nodev", "ro")
_SYS_RW = _mount("/sys", "sysfs", "sysfs", "nosuid", "noexec", "nodev", "rw")
_CGROUP = _mount("/sys/fs/cgroup", "cgroup", "cgroup", "ro", "nosuid", "noexec", "nodev")
_CGROUP_RW = _mount("/sys/fs/cgroup", "cgroup", "cgroup", "rw", "nosuid", "noexec", "nodev")
_MQUEUE = _mount("/dev/mqueue", "mqueue", "mqueue", "nosuid", "noexec", "nodev")
_HOST_SHM = _mount("/dev/shm", "bind", "/dev/shm", "rbind", "rprivate")


def mounts(record: Record, settings: Settings, *, with_init: bool, ipc_pid: int | None) -> list[Json]:
    """`ipc_pid`: the process whose IPC namespace and /dev/shm are joined."""
    taken = {mount.destination for mount in record.mounts}
    found = [mount for mount in _kernel(record, ipc_pid) if mount["destination"] not in taken]
    found += [mount for mount in _etc(record, settings) if mount["destination"] not in taken]
    found += [_asked(mount) for mount in record.mounts]
    if with_init and settings.init_path:
        found.append(_mount(INIT_TARGET, "bind", settings.init_path, "bind", "ro"))
    return found


def _kernel(record: Record, ipc_pid: int | None) -> list[Json]:
    host = record.host_config
    found = [_PROC, _DEV, _PTS]
    found += [_SYS_RW, _CGROUP_RW] if host.privileged else [_SYS, _CGROUP]
    found.append(_MQUEUE)  # of the IPC namespace that it is mounted in, the host's too
    if host.ipc_mode == "host":
        found.append(_HOST_SHM)
    elif ipc_pid is not None:
        found.append(_mount("/dev/shm", "bind", f"/proc/{ipc_pid}/root/dev/shm", "rbind", "rprivate"))
    elif host.ipc_mode != "none":
        size = f"size={host.shm_size}"
        found.append(_mount("/dev/shm", "tmpfs", "shm", "nosuid", "noexec", "nodev", "mode=1777", size))
    return found


def _etc(record: Record, settings: Settings) -> list[Json]:
    directory = settings.container_dir(record.id)
    access = ("ro",) if record.host_config.readonly_rootfs else ()
    return [
        _mount(f"/etc/{name}", "bind", f"{directory}/{name}", "rbind", "rprivate", *access)
        for name in ("resolv.conf", "hostname", "hosts")
    ]


def _asked(mount: MountRecord) -> Json:
    if mount.type == "tmpfs":
        return _mount(mount.destination, "tmpfs", "tmpfs", *_tmpfs(mount))
    recursion = "bind" if "bind" in mount.options else "rbind"
    access = () if mount.rw else ("ro",)
    return _mount(mount.destination, "bind", mount.source, recursion, mount.propagation or "rprivate", *access)


def _tmpfs(mount: MountRecord) -> list[str]:
    """--tmpfs has noexec, nosuid, nodev unless it says otherwise; --mount type=tmpfs too."""
    asked = [option for option in mount.mode.split(",") if option] if mount.driver == "--tmpfs" else mount.options
    opposites = {"exec": "noexec", "suid": "nosuid", "dev": "nodev"}
    dropped = {opposites[option] for option in asked if option in opposites}
    return [option for option in ("noexec", "nosuid", "nodev") if option not in dropped and option not in asked] + [
        *asked,
        *(() if mount.rw else ("ro",)),
    ]
