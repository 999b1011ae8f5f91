"""Compiled filters on disk, so that a start reads 5 KB instead of compiling for some milliseconds.

    <dir>/                 0700
      <sha256>[-<flags>].bpf    0600, an array of struct sock_filter; named by what went in, flags in hex

The name covers the OCI document (which has profile, capabilities and architectures in it), libseccomp's version and
COMPILER, so nothing is ever invalidated: what changed has another name. Files appear by rename, whole or not at all.
"""

from __future__ import annotations

import hashlib
import json
import os

from tiffin.errors import InvalidParameter
from tiffin.linux import libseccomp
from tiffin.runtime.seccomp.compile import compile
from tiffin.runtime.seccomp.install import filter_flags

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

COMPILER = 1  # raised when compile.py or bpf.py give another program for the same document


class FilterCache:
    """Programs by document. One instance per daemon; several threads or daemons may share a directory."""

    __slots__ = ("_directory",)

    def __init__(self, directory: str) -> None:
        os.makedirs(directory, mode=0o700, exist_ok=True)
        self._directory = directory

    def path_for(self, oci_seccomp: dict[str, Any]) -> str:
        """The path of the compiled program, compiled now if it is not there. Errors are compile()'s."""
        text = json.dumps(oci_seccomp, sort_keys=True, separators=(",", ":"))
        key = hashlib.sha256(f"{COMPILER}\0{libseccomp.version()}\0{text}".encode()).hexdigest()
        flags = _flags(oci_seccomp.get("flags"))
        path = f"{self._directory}/{key}-{flags:x}.bpf" if flags else f"{self._directory}/{key}.bpf"
        if not _whole(path):
            _write(path, compile(oci_seccomp))
        return path


def _flags(names: list[str] | None) -> int:
    try:
        return filter_flags(names)
    except KeyError as error:
        raise InvalidParameter(f"seccomp flag {error.args[0]!r} is not known or not supported") from None


def _whole(path: str) -> bool:
    try:
        size = os.stat(path).st_size
    except FileNotFoundError:
        return False
    return size > 0 and size % 8 == 0  # after a crash of the machine a file may be empty


def _write(path: str, program: bytes) -> None:
    temporary = f"{path}.{os.getpid()}.{os.urandom(4).hex()}"
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        with open(fd, "wb") as file:
            file.write(program)
        os.rename(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
