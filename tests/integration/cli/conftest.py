"""One canned daemon for both command lines: the stock docker CLI and ours."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "unit" / "cli"))

from fake_daemon import FakeDaemon


@pytest.fixture(scope="module")
def canned(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeDaemon]:
    if shutil.which("docker") is None:
        pytest.skip("needs the stock docker CLI on PATH")
    fake = FakeDaemon(str(tmp_path_factory.mktemp("fake") / "s"))
    yield fake
    fake.close()
