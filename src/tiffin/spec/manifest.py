"""Manifests and indexes: OCI image manifest v1.1 and Docker schema 2, parsed strictly.

A document means one thing only: what has both `layers` and `manifests`, a repeated key, or a media type that
disagrees with how it was announced is refused (CVE-2021-41190). Counts and sizes are capped (CVE-2026-53493).
No I/O, no policy on which platform to choose.
"""

from __future__ import annotations

import json

from tiffin.spec import digest as digests
from tiffin.spec import platform as platforms

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final

OCI_MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX: Final = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG: Final = "application/vnd.oci.image.config.v1+json"
OCI_LAYER: Final = "application/vnd.oci.image.layer.v1.tar"
DOCKER_MANIFEST: Final = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_INDEX: Final = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_CONFIG: Final = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER: Final = "application/vnd.docker.image.rootfs.diff.tar"

MANIFESTS: Final = frozenset({OCI_MANIFEST, DOCKER_MANIFEST})
INDEXES: Final = frozenset({OCI_INDEX, DOCKER_INDEX})
CONFIGS: Final = frozenset({OCI_CONFIG, DOCKER_CONFIG})
LAYER_COMPRESSION: Final = {
    OCI_LAYER: "",
    OCI_LAYER + "+gzip": "gzip",
    OCI_LAYER + "+zstd": "zstd",
    DOCKER_LAYER: "",
    DOCKER_LAYER + ".gzip": "gzip",
    DOCKER_LAYER + ".zstd": "zstd",
}

DOCUMENT_BYTES_LIMIT: Final = 4 << 20  # the limit that registries themselves set
ENTRIES_LIMIT: Final = 1000  # layers in a manifest, manifests in an index
BLOB_BYTES_LIMIT: Final = 1 << 40


class ManifestError(ValueError):
    """The document is neither a manifest nor an index, or could be both."""


class Descriptor:
    """One content descriptor. `document` is all of it, annotations included."""

    __slots__ = ("digest", "document", "media_type", "size")

    def __init__(self, document: dict[str, Any]) -> None:
        self.media_type: str = document.get("mediaType") or ""
        self.digest: str = document["digest"]
        self.size: int = document["size"]
        self.document = document

    @property
    def platform(self) -> platforms.Platform | None:
        stated = self.document.get("platform")
        return platforms.of_document(stated) if isinstance(stated, dict) else None

    @property
    def annotations(self) -> dict[str, str]:
        stated = self.document.get("annotations")
        return {k: v for k, v in stated.items() if isinstance(v, str)} if isinstance(stated, dict) else {}


class Manifest:
    """An image manifest: one config, layers bottom first."""

    __slots__ = ("config", "document", "layers", "media_type", "raw")

    def __init__(self, raw: bytes, media_type: str, document: dict[str, Any]) -> None:
        self.raw = raw
        self.media_type = media_type
        self.document = document
        self.config = Descriptor(_descriptor(document.get("config"), "config"))
        self.layers = [Descriptor(_descriptor(entry, "layer")) for entry in document["layers"]]

    @property
    def digest(self) -> str:
        return digests.of_bytes(self.raw)

    @property
    def is_image(self) -> bool:
        """Whether it can be an image to run; artifacts and attestations are manifests too."""
        return self.config.media_type in CONFIGS and all(layer.media_type in LAYER_COMPRESSION for layer in self.layers)


class Index:
    """An index (manifest list)."""

    __slots__ = ("document", "manifests", "media_type", "raw")

    def __init__(self, raw: bytes, media_type: str, document: dict[str, Any]) -> None:
        self.raw = raw
        self.media_type = media_type
        self.document = document
        self.manifests = [Descriptor(_descriptor(entry, "manifest")) for entry in document["manifests"]]

    @property
    def digest(self) -> str:
        return digests.of_bytes(self.raw)


def parse(raw: bytes, announced: str = "") -> Manifest | Index:
    """Parse a manifest or an index; `announced` is the media type that the descriptor or Content-Type gave, if any."""
    document = load_object(raw)
    stated = document.get("mediaType") or ""
    if not isinstance(stated, str):
        raise ManifestError("invalid manifest: mediaType is not a string")
    if announced and stated and announced != stated:
        raise ManifestError(f"invalid manifest: announced as {announced!r} but says it is {stated!r}")
    has_layers, has_manifests = "layers" in document or "config" in document, "manifests" in document
    if has_layers and has_manifests:
        raise ManifestError("invalid manifest: it is both a manifest and an index")
    if document.get("schemaVersion") != 2 or "fsLayers" in document:
        raise ManifestError("unsupported manifest: only schema version 2 is supported")
    kind = stated or announced or (OCI_INDEX if has_manifests else OCI_MANIFEST)
    if kind in INDEXES and isinstance(document.get("manifests"), list):
        _check_count(document["manifests"])
        return Index(raw, kind, document)
    if kind in MANIFESTS and isinstance(document.get("layers"), list):
        _check_count(document["layers"])
        return Manifest(raw, kind, document)
    raise ManifestError(f"invalid manifest: the content does not fit the media type {kind!r}")


def load_object(raw: bytes) -> dict[str, Any]:
    """Decode a JSON object that has no repeated key, within the size limit."""
    document = load_document(raw)
    if not isinstance(document, dict):
        raise ManifestError("invalid manifest: not a JSON object")
    if len({key.lower() for key in document}) != len(document):  # Go's decoder ignores case and takes the last one
        raise ManifestError("invalid manifest: a key is repeated")
    return document


def load_document(raw: bytes) -> object:
    """Decode a JSON document in which no object repeats a key, within the size limit."""
    if len(raw) > DOCUMENT_BYTES_LIMIT:
        raise ManifestError(f"invalid manifest: larger than {DOCUMENT_BYTES_LIMIT} bytes")
    try:
        return json.loads(raw, object_pairs_hook=_unique_keys)
    except ManifestError:
        raise
    except (ValueError, RecursionError):
        raise ManifestError("invalid manifest: not valid JSON") from None


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise ManifestError("invalid manifest: a key is repeated")
    return document


def _check_count(entries: list[Any]) -> None:
    if len(entries) > ENTRIES_LIMIT:
        raise ManifestError(f"invalid manifest: more than {ENTRIES_LIMIT} entries")


def _descriptor(entry: object, what: str) -> dict[str, Any]:
    if not isinstance(entry, dict):
        raise ManifestError(f"invalid manifest: no {what} descriptor")
    if not digests.is_digest(entry.get("digest")):
        raise ManifestError(f"invalid manifest: the digest of a {what} is malformed")
    size = entry.get("size")
    if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= BLOB_BYTES_LIMIT:
        raise ManifestError(f"invalid manifest: the size of a {what} is malformed")
    if not isinstance(entry.get("mediaType"), str | None) or not isinstance(entry.get("platform"), dict | None):
        raise ManifestError(f"invalid manifest: a {what} descriptor is malformed")
    return entry


def make(config: tuple[str, int], layers: list[tuple[str, str, int]]) -> bytes:
    """An OCI manifest for what came without one: config (digest, size), layers (media type, digest, size)."""
    document = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": {"mediaType": OCI_CONFIG, "digest": config[0], "size": config[1]},
        "layers": [{"mediaType": kind, "digest": digest, "size": size} for kind, digest, size in layers],
    }
    return json.dumps(document, separators=(",", ":")).encode()
