"""`load`: images from an archive. Everything is read and checked before anything is kept.

    split (worker) → documents checked → layers unpacked and verified (workers) → images recorded → answers

A bad archive is InvalidParameter and leaves nothing; images appear only after all of the archive's layers are good.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from tiffin.engine.images.archive import Archive
from tiffin.engine.images.compression import media_type_of, plain
from tiffin.engine.images.formats import Plan, read_plans
from tiffin.engine.images.staging import Staging
from tiffin.engine.images.use import Chunks, Emit, Progress
from tiffin.spec import digest as digests
from tiffin.spec.platform import Platform
from tiffin.store.images import Blob, Image, ImageStore, Lost
from tiffin.store.layers import LayerSource
from tiffin.store.worker_client import Workers


async def load_archive(
    store: ImageStore,
    workers: Workers,
    emit: Emit,
    body: Chunks,
    progress: Progress,
    *,
    quiet: bool,
    platform: Platform | None,
) -> None:
    """POST /images/load. Messages go to `progress`."""
    async with Staging(store) as staging:
        archive = await _split(workers, staging, body)
        plans = await asyncio.to_thread(read_plans, archive, platform)
        for plan in plans:
            sources = await _sources(workers, staging, plan)
            staging.pinned(await store.layers.add(sources, staging.directory, None if quiet else _telling(progress)))
        made = []
        for plan in plans:
            blobs = [Blob(layer.path, layer.digest, layer.size) for layer in plan.layers] if plan.manifest else []
            made.append((plan, *await store.create(plan.config, manifest=plan.manifest, blobs=blobs, names=plan.names)))
    for plan, image, lost in made:
        await _announce(plan, image, lost, emit, progress)


async def _split(workers: Workers, staging: Staging, body: Chunks) -> Archive:
    directory = staging.subdirectory()
    archive = Archive(directory)
    with staging.open_directory(directory) as descriptor:
        await workers.ingest(body, descriptor, archive.add)
    return archive


async def _sources(workers: Workers, staging: Staging, plan: Plan) -> Sequence[LayerSource]:
    sources = []
    for diff_id, member in zip(plan.config.diff_ids, plan.layers, strict=True):
        path = await plain(workers, staging, member.path)
        if path == member.path:
            sources.append(LayerSource(diff_id, path, member.digest, member.size, media_type_of(path)))
        else:  # decompressed, for images know no such compression; that it is diff_id is verified when it is unpacked
            size = await asyncio.to_thread(_size, path)
            sources.append(LayerSource(diff_id, path, diff_id, size, media_type_of(path)))
    return sources


def _size(path: str) -> int:
    with open(path, "rb") as file:
        return file.seek(0, 2)


def _telling(progress: Progress) -> Callable[[LayerSource], Awaitable[None]]:
    async def tell(source: LayerSource) -> None:
        detail = {"current": source.size, "total": source.size}
        await progress({"status": "Loading layer", "progressDetail": detail, "id": digests.short(source.diff_id)})

    return tell


async def _announce(plan: Plan, image: Image, lost: Lost, emit: Emit, progress: Progress) -> None:
    emit("image", "load", image.id, {**image.config.run.labels, "name": image.id})
    for name, old in lost:
        text = f"The image {name.familiar} already exists, renaming the old one with ID {old} to empty string\n"
        await progress({"stream": text})
    for name in plan.names:
        await progress({"stream": f"Loaded image: {name.familiar}\n"})
    if not plan.names:
        await progress({"stream": f"Loaded image ID: {image.id}\n"})
