"""What was measured, for people and as JSON: ratios first, then milliseconds."""

from __future__ import annotations

import json
import os
import platform
from datetime import UTC, datetime
from typing import Any

from bench.stopwatch import Samples, summary

OURS = "tiffin"


class Report:
    """Collects results and prints each as it comes."""

    def __init__(self, rounds: int) -> None:
        self._results: dict[str, Any] = {}
        self._rounds = rounds

    def add(self, title: str, samples: Samples, target: str = "") -> None:
        """A comparison. A ratio says how many times our time the other took: above 1 we are faster."""
        rows = {name: summary(values) for name, values in samples.items() if values}
        ours = rows.get(OURS, {}).get("median_ms")
        ratios = {}
        if ours:
            ratios = {name: round(row["median_ms"] / ours, 2) for name, row in rows.items() if name != OURS}
        self._results[title] = {"ratios_to_tiffin": ratios, "target": target, "measured": rows}
        print(f"\n{title}" + (f"   (target: {target})" if target else ""))
        for name, row in rows.items():
            ratio = "1.00" if name == OURS else f"{ratios.get(name, 0):.2f}"
            middle = f"{row['quarter_ms']:.1f}-{row['three_quarters_ms']:.1f}"
            figures = f"{row['median_ms']:>8.1f} ms   best {row['best_ms']:.1f}, middle {middle}"
            print(f"  {name:<24} {ratio:>7} x   {figures}")

    def add_value(self, title: str, value: float, unit: str, target: str = "") -> None:
        """A figure that stands alone."""
        self._results[title] = {"value": round(value, 3), "unit": unit, "target": target}
        print(f"\n{title}: {value:.2f} {unit}" + (f"   (target: {target})" if target else ""))

    def note(self, text: str) -> None:
        """Something that could not be measured, and why."""
        self._results.setdefault("notes", []).append(text)
        print(f"\nnote: {text}")

    def write(self, path: str) -> None:
        """The JSON document."""
        document = {
            "when": datetime.now(UTC).isoformat(timespec="seconds"),
            "rounds": self._rounds,
            "kernel": platform.release(),
            "python": platform.python_version(),
            "cpus": os.cpu_count(),
            "results": self._results,
        }
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            json.dump(document, file, indent=2)
            file.write("\n")
        print(f"\nwritten to {path}")
