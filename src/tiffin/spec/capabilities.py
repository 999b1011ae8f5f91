"""Capabilities by name: numbers, Docker's default set, and what --cap-add and --cap-drop make of it.

Names are upper case with the CAP_ prefix, as in the OCI runtime spec; a user may leave the prefix away, use any case
and say ALL. Numbers: include/uapi/linux/capability.h. Setting them on a process is linux/capabilities.py.
"""

from __future__ import annotations

from tiffin.errors import InvalidParameter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# Position is the capability's number.
_NAMES = (
    "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE "
    "NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT "
    "SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE "
    "AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ "
    "PERFMON BPF CHECKPOINT_RESTORE"
)
NAMES: tuple[str, ...] = tuple(f"CAP_{name}" for name in _NAMES.split())
NUMBERS: dict[str, int] = {name: number for number, name in enumerate(NAMES)}

ALL = "ALL"

# What a container gets that asks for nothing, in the order in which Docker lists it.
_DEFAULT = (
    "CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP NET_BIND_SERVICE SYS_CHROOT "
    "KILL AUDIT_WRITE"
)
DEFAULT: tuple[str, ...] = tuple(f"CAP_{name}" for name in _DEFAULT.split())


def known(last: int | None = None) -> list[str]:
    """Every name up to the number `last` (this kernel's, linux.capabilities.last_cap()); without it, all of them."""
    return list(NAMES if last is None else NAMES[: last + 1])


def normalize(names: Iterable[str], last: int | None = None) -> list[str]:
    """The names as the spec wants them, ALL kept as it is; an unknown one is InvalidParameter in Docker's words."""
    valid = known(last)
    result = []
    for raw in names:
        name = raw.upper()
        if name != ALL and not name.startswith("CAP_"):
            name = f"CAP_{name}"
        if name != ALL and name not in valid:
            raise InvalidParameter(f'unknown capability: "{name}"')
        result.append(name)
    return result


def apply_caps(
    add: Sequence[str] | None, drop: Sequence[str] | None, privileged: bool = False, last: int | None = None
) -> list[str]:
    """The container's capabilities. Privileged: all. Adding ALL: all but the dropped. Dropping ALL: just the added."""
    if privileged:
        return known(last)
    dropped, added = normalize(drop or (), last), normalize(add or (), last)
    if ALL in added:
        return [name for name in known(last) if name not in dropped]
    if ALL in dropped:
        return _unique(added)
    return _unique([name for name in DEFAULT if name not in dropped] + added)


def to_mask(names: Iterable[str]) -> int:
    """The bit mask that capset(2) takes; names this table lacks are a KeyError."""
    mask = 0
    for name in names:
        mask |= 1 << NUMBERS[name]
    return mask


def _unique(names: list[str]) -> list[str]:
    return list(dict.fromkeys(names))
