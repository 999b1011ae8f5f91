"""All containers, found by id, by name or by the beginning of an id. In memory; the records are the store's."""

from __future__ import annotations

from collections.abc import Iterator

from tiffin.engine.containers.container import Container
from tiffin.errors import Conflict, InvalidParameter, NotFound


class ContainerTable:
    def __init__(self) -> None:
        self._by_id: dict[str, Container] = {}
        self._names: dict[str, str] = {}

    def __iter__(self) -> Iterator[Container]:
        return iter(list(self._by_id.values()))

    def __len__(self) -> int:
        return len(self._by_id)

    def has_id(self, id: str) -> bool:
        return id in self._by_id

    def has_name(self, name: str) -> bool:
        return name in self._names

    def reserve(self, name: str, id: str) -> None:
        """Takes a name for a container that is being made; Conflict in Docker's words when it is in use."""
        owner = self._names.get(name)
        if owner is not None and owner != id:
            raise Conflict(
                f'Conflict. The container name "/{name}" is already in use by container "{owner}". '
                "You have to remove (or rename) that container to be able to reuse that name."
            )
        self._names[name] = id

    def free_name(self, name: str) -> None:
        self._names.pop(name, None)

    def add(self, container: Container) -> None:
        self._by_id[container.id] = container
        self._names[container.name] = container.id

    def remove(self, container: Container) -> None:
        self._by_id.pop(container.id, None)
        if self._names.get(container.name) == container.id:
            del self._names[container.name]

    def get(self, reference: str) -> Container:
        """Whole id, then name, then the beginning of an id, as Docker."""
        found = self._by_id.get(reference)
        if found is None:
            found = self._by_id.get(self._names.get(reference.removeprefix("/"), ""))
        if found is not None:
            return found
        matches = [id for id in self._by_id if id.startswith(reference)] if reference else []
        if len(matches) == 1:
            return self._by_id[matches[0]]
        if matches:
            raise InvalidParameter(f"multiple IDs found with provided prefix: {reference}")
        raise NotFound(f"No such container: {reference}")
