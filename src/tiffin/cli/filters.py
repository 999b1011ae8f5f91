"""--filter name=value, as the API takes it: {"name": {"value": true}} in JSON."""

from __future__ import annotations

from tiffin.wire import jsontext

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


def parse(word: str) -> tuple[str, str]:
    """One filter; ValueError in Docker's words."""
    name, equals, value = word.partition("=")
    if not equals:
        raise ValueError("bad format of filter (expected name=value)")
    return name.strip().lower(), value.strip()


def encode(pairs: Iterable[tuple[str, str]]) -> str:
    """The query parameter's text; empty for no filters."""
    found: dict[str, dict[str, bool]] = {}
    for name, value in pairs:
        found.setdefault(name, {})[value] = True
    return jsontext.encode(found) if found else ""
