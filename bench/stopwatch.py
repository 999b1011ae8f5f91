"""Measure contenders side by side: one round runs each once, so that a busy moment of the machine hits all alike."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from time import perf_counter_ns

# A contender does its work and returns the milliseconds it took, or None: then the call itself is timed.
Contender = Callable[[], float | None]
Samples = dict[str, list[float]]


def alternate(contenders: dict[str, Contender], rounds: int, warm_up: int = 2) -> Samples:
    """Milliseconds of each contender for each round; the first `warm_up` rounds do not count."""
    samples: Samples = {name: [] for name in contenders}
    names = list(contenders)
    for number in range(warm_up + rounds):
        # Rotate, so that nobody always follows the same predecessor.
        for name in names[number % len(names) :] + names[: number % len(names)]:
            begun = perf_counter_ns()
            told = contenders[name]()
            spent = (perf_counter_ns() - begun) / 1e6 if told is None else told
            if number >= warm_up:
                samples[name].append(spent)
    return samples


def summary(values: list[float]) -> dict[str, float]:
    """Median, best, and the middle half."""
    ordered = sorted(values)
    return {
        "median_ms": round(statistics.median(ordered), 3),
        "best_ms": round(ordered[0], 3),
        "quarter_ms": round(ordered[len(ordered) // 4], 3),
        "three_quarters_ms": round(ordered[(3 * len(ordered)) // 4], 3),
        "samples": len(ordered),
    }
