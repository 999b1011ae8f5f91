"""Content digests: `algorithm:hex`, as the OCI image specification defines them.

A digest that arrives from outside is only ever used after `parse` accepted it: the grammar is what keeps a digest from
being a path (CVE-2024-3727). Only algorithms that this engine can verify are accepted. No I/O here.
"""

from __future__ import annotations

import hashlib
import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

_GRAMMAR: Final = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}", re.ASCII)
_HEX_LENGTH: Final = {"sha256": 64, "sha384": 96, "sha512": 128}
_HEX: Final = re.compile(r"[0-9a-f]+", re.ASCII)


class DigestError(ValueError):
    """The text is not a digest; the message is Docker's."""


def parse(text: str) -> str:
    """Return `text` when it is a digest that can be verified, else raise DigestError in Docker's words."""
    if _GRAMMAR.fullmatch(text) is None:
        raise DigestError("invalid checksum digest format")
    algorithm, _, hexadecimal = text.partition(":")
    if algorithm not in _HEX_LENGTH:
        raise DigestError("unsupported digest algorithm")
    if len(hexadecimal) != _HEX_LENGTH[algorithm]:
        raise DigestError("invalid checksum digest length")
    if _HEX.fullmatch(hexadecimal) is None:
        raise DigestError("invalid checksum digest format")
    return text


def is_digest(text: object) -> bool:
    """Whether `text` is a well-formed digest."""
    if not isinstance(text, str):
        return False
    try:
        parse(text)
    except DigestError:
        return False
    return True


def is_sha256(text: object) -> bool:
    """Whether `text` is a well-formed sha256 digest: the only kind that names an image or a layer."""
    return is_digest(text) and str(text).startswith("sha256:")


def of_bytes(data: bytes) -> str:
    """The sha256 digest of `data`."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def hex_of(digest: str) -> str:
    """The part after the colon."""
    return digest.partition(":")[2]


def short(digest: str) -> str:
    """The twelve characters that people see."""
    return digest.rpartition(":")[2][:12]


def chain_ids(diff_ids: list[str]) -> list[str]:
    """Chain ids of a stack of layers, bottom first (OCI image specification, config.md, "Layer ChainID")."""
    chain: list[str] = []
    for diff_id in diff_ids:
        chain.append(diff_id if not chain else of_bytes(f"{chain[-1]} {diff_id}".encode()))
    return chain
