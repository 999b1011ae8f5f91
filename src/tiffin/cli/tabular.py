"""Columns from tab-separated lines, as Go's tabwriter aligns them for Docker (width at least 10, 3 spaces between).

A cell is what a tab ends; what follows the last tab is not padded. A column is a run of lines that all have a cell
there, so a line with fewer tabs interrupts it.
"""

from __future__ import annotations

MIN_WIDTH = 10
PADDING = 3


def align(text: str, min_width: int = MIN_WIDTH, padding: int = PADDING) -> str:
    """The same text, aligned."""
    lines = [line.split("\t") for line in text.split("\n")]
    widths: list[list[int]] = [[] for _ in lines]
    _measure(lines, widths, 0, len(lines), 0, min_width, padding)
    out = []
    for cells, own in zip(lines, widths, strict=True):
        padded = [cell.ljust(width) for cell, width in zip(cells[:-1], own, strict=True)]
        out.append("".join(padded) + cells[-1])
    return "\n".join(out)


def _measure(
    lines: list[list[str]], widths: list[list[int]], first: int, last: int, column: int, least: int, padding: int
) -> None:
    at = first
    while at < last:
        if len(lines[at]) - 1 <= column:
            at += 1
            continue
        end = at
        while end < last and len(lines[end]) - 1 > column:
            end += 1
        longest = max(len(lines[i][column]) for i in range(at, end))
        width = max(least, longest + padding)
        for i in range(at, end):
            widths[i].append(width)
        _measure(lines, widths, at, end, column + 1, least, padding)
        at = end
