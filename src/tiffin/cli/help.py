"""Help texts, drawn from the command table and the flags. Imported only when help is asked for."""

from __future__ import annotations

import os

from tiffin.cli import table
from tiffin.cli.command import Command, usage_line
from tiffin.cli.flags import Flag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

COMMON = ("run", "exec", "ps", "pull", "images", "version", "info", "explain", "daemon")


def width() -> int:
    try:
        return max(40, os.get_terminal_size(1).columns)
    except OSError:
        return 80


def command_help(path: str, command: Command) -> str:
    """Usage, summary, aliases, flags."""
    parts = [usage_line(path, command), command.summary]
    if command.aliases:
        parts.append("Aliases:\n  " + ", ".join(f"tiffin {name}" for name in command.aliases))
    if command.flags:
        parts.append("Options:\n" + flag_lines(command.flags, width()))
    return "\n\n".join(parts)


def noun_help(noun: str) -> str:
    """The commands of `tiffin container` and its like."""
    entries = table.NOUNS[noun]
    body = _listing((name, entry[2]) for name, entry in sorted(entries.items()) if entry[2])
    return (
        f"Usage:  tiffin {noun} COMMAND\n\n{table.NOUN_SUMMARY[noun]}\n\nCommands:\n{body}\n\n"
        f"Run 'tiffin {noun} COMMAND --help' for more information on a command."
    )


def overview(flags: Iterable[Flag]) -> str:
    """`tiffin --help`."""
    common = _listing((name, table.TOP[name][2]) for name in COMMON if name in table.TOP)
    nouns = _listing(sorted(table.NOUN_SUMMARY.items()))
    others = _listing((name, entry[2]) for name, entry in sorted(table.TOP.items()) if name not in COMMON)
    return (
        "Usage:  tiffin [OPTIONS] COMMAND\n\nContainers, in Python\n\n"
        f"Common Commands:\n{common}\n\nManagement Commands:\n{nouns}\n\nCommands:\n{others}\n\n"
        f"Global Options:\n{flag_lines(flags, width())}\n\n"
        "Run 'tiffin COMMAND --help' for more information on a command."
    )


def _listing(rows: Iterable[tuple[str, str]]) -> str:
    return "\n".join(f"  {name:<12}{summary}" for name, summary in rows)


def flag_lines(flags: Iterable[Flag], columns: int) -> str:
    """One flag after the other, texts aligned and wrapped."""
    rows = []
    for flag in flags:
        if flag.hidden:
            continue
        left = f"  -{flag.short}, --{flag.name}" if flag.short else f"      --{flag.name}"
        rows.append((left if flag.kind == "bool" else f"{left} {flag.kind}", _text(flag)))
    indent = max((len(left) for left, _ in rows), default=0) + 3
    room = max(24, columns - indent)
    lines = []
    for left, text in rows:
        first, *more = _wrap(text, room)
        lines.append(f"{left:<{indent}}{first}".rstrip())
        lines += [" " * indent + line for line in more]
    return "\n".join(lines)


def _text(flag: Flag) -> str:
    if flag.kind == "bool":
        return f"{flag.help} (default true)" if flag.default else flag.help
    if flag.default and not flag.repeated:
        shown = f'"{flag.default}"' if isinstance(flag.default, str) else str(flag.default)
        return f"{flag.help} (default {shown})"
    return flag.help


def _wrap(text: str, room: int) -> list[str]:
    lines, line = [], ""
    for word in text.split():
        if line and len(line) + 1 + len(word) > room:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}" if line else word
    return [*lines, line]
