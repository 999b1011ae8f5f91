"""From a profile as the user or Docker writes it to the OCI spec's linux.seccomp, for one container on one machine.

Docker's form has conditions (includes, excludes: capabilities, architectures, kernel) and a map of architectures; the
OCI form has none of these and passes through. Profiles come as text with `--security-opt seccomp=`: the client reads
the file, the API gets the JSON. "unconfined" and "builtin" are the caller's: no filter at all, or profile None.
"""

from __future__ import annotations

import json
import os
import re

from tiffin.errors import InvalidParameter
from tiffin.runtime.seccomp.default_profile import default_profile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection
    from typing import Any

# Go's names for architectures, which profiles use, to libseccomp's.
SCMP_ARCH = {"amd64": "SCMP_ARCH_X86_64", "arm64": "SCMP_ARCH_AARCH64"}
MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}


def native_arch() -> str:
    """This machine's architecture by the name that profiles use."""
    machine = os.uname().machine
    return MACHINES.get(machine, machine)


def load_profile(text: str | bytes) -> dict[str, Any]:
    """The profile in a JSON text; InvalidParameter in Docker's words when it is not an object."""
    try:
        document = json.loads(text)
    except ValueError as error:
        raise InvalidParameter(f"Decoding seccomp profile failed: {error}") from None
    if not isinstance(document, dict):
        raise InvalidParameter("Decoding seccomp profile failed: the profile is not a JSON object")
    return document


def resolve(profile: dict[str, Any] | None, caps: Collection[str], arch: str) -> dict[str, Any]:
    """linux.seccomp for a container with the bounding set `caps` on `arch` (amd64, x86_64, arm64, aarch64).

    None is the default profile. An empty result ({}) means: the profile says nothing, no filter.
    """
    document = default_profile() if profile is None else profile
    arch = MACHINES.get(arch, arch)
    if not document.get("defaultAction") and not document.get("syscalls"):
        return {}
    if document.get("architectures") and document.get("archMap"):
        raise InvalidParameter(
            "both 'architectures' and 'archMap' are specified in the seccomp profile, "
            "use either 'architectures' or 'archMap'"
        )
    result: dict[str, Any] = {"defaultAction": document.get("defaultAction", "")}
    for key in ("defaultErrnoRet", "flags"):
        if document.get(key) is not None:
            result[key] = document[key]
    result["architectures"] = _architectures(document, arch)
    kernel = _version(os.uname().release)
    result["syscalls"] = [
        _rule(call) for call in document.get("syscalls") or [] if _applies(call, caps, arch, kernel)
    ]
    return result


def _architectures(document: dict[str, Any], arch: str) -> list[str]:
    for entry in document.get("archMap") or []:
        if entry.get("architecture") == SCMP_ARCH.get(arch):
            return [entry["architecture"], *(entry.get("subArchitectures") or [])]
    return list(document.get("architectures") or [])


def _applies(call: dict[str, Any], caps: Collection[str], arch: str, kernel: tuple[int, int]) -> bool:
    excludes, includes = call.get("excludes") or {}, call.get("includes") or {}
    if arch in (excludes.get("arches") or ()) or any(cap in caps for cap in excludes.get("caps") or ()):
        return False
    if excludes.get("minKernel") and kernel >= _version(excludes["minKernel"]):
        return False
    if includes.get("arches") and arch not in includes["arches"]:
        return False
    if not all(cap in caps for cap in includes.get("caps") or ()):
        return False
    return not (includes.get("minKernel") and kernel < _version(includes["minKernel"]))


def _rule(call: dict[str, Any]) -> dict[str, Any]:
    names = list(call.get("names") or [])
    if call.get("name"):
        if names:
            raise InvalidParameter(
                "both 'name' and 'names' are specified in the seccomp profile, use either 'name' or 'names'"
            )
        names = [call["name"]]
    rule: dict[str, Any] = {"names": names, "action": call.get("action", "")}
    if call.get("errnoRet") is not None:
        rule["errnoRet"] = call["errnoRet"]
    if call.get("args"):
        rule["args"] = call["args"]
    return rule


def _version(text: str) -> tuple[int, int]:
    match = re.match(r"(\d+)\.(\d+)", text)
    if match is None:
        raise InvalidParameter(f'invalid kernel version in the seccomp profile: "{text}"')
    return int(match[1]), int(match[2])
