"""Images and their names: which configs, manifests and layers are kept, and why.

    images      id = sha256 of the config blob, kept byte for byte
    refs        docker.io/library/busybox:latest -> image id; also …@sha256:… for what was pulled
    manifests   kept exactly as they came, with the blobs each one needs

The tables are the record; `images` and `refs` here are a cache of them, changed after a commit, so that looking up an
image never waits. An image without names is dangling, not garbage. Garbage is a layer or a blob that no image, no
layer and no hold refers to; whoever removes an image collects it. Not here: what may be removed (engine), HTTP.
"""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import sqlite3
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from tiffin.errors import InvalidParameter, NotFound, TiffinError
from tiffin.spec import digest as digests
from tiffin.spec import image as image_spec
from tiffin.spec import manifest as manifests_spec
from tiffin.spec import reference as references
from tiffin.spec.image import ImageConfig
from tiffin.spec.reference import Reference
from tiffin.store.blobs import BlobStore
from tiffin.store.db import Database
from tiffin.store.layers import Layer, LayerStore

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Image:
    """A recorded image. Times are nanoseconds since the epoch; `manifests` are digests, oldest first."""

    id: str
    chain_id: str | None
    parent: str
    stored_ns: int
    tagged_ns: int | None
    config: ImageConfig
    manifests: tuple[str, ...] = ()


Lost = list[tuple[Reference, str]]
_Row = tuple[str, str | None, str, int, int | None]


@dataclass(frozen=True, slots=True)
class Blob:
    """A verified file that is to become a blob."""

    path: str
    digest: str
    size: int


@dataclass(frozen=True, slots=True)
class Reclaimed:
    """What a removal gave back."""

    layers: list[Layer]
    bytes: int


