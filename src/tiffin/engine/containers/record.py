"""The one JSON document that is stored for a container; nothing else is a second truth.

Not here: what changes only in memory (locks, waiters, the shim), which is `container.py`. The document is versioned
(`v`): a reader that finds a newer one refuses it by name instead of guessing.
"""

from __future__ import annotations

from typing import Any

import msgspec

from tiffin.engine.containers.state import Snapshot
from tiffin.spec.container import ContainerConfig, EndpointSettings, HostConfig


class MountRecord(msgspec.Struct, kw_only=True):
    """A bind, a volume or a tmpfs that the user or the image asked for, resolved to what will be mounted."""

    type: str
    source: str
    destination: str
    name: str = ""
    driver: str = ""
    mode: str = ""
    rw: bool = True
    propagation: str = ""
    options: list[str] = []
    anonymous: bool = False
    copy_up: bool = False


class EndpointRecord(msgspec.Struct, kw_only=True):
    """A container's place on a network while it runs."""

    network: str
    network_id: str = ""
    endpoint_id: str = ""
    address: str = ""
    prefix_len: int = 0
    gateway: str = ""
    mac: str = ""
    host_veth: str = ""


class Record(msgspec.Struct, kw_only=True):
    """`created_ns` is nanoseconds since the epoch; `lower` is the image's layers, top first, as host paths."""

    v: int = 1
    id: str
    name: str
    created_ns: int
    image_id: str
    chain_id: str = ""
    lower: list[str]
    path: str
    args: list[str]
    config: ContainerConfig
    host_config: HostConfig
    networks: dict[str, EndpointSettings | None] = {}
    endpoints: list[EndpointRecord] = []
    mounts: list[MountRecord] = []
    state: Snapshot = msgspec.field(default_factory=Snapshot)
    restart_count: int = 0


def to_document(record: Record) -> dict[str, Any]:
    document: dict[str, Any] = msgspec.to_builtins(record)
    return document


def from_document(document: dict[str, Any]) -> Record:
    return msgspec.convert(document, Record)
