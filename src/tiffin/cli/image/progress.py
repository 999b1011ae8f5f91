"""Progress of pull, load, import and push: lines as they come, or, on a terminal, a line per layer redrawn in place."""

from __future__ import annotations

import os

from tiffin.cli.exit import Exit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any, TextIO


def show(documents: Iterable[dict[str, Any]], out: TextIO, quiet: bool = False) -> None:
    """Print progress documents; an error among them ends the command."""
    screen = _Screen(out) if not quiet and _is_terminal(out) else None
    for document in documents:
        detail = document.get("errorDetail") or {}
        message = detail.get("message") or document.get("error")
        if message:
            out.flush()
            raise Exit(1, str(message))
        if quiet:
            continue
        identifier = document.get("id", "")
        if screen is not None and identifier:
            screen.put(identifier, _line(document, True))
        elif document.get("progressDetail"):
            continue  # bars mean nothing in a file
        else:
            out.write(document["stream"] if "stream" in document else _line(document, False) + "\n")
        out.flush()


def _is_terminal(out: TextIO) -> bool:
    try:
        return os.isatty(out.fileno())
    except (OSError, ValueError):
        return False


def _line(document: dict[str, Any], terminal: bool) -> str:
    identifier, status = document.get("id", ""), document.get("status", "")
    text = f"{identifier}: {status}" if identifier else status
    detail = document.get("progressDetail") or {}
    if terminal and detail.get("current"):
        text += " " + _bar(detail["current"], detail.get("total") or 0)
    return text


def _bar(current: int, total: int) -> str:
    from tiffin.cli.human import size

    if total <= 0:
        return size(current, 4)
    filled = min(40, current * 40 // total)
    return f"[{'=' * filled}>{' ' * (40 - filled)}] {size(current, 4)}/{size(total, 4)}"


class _Screen:
    """Lines by id, each redrawn where it stands."""

    def __init__(self, out: TextIO) -> None:
        self.out = out
        self.rows: dict[str, int] = {}

    def put(self, identifier: str, text: str) -> None:
        if identifier not in self.rows:
            self.rows[identifier] = len(self.rows)
            self.out.write("\n")
        up = len(self.rows) - self.rows[identifier]
        self.out.write(f"\x1b[{up}A\x1b[2K\r{text}\x1b[{up}B\r")
