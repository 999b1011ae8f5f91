"""Facts about this machine, read from the kernel and from os-release. No state, nothing cached."""

from __future__ import annotations

import os
import platform
import shlex
import time

from tiffin.wire import rfc3339

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_FILESYSTEMS = {"ext4": "extfs", "ext3": "extfs", "ext2": "extfs", "overlay": "overlayfs"}


def now() -> str:
    return rfc3339.nano(time.time_ns())


def kernel_version() -> str:
    return platform.release()


def go_architecture() -> str:
    """The machine's architecture as image platforms name it."""
    machine = platform.machine()
    return _ARCHITECTURES.get(machine, machine)


def operating_system(etc: str = "/etc", lib: str = "/usr/lib") -> tuple[str, str]:
    """(name for people, version) of os-release."""
    for path in (f"{etc}/os-release", f"{lib}/os-release"):
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                fields = _os_release(file.read())
        except OSError:
            continue
        return fields.get("PRETTY_NAME") or fields.get("NAME") or "Linux", fields.get("VERSION_ID", "")
    return "Linux", ""


def _os_release(text: str) -> dict[str, str]:
    fields = {}
    for line in text.splitlines():
        name, equals, value = line.strip().partition("=")
        if not equals or name.startswith("#"):
            continue
        try:
            fields[name] = "".join(shlex.split(value))
        except ValueError:
            fields[name] = value
    return fields


def memory_total() -> int:
    """Bytes of memory."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def ipv4_forwarding() -> bool:
    try:
        with open("/proc/sys/net/ipv4/ip_forward", encoding="ascii") as file:
            return file.read(1) == "1"
    except OSError:
        return False


def backing_filesystem(path: str) -> str:
    """The file system that holds `path`, in the storage driver's words ("extfs", "xfs", "tmpfs", …)."""
    device = os.stat(path).st_dev
    wanted = f"{os.major(device)}:{os.minor(device)}"
    found = "<unknown>"
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        for line in file:
            fields = line.split(" ")
            if fields[2] == wanted:
                found = fields[fields.index("-") + 1]
    return _FILESYSTEMS.get(found, found)


def without_password(url: str) -> str:
    """A proxy's URL with its credentials masked."""
    scheme, separator, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    _, at, server = authority.rpartition("@")
    return f"{scheme}{separator}xxxxx:xxxxx@{server}{slash}{path}" if at else url
