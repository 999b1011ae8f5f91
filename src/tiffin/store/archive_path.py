"""Names in an archive as paths below a root. Pure text: what a name means on disk is for openat2(RESOLVE_IN_ROOT)."""

from __future__ import annotations

from tiffin.wire.tar.layout import TarError


def clean(name: bytes) -> bytes:
    """A member's name or a hard link's target, relative, without `.`, `..` and empty components; b"" is the root.

    As filepath.Clean does it for Docker: `a/../b` is `b`, an absolute name is taken below the root, a relative one that
    climbs out of it is an error.
    """
    if name.startswith(b"./"):
        name = name[2:]
    stripped = name.strip(b"/")
    if not stripped.startswith(b".") and b"/." not in stripped and b"//" not in stripped:
        return stripped
    parts: list[bytes] = []
    for part in stripped.split(b"/"):
        if part == b"..":
            if parts:
                parts.pop()
            elif not name.startswith(b"/"):
                raise TarError(f"invalid tar header: {display(name)} is outside of the archive's root")
        elif part not in (b"", b"."):
            parts.append(part)
    return b"/".join(parts)


def display(name: bytes) -> str:
    """A name for a message: quoted, of bounded length, whatever bytes it is made of."""
    text = name.decode("utf-8", "backslashreplace")
    return '"' + (text if len(text) <= 200 else text[:200] + "…") + '"'


def follow(directory: bytes, target: bytes) -> bytes:
    """The path that a symlink in `directory` (clean) names, by its text alone; `..` stops at the root."""
    return clean(b"/" + target if target.startswith(b"/") else b"/" + directory + b"/" + target)
