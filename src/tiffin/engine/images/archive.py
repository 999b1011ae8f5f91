"""An image archive that was split into files: finding members by name, following links, checking digests.

Names are keys of a dictionary and nothing else. A member below `blobs/sha256/` has the digest that its name says.
"""

from __future__ import annotations

import os
import posixpath
from dataclasses import dataclass
from typing import Any

from tiffin.errors import InvalidParameter
from tiffin.spec import digest as digests

LINK_LIMIT = 8
DOCUMENT_LIMIT = 8 << 20


@dataclass(frozen=True, slots=True)
class Member:
    """A regular file of the archive, as it lies in the staging directory."""

    name: str
    path: str
    size: int
    digest: str


class Archive:
    """The members by normalised name; filled by `add` while the archive is split."""

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self._members: dict[str, Member] = {}
        self._links: dict[str, str] = {}

    def add(self, packet: dict[str, Any]) -> None:
        """Take a packet of the worker (ingest_worker.py); packets about other things are ignored."""
        said = packet.get("member")
        if said is None:
            return
        name = posixpath.normpath(said["name"])
        if "link" in said:
            base = "" if said["hard"] else posixpath.dirname(name)
            self._links[name] = posixpath.normpath(posixpath.join(base, said["link"]))
            self._members.pop(name, None)
            return
        path = os.path.join(self._directory, str(int(said["file"])))
        self._members[name] = Member(name, path, said["size"], said["digest"])
        self._links.pop(name, None)

    def has(self, name: str) -> bool:
        return self._find(name) is not None

    def member(self, name: object) -> Member:
        """The member of that name, through links. Raises InvalidParameter when there is none."""
        if not isinstance(name, str):
            raise InvalidParameter("invalid archive: a path is not a string")
        found = self._find(name)
        if found is None:
            raise InvalidParameter(f"invalid archive: {name!r} is not in it")
        folder, _, hexadecimal = found.name.rpartition("/")
        if folder == "blobs/sha256" and found.digest != f"sha256:{hexadecimal}":
            raise InvalidParameter(f"invalid archive: the content of {found.name} has the digest {found.digest}")
        return found

    def blob(self, digest: str) -> Member:
        """The blob of an OCI layout."""
        if not digests.is_sha256(digest):
            raise InvalidParameter(f"invalid archive: unsupported digest {digest!r}")
        return self.member(f"blobs/sha256/{digests.hex_of(digest)}")

    def read(self, member: Member) -> bytes:
        """A document. Blocks on the disk, briefly: its size is bounded."""
        if member.size > DOCUMENT_LIMIT:
            raise InvalidParameter(f"invalid archive: {member.name} is larger than {DOCUMENT_LIMIT} bytes")
        with open(member.path, "rb") as file:
            return file.read()

    def _find(self, name: str) -> Member | None:
        name = posixpath.normpath(name)
        for _ in range(LINK_LIMIT):
            if name in self._members:
                return self._members[name]
            if name not in self._links:
                return None
            name = self._links[name]
        return None
