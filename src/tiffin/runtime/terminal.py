"""A pseudo-terminal that belongs to the container: opened in its own devpts, its other end handed to the shim.

The slave is opened through the master (TIOCGPTPEER), never by a path the image controls, and is checked to be of
major 136 before it is mounted on /dev/console (CVE-2025-52565). Source: man 4 pts, man 2 ioctl_tty.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import struct
import termios

from tiffin.linux.mount import AT_EMPTY_PATH, OPEN_TREE_CLONE, move_mount, open_tree
from tiffin.runtime.inroot import open_in_root, open_target

TIOCSPTLCK = 0x40045431
TIOCGPTPEER = 0x5441
_UNIX98_PTY_SLAVE_MAJORS = range(136, 144)


def open_pair(root_fd: int) -> tuple[int, int]:
    """(master, slave) of a new terminal in the devpts below `root_fd`."""
    master = open_in_root(root_fd, "/dev/pts/ptmx", os.O_RDWR | os.O_NOCTTY)
    try:
        fcntl.ioctl(master, TIOCSPTLCK, struct.pack("i", 0))
        slave = fcntl.ioctl(master, TIOCGPTPEER, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
        if os.major(os.fstat(slave).st_rdev) not in _UNIX98_PTY_SLAVE_MAJORS:
            raise OSError(errno.EINVAL, "the container's terminal is not a pseudo-terminal")
    except BaseException:
        os.close(master)
        raise
    return master, slave


def mount_console(root_fd: int, slave: int) -> None:
    """Bind the terminal on /dev/console."""
    target = open_target(root_fd, "/dev/console", directory=False, links=False)
    source = open_tree(slave, "", OPEN_TREE_CLONE | AT_EMPTY_PATH)
    try:
        move_mount(source, target)
    finally:
        os.close(source)
        os.close(target)


def take(slave: int) -> None:
    """Make it the controlling terminal and the standard streams of the calling process, a session leader."""
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    for fd in (0, 1, 2):
        os.dup2(slave, fd)


def resize(master: int, rows: int, columns: int) -> None:
    """Set the window size; the kernel sends SIGWINCH to the foreground process group."""
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def give_to(fd: int, uid: int) -> None:
    """Let the container's user open its own streams again (/dev/stderr, /proc/self/fd/1); /dev/null is not ours."""
    status = os.fstat(fd)
    if status.st_uid != uid and not (stat.S_ISCHR(status.st_mode) and status.st_rdev == os.makedev(1, 3)):
        try:
            os.fchown(fd, uid, status.st_gid)
        except OSError as error:
            if error.errno not in (errno.EROFS, errno.EPERM, errno.EINVAL):
                raise
