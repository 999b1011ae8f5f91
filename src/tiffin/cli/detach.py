"""Detach keys: the sequence that ends a session on a terminal and leaves the program running."""

from __future__ import annotations

from tiffin.errors import InvalidParameter

DEFAULT = "ctrl-p,ctrl-q"
CONTROLS = {"@": 0, "[": 27, "\\": 28, "]": 29, "^": 30, "_": 31}


def parse(text: str) -> bytes:
    """`ctrl-p,ctrl-q` or `a,b` to bytes. Empty: no such keys."""
    out = bytearray()
    for key in text.split(",") if text else ():
        name = key.lower()
        if len(key) == 1 and key.isascii():
            out += key.encode()
        elif name.startswith("ctrl-") and len(name) == 6 and (name[5] in CONTROLS or "a" <= name[5] <= "z"):
            out.append(CONTROLS[name[5]] if name[5] in CONTROLS else ord(name[5]) - 96)
        else:
            raise InvalidParameter(f"Unknown character: '{key}'" if len(key) != 1 else f"invalid detach key {key!r}")
    return bytes(out)


class Watch:
    """Looks for the keys in what is typed. Keys that may be the beginning of the sequence are held back."""

    __slots__ = ("_keys", "_matched")

    def __init__(self, keys: bytes) -> None:
        self._keys = keys
        self._matched = 0

    def feed(self, data: bytes) -> tuple[bytes, bool]:
        """What may go on to the program, and whether the whole sequence was typed."""
        keys = self._keys
        if not keys:
            return data, False
        out = bytearray()
        for byte in data:
            if byte == keys[self._matched]:
                self._matched += 1
                if self._matched == len(keys):
                    return bytes(out), True
                continue
            if self._matched:
                out += keys[: self._matched]
                self._matched = 1 if byte == keys[0] else 0
                if self._matched:
                    continue
            out.append(byte)
        return bytes(out), False
