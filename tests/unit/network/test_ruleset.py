"""The transaction that replaces our table."""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import Any

from tiffin.network.ruleset import BridgePolicy, delete_table, replace_table, rule_count

ONE = BridgePolicy("br1", IPv4Network("10.1.0.0/24"))
TWO = BridgePolicy("br2", IPv4Network("10.2.0.0/24"), masquerade=False, icc=False)


def added(commands: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [command["add"][kind] for command in commands if kind in command.get("add", {})]


def test_the_table_is_replaced_in_one_transaction_whether_it_was_there_or_not() -> None:
    assert [next(iter(command)) for command in replace_table("t", [ONE])[:3]] == ["add", "delete", "add"]
    assert [next(iter(command)) for command in delete_table("t")] == ["add", "delete"]


def test_everything_is_in_our_own_table() -> None:
    commands = replace_table("t", [ONE, TWO], foreign=["docker0"], apart=["eth0", "eth1"])
    for kind in ("set", "chain", "rule"):
        assert {item["table"] for item in added(commands, kind)} == {"t"}
        assert {item["family"] for item in added(commands, kind)} == {"inet"}


def test_sets_hold_the_links_by_their_part() -> None:
    sets = added(replace_table("t", [ONE, TWO], foreign=["docker0"], apart=["eth0"]), "set")
    assert {item["name"]: item.get("elem") for item in sets} == {
        "bridges": ["br1", "br2"],
        "closed": ["br2"],
        "foreign": ["docker0"],
        "apart": ["eth0"],
    }


def test_only_networks_that_want_it_are_masqueraded() -> None:
    rules = [rule for rule in added(replace_table("t", [ONE, TWO]), "rule") if rule["chain"] == "postrouting"]
    assert len(rules) == 1
    assert {"prefix": {"addr": "10.1.0.0", "len": 24}} in [e["match"]["right"] for e in rules[0]["expr"][:2]]


def test_the_last_word_on_traffic_to_a_container_is_drop() -> None:
    forward = [rule for rule in added(replace_table("t", [ONE]), "rule") if rule["chain"] == "forward"]
    assert forward[-1]["expr"][-1] == {"drop": None}
    assert forward[-1]["expr"][0]["match"]["right"] == "@bridges"


def test_the_count_tells_how_many_rules_there_should_be() -> None:
    for policies in ([], [ONE], [TWO], [ONE, TWO]):
        assert len(added(replace_table("t", policies), "rule")) == rule_count(policies)
