"""AppArmor: our default profile for containers, its loading at the daemon's start, and its application by init.

The profile is a second wall behind namespaces, masks, capabilities and seccomp: no mounts, no writes to what /proc and
/sys say about the host, signals and ptrace only among containers of the same profile. Where the kernel has AppArmor on
and the profile cannot be loaded, that is an error, never a container without it. Compiling needs the program
apparmor_parser (Debian package apparmor); nothing under /etc/apparmor.d is read but, where it is there, the abi file.

Lean. `load_default` runs a program and belongs to the daemon; `apply_on_exec` is init's, just before execve.
"""

from __future__ import annotations

import os

from tiffin.errors import SystemFailure

DEFAULT = "tiffin-default"
ENABLED = "/sys/module/apparmor/parameters/enabled"
SECURITYFS = "/sys/kernel/security/apparmor"
PARSERS = ("/usr/sbin/apparmor_parser", "/sbin/apparmor_parser", "/usr/bin/apparmor_parser")
ABI = "/etc/apparmor.d/abi/3.0"


def available() -> bool:
    """Whether this kernel enforces AppArmor."""
    try:
        with open(ENABLED, encoding="ascii") as file:
            return file.read(1) == "Y"
    except OSError:
        return False


def load_default(name: str = DEFAULT) -> bool:
    """Load (or replace) the default profile under `name`; False where the kernel has no AppArmor.

    SystemFailure, with what the parser said, when it has and loading fails: the daemon must not start then.
    """
    if not available():
        return False
    failed = f"AppArmor is enabled on this system, but the profile {name} could not be loaded"
    if not os.path.isdir(SECURITYFS):
        raise SystemFailure(f"{failed}: {SECURITYFS} is not there: mount securityfs on /sys/kernel/security")
    parser = next((path for path in PARSERS if os.access(path, os.X_OK)), None)
    if parser is None:
        raise SystemFailure(f"{failed}: apparmor_parser is missing: install the Debian package apparmor")
    status, output = _run([parser, "--replace", "--skip-cache", "--quiet"], profile_text(name).encode())
    if status != 0 or not loaded(name):
        raise SystemFailure(f"{failed}: apparmor_parser: exit status {status}: {output.strip()}")
    return True


def loaded(name: str) -> bool:
    """Whether the kernel has a profile of this name; also False where it has no AppArmor."""
    try:
        with open(f"{SECURITYFS}/profiles", encoding="utf-8", errors="replace") as file:
            return any(line.rpartition(" (")[0] == name for line in file)
    except OSError:
        return False


def apply_on_exec(name: str, proc_fd: int | None = None) -> None:
    """Have the next execve of this thread run under the profile; OSError ENOENT when it is not loaded.

    `proc_fd` is a descriptor of a procfs that the caller trusts (an image can put anything on /proc). Nothing may
    execve in between. Kernels before 5.8 only have the file that the security modules share.
    """
    base = "/proc/" if proc_fd is None else ""
    try:
        fd = os.open(f"{base}thread-self/attr/apparmor/exec", os.O_WRONLY | os.O_CLOEXEC, dir_fd=proc_fd)
    except FileNotFoundError:
        fd = os.open(f"{base}thread-self/attr/exec", os.O_WRONLY | os.O_CLOEXEC, dir_fd=proc_fd)
    try:
        os.write(fd, f"exec {name}".encode())
    finally:
        os.close(fd)


def profile_text(name: str = DEFAULT) -> str:
    """The default profile in AppArmor's language.

    `file` allows and the denials take away: AppArmor has no "all but", so `_all_but` spells out the complement.
    """
    abi = ["abi <abi/3.0>,"] if os.path.exists(ABI) else []
    rules = [
        "network,",
        "deny network alg,",  # also through socketcall, which no seccomp filter can look into (CVE-2026-31431)
        "capability,",
        "file,",
        "umount,",
        "deny mount,",
        "signal (receive) peer=unconfined,",
        f"signal (send, receive) peer={name},",
        f"ptrace (trace, read, tracedby, readby) peer={name},",
        # /proc/<pid>/ is each process's own; of the rest only the limits of System V shared memory, as in Docker.
        "deny /proc/[^0-9s]** w,",
        *(f"deny {pattern} w," for pattern in _all_but("/proc/s", "ys/kernel/shm")),
        "deny /proc/{sysrq-trigger,kcore} rwklx,",
        *(f"deny {pattern} wklx," for pattern in _all_but("/sys/", "fs/cgroup/")),
        "deny /sys/firmware/** rwklx,",
        "deny /sys/devices/virtual/powercap/** rwklx,",
        "deny /sys/kernel/security/** rwklx,",
    ]
    lines = [*abi, f"profile {name} flags=(attach_disconnected,mediate_deleted) {{", *(f"  {r}" for r in rules), "}"]
    return "\n".join(lines) + "\n"


def _all_but(base: str, keep: str) -> list[str]:
    """Patterns that together match every path below `base` that does not begin with base + keep."""
    return [f"{base}{keep[:length]}[^{keep[length]}]**" for length in range(len(keep))]


def _run(argv: list[str], text: bytes) -> tuple[int, str]:
    """A program with `text` as its input: exit status and all it said. Both fit into a memfd, so nothing can block."""
    inbox, outbox = os.memfd_create("profile", os.MFD_CLOEXEC), os.memfd_create("output", os.MFD_CLOEXEC)
    try:
        os.pwrite(inbox, text, 0)
        actions = [(os.POSIX_SPAWN_DUP2, inbox, 0), (os.POSIX_SPAWN_DUP2, outbox, 1), (os.POSIX_SPAWN_DUP2, outbox, 2)]
        pid = os.posix_spawn(argv[0], argv, {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}, file_actions=actions)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        return status, os.pread(outbox, 65536, 0).decode(errors="replace")
    finally:
        os.close(inbox)
        os.close(outbox)
