"""Network sysctls by their files in /proc/sys/net; they are those of the calling thread's network namespace."""

from __future__ import annotations

import os


def read(path: str) -> str | None:
    """`path` below /proc/sys/net, such as `ipv4/ip_forward`; None where the kernel has no such switch."""
    try:
        fd = os.open(f"/proc/sys/net/{path}", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        return os.read(fd, 256).decode().strip()
    finally:
        os.close(fd)


def write(path: str, value: str) -> bool:
    """False where the kernel has no such switch (IPv6 turned off)."""
    try:
        fd = os.open(f"/proc/sys/net/{path}", os.O_WRONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        os.write(fd, value.encode())
    finally:
        os.close(fd)
    return True
