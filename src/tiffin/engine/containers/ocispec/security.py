"""Capabilities, seccomp, AppArmor, no-new-privileges and hidden paths of a container, from HostConfig. No I/O.

`--security-opt` is a list of `name=value` (old: `name:value`); see `parse`.
"""

from __future__ import annotations

import dataclasses
import functools
import json
from typing import Any

from tiffin.engine.containers.settings import Settings
from tiffin.errors import InvalidParameter
from tiffin.spec import capabilities, masked_paths
from tiffin.spec.container import HostConfig, as_list


@dataclasses.dataclass(frozen=True, slots=True)
class Security:
    """What the user said with --security-opt; None where he said nothing."""

    seccomp: str | None = None
    apparmor: str | None = None
    no_new_privileges: bool | None = None
    systempaths_unconfined: bool = False
    labels: tuple[str, ...] = ()


def parse(options: list[str] | None) -> Security:
    """InvalidParameter in Docker's words for what is no option."""
    found: dict[str, Any] = {}
    labels: list[str] = []
    for option in options or ():
        name, equals, value = option.partition("=")
        if option == "no-new-privileges":
            found["no_new_privileges"] = True
            continue
        if option == "disable" or name == "writable-cgroups":
            continue
        if not equals:
            name, equals, value = option.partition(":")
        if not equals:
            raise InvalidParameter(f'invalid --security-opt 1: "{option}"')
        match name:
            case "seccomp" | "apparmor":
                found[name] = value
            case "label":
                labels.append(value)
            case "no-new-privileges":
                if value not in ("true", "false", "1", "0"):
                    raise InvalidParameter(f'invalid --security-opt 2: "{option}"')
                found["no_new_privileges"] = value in ("true", "1")
            case "systempaths" if value == "unconfined":
                found["systempaths_unconfined"] = True
            case _:
                raise InvalidParameter(f'invalid --security-opt 2: "{option}"')
    return Security(labels=tuple(labels), **found)


def capability_names(host: HostConfig) -> list[str]:
    names = capabilities.apply_caps(as_list(host.cap_add), as_list(host.cap_drop), host.privileged)
    return [name for name in names if name in available()]


@functools.cache
def available() -> tuple[str, ...]:
    """What there is to give: the daemon's own, which in a container or on some hosts is not all that the kernel has."""
    with open("/proc/self/status", encoding="ascii", errors="replace") as file:
        mask = next(int(line.split()[1], 16) for line in file if line.startswith("CapPrm:"))
    return tuple(name for name in capabilities.NAMES if mask >> capabilities.NUMBERS[name] & 1)


def apparmor_profile(host: HostConfig, security: Security, settings: Settings) -> str:
    """Empty: none is to be applied. Privileged is unconfined unless a profile is named."""
    if security.apparmor is not None:
        return "" if security.apparmor == "unconfined" else security.apparmor
    return settings.apparmor_profile if settings.apparmor and not host.privileged else ""


def seccomp_profile(host: HostConfig, security: Security) -> tuple[bool, str | None]:
    """(filtered at all, the profile's JSON text or None for the default)."""
    wanted = security.seccomp
    if wanted == "unconfined" or (wanted is None and host.privileged):
        return False, None
    if wanted in (None, "", "builtin"):
        return True, None
    try:
        json.loads(wanted or "")
    except ValueError as wrong:
        raise InvalidParameter(f"Decoding seccomp profile failed: {wrong}") from None
    return True, wanted


def hidden_paths(host: HostConfig, security: Security) -> tuple[list[str], list[str]]:
    """(masked, read-only); the user's lists replace the defaults."""
    if host.privileged or security.systempaths_unconfined:
        return [], []
    masked = _masked() if host.masked_paths is None else host.masked_paths
    readonly = _readonly() if host.readonly_paths is None else host.readonly_paths
    return masked, readonly


@functools.cache
def _masked() -> list[str]:
    return masked_paths.masked_paths()


@functools.cache
def _readonly() -> list[str]:
    return masked_paths.readonly_paths()
