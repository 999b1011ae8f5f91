"""--volume, --tmpfs and --mount to Binds, Volumes, Tmpfs and Mounts."""

from __future__ import annotations

import os

from tiffin.cli.create.csv import fields
from tiffin.cli.create.values import size
from tiffin.errors import InvalidParameter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

OWNED = {"bind": "BindOptions", "volume": "VolumeOptions", "image": "ImageOptions", "tmpfs": "TmpfsOptions"}


def volumes(words: list[str]) -> tuple[list[str], dict[str, dict[str, str]]]:
    """Binds, and the anonymous volumes that are left."""
    binds, anonymous = [], {}
    for word in dict.fromkeys(words):
        source = _check(word)
        if not source:
            anonymous[word] = dict[str, str]()
            continue
        head, _, tail = word.partition(":")
        if head == "." or head.startswith(("./", "../")) or head == "..":
            word = f"{os.path.abspath(head)}:{tail}"
        binds.append(word)
    return binds, anonymous


def _check(word: str) -> str:
    """The source of a volume word, empty for an anonymous one."""
    parts = word.split(":")
    if not word:
        raise InvalidParameter("invalid empty volume spec")
    if len(word) <= 2:
        return ""
    if "" in parts:
        raise InvalidParameter(f"invalid spec: {word}: empty section between colons")
    if len(parts) > 3:
        raise InvalidParameter(f"invalid spec: {word}: too many colons")
    return parts[0] if len(parts) > 1 else ""


def tmpfs(words: list[str]) -> dict[str, str]:
    found = {}
    for word in words:
        path, _, options = word.partition(":")
        found[path] = options
    return found


def mount(word: str) -> dict[str, Any]:
    """One --mount. ValueError in Docker's words."""
    if not word:
        raise ValueError("EOF")
    parsed = _Mount()
    for item in fields(word):
        parsed.field(item)
    return parsed.result()


class _Mount:
    """A --mount while its fields come in."""

    def __init__(self) -> None:
        self.kind = "volume"
        self.source = self.target = self.consistency = ""
        self.read_only = False
        self.options: dict[str, dict[str, Any]] = {"bind": {}, "volume": {}, "image": {}, "tmpfs": {}}

    def field(self, item: str) -> None:
        key, equals, value = item.partition("=")
        key = key.strip().lower()
        if not equals:
            if key not in ("readonly", "ro", "volume-nocopy", "bind-nonrecursive", "bind-create-src"):
                raise ValueError(f"invalid field '{item}' must be a key=value pair")
            value = "true"
        if key == "type":
            self.kind = value.lower()
        elif key in ("source", "src"):
            relative = value == "." or value.startswith(("./", "../"))
            self.source = os.path.abspath(value) if relative else value
        elif key in ("target", "dst", "destination"):
            self.target = value
        elif key in ("readonly", "ro"):
            self.read_only = self.boolean(key, value)
        elif key == "consistency":
            self.consistency = value.lower()
        else:
            self.option(key, value)

    def boolean(self, key: str, value: str) -> bool:
        if value in ("1", "true", "t", "T", "TRUE", "True"):
            return True
        if value in ("0", "false", "f", "F", "FALSE", "False"):
            return False
        raise ValueError(f"invalid value for {key}: {value}")

    def option(self, key: str, value: str) -> None:
        bind, volume, tmpfs_options = self.options["bind"], self.options["volume"], self.options["tmpfs"]
        if key == "bind-propagation":
            bind["Propagation"] = value.lower()
        elif key == "bind-nonrecursive":
            bind["NonRecursive"] = self.boolean(key, value)
        elif key == "bind-create-src":
            bind["CreateMountpoint"] = self.boolean(key, value)
        elif key == "bind-recursive":
            if value not in ("enabled", "disabled", "writable", "readonly"):
                raise ValueError(
                    f"invalid value for bind-recursive: {value}"
                    ' (must be "enabled", "disabled", "writable", or "readonly")'
                )
            if value == "disabled":
                bind["NonRecursive"] = True
            elif value == "writable":
                bind["ReadOnlyNonRecursive"] = True
            elif value == "readonly":
                bind["ReadOnlyForceRecursive"] = True
        elif key == "volume-nocopy":
            volume["NoCopy"] = self.boolean(key, value)
        elif key == "volume-subpath":
            volume["Subpath"] = value
        elif key == "image-subpath":
            self.options["image"]["Subpath"] = value
        elif key == "volume-driver":
            volume.setdefault("DriverConfig", {})["Name"] = value
        elif key == "volume-label":
            name, _, text = value.partition("=")
            volume.setdefault("Labels", {})[name] = text
        elif key == "volume-opt":
            name, _, text = value.partition("=")
            volume.setdefault("DriverConfig", {}).setdefault("Options", {})[name] = text
        elif key == "tmpfs-size":
            try:
                tmpfs_options["SizeBytes"] = size(value)
            except ValueError:
                raise ValueError(f"invalid value for {key}: {value}") from None
        elif key == "tmpfs-mode":
            if not value or value.strip("01234567"):
                raise ValueError(f"invalid value for {key}: {value}")
            tmpfs_options["Mode"] = int(value, 8)
        else:
            raise ValueError(f"unexpected key '{key}' in '{key}={value}'")

    def result(self) -> dict[str, Any]:
        if not self.kind:
            raise ValueError("type is required")
        if not self.target:
            raise ValueError("target is required")
        for kind, options in self.options.items():
            if options and kind != self.kind:
                raise ValueError(f"cannot mix '{kind}-*' options with mount type '{self.kind}'")
        recursion = self.options["bind"]
        if recursion.get("ReadOnlyForceRecursive"):
            if not self.read_only:
                raise ValueError("option 'bind-recursive=readonly' requires 'readonly' to be specified in conjunction")
            if recursion.get("Propagation") != "rprivate":
                raise ValueError(
                    "option 'bind-recursive=readonly' requires 'bind-propagation=rprivate'"
                    " to be specified in conjunction"
                )
        found: dict[str, Any] = {"Type": self.kind}
        if self.source:
            found["Source"] = self.source
        found["Target"] = self.target
        if self.read_only:
            found["ReadOnly"] = True
        if self.consistency:
            found["Consistency"] = self.consistency
        if self.options.get(self.kind):
            found[OWNED[self.kind]] = self.options[self.kind]
        return found
