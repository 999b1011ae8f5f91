"""The images of the daemon: one method for each thing that the API, and creating a container, ask for.

Rules live in the modules beside this one; here they are given the store, the workers, and the rest of the engine as
callbacks: `emit` publishes an event, `users` names the containers of an image, `puller` (optional) talks to registries.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

from tiffin.engine.images import inspect, listing
from tiffin.engine.images.filters import Filters
from tiffin.engine.images.importing import import_archive, parse_platform, repository_and_tag
from tiffin.engine.images.inspect import Version
from tiffin.engine.images.loading import load_archive
from tiffin.engine.images.remove import Remover
from tiffin.engine.images.saving import choose, save_archive
from tiffin.engine.images.use import Chunks, Emit, ImageView, Progress, Puller, Users
from tiffin.errors import InvalidParameter, NotFound
from tiffin.spec import reference as references
from tiffin.store.images import ImageStore
from tiffin.store.worker_client import Workers

LATEST: Version = (1, 51)


class Images:
    """What the daemon can do with images. Needs a store that was loaded."""

    def __init__(
        self, store: ImageStore, workers: Workers, *, emit: Emit, users: Users, puller: Puller | None = None
    ) -> None:
        self._store = store
        self._workers = workers
        self._emit = emit
        self._users = users
        self._puller = puller

    # -- for creating containers --------------------------------------------------------------------------------------

    def resolve_for_create(self, name: str) -> ImageView:
        """The image that a container is to be made from. Nothing is awaited: a container that is registered (so that
        `users` names it) before the caller's next await keeps the image from being removed."""
        image = self._store.resolve(name)
        return ImageView(
            image.id,
            image.config.document,
            image.config.run.document,
            image.chain_id,
            self._store.layers.lowerdirs(image.chain_id),
            str(image.config.platform),
        )

    def lowerdirs(self, chain_id: str | None) -> list[str]:
        """The layers of a container that exists already, top first: also when its image was removed by force."""
        return self._store.layers.lowerdirs(chain_id)

    def count(self) -> int:
        """How many images there are (info)."""
        return len(self._store.images)

    # -- looking ------------------------------------------------------------------------------------------------------

    def summaries(
        self, filters: Filters, *, all: bool = False, shared_size: bool = False, version: Version = LATEST
    ) -> list[dict[str, Any]]:
        """GET /images/json."""
        return listing.list_images(self._store, filters, all=all, shared_size=shared_size, version=version)

    def inspect(self, name: str, *, version: Version = LATEST) -> dict[str, Any]:
        """GET /images/{name}/json."""
        return inspect.details(self._store, self._store.resolve(name), version)

    def history(self, name: str, *, platform: str = "") -> list[dict[str, Any]]:
        """GET /images/{name}/history."""
        image = self._store.resolve(name)
        if platform and image.config.platform != parse_platform(platform):
            raise NotFound(
                f"image with reference {name} was found but does not provide the specified platform"
                f" ({parse_platform(platform)})"
            )
        return inspect.history(self._store, image)

    def disk_usage(self, *, version: Version = LATEST) -> dict[str, Any]:
        """The images' part of GET /system/df."""
        return listing.disk_usage(self._store, self._users, version)

    # -- changing -----------------------------------------------------------------------------------------------------

    async def tag(self, name: str, repository: str, tag: str) -> None:
        """POST /images/{name}/tag."""
        target = repository_and_tag(repository, tag)
        if target is None:
            raise InvalidParameter("invalid reference format: the repository is missing")
        if target.familiar_name == "sha256":
            raise InvalidParameter("refusing to create an ambiguous tag using digest algorithm as name")
        image = self._store.resolve(name)
        await self._store.tag(image.id, target)
        self._emit("image", "tag", image.id, {**image.config.run.labels, "name": target.familiar})

    async def delete(self, name: str, *, force: bool = False, noprune: bool = False) -> list[dict[str, str]]:
        """DELETE /images/{name}."""
        return await self._remover().remove(name, force=force, prune=not noprune)

    async def prune(self, filters: Filters) -> dict[str, Any]:
        """POST /images/prune."""
        pruned = await self._remover().prune(filters)
        self._emit("image", "prune", "", {"reclaimed": str(pruned["SpaceReclaimed"])})
        return pruned

    def _remover(self) -> Remover:
        return Remover(self._store, self._users, self._emit)

    # -- coming and going ---------------------------------------------------------------------------------------------

    async def import_(
        self,
        body: Chunks,
        progress: Progress,
        *,
        repository: str = "",
        tag: str = "",
        message: str = "",
        changes: Sequence[str] = (),
        platform: str = "",
    ) -> str:
        """POST /images/create?fromSrc=-. The last message is the new image's id, which is returned too."""
        name = repository_and_tag(repository, tag)
        image = await import_archive(
            self._store, self._workers, body, name=name, message=message, changes=changes, platform=platform
        )
        labels = image.config.run.labels
        if name is not None:
            self._emit("image", "tag", image.id, {**labels, "name": name.familiar})
        self._emit("image", "import", image.id, {**labels, "name": image.id})
        await progress({"status": image.id})
        return image.id

    async def pull(self, image: str, tag: str, progress: Progress, *, platform: str = "", auth: str = "") -> None:
        """POST /images/create?fromImage=. A digest in `image` wins over `tag`; neither means all tags."""
        try:
            reference = references.parse(image)
            if tag and reference.digest is None:
                named = references.Reference(reference.domain, reference.path)
                reference = named.with_digest(tag) if tag.startswith("sha256:") else named.with_tag(tag)
        except ValueError as error:
            raise InvalidParameter(str(error)) from None
        if platform:
            parse_platform(platform)
        if self._puller is None:
            raise NotFound(
                f"cannot pull {reference.with_default_tag()}: pulling from registries is not available in this build"
            )
        everything = reference.tag is None and reference.digest is None
        await self._puller.pull(str(reference), platform=platform, auth=auth, all_tags=everything, progress=progress)

    async def load(self, body: Chunks, progress: Progress, *, quiet: bool = False, platform: str = "") -> None:
        """POST /images/load."""
        target = parse_platform(platform) if platform else None
        await load_archive(self._store, self._workers, self._emit, body, progress, quiet=quiet, platform=target)

    def save(self, names: Sequence[str], *, platform: str = "") -> AsyncIterator[bytes]:
        """GET /images/get. Errors about the names are raised here, before the first byte."""
        chosen = choose(self._store, names, parse_platform(platform) if platform else None)
        for image_id in chosen:
            self._emit("image", "save", image_id, {**self._store.get(image_id).config.run.labels, "name": image_id})
        return save_archive(self._store, chosen)
