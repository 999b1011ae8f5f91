"""Removing names and images: Docker's rules of what is untagged, what is deleted and what is in the way.

A name removes itself first; the image goes with its last name. An id removes the image if its names are of one
repository, or by force. Hard conflicts (children, a running container) hold against force; soft ones (other
repositories, a stopped container) do not. Words and order of checks are what `docker rmi` users see.
"""

from __future__ import annotations

from typing import Any

from tiffin.engine.images import filters as filtering
from tiffin.engine.images import inspect, times
from tiffin.engine.images.filters import Filters
from tiffin.engine.images.use import Emit, Users
from tiffin.errors import Conflict
from tiffin.spec import digest as digests
from tiffin.spec import reference as references
from tiffin.spec.reference import Reference
from tiffin.store.images import Image, ImageStore

PRUNE_FILTERS = frozenset({"dangling", "label", "label!", "until"})
Lines = list[dict[str, str]]


class Remover:
    """One removal or prune; `lines` is the answer, `reclaimed` the bytes that it gave back."""

    def __init__(self, store: ImageStore, users: Users, emit: Emit) -> None:
        self._store = store
        self._users = users
        self._emit = emit
        self.lines: Lines = []
        self.reclaimed = 0

    async def remove(self, text: str, *, force: bool, prune: bool) -> Lines:
        """DELETE /images/{name}."""
        image = self._store.resolve(text)
        names = self._store.names(image.id)
        if _is_id_prefix(image.id, text):
            if _is_single_reference(names):
                self._check(image, soft=not force, references=False)
                await self._untag(image, names)
            await self._delete(image, force=force, prune=prune, quiet=False)
            return self.lines
        name = references.parse(text).with_default_tag()
        users = self._users(image.id)
        if not force and users and _is_single_reference(names):
            raise Conflict(
                f'conflict: unable to remove repository reference "{text}" (must force) - container'
                f" {users[0].id[:12]} is using its referenced image {digests.short(image.id)}"
            )
        await self._untag(image, [name, *_orphaned_digests(name, names)])
        if not self._store.names(image.id):
            await self._delete(image, force=force, prune=prune, quiet=True)
        return self.lines

    async def prune(self, filters: Filters) -> dict[str, Any]:
        """POST /images/prune: dangling images by default, with dangling=false all that no container uses."""
        filtering.check(filters, PRUNE_FILTERS)
        dangling_only = filtering.flag(filters, "dangling", True)
        until = min((times.until_ns(text) for text in filters.get("until", ())), default=None)
        for image in sorted(self._store.images.values(), key=inspect.created_ns, reverse=True):
            names = self._store.names(image.id)
            if image.id not in self._store.images or self._users(image.id) or (dangling_only and names):
                continue
            if until is not None and inspect.created_ns(image) >= until:
                continue
            if not _labels_allow(image, filters) or self._store.children(image.id):
                continue
            await self._untag(image, names)
            await self._delete(image, force=False, prune=True, quiet=True)
        self.reclaimed += (await self._store.collect()).bytes
        return {"ImagesDeleted": self.lines or None, "SpaceReclaimed": self.reclaimed}

    async def _untag(self, image: Image, names: list[Reference]) -> None:
        if not names:
            return
        await self._store.untag(names)
        for name in names:
            self.lines.append({"Untagged": name.familiar})
            self._event(image, "untag")

    async def _delete(self, image: Image, *, force: bool, prune: bool, quiet: bool) -> None:
        """Delete the image; `quiet`: a conflict about something that is still used or named is no error."""
        try:
            self._check(image, soft=not force, references=True)
        except Conflict:
            if quiet and (self._store.names(image.id) or self._users(image.id)):
                return
            raise
        names = self._store.names(image.id)
        reclaimed = await self._store.remove(image.id, [user.id for user in self._users(image.id)])
        self.reclaimed += reclaimed.bytes
        for name in names:
            self.lines.append({"Untagged": name.familiar})
            self._event(image, "untag")
        self._event(image, "delete")
        self.lines.append({"Deleted": image.id})
        self.lines.extend({"Deleted": layer.chain_id} for layer in reclaimed.layers)
        parent = self._store.images.get(image.parent)
        if prune and parent is not None and not self._store.names(parent.id):
            await self._delete(parent, force=False, prune=True, quiet=True)

    def _check(self, image: Image, *, soft: bool, references: bool) -> None:
        """Raise the first conflict. `references`: other names count as a soft one."""
        users = self._users(image.id)
        if self._store.children(image.id):
            raise _conflict(image, "cannot be forced", "image has dependent child images")
        for user in users:
            if user.running:
                why = f"image is being used by running container {user.id[:12]}"
                raise _conflict(image, "cannot be forced", why)
        if soft and references and self._store.names(image.id):
            raise _conflict(image, "must be forced", "image is referenced in multiple repositories")
        if soft and users:
            raise _conflict(image, "must be forced", f"image is being used by stopped container {users[0].id[:12]}")

    def _event(self, image: Image, action: str) -> None:
        self._emit("image", action, image.id, {**image.config.run.labels, "name": image.id})


def _conflict(image: Image, force: str, why: str) -> Conflict:
    return Conflict(f"conflict: unable to delete {digests.short(image.id)} ({force}) - {why}")


def _is_id_prefix(image_id: str, text: str) -> bool:
    return image_id.startswith(text) or digests.hex_of(image_id).startswith(text)


def _is_single_reference(names: list[Reference]) -> bool:
    """At most one tag, and digests of its repository only."""
    tags = [name for name in names if name.digest is None]
    if len(names) <= 1:
        return True
    if len(tags) > 1:
        return False
    repository = (tags or names)[0].name
    return all(name.name == repository for name in names)


def _orphaned_digests(removed: Reference, names: list[Reference]) -> list[Reference]:
    """name@digest references that go with the last tag of their repository."""
    rest = [name for name in names if name != removed and name.name == removed.name]
    if removed.digest is not None or any(name.digest is None for name in rest):
        return []
    return rest


def _labels_allow(image: Image, filters: Filters) -> bool:
    labels = image.config.run.labels
    if not filtering.labels_match(labels, filters.get("label", ())):
        return False
    return not any(filtering.labels_match(labels, [each]) for each in filters.get("label!", ()))
