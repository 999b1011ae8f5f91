"""An image's configuration document (OCI image config, Docker image JSON): read without losing a byte or a field.

The bytes are the truth: their sha256 is the image's id, so nothing here writes them back changed. `ImageConfig` keeps
the document as parsed, unknown fields included, and offers what the engine needs, checked. No I/O.
"""

from __future__ import annotations

import json

from tiffin.spec import digest as digests
from tiffin.spec import platform as platforms

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final

CONFIG_BYTES_LIMIT: Final = 8 << 20  # far above any real config; a bound on what one hostile document costs
LAYERS_LIMIT: Final = 1000  # overlayfs itself stops at 500 lower directories
HISTORY_LIMIT: Final = 10_000


class ConfigError(ValueError):
    """The document is not an image configuration."""


class ImageConfig:
    """A parsed configuration. `document` is the whole JSON object; treat it as read-only."""

    __slots__ = ("document", "id", "raw")

    def __init__(self, raw: bytes, document: dict[str, Any]) -> None:
        self.raw = raw
        self.id = digests.of_bytes(raw)
        self.document = document

    @property
    def diff_ids(self) -> list[str]:
        """Digests of the uncompressed layers, bottom first."""
        return list(self.document["rootfs"].get("diff_ids") or [])

    @property
    def platform(self) -> platforms.Platform:
        return platforms.of_document(self.document)

    @property
    def created(self) -> str:
        """RFC 3339, or empty."""
        return _text(self.document, "created")

    @property
    def history(self) -> list[dict[str, Any]]:
        return list(self.document.get("history") or [])

    @property
    def run(self) -> RunConfig:
        """What the image says about running it: the `config` object."""
        return RunConfig(self.document.get("config") or {})

    def text(self, field: str) -> str:
        """A top-level string field, empty when it is missing."""
        return _text(self.document, field)


class RunConfig:
    """The `config` object of an image (or of a container): Docker's names, missing and null read as empty."""

    __slots__ = ("document",)

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document

    @property
    def env(self) -> list[str]:
        return _texts(self.document, "Env")

    @property
    def cmd(self) -> list[str]:
        return _texts(self.document, "Cmd")

    @property
    def entrypoint(self) -> list[str]:
        return _texts(self.document, "Entrypoint")

    @property
    def shell(self) -> list[str]:
        return _texts(self.document, "Shell")

    @property
    def on_build(self) -> list[str]:
        return _texts(self.document, "OnBuild")

    @property
    def working_dir(self) -> str:
        return _text(self.document, "WorkingDir")

    @property
    def user(self) -> str:
        return _text(self.document, "User")

    @property
    def stop_signal(self) -> str:
        return _text(self.document, "StopSignal")

    @property
    def args_escaped(self) -> bool:
        return self.document.get("ArgsEscaped") is True

    @property
    def volumes(self) -> list[str]:
        return sorted(_mapping(self.document, "Volumes"))

    @property
    def exposed_ports(self) -> list[str]:
        return sorted(_mapping(self.document, "ExposedPorts"))

    @property
    def labels(self) -> dict[str, str]:
        return {str(key): str(value) for key, value in _mapping(self.document, "Labels").items()}

    @property
    def healthcheck(self) -> dict[str, Any] | None:
        value = self.document.get("Healthcheck")
        return value if isinstance(value, dict) else None


def parse(raw: bytes) -> ImageConfig:
    """Parse and check a configuration. Raises ConfigError saying what is wrong."""
    if len(raw) > CONFIG_BYTES_LIMIT:
        raise ConfigError(f"image config is larger than {CONFIG_BYTES_LIMIT} bytes")
    try:
        document = json.loads(raw)
    except (ValueError, RecursionError):
        raise ConfigError("image config is not valid JSON") from None
    if not isinstance(document, dict):
        raise ConfigError("image config is not a JSON object")
    if "layers" in document or "manifests" in document:
        raise ConfigError("image config looks like a manifest")  # CVE-2021-41190: one document, one meaning
    _check_rootfs(document)
    _check_types(document)
    _check_run(document.get("config"))
    return ImageConfig(raw, document)


def _check_rootfs(document: dict[str, Any]) -> None:
    rootfs = document.get("rootfs")
    if not isinstance(rootfs, dict):
        raise ConfigError("invalid image config: no rootfs")
    diff_ids = rootfs.get("diff_ids")
    if rootfs.get("type", "layers") != "layers" or not isinstance(diff_ids, list | None):
        raise ConfigError("invalid image config: rootfs is not a list of layers")
    if len(diff_ids or []) > LAYERS_LIMIT:
        raise ConfigError(f"image has more than {LAYERS_LIMIT} layers")
    for diff_id in diff_ids or []:
        if not digests.is_sha256(diff_id):
            raise ConfigError("invalid image config: a diff id is not a sha256 digest")


def _check_types(document: dict[str, Any]) -> None:
    for field in ("architecture", "variant", "os", "os.version", "created", "author", "comment", "docker_version"):
        if not isinstance(document.get(field), str | None):
            raise ConfigError(f"invalid image config: {field} is not a string")
    history = document.get("history")
    if not isinstance(history, list | None) or not all(isinstance(entry, dict) for entry in history or []):
        raise ConfigError("invalid image config: history is not a list of objects")
    if len(history or []) > HISTORY_LIMIT:
        raise ConfigError(f"image has more than {HISTORY_LIMIT} history entries")
    for entry in history or []:
        for field in ("created", "created_by", "author", "comment"):
            if not isinstance(entry.get(field), str | None):
                raise ConfigError(f"invalid image config: {field} in history is not a string")
    layers = sum(1 for entry in history or [] if not entry.get("empty_layer"))
    if history and layers > len(document["rootfs"].get("diff_ids") or []):
        raise ConfigError("invalid image config: history tells of more layers than there are")


def _check_run(config: object) -> None:
    if config is None:
        return
    if not isinstance(config, dict):
        raise ConfigError("invalid image config: config is not an object")
    for field in ("Env", "Cmd", "Entrypoint", "Shell", "OnBuild"):
        value = config.get(field)
        if not isinstance(value, list | None) or not all(isinstance(item, str) for item in value or []):
            raise ConfigError(f"invalid image config: {field} is not a list of strings")
    for field in ("WorkingDir", "User", "StopSignal"):
        if not isinstance(config.get(field), str | None):
            raise ConfigError(f"invalid image config: {field} is not a string")
    for field in ("Volumes", "ExposedPorts", "Labels", "Healthcheck"):
        if not isinstance(config.get(field), dict | None):
            raise ConfigError(f"invalid image config: {field} is not an object")
    if not all(isinstance(value, str) for value in (config.get("Labels") or {}).values()):
        raise ConfigError("invalid image config: a label is not a string")


def encode(document: dict[str, Any]) -> bytes:
    """The bytes of a configuration that this engine makes itself (import, commit, build)."""
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()


def _text(document: dict[str, Any], field: str) -> str:
    value = document.get(field)
    return value if isinstance(value, str) else ""


def _texts(document: dict[str, Any], field: str) -> list[str]:
    value = document.get(field)
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def _mapping(document: dict[str, Any], field: str) -> dict[str, Any]:
    value = document.get(field)
    return value if isinstance(value, dict) else {}
