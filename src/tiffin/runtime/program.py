"""Find the program inside the container's root and become it.

`os.execvpe` would import modules after pivot_root, from the image, so the search is our own. Errors have the words
that clients turn into exit statuses: "executable file not found" and "no such file or directory" mean 127,
"permission denied" and "is a directory" 126. Source: Go's os/exec LookPath, whose wording Docker shows.
"""

from __future__ import annotations

import errno
import os
import stat

NOT_FOUND = 127
NOT_EXECUTABLE = 126
FAILED = 125


class LaunchError(Exception):
    """The program cannot be started; `code` is the exit status that `docker run` ends with."""

    def __init__(self, message: str, code: int = FAILED) -> None:
        super().__init__(message)
        self.code = code


def find(name: str, path: str) -> str:
    """The file to execute for `name`; looked up in the directories of `path` when it has no slash."""
    if "/" in name:
        _check(name, name)
        return name
    denied = False
    for directory in path.split(":"):
        candidate = f"{directory or '.'}/{name}"
        try:
            status = os.stat(candidate)
        except OSError as error:
            denied = denied or error.errno == errno.EACCES
            continue
        if stat.S_ISREG(status.st_mode):
            if status.st_mode & 0o111:
                return candidate
            denied = True
    if denied:
        raise LaunchError(f'exec: "{name}": permission denied', NOT_EXECUTABLE)
    raise LaunchError(f'exec: "{name}": executable file not found in $PATH', NOT_FOUND)


def _check(name: str, path: str) -> None:
    try:
        status = os.stat(path)
    except PermissionError:
        raise LaunchError(f'exec: "{name}": permission denied', NOT_EXECUTABLE) from None
    except OSError as error:
        text = os.strerror(error.errno or 0).lower()
        raise LaunchError(f'exec: "{name}": stat {path}: {text}', NOT_FOUND) from None
    if stat.S_ISDIR(status.st_mode):
        raise LaunchError(f'exec: "{name}": is a directory', NOT_EXECUTABLE)
    if not status.st_mode & 0o111:
        raise LaunchError(f'exec: "{name}": permission denied', NOT_EXECUTABLE)


def execute(file: str, args: list[str], env: dict[str, str]) -> None:
    """execve; returns only by raising LaunchError."""
    try:
        os.execve(file, args, env)
    except OSError as error:
        code = NOT_FOUND if error.errno == errno.ENOENT else NOT_EXECUTABLE
        raise LaunchError(f"exec {file}: {os.strerror(error.errno or 0).lower()}", code) from None


def environment(entries: list[str], home: str) -> dict[str, str]:
    """The environment as a mapping, later entries win, with HOME from passwd where none is given."""
    env: dict[str, str] = {}
    for entry in entries:
        key, separator, value = entry.partition("=")
        if separator:
            env[key] = value
    if not env.get("HOME"):
        env["HOME"] = home
    return env
