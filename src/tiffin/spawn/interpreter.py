"""Start a Python process whose executable nobody inside a container can open for writing (CVE-2019-5736).

The interpreter is run from a detached, read-only, nosuid copy of its own mount (open_tree, mount_setattr): whatever
opens /proc/<pid>/exe of that process or of anything forked from it gets EROFS. Where the kernel refuses the copy, a
sealed memfd takes its place.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys

from tiffin.linux.mount import (
    AT_FDCWD,
    MOUNT_ATTR_NOSUID,
    MOUNT_ATTR_RDONLY,
    OPEN_TREE_CLONE,
    mount_setattr,
    open_tree,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_BOOT = "import sys;sys.path[:0]={paths!r};from {module} import {function} as f;f({arguments})"


def real_interpreter() -> str:
    """The path of this interpreter's executable file, with a virtual environment's links resolved."""
    return os.path.realpath(sys.executable)


def read_only_interpreter() -> int:
    """A descriptor of the interpreter that can be executed but never lead to a writable file."""
    path = real_interpreter()
    try:
        fd = open_tree(AT_FDCWD, path, OPEN_TREE_CLONE)
        mount_setattr(fd, attr_set=MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID)
        return fd
    except OSError:
        return _sealed_copy(path)


def _sealed_copy(path: str) -> int:
    memfd = os.memfd_create("python", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    with open(path, "rb") as source:
        while os.sendfile(memfd, source.fileno(), None, 1 << 30):
            pass
    seals = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
    fcntl.fcntl(memfd, fcntl.F_ADD_SEALS, seals)
    return memfd


def module_paths() -> list[str]:
    """Where this process finds modules: handed on, since the new interpreter runs without `site`."""
    return [os.path.abspath(path) for path in sys.path if path]


def start(module: str, function: str, arguments: str, pass_fds: Sequence[int], log_fd: int | None = None) -> int:
    """Start `module.function(arguments)` in a new interpreter and return its pid.

    `arguments` is Python source. The process gets `pass_fds` under the same numbers, /dev/null as its stdin, and
    `log_fd` (default: this process's stderr) as stdout and stderr. The caller is not its reaper of record: it must
    wait for the pid, or be told of its end by a socket.
    """
    interpreter = read_only_interpreter()
    try:
        code = _BOOT.format(paths=module_paths(), module=module, function=function, arguments=arguments)
        output = 2 if log_fd is None else log_fd
        process = subprocess.Popen(
            [real_interpreter(), "-I", "-S", "-c", code],
            executable=f"/proc/self/fd/{interpreter}",
            pass_fds=[interpreter, *pass_fds],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            env={"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8"},
        )
    finally:
        os.close(interpreter)
    process.returncode = 0  # the pid is ours to wait for, not subprocess's destructor's
    return process.pid
