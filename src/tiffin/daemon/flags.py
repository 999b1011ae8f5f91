"""The command line of `tiffin daemon`, read as Go's pflag reads dockerd's, and its --help. Prints nothing itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tiffin.daemon.config import ConfigError
from tiffin.daemon.options import BOOL, BY_FLAG, BY_SHORT, OPTIONS, Option

USAGE = "tiffin daemon [OPTIONS]"
_MARGIN = 80


class HelpWanted(Exception):
    """--help or -h was given."""


class VersionWanted(Exception):
    """--version or -v was given."""


def parse(arguments: Sequence[str]) -> dict[str, Any]:
    """Config field → value, for the flags that were given. Raises ConfigError in pflag's words."""
    words: dict[str, list[str]] = {}
    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        if word == "--" or not word.startswith("-") or word == "-":
            left = rest if word == "--" else [word]
            if left:
                raise ConfigError('"tiffin daemon" accepts no arguments')
        elif word.startswith("--"):
            _long(word, rest, words)
        else:
            _short(word, rest, words)
    return {BY_FLAG[flag].field: _convert(BY_FLAG[flag], given) for flag, given in words.items()}


def _long(word: str, rest: list[str], words: dict[str, list[str]]) -> None:
    name, equals, value = word[2:].partition("=")
    if name in ("help", "version"):
        raise HelpWanted if name == "help" else VersionWanted
    option = BY_FLAG.get(name)
    if option is None or not name:
        raise ConfigError(f"unknown flag: --{name}")
    if not equals:
        if option.kind is BOOL:
            value = "true"
        elif rest:
            value = rest.pop(0)
        else:
            raise ConfigError(f"flag needs an argument: --{name}")
    words.setdefault(name, []).append(value)


def _short(word: str, rest: list[str], words: dict[str, list[str]]) -> None:
    letters = word[1:]
    while letters:
        letter, letters = letters[0], letters[1:]
        if letter in "hv":
            raise HelpWanted if letter == "h" else VersionWanted
        option = BY_SHORT.get(letter)
        if option is None:
            raise ConfigError(f"unknown shorthand flag: '{letter}' in {word}")
        if letters.startswith("="):
            value, letters = letters[1:], ""
        elif option.kind is BOOL:
            value = "true"
        elif letters:
            value, letters = letters, ""
        elif rest:
            value = rest.pop(0)
        else:
            raise ConfigError(f"flag needs an argument: '{letter}' in {word}")
        words.setdefault(option.flag, []).append(value)


def _convert(option: Option, given: list[str]) -> Any:
    try:
        return option.kind.from_words(given)
    except ValueError as error:
        shown = f"-{option.short}, --{option.flag}" if option.short else f"--{option.flag}"
        raise ConfigError(f'invalid argument "{given[-1]}" for "{shown}" flag: {error}') from None


def help_text() -> str:
    """What `tiffin daemon --help` shows."""
    lines = [f"Usage:  {USAGE}", "", "A daemon that runs containers and answers Docker's API.", "", "Options:"]
    rows = [(_left(option), _right(option)) for option in OPTIONS if option.flag]
    rows += [("  -h, --help", "Print usage"), ("  -v, --version", "Print version information and quit")]
    rows.sort(key=lambda row: row[0].partition("--")[2])
    width = max(len(left) for left, _ in rows) + 3
    for left, right in rows:
        lines += _wrapped(left.ljust(width), right)
    return "\n".join(lines) + "\n"


def _left(option: Option) -> str:
    start = f"  -{option.short}, --" if option.short else "      --"
    return f"{start}{option.flag} {option.kind.word}".rstrip()


def _right(option: Option) -> str:
    return f"{option.help} (default {option.shown})" if option.shown else option.help


def _wrapped(left: str, text: str) -> list[str]:
    lines, line = [], left
    for word in text.split():
        if len(line) + len(word) > len(left) + _MARGIN and line.strip():
            lines.append(line.rstrip())
            line = " " * len(left)
        line += word + " "
    return [*lines, line.rstrip()]
