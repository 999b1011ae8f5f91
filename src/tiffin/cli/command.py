"""What a command is: its words, flags and function; and what it is given to work with."""

from __future__ import annotations

from tiffin.cli.flags import Flag, Options

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tiffin.client.client import Client
    from tiffin.client.environment import Choice

MANY = 1 << 30


class Command:
    """A command of the table. `usage` is what follows its name; `least` and `most` bound the number of arguments."""

    __slots__ = ("aliases", "flags", "interspersed", "least", "most", "run", "summary", "usage", "wrap_errors")

    def __init__(
        self,
        run: Callable[[Context, Options, list[str]], int],
        summary: str,
        usage: str = "",
        flags: Sequence[Flag] = (),
        *,
        least: int = 0,
        most: int = MANY,
        aliases: Sequence[str] = (),
        interspersed: bool = True,
        wrap_errors: bool = False,
    ) -> None:
        self.run, self.summary, self.usage, self.flags = run, summary, usage, flags
        self.least, self.most, self.aliases = least, most, aliases
        self.interspersed = interspersed
        self.wrap_errors = wrap_errors  # run and create: errors are 125, prefixed, and point to --help


class Context:
    """One invocation: the words that named the command, and a client that is made when first asked for."""

    __slots__ = ("_choice", "_client", "words")

    def __init__(self, choice: Choice, words: str) -> None:
        self._choice = choice
        self._client: Client | None = None
        self.words = words

    @property
    def client(self) -> Client:
        if self._client is None:
            from tiffin.client.environment import client

            self._client = client(self._choice)
        return self._client


def usage_line(words: str, command: Command) -> str:
    """`Usage:  tiffin ps [OPTIONS]`"""
    line = f"Usage:  tiffin {words}"
    if command.flags:
        line += " [OPTIONS]"
    return f"{line} {command.usage}".rstrip()


def check_count(words: str, command: Command, arguments: list[str]) -> str:
    """What is wrong with the number of arguments, in full; empty if nothing."""
    count, least, most = len(arguments), command.least, command.most
    if least <= count <= most:
        return ""
    if most == 0:
        problem = "accepts no arguments"
    elif least == most:
        problem = f"requires {least} argument" + ("s" if least != 1 else "")
    elif most < MANY and least:
        problem = f"requires at least {least} and at most {most} arguments"
    elif count < least:
        problem = f"requires at least {least} argument" + ("s" if least != 1 else "")
    else:
        problem = f"requires at most {most} argument" + ("s" if most != 1 else "")
    advice = hint(words)
    if least != most and most:
        advice = advice.replace("Run", "See", 1)
    return f"tiffin: 'tiffin {words}' {problem}\n\n{usage_line(words, command)}\n\n{advice}"


def hint(words: str) -> str:
    return f"Run 'tiffin {words} --help' for more information"
