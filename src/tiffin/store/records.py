"""Records: objects kept as JSON documents, by kind, with an id and a unique name.

The document's shape belongs to the engine; here it is text. Names are unique within a kind, enforced by the database,
so two creates that race for a name cannot both win. Not for images: they have tables of their own (images.py).
"""

from __future__ import annotations

import json
import sqlite3
from typing import Any

from tiffin.errors import Conflict
from tiffin.store.db import Database


class Records:
    """All records of one `kind`: "network", "volume", …"""

    def __init__(self, database: Database, kind: str) -> None:
        self._database = database
        self._kind = kind

    def load_all(self) -> list[dict[str, Any]]:
        """Every document, by id. Blocks: for start-up."""

        def read(connection: sqlite3.Connection) -> list[str]:
            rows = connection.execute("SELECT doc FROM records WHERE kind = ? ORDER BY id", (self._kind,))
            return [row[0] for row in rows]

        return [json.loads(text) for text in self._database.write_now(read)]

    async def save(self, id: str, name: str, doc: dict[str, Any]) -> None:
        """Insert or replace the document of `id`, under `name`. Conflict when another id has that name."""
        text = json.dumps(doc, separators=(",", ":"))

        def write(connection: sqlite3.Connection) -> None:
            try:
                connection.execute(
                    "INSERT INTO records (kind, id, name, doc) VALUES (?, ?, ?, ?)"
                    " ON CONFLICT (kind, id) DO UPDATE SET name = excluded.name, doc = excluded.doc",
                    (self._kind, id, name, text),
                )
            except sqlite3.IntegrityError:
                raise Conflict(self._taken(name, self._owner(connection, name))) from None

        await self._database.write(write)

    async def delete(self, id: str) -> None:
        """Remove the document of `id`, and the layers held for it, in one transaction. It need not be there."""

        def write(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM records WHERE kind = ? AND id = ?", (self._kind, id))
            connection.execute("DELETE FROM layer_holds WHERE owner = ?", (id,))

        await self._database.write(write)

    def _owner(self, connection: sqlite3.Connection, name: str) -> str:
        row = connection.execute("SELECT id FROM records WHERE kind = ? AND name = ?", (self._kind, name)).fetchone()
        return str(row[0]) if row else ""

    def _taken(self, name: str, owner: str) -> str:
        return f'{self._kind} with name "{name}" already exists (id {owner})'


class ContainerRecords(Records):
    """The containers' records; a taken name is refused in Docker's words."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, "container")

    def _taken(self, name: str, owner: str) -> str:
        return (
            f'Conflict. The container name "/{name.removeprefix("/")}" is already in use by container "{owner}".'
            " You have to remove (or rename) that container to be able to reuse that name."
        )
