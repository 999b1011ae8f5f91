"""Listening sockets that outlive this daemon: taken over from netd, or made and handed to it.

netd keeps them through a planned restart and after a crash, so that no client sees a refused connection. Sockets that
systemd passes (fd://) are kept by systemd and never handed to netd.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable

from tiffin.network import netd
from tiffin.spawn import interpreter
from tiffin.spawn.channel import Channel, pair


class Keeper:
    """The daemon's connection to its netd."""

    def __init__(self, exec_root: str, log_fd: int | None = None) -> None:
        self._exec_root = exec_root
        self._log_fd = log_fd
        self._channel: Channel | None = None

    def listeners(self, hosts: list[str], make: Callable[[str], socket.socket]) -> list[socket.socket]:
        """One listening socket for each host, in order: what netd holds for it, or a new one from `make`."""
        channel = self._channel = netd.connect(self._exec_root) or self._start()
        labels, fds = netd.take(channel)
        held = dict(zip(labels, fds, strict=True))
        sockets = []
        for host in hosts:
            fd = held.pop(host, None)
            sockets.append(make(host) if fd is None else socket.socket(fileno=fd))
        for fd in held.values():
            os.close(fd)
        netd.hold(channel, hosts, [sock.fileno() for sock in sockets], unix_paths(hosts))
        return sockets

    def _start(self) -> Channel:
        ours, theirs = pair()
        os.set_inheritable(theirs.fileno(), True)
        arguments = f"{self._exec_root!r}, {theirs.fileno()}"
        interpreter.start("tiffin.network.netd", "main", arguments, [theirs.fileno()], self._log_fd)
        theirs.close()
        return ours

    def release(self) -> None:
        """The daemon stops for good: netd ends now and keeps nothing."""
        if self._channel is not None:
            self._channel.send({"op": "release"})
            self._channel.recv()  # its end

    def close(self) -> None:
        """Let netd keep everything for the next daemon."""
        if self._channel is not None:
            self._channel.close()


def unix_paths(hosts: list[str]) -> list[str]:
    """The socket files among the hosts."""
    return [host.removeprefix("unix://") for host in hosts if host.startswith("unix://")]
