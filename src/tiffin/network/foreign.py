"""Other owners' forward chains: where one drops by policy, a tagged pair of accepts goes where that owner wants such.

    dockerd     ip filter FORWARD, policy drop    DOCKER-USER, first
    ufw         ip filter FORWARD, policy drop    ufw-user-forward, first
    anyone's    ip filter FORWARD, policy drop    FORWARD, last
    legacy      the same three by iptables-legacy, where its kernel tables are in use
    firewalld   table inet firewalld              our bridge joins its zone `trusted`
    any other                                     not touched: a warning names the chain

The pair (from the bridge, to the bridge) only lifts the owner's policy: what may pass is decided in our own table.
Rules of the ip tables carry nothing that iptables-nft could not print; their comment is `tiffin:<bridge>`.
"""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from typing import Any

from tiffin.linux import libnftables

USER_CHAINS = {"DOCKER-USER": "dockerd", "ufw-user-forward": "ufw"}
TOOL_SECONDS = 20

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Dropper:
    """A forward chain that drops what nobody accepts, and the chain where its owner lets others add rules."""

    owner: str  # dockerd, ufw, iptables, iptables-legacy, firewalld, or "" for unknown
    chain: str  # as `ip filter FORWARD`
    place: str  # a chain's name, or a zone's; "" when it is not to be touched


def find_droppers() -> list[Dropper]:
    """Every forward chain of another owner that would drop our traffic, in this network namespace."""
    listing = libnftables.run([{"list": {"chains": None}}])
    chains = [item["chain"] for item in listing if "chain" in item]
    found = [_classify(chain, chains) for chain in chains if _drops(chain)]
    if any(chain["table"] == "firewalld" for chain in chains) and shutil.which("firewall-cmd"):
        found = [dropper for dropper in found if dropper.owner != "firewalld"]
        found.append(Dropper("firewalld", "inet firewalld filter_FORWARD", "trusted"))
    return found + _legacy_droppers()


def _drops(chain: Json) -> bool:
    return chain.get("hook") == "forward" and chain.get("policy") == "drop" and chain["family"] in ("ip", "inet")


def _classify(chain: Json, chains: list[Json]) -> Dropper:
    full = f"{chain['family']} {chain['table']} {chain['name']}"
    if chain["table"] == "firewalld":
        return Dropper("firewalld", full, "")
    if full != "ip filter FORWARD":
        return Dropper("", full, "")
    names = {other["name"] for other in chains if (other["family"], other["table"]) == ("ip", "filter")}
    for place, owner in USER_CHAINS.items():
        if place in names:
            return Dropper(owner, full, place)
    return Dropper("iptables", full, "FORWARD")


def _legacy_droppers() -> list[Dropper]:
    try:
        with open("/proc/net/ip_tables_names", encoding="ascii") as names:
            in_use = "filter" in names.read().split()
    except (FileNotFoundError, PermissionError):
        return []
    if not in_use:
        return []
    tool = shutil.which("iptables-legacy")
    if tool is None:
        return [Dropper("", "legacy ip filter FORWARD (may drop: iptables-legacy is not installed)", "")]
    rules = _tool(tool, "-w", "5", "-S").splitlines()
    if "-P FORWARD DROP" not in rules:
        return []
    place = next((name for name in USER_CHAINS if f"-N {name}" in rules), "FORWARD")
    return [Dropper("iptables-legacy", "legacy ip filter FORWARD", place)]


def accept(dropper: Dropper, bridge: str) -> bool:
    """Put the pair for `bridge` where `dropper` says, unless it is there; True when something was added."""
    if dropper.owner == "firewalld":
        return _firewalld_accept(dropper, bridge)
    if dropper.owner == "iptables-legacy":
        return _legacy_accept(dropper, bridge)
    handles = _tagged(dropper.place, bridge)
    if len(handles) == 2:
        return False
    how = "add" if dropper.place == "FORWARD" else "insert"
    commands = [_delete(dropper.place, handle) for handle in handles]
    for key in ("iifname", "oifname"):
        match = {"match": {"op": "==", "left": {"meta": {"key": key}}, "right": bridge}}
        rule = {"comment": _tag(bridge), "expr": [match, {"accept": None}]}
        commands.append({how: {"rule": {"family": "ip", "table": "filter", "chain": dropper.place, **rule}}})
    libnftables.run(commands)
    return True


def withdraw(bridge: str) -> None:
    """Remove every rule that `accept` ever made for `bridge`, wherever it is; what is gone is gone."""
    listing = libnftables.run([{"list": {"chains": None}}])
    chains = [item["chain"] for item in listing if "chain" in item]
    for chain in chains:
        if (chain["family"], chain["table"]) != ("ip", "filter") or chain["name"] not in (*USER_CHAINS, "FORWARD"):
            continue
        handles = _tagged(chain["name"], bridge)
        if handles:
            libnftables.run([_delete(chain["name"], handle) for handle in handles])
    for dropper in _legacy_droppers():
        if dropper.place:
            _legacy_withdraw(dropper.place, bridge)
    tool = shutil.which("firewall-cmd")
    if tool and any(chain["table"] == "firewalld" for chain in chains):
        _tool(tool, "-q", "--zone=trusted", f"--remove-interface={bridge}", check=False)


def _tag(bridge: str) -> str:
    return f"tiffin:{bridge}"


def _tagged(chain: str, bridge: str) -> list[int]:
    listing = libnftables.run([{"list": {"chain": {"family": "ip", "table": "filter", "name": chain}}}])
    rules = [item["rule"] for item in listing if "rule" in item]
    return [rule["handle"] for rule in rules if rule.get("comment") == _tag(bridge)]


def _delete(chain: str, handle: int) -> Json:
    return {"delete": {"rule": {"family": "ip", "table": "filter", "chain": chain, "handle": handle}}}


def _firewalld_accept(dropper: Dropper, bridge: str) -> bool:
    tool = shutil.which("firewall-cmd")
    if tool is None:
        return False
    if _tool(tool, f"--get-zone-of-interface={bridge}", check=False).strip() == dropper.place:
        return False
    _tool(tool, "-q", f"--zone={dropper.place}", f"--change-interface={bridge}")
    return True


def _legacy_rules(bridge: str) -> list[list[str]]:
    tail = ["-m", "comment", "--comment", _tag(bridge), "-j", "ACCEPT"]
    return [["-i", bridge, *tail], ["-o", bridge, *tail]]


def _legacy_accept(dropper: Dropper, bridge: str) -> bool:
    tool = shutil.which("iptables-legacy") or "iptables-legacy"
    added = False
    for rule in _legacy_rules(bridge):
        if not _succeeds(tool, "-w", "5", "-C", dropper.place, *rule):
            _tool(tool, "-w", "5", "-A" if dropper.place == "FORWARD" else "-I", dropper.place, *rule)
            added = True
    return added


def _legacy_withdraw(place: str, bridge: str) -> None:
    tool = shutil.which("iptables-legacy") or "iptables-legacy"
    for rule in _legacy_rules(bridge):
        if _succeeds(tool, "-w", "5", "-C", place, *rule):
            _tool(tool, "-w", "5", "-D", place, *rule)


def _succeeds(*command: str) -> bool:
    return subprocess.run(command, capture_output=True, timeout=TOOL_SECONDS, check=False).returncode == 0


def _tool(*command: str, check: bool = True) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=TOOL_SECONDS, check=False)
    if check and done.returncode:
        raise OSError(f"{command[0]}: {done.stderr.strip() or f'status {done.returncode}'}")
    return done.stdout
