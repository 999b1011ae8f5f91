"""--cap-add, --cap-drop and --security-opt."""

from __future__ import annotations

from tiffin.errors import InvalidParameter
from tiffin.wire import jsontext

ALL = "ALL"


def _capability(word: str) -> str:
    name = word.strip().upper()
    return name if name == ALL or name.startswith("CAP_") else f"CAP_{name}"


def capabilities(add: list[str], drop: list[str]) -> tuple[list[str], list[str]]:
    """Both lists, each name in full and once. Which of them wins is the daemon's decision."""
    return sorted({_capability(word) for word in add}), sorted({_capability(word) for word in drop})


def security_options(words: list[str]) -> tuple[list[str], list[str] | None, list[str] | None]:
    """Options for the API, MaskedPaths and ReadonlyPaths. A seccomp profile is read here and sent whole."""
    out: list[str] = []
    masked: list[str] | None = None
    read_only: list[str] | None = None
    for word in words:
        if word == "systempaths=unconfined":
            masked, read_only = [], []
            continue
        name, equals, value = word.partition("=")
        if not equals and name != "no-new-privileges":
            name, equals, value = word.partition(":")
            if not equals:
                raise InvalidParameter(f'Invalid --security-opt: "{word}"')
        if name == "seccomp" and value not in ("unconfined", "builtin"):
            out.append(f"seccomp={_profile(value)}")
        else:
            out.append(word)
    return out, masked, read_only


def _profile(path: str) -> str:
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError as error:
        reason = (error.strerror or "").lower()
        raise InvalidParameter(f"opening seccomp profile ({path}) failed: open {path}: {reason}") from None
    try:
        return jsontext.encode(jsontext.decode(data))
    except ValueError as error:
        raise InvalidParameter(f"compacting json for seccomp profile ({path}) failed: {error}") from None
