"""A full disk: a clear error, nothing left behind, and `rmi` still works."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any

import image_archives as archives
import pytest
from image_house import House

from tiffin.errors import SystemFailure
from tiffin.linux.mount import MNT_DETACH, mount, umount2

pytestmark = pytest.mark.root


@pytest.fixture
def small(root: str) -> Iterator[str]:
    mount("tmpfs", root, "tmpfs", 0, "size=96m")
    yield root
    umount2(root, MNT_DETACH)


def _fill(path: str) -> None:
    with contextlib.suppress(OSError), open(path, "wb", buffering=0) as file:
        while file.write(b"x" * 4096) == 4096:
            pass


def test_an_image_too_large_is_refused_and_an_image_can_be_removed_from_a_full_disk(small: str, run: Any) -> None:
    async def scenario(house: House) -> None:
        await house.import_(archives.busybox(), "bb")
        before = house.files()
        for size in (50 << 20, 120 << 20):  # too large once unpacked, too large to receive
            with pytest.raises(SystemFailure, match="no space left on device"):
                await house.import_(archives.tar({"big": b"x" * size}), "big")
            assert house.files() == before
        assert os.path.exists(os.path.join(small, "ballast"))
        _fill(os.path.join(small, "filler"))
        assert (await house.images.delete("bb"))[0] == {"Untagged": "bb:latest"}
        os.unlink(os.path.join(small, "filler"))
        assert house.files() == {}

    run(scenario)
