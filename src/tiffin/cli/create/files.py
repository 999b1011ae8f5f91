"""Environment and label lists, with the files that name some of them."""

from __future__ import annotations

import os

from tiffin.errors import InvalidParameter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


def environment_word(word: str) -> str:
    """`NAME=value`, or `NAME` for our own variable of that name."""
    name, equals, _ = word.partition("=")
    if not name:
        raise ValueError(f"invalid environment variable: {word}")
    if not equals and name in os.environ:
        return f"{name}={os.environ[name]}"
    return word


def label_word(word: str) -> str:
    if not word.partition("=")[0]:
        raise ValueError(f"invalid label '{word}': empty name")
    return word


def read(path: str, from_environment: bool) -> list[str]:
    """The lines of a file that count: no comments, no blanks."""
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError as error:
        raise InvalidParameter(f"open {path}: {(error.strerror or '').lower()}") from None
    try:
        text = data.removeprefix(b"\xef\xbb\xbf").decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidParameter(f"invalid env file ({path}): invalid utf8 bytes") from None
    lines = []
    for line in text.split("\n"):
        line = line.rstrip("\r").lstrip(" \t")
        if not line or line.startswith("#"):
            continue
        name, equals, value = line.partition("=")
        if not name:
            raise InvalidParameter(f"invalid env file ({path}): no variable name on line '{line}'")
        if not name.isprintable() or any(c.isspace() for c in name):
            raise InvalidParameter(f"invalid env file ({path}): variable '{name}' contains whitespaces")
        if equals:
            lines.append(f"{name}={value}")
        elif from_environment and name in os.environ:
            lines.append(f"{name}={os.environ[name]}")
    return lines


def gather(paths: Iterable[str], words: Iterable[str], from_environment: bool) -> list[str]:
    """What the files say, then what the flags say."""
    found = [line for path in paths for line in read(path, from_environment)]
    return [*found, *words]


def mapping(words: Iterable[str]) -> dict[str, str]:
    """`key=value` words as a map; a word without `=` has an empty value."""
    found = {}
    for word in words:
        key, _, value = word.partition("=")
        found[key] = value
    return found
