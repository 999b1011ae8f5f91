"""`import`: a root file system's tar becomes an image of one layer."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from tiffin.engine.images import changes as instructions
from tiffin.engine.images import times
from tiffin.engine.images.compression import media_type_of, plain
from tiffin.engine.images.staging import Staging
from tiffin.engine.images.use import Chunks
from tiffin.errors import InvalidParameter
from tiffin.spec import image as image_spec
from tiffin.spec import platform as platforms
from tiffin.spec import reference as references
from tiffin.spec.reference import Reference
from tiffin.store.images import Image, ImageStore
from tiffin.store.layers import LayerSource
from tiffin.store.worker_client import Workers


async def import_archive(
    store: ImageStore,
    workers: Workers,
    body: Chunks,
    *,
    name: Reference | None,
    message: str,
    changes: Sequence[str],
    platform: str,
) -> Image:
    """Make the image."""
    config = instructions.apply({}, changes)
    target = parse_platform(platform)
    async with Staging(store) as staging:
        path = await staging.receive(body)
        path = await plain(workers, staging, path)
        staged = await store.layers.stage(path, staging.directory)
        facts = staged.unpacked
        kind = media_type_of(path)
        source = LayerSource(facts.diff_id, path, facts.source_digest, facts.source_size, kind)
        staging.pinned([await store.layers.add_staged(source, None, staged)])
        document = _document(config, target, facts.diff_id, message or "Imported from -")
        names = [name] if name is not None else []
        image, _ = await store.create(image_spec.parse(image_spec.encode(document)), names=names)
        return image


def parse_platform(text: str) -> platforms.Platform:
    """A platform from a query; the host's when it is empty."""
    if not text:
        return platforms.host()
    try:
        return platforms.parse_json(text) if text.startswith("{") else platforms.parse(text)
    except platforms.PlatformError as error:
        raise InvalidParameter(str(error)) from None


def repository_and_tag(repository: str, tag: str) -> Reference | None:
    """The name that `repo` and `tag` make; None when there is no repository."""
    if not repository:
        return None
    try:
        reference = references.parse(repository)
        if reference.digest is not None:
            raise InvalidParameter("cannot import digest reference")
        return reference.with_tag(tag) if tag else reference.with_default_tag()
    except references.BadReference as error:
        raise InvalidParameter(str(error)) from None


def _document(config: dict[str, Any], target: platforms.Platform, diff_id: str, message: str) -> dict[str, Any]:
    created = times.format_ns(time.time_ns())
    document: dict[str, Any] = {"architecture": target.architecture}
    if target.variant:
        document["variant"] = target.variant
    return {
        **document,
        "comment": message,
        "config": config,
        "created": created,
        "history": [{"created": created, "comment": message}],
        "os": target.os,
        "rootfs": {"type": "layers", "diff_ids": [diff_id]},
    }
