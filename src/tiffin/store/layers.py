"""Unpacked layers, immutable, by chain id: what overlayfs takes as lower directories.

    <data-root>/layers/<chain hex>/diff/    the layer's tree; the directory above it is 0700
    <data-root>/l/<short>                   -> ../layers/<chain hex>/diff; keeps mount options short (300 layers fit)
    <data-root>/tmp/layer-…/diff/           being unpacked by a worker, or on its way out

A layer is unpacked aside, flushed (syncfs), renamed into place, then recorded in the table `layers`; removal goes the
other way round. What is not in the table is garbage. Layers of different parents with the same content are different
layers. Two ingests that need the same layer share the work. Not here: who needs a layer (images.py), reading tar
(the worker, through the injected `Unpacker`).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import astuple, dataclass
from typing import Protocol

from tiffin.errors import InvalidParameter, NotFound
from tiffin.linux.syncfs import syncfs
from tiffin.spec import digest as digests
from tiffin.store.blobs import BlobStore, sync_directory
from tiffin.store.db import Database

SHORT_LENGTH = 10
_COLUMNS = "chain_id, parent, diff_id, size, short, blob, media_type, blob_size, opaque"


@dataclass(frozen=True, slots=True)
class Layer:
    """A recorded layer. `size` counts the bytes of its regular files, as Docker does; `blob` is the tar it came from.

    `opaque`: it hides all below it. Overlayfs ignores that mark on a layer's root, so the stack has to end there.
    """

    chain_id: str
    parent: str | None
    diff_id: str
    size: int
    short: str
    blob: str
    media_type: str
    blob_size: int
    opaque: int


@dataclass(frozen=True, slots=True)
class LayerSource:
    """A layer to be: a verified file with the tar (perhaps compressed), and the digest that its content must have."""

    diff_id: str
    path: str
    digest: str
    size: int
    media_type: str


@dataclass(frozen=True, slots=True)
class Unpacked:
    """What a worker says of the tar it unpacked."""

    diff_id: str
    size: int
    compression: str  # "tar", "gzip", "zstd", "bzip2", "xz"
    source_digest: str  # of the stream as it was read
    source_size: int
    opaque: bool


@dataclass(frozen=True, slots=True)
class Staged:
    """A layer unpacked aside. `directory` holds `diff/`."""

    directory: str
    unpacked: Unpacked


class Unpacker(Protocol):
    """Unpacks a (compressed) tar into a directory, in a process that can reach nothing else."""

    async def unpack(self, source_fd: int, target_fd: int) -> Unpacked:
        """Raises InvalidParameter for a bad archive, SystemFailure for a full disk."""


Progress = Callable[[LayerSource], Awaitable[None]]


class LayerStore:
    """The layers of one data root. `rows` is a cache of the table, changed only after a commit."""

    def __init__(
        self, root: str, database: Database, blobs: BlobStore, unpacker: Unpacker, *, parallel: int = 2
    ) -> None:
        self.directory = os.path.join(root, "layers")
        self.links = os.path.join(root, "l")
        self._temporary = blobs.temporary
        self._database = database
        self._blobs = blobs
        self._unpacker = unpacker
        self._slots = asyncio.Semaphore(parallel)
        self._pending: dict[str, asyncio.Future[None]] = {}
        self._pins: Counter[str] = Counter()
        self.rows: dict[str, Layer] = {}
        os.makedirs(self.directory, mode=0o710, exist_ok=True)
        os.makedirs(self.links, mode=0o710, exist_ok=True)

    def load(self) -> None:
        """Read the table. Blocks: for start-up."""

        def read(connection: sqlite3.Connection) -> list[Layer]:
            return [Layer(*row) for row in connection.execute(f"SELECT {_COLUMNS} FROM layers")]

        self.rows = {layer.chain_id: layer for layer in self._database.write_now(read)}

    def path(self, chain_id: str) -> str:
        """The directory of a layer; its tree is `diff` inside."""
        return os.path.join(self.directory, digests.hex_of(chain_id))

    def stack(self, chain_id: str | None) -> list[Layer]:
        """The layer and all below it, top first; empty for an image without layers."""
        layers = []
        while chain_id is not None:
            layer = self.rows.get(chain_id)
            if layer is None:
                raise NotFound(f"layer does not exist: {chain_id}")
            layers.append(layer)
            chain_id = layer.parent
        return layers

    def lowerdirs(self, chain_id: str | None) -> list[str]:
        """The short paths of the stack, top first, as overlayfs wants them."""
        directories = []
        for layer in self.stack(chain_id):
            directories.append(os.path.join(self.links, layer.short))
            if layer.opaque:
                break
        return directories

    def size(self, chain_id: str | None) -> int:
        """Bytes of the whole stack."""
        return sum(layer.size for layer in self.stack(chain_id))

    def pin(self, chain_id: str) -> None:
        """Keep a layer from `collect` until `unpin`: it is about to be referred to."""
        self._pins[chain_id] += 1

    def unpin(self, chain_id: str) -> None:
        self._pins[chain_id] -= 1
        if self._pins[chain_id] <= 0:
            del self._pins[chain_id]

    async def stage(self, path: str, directory: str) -> Staged:
        """Have a worker unpack the tar at `path` into a new directory below `directory`."""
        async with self._slots:
            staging = tempfile.mkdtemp(prefix="layer-", dir=directory)
            os.mkdir(os.path.join(staging, "diff"), 0o755)
            with contextlib.ExitStack() as opened:
                source = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
                opened.callback(os.close, source)
                target = os.open(os.path.join(staging, "diff"), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
                opened.callback(os.close, target)
                return Staged(staging, await self._unpacker.unpack(source, target))

    async def add(self, sources: Sequence[LayerSource], staging: str, progress: Progress | None = None) -> list[str]:
        """Unpack and record the stack of layers `sources`, bottom first; what is already here is taken as it is.

        Returns the chain ids, each one pinned: the caller unpins them. `staging` is the caller's temporary directory.
        """
        chain = digests.chain_ids([source.diff_id for source in sources])
        for chain_id in chain:
            self.pin(chain_id)
        try:
            while await self._any_missing(chain):
                await self._add_missing(sources, chain, staging, progress)
        except BaseException:
            for chain_id in chain:
                self.unpin(chain_id)
            raise
        return chain

    async def _any_missing(self, chain: list[str]) -> bool:
        async with self._blobs.lock:  # a collection that did not see our pins has ended, and forgotten what it took
            return any(chain_id not in self.rows for chain_id in chain)

    async def _add_missing(
        self, sources: Sequence[LayerSource], chain: list[str], staging: str, progress: Progress | None
    ) -> None:
        """Claim what nobody is unpacking, unpack it, wait for what others had claimed before, commit.

        Claims are made in one step without an await, so everyone waits only for earlier claims: no cycle.
        """
        missing = [number for number, chain_id in enumerate(chain) if chain_id not in self.rows]
        others = [self._pending[chain[number]] for number in missing if chain[number] in self._pending]
        mine = [number for number in missing if chain[number] not in self._pending]
        claims = {chain[number]: asyncio.get_running_loop().create_future() for number in mine}
        self._pending.update(claims)
        try:
            async with asyncio.TaskGroup() as group:
                tasks = {n: group.create_task(self._stage_verified(n, sources[n], staging, progress)) for n in mine}
            await asyncio.gather(*others, return_exceptions=True)
            if all(number in tasks or chain[number] in self.rows for number in missing):
                await self._commit([(sources[n], chain[n - 1] if n else None, tasks[n].result()) for n in mine])
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None
        finally:
            for chain_id, claim in claims.items():
                del self._pending[chain_id]
                claim.set_result(None)  # whoever waited looks for the row, and does the work itself if there is none

    async def _stage_verified(
        self, number: int, source: LayerSource, staging: str, progress: Progress | None
    ) -> Staged:
        staged = await self.stage(source.path, staging)
        if staged.unpacked.diff_id != source.diff_id:
            raise InvalidParameter(
                f'invalid diffID for layer {number}: expected "{source.diff_id}", got "{staged.unpacked.diff_id}"'
            )
        if progress is not None:
            await progress(source)
        return staged

    async def add_staged(self, source: LayerSource, parent: str | None, staged: Staged) -> str:
        """Record a layer that was staged before its diff id was known (import, commit). Pinned, as by `add`."""
        chain_id = chain_of(parent, source.diff_id)
        self.pin(chain_id)
        try:
            while chain_id in self._pending:
                await self._pending[chain_id]
            if await self._any_missing([chain_id]):
                await self._commit([(source, parent, staged)])
        except BaseException:
            self.unpin(chain_id)
            raise
        return chain_id

    async def _commit(self, entries: list[tuple[LayerSource, str | None, Staged]]) -> None:
        async with self._blobs.lock:
            layers: list[tuple[Layer, LayerSource, Staged]] = []
            for source, parent, staged in entries:
                chain_id = chain_of(parent, source.diff_id)
                if chain_id not in self.rows:
                    layer = self._describe(source, parent, chain_id, staged, [new for new, _, _ in layers])
                    layers.append((layer, source, staged))
            if not layers:
                return
            await asyncio.to_thread(self._place, layers)
            await self._database.write(lambda connection: _insert(connection, [layer for layer, _, _ in layers]))
            self.rows.update((layer.chain_id, layer) for layer, _, _ in layers)

    def _describe(
        self, source: LayerSource, parent: str | None, chain_id: str, staged: Staged, others: list[Layer]
    ) -> Layer:
        taken = {layer.short for layer in self.rows.values()} | {layer.short for layer in others}
        length = SHORT_LENGTH
        while digests.hex_of(chain_id)[:length] in taken:
            length += 1
        short = digests.hex_of(chain_id)[:length]
        blob = (source.digest, source.media_type, source.size)
        facts = staged.unpacked
        return Layer(chain_id, parent, source.diff_id, facts.size, short, *blob, int(facts.opaque))

    def _place(self, layers: list[tuple[Layer, LayerSource, Staged]]) -> None:
        """Make blobs and trees durable, in their places. Leftovers of an interrupted try are overwritten."""
        for _, source, staged in layers:
            self._blobs.place(source.digest, source.path)
            os.chmod(staged.directory, 0o700)
        self._blobs.sync()
        descriptor = os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            syncfs(descriptor)
        finally:
            os.close(descriptor)
        for layer, _, staged in layers:
            destination = self.path(layer.chain_id)
            if os.path.exists(destination):  # placed by a try whose commit failed; nobody refers to it
                os.rename(destination, tempfile.mkdtemp(prefix="gone-", dir=self._temporary))
            os.rename(staged.directory, destination)
            with contextlib.suppress(FileNotFoundError):
                os.unlink(os.path.join(self.links, layer.short))
            self.link(layer)
        sync_directory(self.directory)
        sync_directory(self.links)

    def link(self, layer: Layer) -> None:
        """Make the short link of a layer. Raises FileExistsError when it is there."""
        target = os.path.join("..", "layers", digests.hex_of(layer.chain_id), "diff")
        os.symlink(target, os.path.join(self.links, layer.short))

    def collect(self, connection: sqlite3.Connection) -> list[Layer]:
        """Delete the rows of layers that nothing refers to, within the caller's transaction; returns what they were.

        The caller holds the blobs' lock, and calls `forget` and `discard` with the result once it is committed.
        """
        gone: list[Layer] = []
        while True:
            rows = connection.execute(
                "SELECT chain_id FROM layers"
                " WHERE chain_id NOT IN (SELECT chain_id FROM images WHERE chain_id NOT NULL)"
                " AND chain_id NOT IN (SELECT chain_id FROM layer_holds)"
                " AND chain_id NOT IN (SELECT parent FROM layers WHERE parent NOT NULL)"
            ).fetchall()
            free = [row[0] for row in rows if row[0] not in self._pins]
            if not free:
                return gone
            for chain_id in free:
                connection.execute("DELETE FROM layers WHERE chain_id = ?", (chain_id,))
                gone.append(self.rows[chain_id])

    def forget(self, layers: Sequence[Layer]) -> list[str]:
        """Take layers that `collect` returned out of the way. Returns directories for `shutil.rmtree`, in a thread."""
        doomed = []
        for layer in layers:
            self.rows.pop(layer.chain_id, None)
            with contextlib.suppress(FileNotFoundError):
                os.unlink(os.path.join(self.links, layer.short))
            gone = tempfile.mkdtemp(prefix="gone-", dir=self._temporary)
            with contextlib.suppress(FileNotFoundError):
                os.rename(self.path(layer.chain_id), gone)
            doomed.append(gone)
        return doomed


def chain_of(parent: str | None, diff_id: str) -> str:
    """The chain id of a layer on top of `parent`."""
    return diff_id if parent is None else digests.of_bytes(f"{parent} {diff_id}".encode())


def _insert(connection: sqlite3.Connection, layers: list[Layer]) -> None:
    connection.executemany(
        f"INSERT INTO layers ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", [astuple(layer) for layer in layers]
    )
