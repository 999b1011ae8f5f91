"""The pid file: says who runs, and by its lock that it still does (a pid alone may be somebody else's by now).

The roots are locked too: a second daemon with a pid file of its own would undo the first one's work.
"""

from __future__ import annotations

import fcntl
import os

from tiffin.daemon.config import ConfigError


class PidFile:
    """Held while this object lives; the kernel drops the lock with the process."""

    def __init__(self, path: str) -> None:
        self.path = path
        os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(self._fd, 32, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(self._fd)
            raise ConfigError(
                f"failed to start daemon, ensure tiffin is not running or delete {path}: "
                f"process with PID {holder} is still running"
            ) from None
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, b"%d\n" % os.getpid(), 0)

    def release(self) -> None:
        """Remove the file and the lock."""
        try:
            os.unlink(self.path)
        except FileNotFoundError:
            pass
        os.close(self._fd)


def lock_root(path: str, mode: int) -> int:
    """Make a root directory if need be and lock it for as long as the descriptor is open."""
    os.makedirs(path, mode=mode, exist_ok=True)
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        raise ConfigError(f"failed to start daemon: another daemon uses {path}") from None
    return fd
