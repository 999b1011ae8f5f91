"""Keeps our nftables table in the kernel: one table per daemon, replaced as a whole, put back when flushed."""

from __future__ import annotations

import threading
from collections.abc import Iterable

from tiffin.linux import libnftables
from tiffin.network.ruleset import BridgePolicy, Json, delete_table, replace_table, rule_count


class Firewall:
    """The table `inet <table>` of one daemon; networks put their policies in. Thread-safe, blocking."""

    def __init__(self, table: str) -> None:
        self.table = table
        self._lock = threading.Lock()
        self._policies: dict[str, BridgePolicy] = {}
        self._foreign: frozenset[str] = frozenset()
        self._apart: frozenset[str] = frozenset()

    @property
    def apart(self) -> frozenset[str]:
        """Links between which the host does not forward, because it did not before we switched forwarding on."""
        return self._apart

    def put(self, policy: BridgePolicy, *, apart: Iterable[str] = ()) -> None:
        """Add or change a network and load the table. `apart` is added to what the table in the kernel holds apart."""
        with self._lock:
            listing = self._listing()
            known = self._apart | frozenset(apart) | _set_elements(listing, "apart")
            unchanged = known == self._apart and self._policies.get(policy.bridge) == policy
            if unchanged and self._is_whole(listing):
                return
            self._apart = known
            self._policies[policy.bridge] = policy
            self._load()

    def set_foreign(self, bridges: Iterable[str]) -> None:
        """Bridges of other engines, closed to our containers."""
        with self._lock:
            if self._foreign != frozenset(bridges):
                self._foreign = frozenset(bridges)
                if self._policies:
                    self._load()

    def drop(self, bridge: str) -> None:
        """Take a network out; with the last one the table goes."""
        with self._lock:
            self._policies.pop(bridge, None)
            if self._policies:
                self._load()
            else:
                libnftables.run(delete_table(self.table))

    def restore(self) -> bool:
        """Load again if rules are missing; True when that was needed."""
        with self._lock:
            if not self._policies or self._is_whole(self._listing()):
                return False
            self._load()
            return True

    def _load(self) -> None:
        policies = list(self._policies.values())
        libnftables.run(replace_table(self.table, policies, foreign=self._foreign, apart=self._apart))

    def _listing(self) -> list[Json]:
        try:
            return libnftables.run([{"list": {"table": {"family": "inet", "name": self.table}}}])
        except libnftables.NftablesMissing:
            raise
        except libnftables.NftablesError:
            return []  # there is no such table

    def _is_whole(self, listing: list[Json]) -> bool:
        return sum("rule" in item for item in listing) == rule_count(self._policies.values())


def _set_elements(listing: list[Json], name: str) -> frozenset[str]:
    """What a set of the table holds; it may be an earlier daemon's, which alone knew what forwarding was before."""
    for item in listing:
        if item.get("set", {}).get("name") == name:
            return frozenset(item["set"].get("elem", ()))
    return frozenset()
