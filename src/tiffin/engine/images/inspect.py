"""Images as the API shows them: summary, details and history, in Docker 28's shapes, gated by the client's version.

Versions are pairs: (1, 44). Nothing here changes anything.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from tiffin.engine.images import times
from tiffin.spec.reference import Reference
from tiffin.store.images import Image, ImageStore
from tiffin.store.layers import Layer

Version = tuple[int, int]
DRIVER = "overlay2"  # the name that tools know for this layout: overlayfs on directories, one per layer

# What `Config` had of a container's configuration before 1.50, and never meant anything in an image.
_LEGACY_CONFIG: dict[str, Any] = {
    "Hostname": "",
    "Domainname": "",
    "User": "",
    "AttachStdin": False,
    "AttachStdout": False,
    "AttachStderr": False,
    "Tty": False,
    "OpenStdin": False,
    "StdinOnce": False,
    "Env": None,
    "Cmd": None,
    "Image": "",
    "Volumes": None,
    "WorkingDir": "",
    "Entrypoint": None,
    "OnBuild": None,
    "Labels": None,
}
_CONFIG_FIELDS = (
    "User",
    "ExposedPorts",
    "Env",
    "Entrypoint",
    "Cmd",
    "Volumes",
    "WorkingDir",
    "Labels",
    "StopSignal",
    "ArgsEscaped",
    "Healthcheck",
    "OnBuild",
    "Shell",
)


def tags_of(names: Sequence[Reference]) -> list[str]:
    """RepoTags."""
    return [name.familiar for name in names if name.digest is None]


def digests_of(names: Sequence[Reference]) -> list[str]:
    """RepoDigests."""
    return [name.familiar for name in names if name.digest is not None]


def created_ns(image: Image) -> int:
    """When the image was made; 0 if it does not say."""
    return times.parse_ns(image.config.created) or 0


def summary(store: ImageStore, image: Image, names: Sequence[Reference], version: Version) -> dict[str, Any]:
    """One element of GET /images/json. SharedSize and Containers are for the caller to fill in."""
    size = store.layers.size(image.chain_id)
    tags, repo_digests = tags_of(names), digests_of(names)
    if version < (1, 43):
        tags, repo_digests = tags or ["<none>:<none>"], repo_digests or ["<none>@<none>"]
    shown: dict[str, Any] = {
        "Containers": -1,
        "Created": created_ns(image) // 10**9,
        "Id": image.id,
        "Labels": image.config.run.labels or None,
        "ParentId": image.parent,
        "RepoDigests": repo_digests,
        "RepoTags": tags,
        "SharedSize": -1,
        "Size": size,
    }
    if version < (1, 44):
        shown["VirtualSize"] = size
    return shown


def details(store: ImageStore, image: Image, version: Version) -> dict[str, Any]:
    """GET /images/{name}/json."""
    config, names = image.config, store.names(image.id)
    size = store.layers.size(image.chain_id)
    shown: dict[str, Any] = {
        "Id": image.id,
        "RepoTags": tags_of(names),
        "RepoDigests": digests_of(names),
        "Parent": image.parent,
        "Comment": config.text("comment") or (config.history[-1].get("comment") or "" if config.history else ""),
    }
    created = config.created if times.parse_ns(config.created) is not None else ""
    if created or version < (1, 44):
        shown["Created"] = created or times.ZERO
    if version < (1, 45):
        shown["Container"] = config.text("container")
        shown["ContainerConfig"] = {**_LEGACY_CONFIG, **(config.document.get("container_config") or {})}
    shown["DockerVersion"] = config.text("docker_version")
    shown["Author"] = config.text("author")
    shown["Config"] = run_config(image, version)
    shown["Architecture"] = config.text("architecture")
    for field, source in (("Variant", "variant"), ("Os", "os"), ("OsVersion", "os.version")):
        if field == "Os" or config.text(source):
            shown[field] = config.text(source)
    shown["Size"] = size
    if version < (1, 44):
        shown["VirtualSize"] = size
    shown["GraphDriver"] = {"Data": _graph_data(store, image), "Name": DRIVER}
    shown["RootFS"] = {"Type": "layers", "Layers": config.diff_ids}
    tagged = times.ZERO if image.tagged_ns is None else times.format_ns(image.tagged_ns)
    shown["Metadata"] = {"LastTagTime": tagged}
    return shown


def run_config(image: Image, version: Version) -> dict[str, Any]:
    """`Config`: before 1.50 with a container's fields, empty; since then only what is set."""
    document = image.config.run.document
    stated = {field: document[field] for field in _CONFIG_FIELDS if document.get(field)}
    return stated if version >= (1, 50) else {**_LEGACY_CONFIG, **stated}


def _graph_data(store: ImageStore, image: Image) -> dict[str, str] | None:
    stack = [os.path.join(store.layers.path(layer.chain_id), "diff") for layer in store.layers.stack(image.chain_id)]
    if not stack:
        return None
    data = {"UpperDir": stack[0]}
    if stack[1:]:
        data["LowerDir"] = ":".join(stack[1:])
    return data


def history(store: ImageStore, image: Image) -> list[dict[str, Any]]:
    """GET /images/{name}/history: newest first; ids are known for this image and the parents that are here."""
    layers: list[Layer] = list(reversed(store.layers.stack(image.chain_id)))
    shown = []
    position = 0
    for entry in image.config.history:
        size = 0
        if not entry.get("empty_layer"):
            size = layers[position].size
            position += 1
        shown.append(
            {
                "Comment": entry.get("comment") or "",
                "Created": (times.parse_ns(entry.get("created") or "") or 0) // 10**9,
                "CreatedBy": entry.get("created_by") or "",
                "Id": "<missing>",
                "Size": size,
                "Tags": None,
            }
        )
    shown.reverse()
    current: Image | None = image
    for line in shown:
        if current is None:
            break
        line["Id"] = current.id
        line["Tags"] = tags_of(store.names(current.id)) or None
        current = store.images.get(current.parent)
    return shown
