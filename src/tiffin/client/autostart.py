"""Starting a daemon where none runs: only at the default socket, only when no host was named, only as root.

/run/tiffin/            0711
  autostart.lock        held by the client that starts one; others wait for it
  daemon.log            stdout and stderr of a daemon started this way
  tiffin.sock           the daemon's; `_ping` must answer on it before the client goes on
"""

from __future__ import annotations

import _socket
import fcntl
import os
import sys
import time

from tiffin.client import connection
from tiffin.client.endpoint import Endpoint
from tiffin.errors import Unavailable

DEADLINE_S = 30.0
STEP_S = 0.005  # between two looks at the socket
LOG_LINES = 12


def revive(endpoint: Endpoint) -> bool:
    """Start a daemon and wait until it answers. False: not ours to start (not root)."""
    if os.geteuid() != 0:
        return False
    directory = os.path.dirname(endpoint.path)
    os.makedirs(directory, mode=0o711, exist_ok=True)
    lock = os.open(os.path.join(directory, "autostart.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if answers(endpoint):  # another client was faster
            return True
        log = os.path.join(directory, "daemon.log")
        _wait(endpoint, _spawn(log), log)
        return True
    finally:
        os.close(lock)


def answers(endpoint: Endpoint) -> bool:
    """Does a daemon answer `_ping` there?"""
    try:
        sock = connection.connect(endpoint)
    except connection.CannotConnect:
        return False
    try:
        sock.settimeout(DEADLINE_S)
        sock.sendall(b"GET /_ping HTTP/1.1\r\nHost: tiffin\r\nConnection: close\r\n\r\n")
        return sock.recv(15, _socket.MSG_WAITALL).startswith(b"HTTP/1.1 200")
    except OSError:
        return False
    finally:
        sock.close()


def _spawn(log: str) -> int:
    """The daemon in a session of its own. -P: a `tiffin` directory where the user stands must not be run as root."""
    words = [sys.executable, "-P", "-m", "tiffin", "daemon"]
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW
    actions: list[tuple[object, ...]] = [
        (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, log, flags, 0o600),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    return os.posix_spawn(words[0], words, os.environ, file_actions=actions, setsid=True)


def _wait(endpoint: Endpoint, pid: int, log: str) -> None:
    until = time.monotonic() + DEADLINE_S
    while time.monotonic() < until:
        if answers(endpoint):
            return
        if os.waitpid(pid, os.WNOHANG)[0] == pid:
            raise Unavailable(f"the tiffin daemon did not start; {log} ends with:\n{_last_lines(log)}")
        time.sleep(STEP_S)
    raise Unavailable(f"the tiffin daemon (pid {pid}) did not answer within {DEADLINE_S:.0f} s; see {log}")


def _last_lines(log: str) -> str:
    try:
        fd = os.open(log, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        return f"({error.strerror})"
    try:
        size = os.fstat(fd).st_size
        text = os.pread(fd, 8192, max(0, size - 8192)).decode("utf-8", "replace")
    finally:
        os.close(fd)
    return "\n".join(text.splitlines()[-LOG_LINES:])
