"""Which device nodes a container may use: OCI device rules for v1's files and, reduced, for a v2 BPF program.

`v1_writes` hands the rules to the kernel one by one. cgroup v2 has no such files, so `reduce` computes what the v1
kernel would have come to: a default and the exceptions from it (man 7 cgroups, the kernel's cgroup-v1/devices.rst).
Pure functions.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Node = tuple[str, int, int]  # type "b" or "c", major, minor; -1 is any

# Bits as in BPF_DEVCG_ACC_*.
MKNOD, READ, WRITE = 1, 2, 4
ALL = MKNOD | READ | WRITE
_BITS = {"m": MKNOD, "r": READ, "w": WRITE}


def v1_writes(rules: list[dict[str, Any]]) -> list[tuple[bytes, bytes]]:
    """(file, value) in order. A fresh group has its parent's devices, so a leading "allow everything" is left out."""
    writes: list[tuple[bytes, bytes]] = []
    for rule in rules:
        allow = bool(rule.get("allow"))
        if _is_reset(rule):
            if allow and not writes:
                continue
            writes.append((b"devices.allow" if allow else b"devices.deny", b"a"))
            continue
        major, minor = ("*" if number is None or number < 0 else str(number) for number in _numbers(rule))
        for kind in _kinds(rule):
            value = f"{kind} {major}:{minor} {rule.get('access') or 'rwm'}"
            writes.append((b"devices.allow" if allow else b"devices.deny", value.encode()))
    return writes


def reduce(rules: list[dict[str, Any]]) -> tuple[bool, dict[Node, int]]:
    """(allowed by default, exceptions): node → access bits that are not as the default says."""
    default = True
    exceptions: dict[Node, int] = {}
    for rule in rules:
        allow = bool(rule.get("allow"))
        if _is_reset(rule):
            default = allow
            exceptions.clear()
            continue
        major, minor = (-1 if number is None or number < 0 else number for number in _numbers(rule))
        access = 0
        for letter in rule.get("access") or "rwm":
            access |= _BITS[letter]
        for kind in _kinds(rule):
            node = (kind, major, minor)
            left = exceptions.get(node, 0) | access if allow != default else exceptions.get(node, 0) & ~access
            if left:
                exceptions[node] = left
            else:
                exceptions.pop(node, None)
    return default, exceptions


def _is_reset(rule: dict[str, Any]) -> bool:
    if rule.get("type") not in (None, "", "a"):
        return False
    whole = all(number is None or number < 0 for number in _numbers(rule))
    return whole and set(rule.get("access") or "rwm") == {"r", "w", "m"}


def _kinds(rule: dict[str, Any]) -> tuple[str, ...]:
    kind = rule.get("type")
    return ("b", "c") if kind in (None, "", "a") else (kind,)


def _numbers(rule: dict[str, Any]) -> tuple[int | None, int | None]:
    return rule.get("major"), rule.get("minor")
