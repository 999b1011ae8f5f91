"""Fill an empty volume with what the image has at its mount point, as Docker does when a volume is first used.

Reads below the container's root by descriptor only, so that a VOLUME that is a link leads nowhere else
(CVE-2022-23648); owners, modes, times, xattrs and links are kept. Device nodes and sockets are left out.
"""

from __future__ import annotations

import errno
import os
import stat

from tiffin.runtime.inroot import open_in_root

_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
_DIRECTORY = _READ | os.O_DIRECTORY


def fill(root_fd: int, destination: str, volume: str) -> None:
    """Copy the image's directory to the volume if that is empty."""
    try:
        source = open_in_root(root_fd, destination, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            return
        raise
    target = os.open(volume, _DIRECTORY)
    try:
        with os.scandir(target) as entries:
            if next(entries, None) is not None:
                return
        _copy_directory(source, target)
    finally:
        os.close(source)
        os.close(target)


def _copy_directory(source: int, target: int) -> None:
    with os.scandir(source) as entries:
        names = [entry.name for entry in entries]
    for name in names:
        _copy(source, target, name)
    _copy_metadata(source, target)


def _copy(source: int, target: int, name: str) -> None:
    status = os.stat(name, dir_fd=source, follow_symlinks=False)
    if stat.S_ISDIR(status.st_mode):
        os.mkdir(name, 0o700, dir_fd=target)
        below, into = os.open(name, _DIRECTORY, dir_fd=source), os.open(name, _DIRECTORY, dir_fd=target)
        try:
            _copy_directory(below, into)
        finally:
            os.close(below)
            os.close(into)
    elif stat.S_ISLNK(status.st_mode):
        os.symlink(os.readlink(name, dir_fd=source), name, dir_fd=target)
        os.chown(name, status.st_uid, status.st_gid, dir_fd=target, follow_symlinks=False)
    elif stat.S_ISREG(status.st_mode):
        _copy_file(source, target, name)


def _copy_file(source: int, target: int, name: str) -> None:
    reading = os.open(name, _READ, dir_fd=source)
    writing = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=target)
    try:
        while os.sendfile(writing, reading, None, 1 << 30):
            pass
        _copy_metadata(reading, writing)
    finally:
        os.close(reading)
        os.close(writing)


def _copy_metadata(source: int, target: int) -> None:
    status = os.fstat(source)
    os.fchown(target, status.st_uid, status.st_gid)
    os.fchmod(target, stat.S_IMODE(status.st_mode))
    for name in os.listxattr(source):
        if not name.startswith("trusted."):
            os.setxattr(target, name, os.getxattr(source, name))
    os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))
