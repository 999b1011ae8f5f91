"""One line of comma-separated fields with RFC 4180 quotes: the inner syntax of --mount, --network and --gpus."""

from __future__ import annotations


def fields(line: str) -> list[str]:
    """The fields of a line; ValueError on quotes that do not match."""
    out: list[str] = []
    at = 0
    while True:
        if line[at : at + 1] == '"':
            value, at = _quoted(line, at + 1)
        else:
            end = line.find(",", at)
            end = len(line) if end < 0 else end
            value, at = line[at:end], end
            if '"' in value:
                column = at - len(value) + value.index('"') + 1
                raise ValueError(f'parse error on line 1, column {column}: bare " in non-quoted-field')
        out.append(value)
        if at >= len(line):
            return out
        at += 1  # the comma


def _quoted(line: str, at: int) -> tuple[str, int]:
    value = ""
    while True:
        end = line.find('"', at)
        if end < 0:
            raise ValueError('parse error on line 1: extraneous or missing " in quoted-field')
        value += line[at:end]
        if line[end + 1 : end + 2] == '"':
            value += '"'
            at = end + 2
            continue
        if end + 1 < len(line) and line[end + 1] != ",":
            raise ValueError('parse error on line 1: extraneous or missing " in quoted-field')
        return value, end + 1
