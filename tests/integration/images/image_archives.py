"""Archives to import and load, made with the standard library's tarfile: not by the code under test."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from typing import Any


def tar(members: Mapping[str, bytes | tarfile.TarInfo]) -> bytes:
    """A tar of files, and of whatever a TarInfo describes."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, content in members.items():
            if isinstance(content, tarfile.TarInfo):
                archive.addfile(content)
                continue
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(content), 0o755
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def symlink(name: str, target: str) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = tarfile.SYMTYPE, target
    return info


def busybox() -> bytes:
    """A root file system: Debian's static busybox and links for some of its programs."""
    with open("/usr/bin/busybox", "rb") as file:
        members: dict[str, bytes | tarfile.TarInfo] = {"bin/busybox": file.read()}
    for applet in ("sh", "ls", "cat", "true", "echo"):
        members[f"bin/{applet}"] = symlink(f"bin/{applet}", "busybox")
    members["etc/passwd"] = b"root:x:0:0:root:/root:/bin/sh\n"
    return tar(members)


def sha256(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def config(layers: Sequence[bytes], **fields: Any) -> bytes:
    """An image configuration over uncompressed layers."""
    document = {
        "architecture": "amd64",
        "os": "linux",
        "created": "2024-05-06T07:08:09.1Z",
        "config": {"Cmd": ["/bin/sh"]},
        "rootfs": {"type": "layers", "diff_ids": [sha256(layer) for layer in layers]},
        "history": [{"created_by": f"step {number}"} for number in range(len(layers))],
        **fields,
    }
    return json.dumps(document).encode()


def docker_archive(raw_config: bytes, layers: Sequence[bytes], tags: Sequence[str] | None) -> bytes:
    """What `docker save` wrote before it wrote OCI layouts."""
    members: dict[str, bytes | tarfile.TarInfo] = {}
    names = []
    for number, layer in enumerate(layers):
        names.append(f"{number:03d}/layer.tar")
        members[names[-1]] = layer
    members["config.json"] = raw_config
    members["manifest.json"] = json.dumps([{"Config": "config.json", "RepoTags": tags, "Layers": names}]).encode()
    return tar(members)


def layout(documents: Sequence[bytes], index: Mapping[str, Any]) -> bytes:
    """An OCI layout of blobs and an index."""
    members: dict[str, bytes | tarfile.TarInfo] = {
        f"blobs/sha256/{hashlib.sha256(each).hexdigest()}": each for each in documents
    }
    members["oci-layout"] = b'{"imageLayoutVersion":"1.0.0"}'
    members["index.json"] = json.dumps(index).encode()
    return tar(members)


def descriptor(data: bytes, media_type: str, **fields: Any) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": sha256(data), "size": len(data), **fields}
