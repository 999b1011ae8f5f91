"""What the image side asks of, and tells, the rest of the engine. Only shapes; no behaviour."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class ContainerUse:
    """A container that was made from an image."""

    id: str
    running: bool


@dataclass(frozen=True, slots=True)
class ImageView:
    """What creating a container needs of an image.

    `config` is the whole configuration document, `run` its `config` object (Env, Cmd, …): both are read-only.
    `lowerdirs` are top first.
    """

    id: str
    config: dict[str, Any]
    run: dict[str, Any]
    chain_id: str | None
    lowerdirs: list[str]
    platform: str


Users = Callable[[str], Sequence[ContainerUse]]
Emit = Callable[[str, str, str, Mapping[str, str]], object]
Progress = Callable[[dict[str, Any]], Awaitable[None]]
Chunks = AsyncIterator[bytes]


class Puller(Protocol):
    """Fetches an image from a registry."""

    async def pull(
        self, reference: str, *, platform: str, auth: str, all_tags: bool, progress: Progress
    ) -> None: ...
