"""Give up privileges, in the order the kernel needs: groups and ids, capability sets, no-new-privs, seccomp.

Inheritable and ambient sets are always empty (CVE-2022-24769, CVE-2022-29162). Runs between fork and exec: no imports,
no logging. Source: man 7 capabilities, "Effect of user ID changes"; man 2 seccomp.
"""

from __future__ import annotations

import os
import resource

from tiffin.linux.capabilities import capset, clear_ambient, drop_bounding, last_cap
from tiffin.linux.process import PR_SET_KEEPCAPS, PR_SET_NO_NEW_PRIVS, prctl
from tiffin.spec.capabilities import NUMBERS, to_mask

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tiffin.runtime.identity import Identity
    from tiffin.runtime.seccomp.install import Prepared

LAST_CAP = last_cap()


def mask(names: list[str]) -> int:
    """The bit mask of capability names; names this kernel lacks are left out."""
    return to_mask(name for name in names if NUMBERS.get(name, LAST_CAP + 1) <= LAST_CAP)


def set_limits(rlimits: list[dict[str, Any]]) -> None:
    """Apply OCI process.rlimits."""
    for limit in rlimits:
        number = getattr(resource, limit["type"], None)
        if number is None:
            raise OSError(22, f"unknown ulimit {limit['type']}")
        soft, hard = (-1 if value >= 1 << 63 or value < 0 else value for value in (limit["soft"], limit["hard"]))
        try:
            resource.setrlimit(number, (soft, hard))
        except (OSError, ValueError) as error:
            message = f"error setting rlimits for ready process: {limit['type']} {soft}:{hard}: {error}"
            raise OSError(1, message) from error


def drop(process: dict[str, Any], identity: Identity, seccomp: Prepared | None) -> None:
    """Become the user with exactly the process's capabilities; afterwards only execve should follow.

    With no-new-privs off the filter is installed while CAP_SYS_ADMIN is still held, with it on at the very end: a
    process without privileges may install a filter only under no-new-privs.
    """
    sets = process.get("capabilities") or {}
    no_new_privileges = bool(process.get("noNewPrivileges"))
    drop_bounding(mask(sets.get("bounding") or []), LAST_CAP)
    if seccomp is not None and not no_new_privileges:
        seccomp.install()
    prctl(PR_SET_KEEPCAPS, 1)
    os.setgroups(identity.groups)
    os.setresgid(identity.gid, identity.gid, identity.gid)
    os.setresuid(identity.uid, identity.uid, identity.uid)
    prctl(PR_SET_KEEPCAPS, 0)
    clear_ambient()
    permitted = mask(sets.get("permitted") or [])
    effective = mask(sets.get("effective") or []) if identity.uid == 0 else 0
    capset(effective, permitted, 0)
    if no_new_privileges:
        prctl(PR_SET_NO_NEW_PRIVS, 1)
        if seccomp is not None:
            seccomp.install()
