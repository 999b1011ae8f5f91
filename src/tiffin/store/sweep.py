"""Mark and sweep at start-up: whatever a crash left behind goes, whatever the database refers to stays.

Marked is what the tables need; swept are tmp/, unrecorded layer directories and links, unreferenced layers and blobs.
Runs before the daemon serves, so nothing is in the making. A crash during the sweep leaves less for the next one.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import time

from tiffin.spec import digest as digests
from tiffin.store.blobs import BlobStore
from tiffin.store.db import Database
from tiffin.store.images import needed_blobs
from tiffin.store.layers import LayerStore

log = logging.getLogger(__name__)
ATTEMPTS = 20
PAUSE = 0.05  # seconds; a worker reports ten times a second


def sweep(database: Database, blobs: BlobStore, layers: LayerStore) -> None:
    """Clean up, then (re)load the layers' table. Blocks."""
    layers.load()
    layers.forget(database.write_now(layers.collect))
    needed = database.write_now(needed_blobs)
    _sweep_layers(layers)
    for digest, _ in list(blobs.list()):
        if digest not in needed:
            blobs.discard(digest)
    for name in os.listdir(blobs.temporary):
        path = os.path.join(blobs.temporary, name)
        if os.path.isdir(path) and not os.path.islink(path):
            _remove_tree(path)
        else:
            os.unlink(path)


def _sweep_layers(layers: LayerStore) -> None:
    recorded = {digests.hex_of(chain_id) for chain_id in layers.rows}
    for name in os.listdir(layers.directory):
        if name not in recorded:
            _remove_tree(os.path.join(layers.directory, name))
    shorts = {layer.short for layer in layers.rows.values()}
    for name in os.listdir(layers.links):
        if name not in shorts:
            os.unlink(os.path.join(layers.links, name))
    for layer in layers.rows.values():
        with contextlib.suppress(FileExistsError):
            layers.link(layer)


def _remove_tree(path: str) -> None:
    """Remove a directory that a worker of the dead daemon may still be filling: it ends when it next reports."""
    for _ in range(ATTEMPTS):
        try:
            shutil.rmtree(path)
            return
        except FileNotFoundError:
            return
        except OSError as error:
            log.info("sweep: %s", error)
            time.sleep(PAUSE)
    log.warning("sweep: %s could not be removed; the next start will", path)

