"""Puts the engine's fakes on the path: the routes are tested over the real engine on fakes."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "engine/containers"))
