"""Which binds, volumes and tmpfs a container gets: from -v, --mount, --tmpfs, --volumes-from and the image's VOLUMEs.

Everything is resolved at create to a list of MountRecords, one per destination. Named and anonymous volumes are plain
directories `<data_root>/volumes/<name>/_data`, made here. Docker's default mounts (/proc, /dev, …) are not here but in
`ocispec/mounts.py`. Words are Docker's.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence

from tiffin.engine.containers.record import MountRecord
from tiffin.engine.containers.settings import Settings
from tiffin.engine.containers.validate import normal
from tiffin.errors import InvalidParameter
from tiffin.spec.container import ContainerConfig, HostConfig, Mount

_VOLUME_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]+\Z")
_PROPAGATION = ("private", "rprivate", "shared", "rshared", "slave", "rslave")
_MODES = {"ro", "rw", "z", "Z", "nocopy", "consistent", "cached", "delegated", *_PROPAGATION}

# Files that lxcfs and its like may stand in for; anything else below /proc would dodge the masks (CVE-2019-16884).
_PROC_FILES = {
    "/proc/cpuinfo",
    "/proc/diskstats",
    "/proc/meminfo",
    "/proc/stat",
    "/proc/swaps",
    "/proc/uptime",
    "/proc/loadavg",
    "/proc/slabinfo",
    "/proc/net/dev",
    "/proc/sys/kernel/ns_last_pid",
    "/proc/sys/crypto/fips_enabled",
}

OtherMounts = Callable[[str], Sequence[MountRecord]]


class MountPlan:
    """Collects mounts by destination; a destination asked for twice is an error, except that VOLUMEs give way."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._by_destination: dict[str, MountRecord] = {}

    def add(self, mount: MountRecord) -> None:
        if mount.destination in self._by_destination:
            raise InvalidParameter(f"Duplicate mount point: {mount.destination}")
        self._by_destination[mount.destination] = mount

    def has(self, destination: str) -> bool:
        return destination in self._by_destination

    def override(self, mount: MountRecord) -> None:
        self._by_destination[mount.destination] = mount

    def volume(self, name: str, destination: str, **more: object) -> MountRecord:
        """A named volume, or an anonymous one when the name is empty."""
        anonymous = not name
        name = name or os.urandom(32).hex()
        mount = MountRecord(
            type="volume",
            name=name,
            source=self._settings.volume_dir(name),
            destination=destination,
            driver="local",
            anonymous=anonymous,
            copy_up=True,
        )
        for key, value in more.items():
            setattr(mount, key, value)
        return mount

    def finish(self) -> list[MountRecord]:
        """Makes the volumes' directories; parents come before what is mounted inside them."""
        mounts = sorted(self._by_destination.values(), key=lambda mount: mount.destination.count("/"))
        for mount in mounts:
            if mount.type == "volume" and not os.path.isdir(mount.source):
                os.makedirs(os.path.dirname(mount.source), mode=0o701, exist_ok=True)
                os.makedirs(mount.source, mode=0o755, exist_ok=True)
        return mounts


def plan(config: ContainerConfig, host: HostConfig, settings: Settings, other: OtherMounts) -> list[MountRecord]:
    """`other` gives the mounts of another container, for --volumes-from."""
    mounts = MountPlan(settings)
    for spec in host.volumes_from or ():
        for inherited in _volumes_from(spec, other):
            mounts.override(inherited)
    given: set[str] = set()
    for spec in host.binds or ():
        _give(mounts, given, _bind(spec, mounts))
    for mount in host.mounts or ():
        _give(mounts, given, _mount(mount, mounts))
    for destination, options in (host.tmpfs or {}).items():
        where = _destination(destination, destination)
        _give(mounts, given, MountRecord(type="tmpfs", source="", destination=where, mode=options, driver="--tmpfs"))
    for path in config.volumes or ():
        destination = _destination(path, path)
        if not mounts.has(destination):
            _refuse_kernel_paths(destination)
            mounts.add(mounts.volume("", destination))
    return mounts.finish()


def _give(mounts: MountPlan, given: set[str], mount: MountRecord) -> None:
    """What the user names twice is an error; what he names wins over --volumes-from."""
    if mount.destination in given:
        raise InvalidParameter(f"Duplicate mount point: {mount.destination}")
    if mount.type != "bind" or mount.destination != "/proc":
        _refuse_kernel_paths(mount.destination)
    given.add(mount.destination)
    mounts.override(mount)


def _refuse_kernel_paths(destination: str) -> None:
    if destination == "/proc" or (destination.startswith("/proc/") and destination not in _PROC_FILES):
        raise InvalidParameter(f'"{destination}" cannot be mounted because it is inside /proc')


def _destination(path: str, spec: str) -> str:
    if not path.startswith("/"):
        raise InvalidParameter(
            f"invalid volume specification: '{spec}': invalid mount config for type \"volume\": "
            f"invalid mount path: '{path}' mount path must be absolute"
        )
    destination = normal(path)
    if destination == "/":
        raise InvalidParameter(
            f"invalid volume specification: '{spec}': invalid specification: destination can't be '/'"
        )
    return destination


