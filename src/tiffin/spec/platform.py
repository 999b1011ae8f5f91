"""Platforms of images: `os[/architecture[/variant]]`, normalised as Docker does, and which one fits a host.

`host()` reads `os.uname` only. No policy on what to do when nothing fits.
"""

from __future__ import annotations

import json
import os
import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final

_PART: Final = re.compile(r"[A-Za-z0-9_.-]+", re.ASCII)
_ARCHITECTURES: Final = {
    "x86_64": ("amd64", ""),
    "x86-64": ("amd64", ""),
    "amd64": ("amd64", ""),
    "i386": ("386", ""),
    "i686": ("386", ""),
    "aarch64": ("arm64", ""),
    "arm64": ("arm64", ""),
    "armhf": ("arm", "v7"),
    "armel": ("arm", "v6"),
    "armv7l": ("arm", "v7"),
    "armv6l": ("arm", "v6"),
}
_OPERATING_SYSTEMS: Final = {"macos": "darwin"}


class PlatformError(ValueError):
    """The text is not a platform."""


class Platform:
    """Operating system, architecture and variant, normalised. Equal when all three are."""

    __slots__ = ("architecture", "os", "variant")

    def __init__(self, os: str, architecture: str, variant: str = "") -> None:
        self.os = os
        self.architecture = architecture
        self.variant = variant

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Platform) and str(self) == str(other)

    def __hash__(self) -> int:
        return hash(str(self))

    def __repr__(self) -> str:
        return f"Platform({str(self)!r})"

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)

    def runs_on(self, host: Platform) -> bool:
        """Whether the kernel of `host` runs programs of this platform (32-bit companions included)."""
        if self.os != host.os:
            return False
        if self.architecture == host.architecture:
            return not self.variant or not host.variant or self.variant <= host.variant
        return (host.architecture, self.architecture) in {("amd64", "386"), ("arm64", "arm")}


def host() -> Platform:
    """The platform of this kernel."""
    return normalise("linux", os.uname().machine)


def normalise(os_name: str, architecture: str, variant: str = "") -> Platform:
    """Canonical names: x86_64 is amd64, aarch64 is arm64, arm64/v8 is arm64, arm is arm/v7, amd64/v1 is amd64."""
    os_name = _OPERATING_SYSTEMS.get(os_name.lower(), os_name.lower())
    architecture, implied = _ARCHITECTURES.get(architecture.lower(), (architecture.lower(), ""))
    variant = variant.lower() or implied
    if (architecture, variant) in {("arm64", "8"), ("arm64", "v8"), ("amd64", "v1")}:
        variant = ""
    elif architecture == "arm":
        variant = {"": "v7", "5": "v5", "6": "v6", "7": "v7", "8": "v8"}.get(variant, variant)
    return Platform(os_name, architecture, variant)


def parse(text: str, default: Platform | None = None) -> Platform:
    """Parse `os[/arch[/variant]]`, or an architecture alone; what is missing comes from `default` (the host)."""
    default = default or host()
    parts = text.split("/")
    if len(parts) > 3 or not all(_PART.fullmatch(part) for part in parts):
        raise PlatformError(f'"{text}": invalid platform: expected os[/arch[/variant]]')
    if len(parts) == 1:
        if parts[0].lower() in _ARCHITECTURES or parts[0] in ("386", "arm", "ppc64le", "s390x", "riscv64"):
            return normalise(default.os, parts[0])
        return normalise(parts[0], default.architecture, default.variant)
    return normalise(*parts)


def parse_json(text: str) -> Platform:
    """Parse the JSON form that API 1.48 and later uses: {"os": …, "architecture": …, "variant": …}."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise PlatformError(f"failed to parse platform: {text}") from None
    if not isinstance(document, dict):
        raise PlatformError(f"failed to parse platform: {text}")
    fields = [document.get(key, "") for key in ("os", "architecture", "variant")]
    if not all(isinstance(field, str) for field in fields) or not fields[0] or not fields[1]:
        raise PlatformError("both OS and Architecture must be provided")
    return normalise(*fields)


def of_document(document: dict[str, Any]) -> Platform:
    """The platform that a config or a descriptor's `platform` states; unknown parts are the host's."""
    fallback = host()
    texts = [document.get(key) for key in ("os", "architecture", "variant")]
    os_name, architecture, variant = (text if isinstance(text, str) else "" for text in texts)
    return normalise(os_name or fallback.os, architecture or fallback.architecture, variant)
