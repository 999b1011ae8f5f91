"""One daemon and one busybox image for each file of tests."""

from __future__ import annotations

import os

import pytest

from house_fixtures import busybox_archive, house, mark, shared_house

__all__ = ["busybox_archive", "house", "shared_house"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    mark(items, os.path.dirname(__file__))