class ImageStore:
    """The images of one data root."""

    def __init__(self, database: Database, blobs: BlobStore, layers: LayerStore) -> None:
        self.blobs = blobs
        self.layers = layers
        self._database = database
        self.images: dict[str, Image] = {}
        self.refs: dict[str, str] = {}

    # -- looking up -------------------------------------------------------------------------------------------------

    def load(self) -> None:
        """Read the tables and the configs. Blocks: for start-up. A damaged image is left out, loudly."""

        def read(connection: sqlite3.Connection) -> tuple[list[_Row], dict[str, str], list[tuple[str, str]]]:
            images = connection.execute("SELECT id, chain_id, parent, stored_ns, tagged_ns FROM images").fetchall()
            refs = dict(connection.execute("SELECT name, image_id FROM refs").fetchall())
            kept = connection.execute("SELECT image_id, digest FROM manifests ORDER BY rowid").fetchall()
            return images, refs, kept

        rows, refs, kept = self._database.write_now(read)
        self.images = {}
        for row in rows:
            try:
                config = image_spec.parse(self.blobs.read(row[0]))
                self.layers.stack(row[1])
            except (TiffinError, image_spec.ConfigError) as error:
                log.error("image %s is damaged and is not offered: %s", row[0], error)
                continue
            own = tuple(digest for image_id, digest in kept if image_id == row[0])
            self.images[row[0]] = Image(*row, config, own)
        self.refs = {name: image_id for name, image_id in refs.items() if image_id in self.images}

    def get(self, image_id: str) -> Image:
        """By whole id."""
        try:
            return self.images[image_id]
        except KeyError:
            raise NotFound(f"No such image: {image_id}") from None

    def resolve(self, text: str) -> Image:
        """By name, name@digest, id, or the beginning of an id; a name wins over an id, as in Docker."""
        whole = references.full_id(text)
        if whole is not None:
            if whole not in self.images:
                raise NotFound(f"No such image: {text}")
            return self.images[whole]
        try:
            reference = references.parse(text)
        except references.BadReference as error:
            found = self._by_prefix(text)
            if found is None:
                if references.id_prefix(text) is not None:
                    raise NotFound(f"No such image: {text}") from None
                raise InvalidParameter(str(error)) from None
            return found
        found = self._by_reference(reference) or self._by_prefix(text)
        if found is None:
            raise NotFound(f"No such image: {reference.with_default_tag().familiar}")
        return found

    def _by_reference(self, reference: Reference) -> Image | None:
        reference = reference.with_default_tag()
        image_id = self.refs.get(str(reference))
        if image_id is None and reference.digest is not None:  # name:tag@digest: the digest decides
            image_id = self.refs.get(f"{reference.name}@{reference.digest}")
        return self.images.get(image_id) if image_id is not None else None

    def _by_prefix(self, text: str) -> Image | None:
        prefix = references.id_prefix(text)
        if prefix is None:
            return None
        found = [image for image_id, image in self.images.items() if digests.hex_of(image_id).startswith(prefix)]
        if len(found) > 1:
            raise InvalidParameter(f"ambiguous image id prefix: {text}")
        return found[0] if found else None

    def names(self, image_id: str) -> list[Reference]:
        """The names of an image, sorted."""
        return sorted((references.parse(name) for name, owner in self.refs.items() if owner == image_id), key=str)

    def children(self, image_id: str) -> list[Image]:
        """Images that were built on this one."""
        return [image for image in self.images.values() if image.parent == image_id]

    def manifest(self, digest: str) -> manifests_spec.Manifest:
        """A kept manifest. Reads the disk."""
        parsed = manifests_spec.parse(self.blobs.read(digest))
        if not isinstance(parsed, manifests_spec.Manifest):
            raise NotFound(f"manifest {digest} not found")
        return parsed

    # -- changing ---------------------------------------------------------------------------------------------------

    async def create(
        self,
        config: ImageConfig,
        *,
        parent: str = "",
        manifest: manifests_spec.Manifest | None = None,
        blobs: Iterable[Blob] = (),
        names: Sequence[Reference] = (),
    ) -> tuple[Image, Lost]:
        """Record an image whose layers were added and are pinned, with its manifest and names, in one transaction.

        `blobs` are files for blobs that the manifest needs and that may not be here yet. Returns the image, and
        the names that other images lost to it, each with that image's id.
        """
        chain = digests.chain_ids(config.diff_ids)
        chain_id = chain[-1] if chain else None
        async with self.blobs.lock:
            await asyncio.to_thread(self._place, config, manifest, list(blobs))
            known = self.images.get(config.id)
            now = time.time_ns()
            image = known or Image(config.id, chain_id, parent, now, None, config)
            if manifest is not None and manifest.digest not in image.manifests:
                image = replace(image, manifests=(*image.manifests, manifest.digest))
            if names:
                image = replace(image, tagged_ns=now)
            await self._database.write(lambda connection: _record(connection, image, manifest, names))
            self.images[image.id] = image
            lost = [(name, self.refs[str(name)]) for name in names if self.refs.get(str(name), image.id) != image.id]
            self.refs.update((str(name), image.id) for name in names)
            return image, lost

    def _place(self, config: ImageConfig, manifest: manifests_spec.Manifest | None, blobs: list[Blob]) -> None:
        self.blobs.place_bytes(config.raw)
        for blob in blobs:
            self.blobs.place(blob.digest, blob.path)
        if manifest is not None:
            self.blobs.place_bytes(manifest.raw)
            for layer in manifest.layers:
                if not self.blobs.has(layer.digest):
                    raise InvalidParameter(f"blob {layer.digest} is missing")
        self.blobs.sync()

    async def tag(self, image_id: str, name: Reference) -> None:
        """Give an image a name; another image loses it."""
        now = time.time_ns()

        def write(connection: sqlite3.Connection) -> None:
            connection.execute("INSERT OR REPLACE INTO refs (name, image_id) VALUES (?, ?)", (str(name), image_id))
            connection.execute("UPDATE images SET tagged_ns = ? WHERE id = ?", (now, image_id))

        async with self.blobs.lock:
            self.get(image_id)
            await self._database.write(write)
            self.images[image_id] = replace(self.images[image_id], tagged_ns=now)
            self.refs[str(name)] = image_id

    async def untag(self, names: Sequence[Reference]) -> None:
        """Take names away."""
        texts = [str(name) for name in names]

        def write(connection: sqlite3.Connection) -> None:
            connection.executemany("DELETE FROM refs WHERE name = ?", [(text,) for text in texts])

        async with self.blobs.lock:
            await self._database.write(write)
            for text in texts:
                self.refs.pop(text, None)

    async def remove(self, image_id: str, holders: Sequence[str] = ()) -> Reclaimed:
        """Remove an image and its names, then what only it needed. Layers stay for `holders` (ids of containers).

        The image stops being found at once, before anything is awaited: a create that comes now does not get it.
        """
        image = self.images.pop(image_id)
        names = {name: owner for name, owner in self.refs.items() if owner == image_id}
        for name in names:
            del self.refs[name]
        try:
            async with self.blobs.lock:
                return await self._remove(image, holders)
        except BaseException:
            self.images.setdefault(image_id, image)
            self.refs = {**names, **self.refs}
            raise

    async def _remove(self, image: Image, holders: Sequence[str]) -> Reclaimed:
        def write(connection: sqlite3.Connection) -> tuple[list[Layer], list[str]]:
            suspects = _blobs_of(connection, image)
            connection.execute("DELETE FROM refs WHERE image_id = ?", (image.id,))
            connection.execute("DELETE FROM manifests WHERE image_id = ?", (image.id,))
            connection.execute("DELETE FROM images WHERE id = ?", (image.id,))
            if image.chain_id is not None:
                connection.executemany(
                    "INSERT OR IGNORE INTO layer_holds (owner, chain_id) VALUES (?, ?)",
                    [(holder, image.chain_id) for holder in holders],
                )
            layers = self.layers.collect(connection)
            suspects.update(layer.blob for layer in layers)
            return layers, [digest for digest in sorted(suspects) if not _is_needed(connection, digest)]

        layers, digests_gone = await self._database.write(write)
        size = sum(layer.size for layer in layers)
        directories = self.layers.forget(layers)
        files = [path for path in map(self.blobs.discard, digests_gone) if path is not None]
        size += sum(os.stat(path).st_size for path in files)
        await asyncio.to_thread(_delete, files, directories)
        return Reclaimed(layers, size)

    async def collect(self) -> Reclaimed:
        """Remove layers and blobs that nothing refers to any more (containers gone since their image was)."""
        async with self.blobs.lock:
            layers = await self._database.write(self.layers.collect)
            directories = self.layers.forget(layers)
            needed = await self._database.read(needed_blobs)
            here = await asyncio.to_thread(lambda: list(self.blobs.list()))
            gone = [(digest, size) for digest, size in here if digest not in needed]
            files = [path for path in (self.blobs.discard(digest) for digest, _ in gone) if path is not None]
        await asyncio.to_thread(_delete, files, directories)
        return Reclaimed(layers, sum(layer.size for layer in layers) + sum(size for _, size in gone))


