"""The word that was probably meant: edit distance with swaps, for suggestions in error messages."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


def distance(a: str, b: str) -> int:
    """Insertions, deletions, replacements and swaps of neighbours that make `b` of `a`."""
    before: list[int] = []
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        older, before, row = before, row, [i]
        for j, y in enumerate(b, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (x != y))
            if i > 1 and j > 1 and x == b[j - 2] and a[i - 2] == y:
                cost = min(cost, older[j - 2] + 1)
            row.append(cost)
    return row[-1]


def nearest(word: str, candidates: Iterable[str]) -> str:
    """The closest candidate within two edits (one for short words); empty if none."""
    limit = 2 if len(word) > 3 else 1
    scored = sorted((distance(word.lower(), name), name) for name in candidates)
    return scored[0][1] if scored and scored[0][0] <= limit else ""
