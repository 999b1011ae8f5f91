"""Command-line flags as Docker's users type them (the behaviour of Go's pflag). Parses; prints nothing.

    --name value   --name=value   --bool   --bool=false   -n value   -nvalue   -n=value   -it   --   end of flags

A flag's kind names the type in help and error texts, and decides how a word becomes a value.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

REPEATED = frozenset(("list", "filter", "mount", "network", "ulimit", "map", "gpu-request", "strings"))
TRUE, FALSE = ("1", "t", "T", "true", "TRUE", "True"), ("0", "f", "F", "false", "FALSE", "False")


class UsageError(Exception):
    """The command line is wrong; the message says where."""


class Flag:
    """One flag. `parse` turns a word into the value (ValueError says why not); without it the kind does."""

    __slots__ = ("default", "help", "hidden", "kind", "name", "parse", "short")

    def __init__(
        self,
        name: str,
        short: str = "",
        kind: str = "string",
        help: str = "",
        default: Any = None,
        parse: Callable[[str], Any] | None = None,
        hidden: bool = False,
    ) -> None:
        self.name, self.short, self.kind, self.help, self.hidden = name, short, kind, help, hidden
        self.parse = parse or KINDS.get(kind, str)
        self.default = default if default is not None else EMPTY.get(kind, "")

    @property
    def repeated(self) -> bool:
        return self.kind in REPEATED

    def label(self) -> str:
        return f"-{self.short}, --{self.name}" if self.short else f"--{self.name}"


def parse_bool(word: str) -> bool:
    if word in TRUE:
        return True
    if word in FALSE:
        return False
    raise ValueError(f'strconv.ParseBool: parsing "{word}": invalid syntax')


def parse_int(word: str, bits: int = 64) -> int:
    value = _integer(word, "ParseInt")
    if not -(1 << (bits - 1)) <= value < 1 << (bits - 1):
        raise ValueError(f'strconv.ParseInt: parsing "{word}": value out of range')
    return value


def parse_uint(word: str, bits: int = 64) -> int:
    value = _integer(word, "ParseUint")
    if value < 0:
        raise ValueError(f'strconv.ParseUint: parsing "{word}": invalid syntax')
    if value >= 1 << bits:
        raise ValueError(f'strconv.ParseUint: parsing "{word}": value out of range')
    return value


def _integer(word: str, function: str) -> int:
    try:
        if word != word.strip() or not word.isascii():
            raise ValueError
        # Go's base 0: 0x, 0o, 0b and a bare leading zero for octal
        digits = word.lstrip("+-")
        octal = len(digits) > 1 and digits[0] == "0" and digits.isdigit()
        return int(word, 8) if octal else int(word, 0)
    except ValueError:
        raise ValueError(f'strconv.{function}: parsing "{word}": invalid syntax') from None


def _parse_uint16(word: str) -> int:
    return parse_uint(word, 16)


KINDS: dict[str, Callable[[str], Any]] = {
    "bool": parse_bool,
    "int": parse_int,
    "uint": parse_uint,
    "uint16": _parse_uint16,
}
EMPTY: dict[str, Any] = {"bool": False, "int": 0, "uint": 0, "uint16": 0, "bytes": 0, "duration": 0, "decimal": 0}


class Options:
    """Values by flag name: the given ones, else defaults."""

    __slots__ = ("_flags", "given")

    def __init__(self, flags: Iterable[Flag]) -> None:
        self._flags = {flag.name: flag for flag in flags}
        self.given: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name in self.given:
            return self.given[name]
        flag = self._flags[name]
        return [] if flag.repeated else flag.default

    def changed(self, name: str) -> bool:
        return name in self.given


def parse(flags: Iterable[Flag], words: list[str], interspersed: bool = True) -> tuple[Options, list[str], bool]:
    """Options, the other words, and whether --help was among them."""
    options = Options(flags)
    by_name = options._flags
    by_short = {flag.short: flag for flag in by_name.values() if flag.short}
    rest: list[str] = []
    queue = list(words)
    while queue:
        word = queue.pop(0)
        if word == "--":
            return options, rest + queue, False
        if len(word) < 2 or word[0] != "-":
            rest.append(word)
            if not interspersed:
                return options, rest + queue, False
        elif word[1] == "-":
            if _long(word, queue, by_name, options):
                return options, rest, True
        elif _shorts(word, queue, by_short, options):
            return options, rest, True
    return options, rest, False


def _long(word: str, queue: list[str], by_name: dict[str, Flag], options: Options) -> bool:
    name, equals, value = word[2:].partition("=")
    if not name or name[0] in "-=":
        raise UsageError(f"bad flag syntax: {word}")
    flag = by_name.get(name)
    if flag is None:
        if name == "help":
            return True
        raise UsageError(f"unknown flag: --{name}")
    if not equals:
        if flag.kind == "bool":
            value = "true"
        elif queue:
            value = queue.pop(0)
        else:
            raise UsageError(f"flag needs an argument: --{name}")
    _set(flag, value, options)
    return False


def _shorts(word: str, queue: list[str], by_short: dict[str, Flag], options: Options) -> bool:
    letters = word[1:]
    while letters:
        word = f"-{letters}"
        letter, letters = letters[0], letters[1:]
        flag = by_short.get(letter)
        if flag is None:
            if letter == "h":
                return True
            raise UsageError(f"unknown shorthand flag: {letter!r} in {word}")
        if letters.startswith("="):
            value, letters = letters[1:], ""
        elif flag.kind == "bool":
            value = "true"
        elif letters:
            value, letters = letters, ""
        elif queue:
            value = queue.pop(0)
        else:
            raise UsageError(f"flag needs an argument: {letter!r} in {word}")
        _set(flag, value, options)
    return False


def _set(flag: Flag, word: str, options: Options) -> None:
    try:
        value = flag.parse(word)
    except ValueError as error:
        shown = word.replace("\\", "\\\\").replace('"', '\\"')
        raise UsageError(f'invalid argument "{shown}" for "{flag.label()}" flag: {error}') from None
    if flag.repeated:
        options.given.setdefault(flag.name, []).append(value)
    else:
        options.given[flag.name] = value
