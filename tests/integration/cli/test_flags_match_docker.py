"""Every flag that the stock docker CLI lists for a command is known here, by name, shorthand and kind."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from tiffin.cli import table

COMMANDS = [
    "run",
    "create",
    "start",
    "stop",
    "restart",
    "kill",
    "rm",
    "ps",
    "logs",
    "attach",
    "exec",
    "wait",
    "images",
    "history",
    "import",
    "load",
    "save",
    "tag",
    "rmi",
    "info",
    "version",
    "events",
    "pause",
    "unpause",
    "rename",
    "top",
    "stats",
    "port",
    "diff",
    "export",
    "pull",
    "push",
    "update",
    "commit",
    "inspect",
]
NOUN_COMMANDS = [
    (noun, name)
    for noun in ("container", "image", "network", "volume", "system")
    for name, entry in table.NOUNS[noun].items()
    if entry[2]
]
# What one machine has no use for, or what docker only plans.
LEFT_OUT = {"tree", "use-api-socket", "cluster", "config-from", "config-only", "ingress", "aux-address", "verbose"}
LEFT_OUT |= {
    "availability",
    "group",
    "limit-bytes",
    "required-bytes",
    "scope",
    "secret",
    "sharing",
    "topology-preferred",
}
LEFT_OUT |= {"topology-required", "type", "kernel-memory", "checkpoint", "checkpoint-dir", "disable-content-trust"}


def docker_flags(words: list[str]) -> dict[str, tuple[str, bool]]:
    if shutil.which("docker") is None:
        pytest.skip("needs the stock docker CLI on PATH")
    done = subprocess.run(["docker", *words, "--help"], capture_output=True, text=True, timeout=60, check=False)
    found = {}
    for line in done.stdout.splitlines():
        if not line.startswith(("  -", "      --")):  # deeper: text that was wrapped
            continue
        left = line.strip().split("   ")[0]
        short, _, rest = left.partition(", ") if not left.startswith("--") else ("", "", left)
        name, _, kind = rest.strip().partition(" ")
        found[name.lstrip("-")] = (short.lstrip("-"), bool(kind.strip()))
    found.pop("help", None)
    return found


@pytest.mark.parametrize("words", [[name] for name in COMMANDS] + [list(pair) for pair in NOUN_COMMANDS], ids=" ".join)
def test_no_flag_of_docker_is_unknown(words: list[str]) -> None:
    _, entry, _ = table.find(words)
    assert entry is not None
    known = {flag.name: (flag.short, flag.kind != "bool") for flag in table.load(entry).flags}
    for name, what in docker_flags(words).items():
        if name not in LEFT_OUT:
            assert known.get(name) == what, name
