"""The fixture of this directory; what it is made of is in netlab.py."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from netlab import Lab


@pytest.fixture
def lab() -> Iterator[Lab]:
    if os.geteuid() != 0:
        pytest.skip("needs root: CAP_NET_ADMIN and CAP_SYS_ADMIN")
    with ExitStack() as stack:
        yield Lab(stack)
