"""netd: a small process that keeps sockets alive while no daemon is there to hold them.

It outlives the daemon: a planned restart fails no request, and after a kill -9 later requests wait in the backlog of
the listening sockets kept here until the next daemon takes them up. A program of its own, started by the daemon.

    daemon → netd   {"op": "hold", "labels": [host, …], "unlink": [path, …]} + the sockets   replaces what was held
                    {"op": "take"}       answered with {"labels": […]} + the sockets
                    {"op": "release"}    end for good: the daemon stops and wants nothing kept

The daemon's connection stays open for as long as it lives. When it closes, netd waits LINGER_S for the next one; then
it gives the sockets up, removes their paths and ends, so that clients see a refused connection and not a silence.
A path is removed only while it is still the socket that netd held: another daemon may have put its own there.
"""

from __future__ import annotations

import os
import select
import signal
import socket
from time import monotonic

from tiffin.linux.process import PR_SET_DUMPABLE, prctl, set_name
from tiffin.spawn.channel import Channel

LINGER_S = 10.0
SOCKET_NAME = "netd.sock"


class Netd:
    """The keeper's state and loop."""

    def __init__(self, exec_root: str, control: Channel) -> None:
        self._exec_root = exec_root
        self._directory = os.open(exec_root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        self._listener = listen(self._directory)
        self._own_file = identity(SOCKET_NAME, self._directory)
        self._daemons = {control.fileno(): control}
        self._labels: list[str] = []
        self._unlink: dict[str, tuple[int, int] | None] = {}
        self._held: list[int] = []
        self._deadline: float | None = None
        self._released = False

    def serve(self) -> None:
        """Serve until released, or until no daemon has come for LINGER_S."""
        poll = select.poll()
        poll.register(self._listener, select.POLLIN)
        for fd in self._daemons:
            poll.register(fd, select.POLLIN)
        while not self._released:
            ready = poll.poll(self._timeout_ms())
            if not ready and self._deadline is not None and monotonic() >= self._deadline:
                break
            for fd, _ in ready:
                if fd == self._listener.fileno():
                    self._accept(poll)
                elif not self._command(self._daemons[fd]):
                    poll.unregister(fd)
                    self._daemons.pop(fd).close()
                    if not self._daemons:
                        self._deadline = monotonic() + LINGER_S
        self._end()

    def _accept(self, poll: select.poll) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError:
            return
        connection.setblocking(True)
        self._daemons[connection.fileno()] = Channel(connection)
        self._deadline = None
        poll.register(connection, select.POLLIN)

    def _timeout_ms(self) -> int | None:
        return None if self._deadline is None else max(0, int((self._deadline - monotonic()) * 1000) + 1)

    def _command(self, channel: Channel) -> bool:
        try:
            received = channel.recv()
        except OSError:
            received = None
        if received is None:
            return False
        message, fds = received
        operation = message["op"]
        if operation == "hold":
            self._drop()
            self._labels, self._held = message["labels"], fds
            self._unlink = {path: identity(path) for path in message["unlink"]}
        elif operation == "take":
            channel.send({"labels": self._labels}, self._held)
        elif operation == "release":
            self._released = True
        return True

    def _drop(self) -> None:
        for fd in self._held:
            os.close(fd)
        self._held = []

    def _end(self) -> None:
        # Our own socket goes last: who cannot reach us any more makes new ones, and finds the old paths gone.
        for path, held in () if self._released else self._unlink.items():
            remove(path, held)
        remove(SOCKET_NAME, self._own_file, self._directory)
        self._listener.close()
        os.close(self._directory)
        self._drop()


def identity(path: str, directory: int | None = None) -> tuple[int, int] | None:
    """Which file a path is now; None when there is none."""
    try:
        status = os.lstat(path, dir_fd=directory)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def remove(path: str, held: tuple[int, int] | None, directory: int | None = None) -> None:
    """Remove a path that is still the file that it was."""
    if held is not None and identity(path, directory) == held:
        try:
            os.unlink(path, dir_fd=directory)
        except OSError:
            pass


def listen(directory: int) -> socket.socket:
    """The socket that later daemons connect to; bound by way of the directory's descriptor (107 bytes of path)."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_CLOEXEC)
    try:
        os.unlink(SOCKET_NAME, dir_fd=directory)
    except FileNotFoundError:
        pass
    old = os.umask(0o177)
    try:
        sock.bind(f"/proc/self/fd/{directory}/{SOCKET_NAME}")
    finally:
        os.umask(old)
    sock.listen(8)
    sock.setblocking(False)
    return sock


def main(exec_root: str, control_fd: int) -> None:
    """Run as netd; `control_fd` is the socket of the daemon that starts it."""
    set_name("tiffin-netd")
    prctl(PR_SET_DUMPABLE, 0)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    Netd(exec_root, Channel.from_fd(control_fd)).serve()


def connect(exec_root: str) -> Channel | None:
    """The running netd of an exec root, or None."""
    try:
        directory = os.open(exec_root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_CLOEXEC)
    try:
        sock.connect(f"/proc/self/fd/{directory}/{SOCKET_NAME}")
    except OSError:
        sock.close()
        return None
    finally:
        os.close(directory)
    return Channel(sock)


def take(channel: Channel) -> tuple[list[str], list[int]]:
    """What netd holds: labels and descriptors. Raises OSError when it is ending at this moment."""
    channel.send({"op": "take"})
    received = channel.recv()
    if received is None:
        raise ConnectionResetError("netd has ended")
    return received[0]["labels"], received[1]


def hold(channel: Channel, labels: list[str], fds: list[int], unlink: list[str]) -> None:
    """Let netd keep these sockets instead of what it kept before."""
    channel.send({"op": "hold", "labels": labels, "unlink": unlink}, fds)
