"""Reading and writing a cgroup's files: bytes paths, one open, one call, one close. Errors name file and value."""

from __future__ import annotations

import os
from errno import EBUSY, EINVAL, ENOENT

from tiffin.errors import SystemFailure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tiffin.runtime.cgroup.settings import Setting


def read(path: bytes) -> bytes:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        text = os.read(fd, 65536)
        more = text
        while more:  # a page of kernfs at a time; most files end at once
            more = os.read(fd, 65536)
            text += more
        return text
    finally:
        os.close(fd)


def write(path: bytes, value: bytes) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, value)
    finally:
        os.close(fd)


def pairs(text: bytes) -> dict[str, int]:
    """ "key value" lines, as memory.stat and memory.events have them."""
    found = {}
    for line in text.decode().splitlines():
        key, _, value = line.partition(" ")
        if value.strip("-").isdigit():
            found[key] = int(value)
    return found


def apply(directories: dict[str, bytes], plan: list[Setting]) -> None:
    """Write every setting. One that is refused may depend on another (memory on memsw): it is tried again last."""
    refused: list[Setting] = []
    for setting in plan:
        try:
            _apply_one(directories, setting)
        except OSError as error:
            if error.errno not in (EINVAL, EBUSY) or len(plan) == 1:
                raise failure(setting, error) from error
            refused.append(setting)
    for setting in refused:
        try:
            _apply_one(directories, setting)
        except OSError as error:
            raise failure(setting, error) from error


def _apply_one(directories: dict[str, bytes], setting: Setting) -> None:
    controller, choices = setting
    directory = directories.get(controller)
    if directory is None:
        file = choices[0][0]
        raise SystemFailure(f"cgroup: cannot set {file.decode()}: the {controller} controller is not available")
    for file, value in choices[:-1]:
        try:
            return write(directory + b"/" + file, value)
        except FileNotFoundError:
            pass
    file, value = choices[-1]
    return write(directory + b"/" + file, value)


def failure(setting: Setting, error: OSError) -> SystemFailure:
    file, value = setting[1][-1]
    reason = os.strerror(error.errno or 0).lower()
    if error.errno == ENOENT:
        reason = "the kernel or the parent group does not offer it"
    if file.startswith(b"memory.") and error.errno == EBUSY:
        reason = "the group uses more than that"
    return SystemFailure(f'cgroup: failed to write "{value.decode()}" to {file.decode()}: {reason}')
