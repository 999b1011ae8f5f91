"""What an image archive says it holds: Docker's manifest.json, or an OCI layout's index.json, as one list of plans.

Documents only: nothing is unpacked here. All of it is foreign; every error is InvalidParameter. Docker's file decides
where both are there, as in Docker; the layout then contributes the manifest, if it tells of the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tiffin.engine.images.archive import Archive, Member
from tiffin.errors import InvalidParameter, NotFound
from tiffin.spec import image as image_spec
from tiffin.spec import manifest as manifests
from tiffin.spec import platform as platforms
from tiffin.spec import reference as references
from tiffin.spec.image import ImageConfig
from tiffin.spec.manifest import Descriptor, Index, Manifest
from tiffin.spec.platform import Platform
from tiffin.spec.reference import Reference

IMAGES_LIMIT = 1000
INDEX_DEPTH = 4
INDEX_DOCUMENTS = 1000
NAME_ANNOTATION = "io.containerd.image.name"
REF_ANNOTATION = "org.opencontainers.image.ref.name"


@dataclass(slots=True)
class Plan:
    """One image to make: its config, its layers bottom first, its names."""

    config: ImageConfig
    layers: list[Member]
    names: list[Reference] = field(default_factory=list)
    manifest: Manifest | None = None


def read_plans(archive: Archive, platform: Platform | None) -> list[Plan]:
    """The images that the archive holds, for `platform` if one is given. Blocks on the disk, briefly."""
    try:
        if archive.has("manifest.json"):
            plans = list(_docker_plans(archive))
            if platform is not None:
                plans = [plan for plan in plans if plan.config.platform == platform]
        elif archive.has("index.json"):
            plans = list(_layout_plans(archive, platform))
        else:
            raise InvalidParameter("invalid archive: it has neither a manifest.json nor an index.json")
    except (manifests.ManifestError, image_spec.ConfigError, references.BadReference) as error:
        raise InvalidParameter(str(error)) from None
    if not plans:
        wanted = f" for platform {platform}" if platform is not None else ""
        raise NotFound(f"the archive holds no image{wanted}")
    return plans


# -- docker save ------------------------------------------------------------------------------------------------------


def _docker_plans(archive: Archive) -> Iterator[Plan]:
    document = manifests.load_document(archive.read(archive.member("manifest.json")))
    if not isinstance(document, list) or len(document) > IMAGES_LIMIT:
        raise InvalidParameter("invalid archive: manifest.json is not a list of images")
    kept = _kept_manifests(archive)
    for entry in document:
        if not isinstance(entry, dict) or not isinstance(entry.get("Layers"), list | None):
            raise InvalidParameter("invalid archive: manifest.json is malformed")
        config = image_spec.parse(archive.read(archive.member(entry.get("Config"))))
        paths = entry.get("Layers") or []
        if len(paths) != len(config.diff_ids):
            raise InvalidParameter(
                f"invalid manifest, layers length mismatch: expected {len(config.diff_ids)}, got {len(paths)}"
            )
        plan = Plan(config, [archive.member(path) for path in paths], _names(entry.get("RepoTags")))
        manifest = kept.get(config.id)
        if manifest is not None and [each.digest for each in manifest.layers] == [m.digest for m in plan.layers]:
            plan.manifest = manifest
        yield plan


def _names(tags: object) -> list[Reference]:
    if tags is None:
        return []
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        raise InvalidParameter("invalid archive: RepoTags is not a list of names")
    names = [references.parse(tag) for tag in tags]
    for tag, name in zip(tags, names, strict=True):
        if name.tag is None or name.digest is not None:
            raise InvalidParameter(f'invalid tag "{tag}"')
    return names


def _kept_manifests(archive: Archive) -> dict[str, Manifest]:
    """Image manifests of the layout beside manifest.json, by the config they name. Unusable ones do not matter."""
    kept: dict[str, Manifest] = {}
    if archive.has("index.json"):
        try:
            for _, manifest in _walk(archive):
                kept.setdefault(manifest.config.digest, manifest)
        except (InvalidParameter, manifests.ManifestError):
            pass
    return kept


# -- OCI layout -------------------------------------------------------------------------------------------------------


def _layout_plans(archive: Archive, platform: Platform | None) -> Iterator[Plan]:
    if not archive.has("oci-layout"):
        raise InvalidParameter("invalid archive: index.json without oci-layout")
    layout = manifests.load_object(archive.read(archive.member("oci-layout")))
    if layout.get("imageLayoutVersion") != "1.0.0":
        raise InvalidParameter("invalid archive: unknown version of the OCI layout")
    plans: dict[str, Plan] = {}
    for entry, candidates in _by_entry(archive):
        manifest = _choose(archive, candidates, platform)
        if manifest is None:
            continue
        config = image_spec.parse(_read_blob(archive, manifest.config))
        plan = plans.setdefault(config.id, Plan(config, _layout_layers(archive, manifest, config), [], manifest))
        plan.names.extend(name for name in _annotated_names(entry) if name not in plan.names)
    yield from plans.values()


def _by_entry(archive: Archive) -> Iterator[tuple[Descriptor, list[Manifest]]]:
    """For every entry of index.json the image manifests below it: alternatives of one image."""
    found: dict[int, tuple[Descriptor, list[Manifest]]] = {}
    for entry, manifest in _walk(archive):
        found.setdefault(id(entry), (entry, []))[1].append(manifest)
    yield from found.values()


def _walk(archive: Archive) -> Iterator[tuple[Descriptor, Manifest]]:
    """All image manifests with the entry of index.json that leads to each; depth and number are bounded."""
    top = manifests.parse(archive.read(archive.member("index.json")), manifests.OCI_INDEX)
    if not isinstance(top, Index):
        raise InvalidParameter("invalid archive: index.json is not an index")
    budget = INDEX_DOCUMENTS
    queue = [(entry, entry, 1) for entry in reversed(top.manifests)]
    while queue:
        entry, descriptor, depth = queue.pop()
        budget -= 1
        if budget < 0 or depth > INDEX_DEPTH:
            raise InvalidParameter("invalid archive: its indexes are too deep or too many")
        if descriptor.media_type not in manifests.MANIFESTS | manifests.INDEXES:
            continue
        if not archive.has(f"blobs/sha256/{descriptor.digest.partition(':')[2]}"):
            continue  # a platform that was not saved
        document = manifests.parse(_read_blob(archive, descriptor), descriptor.media_type)
        if isinstance(document, Index):
            queue.extend((entry, each, depth + 1) for each in reversed(document.manifests))
        elif document.is_image:
            yield entry, document


def _choose(archive: Archive, candidates: list[Manifest], platform: Platform | None) -> Manifest | None:
    """The manifest for the wanted platform; without one: the host's, one that the host runs, or the only one."""
    stated = [(manifest, _platform_of(archive, manifest)) for manifest in candidates]
    wanted = platform or platforms.host()
    for manifest, own in stated:
        if own == wanted:
            return manifest
    if platform is not None:
        return None
    runnable = [manifest for manifest, own in stated if own is not None and own.runs_on(wanted)]
    if runnable:
        return runnable[0]
    return candidates[0] if len(candidates) == 1 else None


