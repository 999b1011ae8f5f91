"""Deleting directory trees that a container wrote, and the directories of volumes nobody names.

Walks by descriptor (shutil's own protection against swapped links); never follows a link.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable


def remove_trees(paths: Iterable[str]) -> None:
    for path in paths:
        remove_tree(path)


def remove_tree(path: str) -> None:
    """What is not there is fine; a tree that resists is tried a second time (immutable work directories)."""
    try:
        shutil.rmtree(path)
    except FileNotFoundError:
        if os.path.lexists(path):
            shutil.rmtree(path, ignore_errors=True)
