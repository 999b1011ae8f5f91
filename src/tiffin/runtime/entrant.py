"""The child of an exec: joins the container's group and namespaces, then has a sibling become the program.

    shim ──clone3──▶ entrant     group, namespaces, terminal    ── {"ready"} + terminal ──▶ shim
                                                                ◀── {"go"} ──
                                 descriptors, ids, capabilities, seccomp
                        └─clone─▶ program (the shim's child)    ── {"program": pid} ──▶ shim, or {"failed", …}

The entrant stays in the host's pid namespace. What the container's processes see is only the program, which is born
with its final privileges, inside, and without descriptors of ours: a container that may trace (CAP_SYS_PTRACE) gains
nothing by catching it (CVE-2016-9962).
"""

from __future__ import annotations

import fcntl
import os
import signal
import termios

from tiffin.linux.clone import clone_sibling
from tiffin.linux.namespaces import (
    CLONE_NEWCGROUP,
    CLONE_NEWIPC,
    CLONE_NEWNET,
    CLONE_NEWNS,
    CLONE_NEWPID,
    CLONE_NEWUTS,
    setns,
)
from tiffin.linux.process import PR_SET_PDEATHSIG, prctl
from tiffin.runtime import program, terminal
from tiffin.runtime.init import oom_score, settle

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tiffin.runtime.cgroup.group import Cgroup
    from tiffin.runtime.seccomp.install import Prepared
    from tiffin.spawn.channel import Channel

_ALL = CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWCGROUP


class Entrant:
    """A process on its way into a running container; `run` never returns."""

    def __init__(self, request: dict[str, Any], channel: Channel, cgroup: Cgroup, in_v2: bool) -> None:
        self._request = request
        self._channel = channel
        self._cgroup = cgroup
        self._in_v2 = in_v2

    def run(self, init_pidfd: int, streams: tuple[int, int, int] | None, seccomp: Prepared | None) -> None:
        """Become the program, or report why not."""
        try:
            self._enter(init_pidfd, streams, seccomp)
        except program.LaunchError as error:
            self._channel.send({"failed": str(error), "code": error.code})
        except OSError as error:
            self._channel.send({"failed": f"{error.strerror}", "code": program.FAILED})
        except Exception as error:
            message = getattr(error, "message", None) or f"{type(error).__name__}: {error}"
            self._channel.send({"failed": message, "code": program.FAILED})
        os._exit(1)

    def _enter(self, init_pidfd: int, streams: tuple[int, int, int] | None, seccomp: Prepared | None) -> None:
        self._cgroup.attach(0, v2=not self._in_v2)
        process = self._request["process"]
        if (score := process.get("oomScoreAdj")) is not None:
            oom_score(score)
        setns(init_pidfd, _ALL)
        if process.get("terminal"):
            root = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            master, slave = terminal.open_pair(root)
            if size := self._request.get("console_size"):
                terminal.resize(master, size[0], size[1])
            self._channel.send({"ready": []}, [master])
            streams = (slave, slave, slave)
        else:
            self._channel.send({"ready": []})
        for number, fd in enumerate(streams or ()):
            os.dup2(fd, number)
        if self._channel.recv() is None:
            os._exit(1)
        os.umask(0o022)
        user, groups = self._request.get("user") or "", self._request.get("group_add") or []
        file, env = settle(process, user, groups, seccomp, self._channel)
        if pid := clone_sibling():
            self._channel.send({"program": pid})
            os._exit(0)
        os.setsid()
        if process.get("terminal"):
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        program.execute(file, process["args"], env)
