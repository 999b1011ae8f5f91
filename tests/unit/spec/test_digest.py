"""Digests: a grammar that no path fits."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiffin.spec import digest as digests


@pytest.mark.parametrize(
    "text",
    ["", "sha256:", "sha256:" + "A" * 64, "sha256:" + "a" * 63, "sha256:../../etc/passwd", "sha256:" + "a" * 64 + "\n",
     "md5:" + "a" * 32, "sha256:" + "a" * 62 + "/a", "sha512:" + "a" * 64],
)
def test_what_is_no_digest_is_refused(text: str) -> None:
    assert not digests.is_digest(text)


@given(st.binary())
def test_the_digest_of_bytes_is_one(data: bytes) -> None:
    digest = digests.of_bytes(data)
    assert digests.parse(digest) == "sha256:" + hashlib.sha256(data).hexdigest()


def test_chain_ids_are_those_of_the_specification() -> None:
    one, two = digests.of_bytes(b"1"), digests.of_bytes(b"2")
    assert digests.chain_ids([]) == []
    assert digests.chain_ids([one, two]) == [one, digests.of_bytes(f"{one} {two}".encode())]
