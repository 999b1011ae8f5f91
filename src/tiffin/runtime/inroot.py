"""Open and create paths below a root by descriptor; links are resolved inside the root, never outside.

Source: man 2 openat2 (RESOLVE_IN_ROOT, RESOLVE_NO_MAGICLINKS, RESOLVE_NO_SYMLINKS).
"""

from __future__ import annotations

import errno
import os

from tiffin.linux.openat2 import RESOLVE_IN_ROOT, RESOLVE_NO_MAGICLINKS, RESOLVE_NO_SYMLINKS, openat2

_MAX_LINKS = 64  # components and links on the way together; the kernel follows 40 links


def open_in_root(root_fd: int, path: str, flags: int, *, links: bool = True) -> int:
    """openat2 below `root_fd`; magic links of /proc are never followed, other links only with `links`."""
    resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | (0 if links else RESOLVE_NO_SYMLINKS)
    return openat2(root_fd, path, flags | os.O_CLOEXEC, 0, resolve)


def open_target(
    root_fd: int, path: str, *, directory: bool, create: bool = True, links: bool = True, depth: int = 0
) -> int:
    """An O_PATH descriptor of a mount point; missing directories, and the last component, are made if asked.

    A dangling link in the image (/etc/resolv.conf often is one) has its target made, inside the root.
    """
    try:
        return open_in_root(root_fd, path, os.O_PATH, links=links)
    except OSError as error:
        if error.errno == errno.ELOOP and not links:
            raise OSError(errno.EPERM, f"{path} must not be a symbolic link in the image") from error
        if error.errno != errno.ENOENT or not create:
            raise
    parent_path, _, name = path.rstrip("/").rpartition("/")
    if name in ("", ".", "..") or depth > _MAX_LINKS:
        raise OSError(errno.EINVAL, f"not a usable mount point: {path}")
    parent = open_target(root_fd, parent_path or "/", directory=True, links=links, depth=depth + 1)
    try:
        if not _make(parent, name, directory):
            target = os.readlink(name, dir_fd=parent)
            path = target if target.startswith("/") else f"{parent_path}/{target}"
            return open_target(root_fd, path, directory=directory, links=links, depth=depth + 1)
    except OSError as error:
        if error.errno != errno.EINVAL:  # EINVAL of readlink: somebody made the path meanwhile
            raise
    finally:
        os.close(parent)
    return open_in_root(root_fd, path, os.O_PATH, links=links)


def _make(parent: int, name: str, directory: bool) -> bool:
    try:
        if directory:
            os.mkdir(name, 0o755, dir_fd=parent)
        else:
            os.close(os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o644, dir_fd=parent))
    except FileExistsError:
        return False
    return True


def make_directories(root_fd: int, path: str) -> None:
    """mkdir -p below the root."""
    os.close(open_target(root_fd, path, directory=True))