def _platform_of(archive: Archive, manifest: Manifest) -> Platform | None:
    try:
        return image_spec.parse(_read_blob(archive, manifest.config)).platform
    except image_spec.ConfigError:
        if manifest.config.media_type == manifests.DOCKER_CONFIG:
            raise
        return None


def _layout_layers(archive: Archive, manifest: Manifest, config: ImageConfig) -> list[Member]:
    if len(manifest.layers) != len(config.diff_ids):
        raise InvalidParameter(
            f"invalid manifest, layers length mismatch: expected {len(config.diff_ids)}, got {len(manifest.layers)}"
        )
    layers = [archive.blob(layer.digest) for layer in manifest.layers]
    for layer, member in zip(manifest.layers, layers, strict=True):
        _check_size(layer, member)
    return layers


def _read_blob(archive: Archive, descriptor: Descriptor) -> bytes:
    member = archive.blob(descriptor.digest)
    _check_size(descriptor, member)
    return archive.read(member)


def _check_size(descriptor: Descriptor, member: Member) -> None:
    if descriptor.size != member.size:
        raise InvalidParameter(
            f"invalid archive: {descriptor.digest} has {member.size} bytes, its descriptor says {descriptor.size}"
        )


def _annotated_names(descriptor: Descriptor) -> list[Reference]:
    """The name that containerd or Docker noted; a bare tag, as the OCI specification has it, names no repository."""
    annotations: dict[str, Any] = descriptor.annotations
    text = annotations.get(NAME_ANNOTATION) or annotations.get(REF_ANNOTATION) or ""
    if NAME_ANNOTATION not in annotations and not set(text) & {"/", ":"}:
        return []
    name = references.parse(text).with_default_tag()
    return [name] if name.digest is None else []
