"""JSON text to plain values and back, through the interpreter's C accelerator alone.

`import json` costs the client 6 ms (it compiles regular expressions); the accelerator `_json` behind it costs
0.2 ms and does the same work, in CPython (the shim and the spawner need CPython's ctypes and fork anyway). No I/O.
Text is written as Docker's tools write it: UTF-8 as it is, no HTML escapes.
"""

from __future__ import annotations

from _json import encode_basestring as quote
from _json import make_encoder, make_scanner

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

__all__ = ["Documents", "decode", "encode", "html_escaped", "indented", "quote"]

WHITESPACE = " \t\r\n"


def _constant(name: str) -> float:
    raise ValueError(f"invalid JSON constant {name}")


class _ScannerContext:
    """What the C scanner reads its options from."""

    strict = False
    object_hook = None
    object_pairs_hook = None
    parse_float = float
    parse_int = int
    parse_constant = staticmethod(_constant)
    memo: dict[str, str] = {}


def _unencodable(value: object) -> object:
    raise TypeError(f"not a JSON value: {type(value).__name__}")


_scan = make_scanner(_ScannerContext())  # type: ignore[arg-type]
_encode = make_encoder({}, _unencodable, quote, None, ":", ",", False, False, False)


def decode(text: str | bytes) -> Any:
    """One JSON document; ValueError says what is wrong with it."""
    if not isinstance(text, str):
        text = bytes(text).decode("utf-8", "replace")
    value, end = _decode_at(text, _skip(text, 0))
    if _skip(text, end) != len(text):
        raise ValueError(f"trailing data after JSON value at offset {end}")
    return value


def encode(value: object) -> str:
    """Compact JSON; keys in the order of the dict."""
    return "".join(_encode(value, 0))


def html_escaped(text: str) -> str:
    """JSON text with <, > and & as escapes, as Go writes it unless told otherwise."""
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def indented(value: object, indent: str = "    ", margin: str = "") -> str:
    """JSON over several lines, laid out as Go's json.Indent does it."""
    inner = margin + indent
    if isinstance(value, dict) and value:
        lines = [f"{inner}{quote(str(k))}: {indented(v, indent, inner)}" for k, v in value.items()]
        return "{\n" + ",\n".join(lines) + "\n" + margin + "}"
    if isinstance(value, list) and value:
        lines = [inner + indented(v, indent, inner) for v in value]
        return "[\n" + ",\n".join(lines) + "\n" + margin + "]"
    return encode(value)


class Documents:
    """Incremental decoder of JSON documents that follow one another, one per line or back to back."""

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[Any]:
        """The documents that `data` completes. An incomplete one waits for the next call."""
        head, newline, tail = data.rpartition(b"\n")
        if not newline:
            self._rest += data
            return
        text = (self._rest + head).decode("utf-8", "replace")
        self._rest = tail
        yield from _sequence(text)

    def finish(self) -> Iterator[Any]:
        """The document without a newline at the very end, if any."""
        rest, self._rest = self._rest, b""
        yield from _sequence(rest.decode("utf-8", "replace"))


def _sequence(text: str) -> Iterator[Any]:
    position = _skip(text, 0)
    while position < len(text):
        value, end = _decode_at(text, position)
        yield value
        position = _skip(text, end)


def _decode_at(text: str, position: int) -> tuple[Any, int]:
    try:
        return _scan(text, position)
    except StopIteration as stop:
        raise ValueError(f"invalid JSON at offset {stop.value}") from None


def _skip(text: str, position: int) -> int:
    while position < len(text) and text[position] in WHITESPACE:
        position += 1
    return position
