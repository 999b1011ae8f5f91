"""The text of our nftables table: policies in, a libnftables-json transaction out. Pure.

    table inet <table>
      set bridges   our bridges                       set closed   those of them with icc=false
      set foreign   bridges of another engine         set apart    links that did not forward to each other before us
      chain forward      hook forward      what may pass between containers, networks and the world
      chain postrouting  hook postrouting  containers borrow the host's address when they leave by another link

An accept here is final only for this table: other owners' drops hold (see foreign.py). A drop here is final everywhere.
The whole table is replaced in one transaction, so that there is no moment without isolation (CVE-2025-54388).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class BridgePolicy:
    """What the rules need to know of one bridge network."""

    bridge: str
    subnet: IPv4Network
    masquerade: bool = True
    icc: bool = True


def replace_table(
    table: str, policies: Collection[BridgePolicy], *, foreign: Iterable[str] = (), apart: Iterable[str] = ()
) -> list[Json]:
    """Commands that make the table anew whether it existed or not."""
    name = {"family": "inet", "name": table}
    sets = {
        "bridges": [policy.bridge for policy in policies],
        "closed": [policy.bridge for policy in policies if not policy.icc],
        "foreign": sorted(foreign),
        "apart": sorted(apart),
    }
    commands: list[Json] = [{"add": {"table": name}}, {"delete": {"table": name}}, {"add": {"table": name}}]
    commands += [{"add": {"set": _set(table, key, names)}} for key, names in sets.items()]
    commands += [
        _chain(table, "forward", "filter", "forward", 0),
        _chain(table, "postrouting", "nat", "postrouting", 100),
    ]
    commands += [_rule(table, "forward", *rule) for rule in _forward(policies)]
    commands += [_rule(table, "postrouting", *_masquerade(policy)) for policy in policies if policy.masquerade]
    return commands


def delete_table(table: str) -> list[Json]:
    """Commands that remove the table whether it existed or not."""
    name = {"family": "inet", "name": table}
    return [{"add": {"table": name}}, {"delete": {"table": name}}]


def rule_count(policies: Collection[BridgePolicy]) -> int:
    """How many rules `replace_table` makes: what is fewer was flushed by someone."""
    return len(_forward(policies)) + sum(policy.masquerade for policy in policies)


def _forward(policies: Collection[BridgePolicy]) -> list[list[Json]]:
    """The forward chain, first match first."""
    accept: Json = {"accept": None}
    drop: Json = {"drop": None}
    inside = [[_match(_meta("iifname"), p.bridge), _match(_meta("oifname"), p.bridge), accept] for p in policies]
    return [
        [_match({"ct": {"key": "state"}}, ["established", "related"], "in"), accept],
        # the host forwards now because containers need it; its other links stay as separate as they were
        [_match(_meta("iifname"), "@apart"), _match(_meta("oifname"), "@apart"), drop],
        # what was published is reached by its translation, and only so
        [_match(_meta("oifname"), "@bridges"), _match({"ct": {"key": "status"}}, "dnat", "in"), accept],
        # between containers of one bridge: seen here only with br_netfilter, the port's isolation flag does the rest
        [_match(_meta("iifname"), "@closed"), _match(_meta("oifname"), "@closed"), drop],
        *inside,
        # our accept in another engine's user chain must not open that engine's containers to ours
        [_match(_meta("iifname"), "@bridges"), _match(_meta("oifname"), "@foreign"), drop],
        # direct routed access to anything else ends here, from wherever it comes, other networks included
        [_match(_meta("oifname"), "@bridges"), drop],
    ]


def _masquerade(policy: BridgePolicy) -> list[Json]:
    source = {"payload": {"protocol": "ip", "field": "saddr"}}
    prefix = {"prefix": {"addr": str(policy.subnet.network_address), "len": policy.subnet.prefixlen}}
    return [_match(source, prefix), _match(_meta("oifname"), policy.bridge, "!="), {"masquerade": None}]


def _match(left: Json, right: object, op: str = "==") -> Json:
    return {"match": {"op": op, "left": left, "right": right}}


def _meta(key: str) -> Json:
    return {"meta": {"key": key}}


def _set(table: str, name: str, elements: list[str]) -> Json:
    document: Json = {"family": "inet", "table": table, "name": name, "type": "ifname"}
    return {**document, "elem": elements} if elements else document


def _chain(table: str, name: str, kind: str, hook: str, priority: int) -> Json:
    base = {"type": kind, "hook": hook, "prio": priority, "policy": "accept"}
    return {"add": {"chain": {"family": "inet", "table": table, "name": name, **base}}}


def _rule(table: str, chain: str, *expressions: Json) -> Json:
    return {"add": {"rule": {"family": "inet", "table": table, "chain": chain, "expr": list(expressions)}}}
