"""Content-addressed files: configs, manifests and layers, exactly as they came.

    <data-root>/blobs/sha256/<hex>    0600, read-only by convention: its sha256 is its name
    <data-root>/tmp/…                 whatever is being received or removed; emptied at start-up

A blob appears whole or not at all: written and verified under tmp/, fsynced, linked. A blob goes by being renamed to
tmp/ and unlinked there. Which blobs are needed is known to the database alone; `lock` makes that knowledge hold:
whoever places blobs and records them, or decides that nobody needs them and discards them, does both under it.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import tempfile
from collections.abc import Iterator
from types import TracebackType
from typing import BinaryIO

from tiffin.errors import InvalidParameter, NotFound, SystemFailure
from tiffin.spec import digest as digests

COPY_BYTES = 1 << 20


class BlobStore:
    """The blobs below one data root. Methods block on the disk unless they say otherwise."""

    def __init__(self, root: str) -> None:
        self.directory = os.path.join(root, "blobs", "sha256")
        self.temporary = os.path.join(root, "tmp")
        self.lock = asyncio.Lock()
        for directory in (os.path.join(root, "blobs"), self.directory, self.temporary):
            os.makedirs(directory, mode=0o700, exist_ok=True)

    def path(self, digest: str) -> str:
        """Where the blob is, or would be. The digest's grammar is checked here, whoever calls."""
        if not digests.is_sha256(digest):
            raise InvalidParameter(f"invalid digest {digest!r}")
        return os.path.join(self.directory, digests.hex_of(digest))

    def has(self, digest: str) -> bool:
        return os.path.exists(self.path(digest))

    def size(self, digest: str) -> int:
        try:
            return os.stat(self.path(digest)).st_size
        except FileNotFoundError:
            raise NotFound(f"blob {digest} not found") from None

    def open(self, digest: str) -> BinaryIO:
        """Open for reading, unbuffered: one `read` is one system call."""
        try:
            return open(self.path(digest), "rb", buffering=0)
        except FileNotFoundError:
            raise NotFound(f"blob {digest} not found") from None

    def read(self, digest: str) -> bytes:
        """The whole blob, verified: for configs and manifests."""
        with self.open(digest) as file:
            data = file.read()
        if digests.of_bytes(data) != digest:
            raise SystemFailure(f"blob {digest} is damaged on disk")
        return data

    def list(self) -> Iterator[tuple[str, int]]:
        """Digest and size of every blob."""
        with os.scandir(self.directory) as entries:
            for entry in entries:
                yield "sha256:" + entry.name, entry.stat(follow_symlinks=False).st_size

    def place(self, digest: str, path: str) -> None:
        """Link a verified file of the same file system as the blob `digest`. Call `sync` before recording it."""
        destination = self.path(digest)
        if os.path.exists(destination):
            return
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        with contextlib.suppress(FileExistsError):
            os.link(path, destination)  # not renamed: the same file may be needed once more by its receiver

    def place_bytes(self, data: bytes) -> str:
        """Keep `data` as a blob and return its digest. Call `sync` before recording it."""
        digest = digests.of_bytes(data)
        if not self.has(digest):
            with BlobWriter(self.temporary) as writer:
                writer.write(data)
                self.place(digest, writer.path)
        return digest

    def sync(self) -> None:
        """Make the names of placed blobs durable."""
        sync_directory(self.directory)

    def discard(self, digest: str) -> str | None:
        """Take the blob away (one rename, never slow). Returns the file to unlink when there is time."""
        gone = os.path.join(self.temporary, f"gone-{digests.hex_of(digest)}")
        try:
            os.rename(self.path(digest), gone)
        except FileNotFoundError:
            return None
        return gone


class BlobWriter:
    """A temporary file that hashes what is written to it. Removed on exit unless it was renamed away."""

    def __init__(self, directory: str) -> None:
        descriptor, self.path = tempfile.mkstemp(prefix="blob-", dir=directory)
        self._file = os.fdopen(descriptor, "wb", buffering=0)
        self._hash = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes | memoryview) -> None:
        self._hash.update(data)
        rest = memoryview(data)
        while rest:
            rest = rest[self._file.write(rest) :]
        self.size += len(data)

    @property
    def digest(self) -> str:
        return "sha256:" + self._hash.hexdigest()

    def __enter__(self) -> BlobWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path)


def sync_directory(path: str) -> None:
    """fsync a directory: makes renames in it durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
