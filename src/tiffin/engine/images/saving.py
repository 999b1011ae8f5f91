"""`save`: images as an archive that is a docker archive and an OCI layout at once, as Docker 25 and later write it.

    blobs/sha256/<hex>    layers as they were received, configs, manifests
    index.json            OCI: one entry per image and name          oci-layout     {"imageLayoutVersion": "1.0.0"}
    manifest.json         docker load: config, tags, layers          repositories   Docker's oldest table of names

The bytes are the kept ones, so digests are what they were, and saving the same images twice gives the same archive.
All files are opened first: an image removed meanwhile is still saved whole. An image that came without a manifest gets
one, made from what is recorded of its layers.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from tiffin.errors import InvalidParameter, NotFound
from tiffin.spec import digest as digests
from tiffin.spec import manifest as manifests
from tiffin.spec import reference as references
from tiffin.spec.platform import Platform
from tiffin.spec.reference import Reference
from tiffin.store.images import Image, ImageStore
from tiffin.wire.tar.layout import DIRECTORY, Entry, padding
from tiffin.wire.tar.writer import header, regular

PIECE = 1 << 20


@dataclass(slots=True)
class _Saved:
    image: Image
    raw_manifest: bytes
    manifest: manifests.Manifest
    names: list[Reference] = field(default_factory=list)


def choose(store: ImageStore, names: Sequence[str], platform: Platform | None) -> dict[str, list[Reference]]:
    """Image ids to save, in order, and the names each one is saved under. A name without a tag means all tags."""
    chosen: dict[str, list[Reference]] = {}
    for text in names:
        for image, found in _matching(store, text):
            if platform is not None and image.config.platform != platform:
                raise NotFound(f"image with reference {text} was found but does not provide the platform {platform}")
            chosen.setdefault(image.id, []).extend(name for name in found if name not in chosen.get(image.id, []))
    if not chosen:
        raise InvalidParameter("no image to save: give the names of images")
    return chosen


def _matching(store: ImageStore, text: str) -> list[tuple[Image, list[Reference]]]:
    try:
        name = references.parse(text)
    except references.BadReference:
        return [(store.resolve(text), [])]
    if name.tag is None and name.digest is None and (tags := _tags(store, name)):
        return tags
    image = store.resolve(text)
    return [(image, [name] if name.digest is None and str(name) in store.refs else [])]


def _tags(store: ImageStore, repository: Reference) -> list[tuple[Image, list[Reference]]]:
    """All tags of a repository."""
    named = [(references.parse(text), image_id) for text, image_id in sorted(store.refs.items())]
    return [(store.images[i], [n]) for n, i in named if n.name == repository.name and n.digest is None]


async def save_archive(store: ImageStore, chosen: dict[str, list[Reference]]) -> AsyncIterator[bytes]:
    """The archive's bytes."""
    with ExitStack() as opened:
        saved, files, documents = await asyncio.to_thread(_prepare, store, chosen, opened)
        yield header(Entry(b"blobs/", DIRECTORY, 0o755)) + header(Entry(b"blobs/sha256/", DIRECTORY, 0o755))
        for digest in sorted({*files, *documents}):
            name = f"blobs/sha256/{digests.hex_of(digest)}".encode()
            if digest in documents:
                yield _file(name, documents[digest])
                continue
            file, size = files[digest]
            yield regular(name, size)
            while piece := await asyncio.to_thread(file.read, PIECE):
                yield piece
            yield bytes(padding(size))
        for table, content in _tables(saved):
            yield _file(table, content)
        yield bytes(1024)


_Prepared = tuple[list[_Saved], dict[str, tuple[BinaryIO, int]], dict[str, bytes]]


def _prepare(store: ImageStore, chosen: dict[str, list[Reference]], opened: ExitStack) -> _Prepared:
    saved, files, documents = [], {}, {}
    for image_id, names in chosen.items():
        image = store.get(image_id)
        entry = _describe(store, image, names)
        saved.append(entry)
        documents[image.id] = image.config.raw
        documents[digests.of_bytes(entry.raw_manifest)] = entry.raw_manifest
        for layer in entry.manifest.layers:
            if layer.digest not in files:
                file = opened.enter_context(store.blobs.open(layer.digest))
                files[layer.digest] = (file, layer.size)
    return saved, files, documents


def _describe(store: ImageStore, image: Image, names: list[Reference]) -> _Saved:
    if image.manifests:
        manifest = store.manifest(image.manifests[0])
        return _Saved(image, manifest.raw, manifest, names)
    stack = reversed(store.layers.stack(image.chain_id))
    layers = [(layer.media_type, layer.blob, layer.blob_size) for layer in stack]
    raw = manifests.make((image.id, len(image.config.raw)), layers)
    parsed = manifests.parse(raw)
    assert isinstance(parsed, manifests.Manifest)
    return _Saved(image, raw, parsed, names)


def _tables(saved: Sequence[_Saved]) -> list[tuple[bytes, bytes]]:
    entries, images = [], []
    repositories: dict[str, dict[str, str]] = {}
    for each in saved:
        layers = [f"blobs/sha256/{digests.hex_of(layer.digest)}" for layer in each.manifest.layers]
        tags = [name.familiar for name in each.names]
        config = f"blobs/sha256/{digests.hex_of(each.image.id)}"
        images.append({"Config": config, "RepoTags": tags or None, "Layers": layers})
        entries.extend(_descriptors(each))
        for name in each.names:
            top = digests.hex_of(each.manifest.layers[-1].digest) if layers else digests.hex_of(each.image.id)
            repositories.setdefault(name.familiar_name, {})[name.tag or references.DEFAULT_TAG] = top
    index = {"schemaVersion": 2, "mediaType": manifests.OCI_INDEX, "manifests": entries}
    tables = [(b"index.json", _json(index)), (b"manifest.json", _json(images))]
    tables.append((b"oci-layout", _json({"imageLayoutVersion": "1.0.0"})))
    if repositories:
        tables.append((b"repositories", _json(repositories)))
    return tables


def _descriptors(each: _Saved) -> list[dict[str, Any]]:
    target = each.image.config.platform
    platform = {"architecture": target.architecture, "os": target.os}
    if target.variant:
        platform["variant"] = target.variant
    descriptor = {
        "mediaType": each.manifest.media_type,
        "digest": digests.of_bytes(each.raw_manifest),
        "size": len(each.raw_manifest),
        "platform": platform,
    }
    if not each.names:
        return [descriptor]
    return [
        {
            **descriptor,
            "annotations": {
                "io.containerd.image.name": str(name),
                "org.opencontainers.image.ref.name": name.tag,
            },
        }
        for name in each.names
    ]


def _file(name: bytes, content: bytes) -> bytes:
    return regular(name, len(content)) + content + bytes(padding(len(content)))


def _json(document: object) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()
