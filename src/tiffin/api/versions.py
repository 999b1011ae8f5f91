"""API versions: /v1.24/… to /v1.51/…, and paths without one, which mean the newest."""

from __future__ import annotations

from tiffin.errors import InvalidParameter

Version = tuple[int, int]

NEWEST: Version = (1, 51)
OLDEST: Version = (1, 24)


def text(version: Version) -> str:
    return f"{version[0]}.{version[1]}"


def split(path: str) -> tuple[Version | None, str]:
    """(version, path without it). InvalidParameter in Docker's words when the version is not served.

    A first segment that does not look like `v1.2` is no version: (None, path).
    """
    if not path.startswith("/v") or path[2:3] not in _DIGITS:
        return None, path
    first, slash, rest = path[2:].partition("/")
    major, _, minor = first.partition(".")
    if not _DIGIT_SET.issuperset(first.replace(".", "")) or "." in minor:
        return None, path
    if not slash:
        return None, path
    if len(first) > 12:
        raise InvalidParameter(_too_new(first))
    version = (int(major or 0), int(minor or 0))
    if version < OLDEST:
        raise InvalidParameter(
            f"client version {first} is too old. Minimum supported API version is {text(OLDEST)}, "
            "please upgrade your client to a newer version"
        )
    if version > NEWEST:
        raise InvalidParameter(_too_new(first))
    return version, "/" + rest


def _too_new(asked: str) -> str:
    return f"client version {asked} is too new. Maximum supported API version is {text(NEWEST)}"


_DIGITS = tuple("0123456789")
_DIGIT_SET = frozenset("0123456789")
