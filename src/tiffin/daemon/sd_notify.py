"""What systemd tells a service and hears from it: passed sockets (sd_listen_fds(3)) and readiness (sd_notify(3))."""

from __future__ import annotations

import os
import socket

FIRST_FD = 3


def notify(*lines: str) -> bool:
    """Tell systemd "READY=1", "RELOADING=1", "STOPPING=1", "STATUS=…"; False where nobody listens."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return False
    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        try:
            sock.sendto("\n".join(lines).encode(), address)
        except OSError:
            return False
    return True


def passed_fds() -> list[tuple[int, str]]:
    """(descriptor, name) of the sockets that systemd passed; they are close-on-exec from now on."""
    if os.environ.get("LISTEN_PID") != str(os.getpid()):
        return []
    count = os.environ.get("LISTEN_FDS", "0")
    number = int(count) if count.isdigit() else 0
    names = os.environ.get("LISTEN_FDNAMES", "").split(":")
    found = []
    for index in range(number):
        fd = FIRST_FD + index
        os.set_inheritable(fd, False)
        found.append((fd, names[index] if index < len(names) else "unknown"))
    return found


def forget_environment() -> None:
    """Keep the variables from what this process starts."""
    for name in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "NOTIFY_SOCKET"):
        os.environ.pop(name, None)
