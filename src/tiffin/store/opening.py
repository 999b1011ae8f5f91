"""Open a data root: every store of it, swept and loaded, in the order in which they depend on each other.

    <data-root>/    0710: tiffin.db, blobs/, layers/, l/, tmp/, ballast
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from tiffin.store.ballast import Ballast
from tiffin.store.blobs import BlobStore
from tiffin.store.db import Database
from tiffin.store.images import ImageStore
from tiffin.store.layers import LayerStore
from tiffin.store.records import ContainerRecords
from tiffin.store.sweep import sweep
from tiffin.store.worker_client import Spawn, Workers


@dataclass(frozen=True, slots=True)
class Store:
    """The stores of one data root."""

    root: str
    database: Database
    blobs: BlobStore
    layers: LayerStore
    images: ImageStore
    containers: ContainerRecords
    workers: Workers
    ballast: Ballast

    def close(self) -> None:
        """Finish what is queued for the database and close it."""
        self.database.close()


def open_store(root: str, spawn: Spawn) -> Store:
    """Open, sweep and load. Blocks (a thread will do); `spawn` starts workers, first used after this returns."""
    os.makedirs(root, mode=0o710, exist_ok=True)
    ballast = Ballast(root)
    database = Database(os.path.join(root, "tiffin.db"), on_full=ballast.release)
    try:
        blobs = BlobStore(root)
        workers = Workers(spawn)
        layers = LayerStore(root, database, blobs, workers)
        sweep(database, blobs, layers)
        images = ImageStore(database, blobs, layers)
        images.load()
        ballast.ensure()
        return Store(root, database, blobs, layers, images, ContainerRecords(database), workers, ballast)
    except BaseException:
        database.close()
        raise
