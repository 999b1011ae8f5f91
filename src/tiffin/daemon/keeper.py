"""Listening sockets that outlive this daemon: taken over from netd, or made and handed to it.

netd keeps them through a planned restart and after a crash, so that no client sees a refused connection. Sockets that
systemd passes (fd://) are kept by systemd and never handed to netd.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Callable

from tiffin.network import netd
from tiffin.spawn import interpreter
from tiffin.spawn.channel import Channel, pair
from tiffin.spawn.client import wait_for

log = logging.getLogger("tiffin.daemon")
TRIES = 5


class Keeper:
    """The daemon's connection to its netd."""

    def __init__(self, exec_root: str, log_fd: int | None = None) -> None:
        self._exec_root = exec_root
        self._log_fd = log_fd
        self._channel: Channel | None = None
        self._pid = 0  # of a netd that this daemon started
        self._hosts: list[str] = []
        self._kept: list[int] = []

    def listeners(self, hosts: list[str], make: Callable[[str], socket.socket]) -> list[socket.socket]:
        """One listening socket for each host, in order: what netd holds for it, or a new one from `make`."""
        channel, labels, fds = self._take()
        held = dict(zip(labels, fds, strict=True))
        sockets = []
        for host in hosts:
            # Where somebody removed the socket's file, what is held cannot be reached any more.
            fd = held.pop(host, None) if all(map(os.path.exists, unix_paths([host]))) else None
            sockets.append(make(host) if fd is None else socket.socket(fileno=fd))
        for fd in held.values():
            os.close(fd)
        self._hosts, self._kept = hosts, [os.dup(sock.fileno()) for sock in sockets]
        netd.hold(channel, hosts, self._kept, unix_paths(hosts))
        return sockets

    def _take(self) -> tuple[Channel, list[str], list[int]]:
        """The running netd, or a new one; one that is just ending takes a connection and does not answer."""
        for _ in range(TRIES):
            channel = self._channel = netd.connect(self._exec_root) or self._start()
            try:
                return channel, *netd.take(channel)
            except OSError:
                channel.close()
        raise OSError("netd ends as soon as it is started")

    def watch(self) -> None:
        """Replace netd when it dies: the next crash of the daemon would find nobody who keeps the sockets."""
        if self._channel is not None:
            asyncio.get_running_loop().add_reader(self._channel.fileno(), self._died)

    def _died(self) -> None:
        channel, pid = self._channel, self._pid
        assert channel is not None
        log.warning("netd has died; another takes its place")
        loop = asyncio.get_running_loop()
        loop.remove_reader(channel.fileno())
        channel.close()
        if pid:
            loop.run_in_executor(None, wait_for, pid)
        self._channel = self._start()
        netd.hold(self._channel, self._hosts, self._kept, unix_paths(self._hosts))
        self.watch()

    def _start(self) -> Channel:
        ours, theirs = pair()
        os.set_inheritable(theirs.fileno(), True)
        arguments = f"{self._exec_root!r}, {theirs.fileno()}"
        self._pid = interpreter.start("tiffin.network.netd", "main", arguments, [theirs.fileno()], self._log_fd)
        theirs.close()
        return ours

    def release(self) -> None:
        """The daemon stops for good: netd ends now and keeps nothing."""
        channel = self._channel
        if channel is not None:
            try:
                channel.send({"op": "release"})
                channel.recv()  # its end
            except OSError:
                pass  # it has died just now, and keeps nothing
        self.close()

    def close(self) -> None:
        """Let netd keep everything for the next daemon."""
        channel, self._channel = self._channel, None
        if channel is not None:
            self._unwatch(channel)
            channel.close()
        for fd in self._kept:
            os.close(fd)
        self._kept = []

    def _unwatch(self, channel: Channel) -> None:
        try:
            asyncio.get_running_loop().remove_reader(channel.fileno())
        except RuntimeError:
            pass  # nothing runs that could have watched


def unix_paths(hosts: list[str]) -> list[str]:
    """The socket files among the hosts."""
    return [host.removeprefix("unix://") for host in hosts if host.startswith("unix://")]