def _record(
    connection: sqlite3.Connection,
    image: Image,
    manifest: manifests_spec.Manifest | None,
    names: Sequence[Reference],
) -> None:
    connection.execute(
        "INSERT INTO images (id, chain_id, parent, stored_ns, tagged_ns) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (id) DO UPDATE SET tagged_ns = excluded.tagged_ns",
        (image.id, image.chain_id, image.parent, image.stored_ns, image.tagged_ns),
    )
    if manifest is not None:
        connection.execute(
            "INSERT OR IGNORE INTO manifests (digest, image_id, media_type) VALUES (?, ?, ?)",
            (manifest.digest, image.id, manifest.media_type),
        )
        connection.executemany(
            "INSERT OR IGNORE INTO manifest_blobs (manifest, digest) VALUES (?, ?)",
            [(manifest.digest, layer.digest) for layer in manifest.layers],
        )
    connection.executemany(
        "INSERT OR REPLACE INTO refs (name, image_id) VALUES (?, ?)", [(str(name), image.id) for name in names]
    )


def _blobs_of(connection: sqlite3.Connection, image: Image) -> set[str]:
    rows = connection.execute(
        "SELECT digest FROM manifests WHERE image_id = ? UNION SELECT manifest_blobs.digest FROM manifest_blobs"
        " JOIN manifests ON manifests.digest = manifest_blobs.manifest WHERE image_id = ?",
        (image.id, image.id),
    )
    return {image.id, *(row[0] for row in rows)}


_NEEDED = (
    "SELECT id AS digest FROM images UNION SELECT digest FROM manifests"
    " UNION SELECT digest FROM manifest_blobs UNION SELECT blob FROM layers"
)


def _is_needed(connection: sqlite3.Connection, digest: str) -> bool:
    return connection.execute(f"SELECT 1 FROM ({_NEEDED}) WHERE digest = ?", (digest,)).fetchone() is not None


def needed_blobs(connection: sqlite3.Connection) -> set[str]:
    """Every digest that something refers to."""
    return {row[0] for row in connection.execute(_NEEDED)}


def _delete(files: Sequence[str], directories: Sequence[str]) -> None:
    for path in files:
        os.unlink(path)
    for path in directories:
        shutil.rmtree(path)