def _bind(spec: str, mounts: MountPlan) -> MountRecord:
    """`source:destination[:options]`; an absolute source is a host path, anything else a volume's name."""
    parts = spec.split(":")
    if not 2 <= len(parts) <= 3 or not all(parts):
        raise InvalidParameter(f"invalid volume specification: '{spec}'")
    source, destination = parts[0], _destination(parts[1], spec)
    mode = parts[2] if len(parts) == 3 else ""
    options = mode.split(",") if mode else []
    if unknown := [option for option in options if option not in _MODES]:
        raise InvalidParameter(f"invalid mode: {unknown[0]}")
    if len({"ro", "rw"} & set(options)) == 2 or len(set(_PROPAGATION) & set(options)) > 1:
        raise InvalidParameter(f"invalid mode: {mode}")
    writable = "ro" not in options
    if not source.startswith("/"):
        check_volume_name(source)
        copy_up = "nocopy" not in options
        return mounts.volume(source, destination, rw=writable, mode=mode or "z", copy_up=copy_up)
    propagation = next((option for option in options if option in _PROPAGATION), "rprivate")
    return MountRecord(
        type="bind",
        source=normal(source),
        destination=destination,
        mode=mode,
        rw=writable,
        propagation=propagation,
        options=["create"],
    )


def check_volume_name(name: str) -> None:
    if not _VOLUME_NAME.match(name):
        raise InvalidParameter(
            f'"{name}" includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are '
            "allowed. If you intended to pass a host directory, use absolute path"
        )


def _mount(mount: Mount, mounts: MountPlan) -> MountRecord:
    complaint = f'invalid mount config for type "{mount.type}": '
    if not mount.target:
        raise InvalidParameter(complaint + "field Target must not be empty")
    if not mount.target.startswith("/"):
        raise InvalidParameter(complaint + f"invalid mount path: '{mount.target}' mount path must be absolute")
    destination = normal(mount.target)
    if destination == "/":
        raise InvalidParameter(complaint + "invalid specification: destination can't be '/'")
    if mount.type == "bind":
        return _mount_bind(mount, destination, complaint)
    if mount.type == "volume":
        options = mount.volume_options
        if mount.source:
            check_volume_name(mount.source)
        made = mounts.volume(mount.source, destination, rw=not mount.read_only, mode="z")
        made.copy_up = not (options and options.no_copy)
        if options and options.subpath:
            made.source = _subpath(made.source, options.subpath, complaint)
        return made
    if mount.type == "tmpfs":
        if mount.source:
            raise InvalidParameter(complaint + "field Source must not be specified")
        return MountRecord(
            type="tmpfs", source="", destination=destination, rw=not mount.read_only, options=_tmpfs_options(mount)
        )
    raise InvalidParameter(f"invalid mount config: mount type unknown: \"{mount.type}\"")


def _mount_bind(mount: Mount, destination: str, complaint: str) -> MountRecord:
    options = mount.bind_options
    if not mount.source:
        raise InvalidParameter(complaint + "field Source must not be empty")
    if not mount.source.startswith("/"):
        raise InvalidParameter(complaint + f"invalid mount path: '{mount.source}' mount path must be absolute")
    propagation = (options and options.propagation) or "rprivate"
    if propagation not in _PROPAGATION:
        raise InvalidParameter(complaint + f"invalid propagation mode: {propagation}")
    create = bool(options and options.create_mountpoint)
    if not create and not os.path.lexists(mount.source):
        raise InvalidParameter(complaint + f"bind source path does not exist: {mount.source}")
    flags = (["create"] if create else []) + (["bind"] if options and options.non_recursive else [])
    return MountRecord(
        type="bind",
        source=normal(mount.source),
        destination=destination,
        rw=not mount.read_only,
        propagation=propagation,
        options=flags,
    )


def _subpath(root: str, subpath: str, complaint: str) -> str:
    if subpath.startswith("/") or ".." in subpath.split("/"):
        raise InvalidParameter(complaint + "subpath must be a relative path within the volume")
    return f"{root}/{subpath}"


def _tmpfs_options(mount: Mount) -> list[str]:
    options = mount.tmpfs_options
    if options is None:
        return []
    found = [f"size={options.size_bytes}"] if options.size_bytes else []
    if options.mode:
        found.append(f"mode={options.mode:o}")
    return found + ["=".join(option) for option in options.options or ()]


def _volumes_from(spec: str, other: OtherMounts) -> list[MountRecord]:
    name, _, mode = spec.partition(":")
    if not name or mode not in ("", "ro", "rw", "z", "Z"):
        raise InvalidParameter(f"invalid volumes-from specification: {spec}")
    inherited = []
    for mount in other(name):
        if mount.type in ("bind", "volume"):
            copy = MountRecord(**{field: getattr(mount, field) for field in mount.__struct_fields__})
            copy.rw = mount.rw and mode != "ro"
            inherited.append(copy)
    return inherited
