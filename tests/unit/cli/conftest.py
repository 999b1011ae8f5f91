"""A canned daemon, and the client run against it as a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_daemon import FakeDaemon, Run


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[FakeDaemon]:
    fake = FakeDaemon(str(tmp_path / "s"))
    yield fake
    fake.close()


@pytest.fixture
def environment(daemon: FakeDaemon, tmp_path: Path) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    return {**kept, "DOCKER_HOST": daemon.host, "HOME": str(tmp_path), "TZ": "UTC"}


@pytest.fixture
def tiffin(environment: dict[str, str]) -> Run:
    def run(*words: str, stdin: bytes = b"", **extra: str) -> subprocess.CompletedProcess[bytes]:
        command = [sys.executable, "-P", "-m", "tiffin", *words]
        return subprocess.run(
            command, input=stdin, capture_output=True, timeout=60, env={**environment, **extra}, check=False
        )

    return run
