"""What a layer file is compressed with, and a plain tar where the formats of images have no name for it."""

from __future__ import annotations

import os

from tiffin.engine.images.staging import Staging
from tiffin.spec.manifest import OCI_LAYER
from tiffin.store.worker_client import Workers

_MAGIC = {
    b"\x1f\x8b": OCI_LAYER + "+gzip",
    b"\x28\xb5\x2f\xfd": OCI_LAYER + "+zstd",
    b"BZh": "",
    b"\xfd7zXZ\x00": "",
}


def media_type_of(path: str) -> str:
    """The layer media type of a file, by its first bytes; empty for compressions that images cannot have."""
    with open(path, "rb", buffering=0) as file:
        head = file.read(6)
    for magic, media_type in _MAGIC.items():
        if head.startswith(magic):
            return media_type
    return OCI_LAYER


async def plain(workers: Workers, staging: Staging, path: str) -> str:
    """`path`, or where it is xz or bzip2 the path of its content, decompressed by a worker."""
    if media_type_of(path):
        return path
    directory = staging.subdirectory()
    source = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        with staging.open_directory(directory) as target:
            name = await workers.inflate(source, target)
    finally:
        os.close(source)
    return os.path.join(directory, name)
