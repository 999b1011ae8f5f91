"""The database's tables, as a list of migrations; `user_version` counts those that were applied.

A migration that was released is never edited: the next one is appended. A database from a newer engine is refused, for
it may mean something that this one does not know.

    records      every object that is a JSON document: containers, networks, volumes (records.py)
    images       image id (sha256 of the config blob) and what lists need without opening the config (images.py)
    refs         canonical name -> image id
    manifests    manifests kept exactly as they came, and the image each one describes
    manifest_blobs   the blobs that a kept manifest needs
    layers       unpacked layers by chain id, and the blob each one came from (layers.py)
    layer_holds  layers that must stay for another reason than an image: a container whose image was forced away
"""

from __future__ import annotations

import sqlite3

from tiffin.errors import SystemFailure

MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE records (
        kind TEXT NOT NULL, id TEXT NOT NULL, name TEXT NOT NULL, doc TEXT NOT NULL,
        PRIMARY KEY (kind, id), UNIQUE (kind, name)
    ) WITHOUT ROWID;
    CREATE TABLE layers (
        chain_id TEXT PRIMARY KEY, parent TEXT REFERENCES layers (chain_id), diff_id TEXT NOT NULL,
        size INTEGER NOT NULL, short TEXT NOT NULL UNIQUE,
        blob TEXT NOT NULL, media_type TEXT NOT NULL, blob_size INTEGER NOT NULL, opaque INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX layers_by_parent ON layers (parent);
    CREATE TABLE images (
        id TEXT PRIMARY KEY, chain_id TEXT REFERENCES layers (chain_id), parent TEXT NOT NULL DEFAULT '',
        stored_ns INTEGER NOT NULL, tagged_ns INTEGER
    ) WITHOUT ROWID;
    CREATE TABLE refs (name TEXT PRIMARY KEY, image_id TEXT NOT NULL REFERENCES images (id)) WITHOUT ROWID;
    CREATE INDEX refs_by_image ON refs (image_id);
    CREATE TABLE manifests (
        digest TEXT PRIMARY KEY, image_id TEXT NOT NULL REFERENCES images (id), media_type TEXT NOT NULL
    );
    CREATE INDEX manifests_by_image ON manifests (image_id);
    CREATE TABLE manifest_blobs (
        manifest TEXT NOT NULL REFERENCES manifests (digest) ON DELETE CASCADE, digest TEXT NOT NULL,
        PRIMARY KEY (manifest, digest)
    ) WITHOUT ROWID;
    CREATE INDEX manifest_blobs_by_digest ON manifest_blobs (digest);
    CREATE TABLE layer_holds (
        owner TEXT NOT NULL, chain_id TEXT NOT NULL REFERENCES layers (chain_id), PRIMARY KEY (owner, chain_id)
    ) WITHOUT ROWID;
    CREATE INDEX layer_holds_by_chain ON layer_holds (chain_id);
    """,
)


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the database to the newest version, each step in its own transaction."""
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if version > len(MIGRATIONS):
        raise SystemFailure(
            f"the database is of version {version}, made by a newer tiffin; this one knows up to {len(MIGRATIONS)}"
        )
    for number, script in enumerate(MIGRATIONS[version:], start=version + 1):
        connection.execute("BEGIN IMMEDIATE")
        try:
            for statement in script.split(";"):
                if statement.strip():
                    connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {number}")
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise
