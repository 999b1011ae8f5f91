"""How a start came about: each step, who did it, how long it took and which kernel objects it made.

`tiffin explain` and the benchmark read it. The shim's own steps arrive with the shim and are merged by time order.
"""

from __future__ import annotations

import time
from typing import Any

Step = dict[str, Any]
LIMIT = 200


class Trace:
    """The steps of one container's life: create's, and the last start's."""

    def __init__(self) -> None:
        self.steps: list[Step] = []

    def clear_start(self) -> None:
        """A new start forgets the one before; what create did stays."""
        self.steps = [step for step in self.steps if step["phase"] == "create"]

    def add(self, step: str, who: str, started_ns: int, *, phase: str = "start", **facts: Any) -> int:
        """Ends a step that began at `started_ns` (time.monotonic_ns); returns now, where the next one begins."""
        now = time.monotonic_ns()
        entry = {"step": step, "who": who, "duration_us": (now - started_ns) // 1000, "facts": facts, "phase": phase}
        if len(self.steps) < LIMIT:
            self.steps.append(entry)
        return now

    def merge(self, steps: list[Step]) -> None:
        """The runtime's steps; keys that it left out are filled."""
        for step in steps[: LIMIT - len(self.steps)]:
            self.steps.append(
                {
                    "step": step.get("step", ""),
                    "who": step.get("who", "runtime"),
                    "duration_us": step.get("duration_us", 0),
                    "facts": step.get("facts") or {},
                    "phase": "start",
                }
            )

    def document(self) -> list[Step]:
        return [{key: value for key, value in step.items() if key != "phase"} for step in self.steps]
