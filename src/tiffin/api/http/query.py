"""A request's query string, read the way Go's handlers read it."""

from __future__ import annotations

from urllib.parse import parse_qs

import msgspec

from tiffin.errors import InvalidParameter

_FALSE = frozenset(("", "0", "no", "false", "none"))


class Query:
    """Parameters by name; the first value counts, as `url.Values.Get`."""

    __slots__ = ("_values",)

    def __init__(self, raw: str = "") -> None:
        try:
            self._values = parse_qs(raw, keep_blank_values=True) if raw else {}
        except ValueError as error:
            raise InvalidParameter(f"malformed query string: {error}") from None

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def get(self, name: str, default: str = "") -> str:
        values = self._values.get(name)
        return values[0] if values else default

    def all(self, name: str) -> list[str]:
        return self._values.get(name, [])

    def bool(self, name: str, default: bool = False) -> bool:
        """False for "", 0, no, false, none; true for anything else; `default` when absent."""
        values = self._values.get(name)
        return default if not values else values[0].strip().lower() not in _FALSE

    def int(self, name: str, default: int = 0) -> int:
        """`default` when absent or empty; InvalidParameter in Go's words when not a number."""
        text = self.get(name)
        if not text:
            return default
        digits = text[1:] if text[0] in "+-" else text
        if not (digits.isascii() and digits.isdigit()):
            raise InvalidParameter(f'strconv.Atoi: parsing "{text}": invalid syntax')
        if len(digits) > 19:
            raise InvalidParameter(f'strconv.Atoi: parsing "{text}": value out of range')
        return int(text)

    def filters(self, name: str = "filters") -> dict[str, list[str]]:
        """Docker's filters, {"status": ["exited"]}; the older form {"status": {"exited": true}} too."""
        text = self.get(name)
        if not text:
            return {}
        try:
            document = msgspec.json.decode(text.encode(), type=dict[str, list[str] | dict[str, bool]])
        except msgspec.MsgspecError:
            raise InvalidParameter("invalid filter") from None
        return {
            key: value if isinstance(value, list) else [item for item, wanted in value.items() if wanted]
            for key, value in document.items()
        }
