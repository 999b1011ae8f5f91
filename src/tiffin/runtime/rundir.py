"""What a shim leaves in its container's run directory, for daemons that come later.

    <exec-root>/<id>/    0700, made by the supervisor, with config.json
        shim.sock        SOCK_SEQPACKET, 0600: how to reach the shim
        init.pid         pids with their start times, boot id, cgroup layout
"""

from __future__ import annotations

import _socket
import json
import os

from tiffin.runtime.bootid import boot_id, start_time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tiffin.runtime.cgroup.layout import Layout


def listen(run_dir: str) -> _socket.socket:
    """The socket for later daemons; bound by way of a descriptor, since a socket's path may have 107 bytes only."""
    directory = os.open(run_dir, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    listener = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET | _socket.SOCK_CLOEXEC)
    old = os.umask(0o177)
    try:
        listener.bind(f"/proc/self/fd/{directory}/shim.sock")
    finally:
        os.umask(old)
        os.close(directory)
    listener.listen(8)
    listener.setblocking(False)
    return listener


def record_pids(run_dir: str, pid: int, layout: Layout) -> None:
    """Who runs here. With the layout: a later daemon may itself stand in another group and would look there."""
    shim = os.getpid()
    pids = {"pid": pid, "start_time": start_time(pid), "shim": shim, "shim_start_time": start_time(shim)}
    text = json.dumps({**pids, "boot_id": boot_id(), "layout": layout.to_json()})
    fd = os.open(f"{run_dir}/init.pid", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)
