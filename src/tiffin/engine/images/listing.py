"""Which images a list shows, and what they take on the disk."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from tiffin.engine.images import filters as filtering
from tiffin.engine.images import inspect, times
from tiffin.engine.images.filters import Filters
from tiffin.engine.images.use import Users
from tiffin.spec.reference import Reference
from tiffin.store.images import Image, ImageStore

KNOWN = frozenset({"dangling", "label", "before", "since", "reference", "until"})


def list_images(
    store: ImageStore, filters: Filters, *, all: bool, shared_size: bool, version: inspect.Version
) -> list[dict[str, Any]]:
    """GET /images/json, newest first."""
    chosen = _Choice(store, filters, all)
    shown = [(image, names) for image in store.images.values() if (names := chosen.names_of(image)) is not None]
    shown.sort(key=lambda each: inspect.created_ns(each[0]), reverse=True)
    summaries = [inspect.summary(store, image, names, version) for image, names in shown]
    if shared_size:
        _fill_shared(store, [image for image, _ in shown], summaries)
    return summaries


class _Choice:
    """The filters, parsed once."""

    def __init__(self, store: ImageStore, filters: Filters, all: bool) -> None:
        filtering.check(filters, KNOWN)
        self._store = store
        self._all = all
        self._dangling = filtering.flag(filters, "dangling")
        self._labels = filters.get("label", ())
        self._patterns = filters.get("reference", ())
        moments = [times.until_ns(text) for text in filters.get("until", ())]
        moments += [inspect.created_ns(store.resolve(text)) for text in filters.get("before", ())]
        self._before = min(moments, default=None)
        self._since = max((inspect.created_ns(store.resolve(text)) for text in filters.get("since", ())), default=None)

    def names_of(self, image: Image) -> list[Reference] | None:
        """The names to show the image under, or None when it is not chosen."""
        created = inspect.created_ns(image)
        if self._before is not None and created >= self._before:
            return None
        if self._since is not None and created <= self._since:
            return None
        if not filtering.labels_match(image.config.run.labels, self._labels):
            return None
        names = self._store.names(image.id)
        if self._patterns:
            names = [n for n in names if any(filtering.reference_matches(n, pattern) for pattern in self._patterns)]
        if not names:
            return self._unnamed(image)
        return None if self._dangling else names

    def _unnamed(self, image: Image) -> list[Reference] | None:
        if self._dangling is False or self._patterns:
            return None
        if not self._all and self._store.children(image.id):
            return None  # a step of a build, not a result
        return []


def _fill_shared(store: ImageStore, images: Sequence[Image], summaries: Sequence[dict[str, Any]]) -> None:
    counts = Counter(
        layer.chain_id for image in store.images.values() for layer in store.layers.stack(image.chain_id)
    )
    for image, shown in zip(images, summaries, strict=True):
        stack = store.layers.stack(image.chain_id)
        shown["SharedSize"] = sum(layer.size for layer in stack if counts[layer.chain_id] > 1)


def disk_usage(store: ImageStore, users: Users, version: inspect.Version) -> dict[str, Any]:
    """The images' part of GET /system/df. `LayersSize` counts each layer once, and the tars kept of them."""
    summaries = list_images(store, {}, all=False, shared_size=True, version=version)
    for shown in summaries:
        shown["Containers"] = len(users(shown["Id"]))
    layers = store.layers.rows.values()
    kept = {layer.blob: layer.blob_size for layer in layers}
    return {"LayersSize": sum(layer.size for layer in layers) + sum(kept.values()), "Images": summaries}
