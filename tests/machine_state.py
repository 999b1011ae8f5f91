"""What a test must leave as it found it: a snapshot of the machine, and the difference of two.

Each kind is a set of lines that say what there is, so that a difference reads as a list of what was left behind.
"""

from __future__ import annotations

import os
import subprocess

from subreaper import ENVIRONMENT, command_line, descendants

Snapshot = dict[str, set[str]]

# Files that belong to the engine are named after it, wherever they lie.
PLACES = ("/run", "/tmp", "/var/lib", "/run/netns", "/var/tmp")
CGROUP_FILESYSTEMS = ("cgroup", "cgroup2")


def everything() -> Snapshot:
    """All kinds; for a machine that nobody else uses meanwhile."""
    return {
        "process": processes(),
        "mount": mounts(),
        "link": set(os.listdir("/sys/class/net")),
        "cgroup": cgroups(),
        "firewall rule": firewall(),
        "file": files(),
    }


def own() -> Snapshot:
    """What can be told apart from others' doings."""
    return {"process": processes()}


def processes() -> set[str]:
    """Everything below the test-suite, orphans too where scripts/test's subreaper catches them."""
    top = int(os.environ.get(ENVIRONMENT) or os.getpid())
    mine = os.getpid()
    return {command_line(pid) for pid in descendants(top) if pid != mine}


def mounts() -> set[str]:
    """Mount points with their file system."""
    found = set()
    with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as file:
        for line in file:
            left, _, right = line.partition(" - ")
            found.add(f"{left.split()[4]} ({right.split()[0]})")
    return found


def cgroups() -> set[str]:
    """All groups of all hierarchies."""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as file:
        rows = [line.split() for line in file]
    roots = [row[4] for row in rows if row[row.index("-") + 1] in CGROUP_FILESYSTEMS]
    return {directory for root in roots for directory, _, _ in os.walk(root)}


def firewall() -> set[str]:
    """The rules of this network namespace, without counters. Needs root and nft; empty without."""
    try:
        listing = subprocess.run(["nft", "-s", "list", "ruleset"], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return set()
    rules, table, chain = set(), "", ""
    for line in listing.stdout.splitlines():
        words = line.strip()
        if words.startswith("table "):
            table, chain = words.rstrip(" {"), ""
        elif words.startswith(("chain ", "set ", "map ")):
            chain = words.rstrip(" {")
        rules.add(f"{table} / {chain} / {words}")
    return rules


def files() -> set[str]:
    """Files and directories that carry the engine's name."""
    found = set()
    for place in PLACES:
        try:
            names = os.listdir(place)
        except OSError:
            continue
        found |= {f"{place}/{name}" for name in names if place == "/run/netns" or name.startswith("tiffin")}
    return found


def added(before: Snapshot, after: Snapshot) -> list[str]:
    """What is there now and was not."""
    return [f"{kind}: {thing}" for kind in after for thing in sorted(after[kind] - before.get(kind, set()))]
