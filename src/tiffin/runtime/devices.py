"""/dev inside a container: the device nodes every program expects, the links beside them, and those asked for.

Source: OCI runtime spec, config-linux.md "Default Devices".
"""

from __future__ import annotations

import os
import stat

from tiffin.runtime.inroot import open_target

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_DEFAULT = {"null": (1, 3), "zero": (1, 5), "full": (1, 7), "random": (1, 8), "urandom": (1, 9), "tty": (5, 0)}
_LINKS = {
    "fd": "/proc/self/fd",
    "stdin": "/proc/self/fd/0",
    "stdout": "/proc/self/fd/1",
    "stderr": "/proc/self/fd/2",
    "core": "/proc/kcore",
    "ptmx": "pts/ptmx",
}
_KINDS = {"c": stat.S_IFCHR, "u": stat.S_IFCHR, "b": stat.S_IFBLK, "p": stat.S_IFIFO}


def populate(root_fd: int, extra: list[dict[str, Any]]) -> None:
    """Make the default nodes and links, and the spec's linux.devices. Runs with umask 0."""
    dev = open_target(root_fd, "/dev", directory=True, links=False)
    try:
        for name, (major, minor) in _DEFAULT.items():
            _node(dev, name, stat.S_IFCHR | 0o666, os.makedev(major, minor))
        for name, target in _LINKS.items():
            try:
                os.symlink(target, name, dir_fd=dev)
            except FileExistsError:
                pass
    finally:
        os.close(dev)
    for device in extra:
        _extra(root_fd, device)


def _extra(root_fd: int, device: dict[str, Any]) -> None:
    directory, _, name = device["path"].rpartition("/")
    parent = open_target(root_fd, directory or "/", directory=True)
    try:
        mode = _KINDS[device["type"]] | device.get("fileMode", 0o666)
        _node(parent, name, mode, os.makedev(device.get("major", 0), device.get("minor", 0)))
        if device.get("uid") or device.get("gid"):
            os.chown(name, device.get("uid", 0), device.get("gid", 0), dir_fd=parent, follow_symlinks=False)
    finally:
        os.close(parent)


def _node(parent: int, name: str, mode: int, device: int) -> None:
    try:
        os.mknod(name, mode, device, dir_fd=parent)
    except FileExistsError:
        pass
