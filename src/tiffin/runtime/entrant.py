"""The child of an exec: joins the container's group and namespaces, then becomes the program as init does."""

from __future__ import annotations

import os

from tiffin.linux.namespaces import (
    CLONE_NEWCGROUP,
    CLONE_NEWIPC,
    CLONE_NEWNET,
    CLONE_NEWNS,
    CLONE_NEWUTS,
    setns,
)
from tiffin.runtime import program, terminal
from tiffin.runtime.init import become

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tiffin.runtime.cgroup.group import Cgroup
    from tiffin.spawn.channel import Channel

_ALL = CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWCGROUP


class Entrant:
    """A process on its way into a running container; `run` never returns."""

    def __init__(self, request: dict[str, Any], channel: Channel, cgroup: Cgroup, in_v2: bool) -> None:
        self._request = request
        self._channel = channel
        self._cgroup = cgroup
        self._in_v2 = in_v2

    def run(self, init_pidfd: int, streams: tuple[int, int, int] | None, bpf: bytes | None) -> None:
        """Become the program, or report why not."""
        try:
            self._enter(init_pidfd, streams, bpf)
        except program.LaunchError as error:
            self._channel.send({"failed": str(error), "code": error.code})
        except OSError as error:
            self._channel.send({"failed": f"{error.strerror}", "code": program.FAILED})
        except Exception as error:
            message = getattr(error, "message", None) or f"{type(error).__name__}: {error}"
            self._channel.send({"failed": message, "code": program.FAILED})
        os._exit(1)

    def _enter(self, init_pidfd: int, streams: tuple[int, int, int] | None, bpf: bytes | None) -> None:
        self._cgroup.attach(0, v2=not self._in_v2)
        setns(init_pidfd, _ALL)
        process = self._request["process"]
        os.setsid()
        if process.get("terminal"):
            root = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            master, slave = terminal.open_pair(root)
            if size := self._request.get("console_size"):
                terminal.resize(master, size[0], size[1])
            self._channel.send({"ready": []}, [master])
            os.close(master)
            terminal.take(slave)
        else:
            self._channel.send({"ready": []})
            for number, fd in enumerate(streams or ()):
                os.dup2(fd, number)
        if self._channel.recv() is None:
            os._exit(1)
        os.umask(0o022)
        become(process, self._request.get("user") or "", self._request.get("group_add") or [], bpf, self._channel)
