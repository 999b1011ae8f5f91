"""The three networks that always exist, as the API shows them: bridge, host, none. Read-only; pure but for the clock.

Who is on a network is the engine's knowledge: it hands in its `attachments`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from tiffin.errors import Conflict, InvalidParameter, NotFound

NEVER = "0001-01-01T00:00:00Z"
FILTERS = frozenset(("dangling", "driver", "id", "label", "name", "scope", "type"))
BOOLEANS = {"1": True, "true": True, "True": True, "0": False, "false": False, "False": False}

Json = dict[str, Any]


class Bridge(Protocol):
    """What a view needs of BridgeNetwork."""

    name: str
    id: str
    icc: bool
    ip_masq: bool

    @property
    def bridge(self) -> str: ...
    @property
    def subnet(self) -> Any: ...
    @property
    def gateway(self) -> Any: ...
    @property
    def mtu(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Attachment:
    """One running container on one network; addresses are empty on host and none."""

    network: str
    container_id: str
    container_name: str
    endpoint_id: str = ""
    mac: str = ""
    address: str = ""
    prefix_len: int = 0


class Networks:
    """List and inspect."""

    def __init__(
        self, bridge: Bridge | None, created: str, attachments: Callable[[], Iterable[Attachment]]
    ) -> None:
        """`created` is the RFC 3339 time that the default network is shown to be made; None: `--bridge=none`."""
        self._bridge = bridge
        self._created = created
        self._attachments = attachments

    def summaries(self, filters: Mapping[str, Sequence[str]], *, version: tuple[int, int]) -> list[Json]:
        """All that match; who is on them is left out since API 1.28."""
        for name in filters:
            if name not in FILTERS:
                raise InvalidParameter(f"invalid filter '{name}'")
        attached = list(self._attachments())
        wanted = [view for view in self._views() if _matches(view, filters)]
        return [_shaped(view, attached if version < (1, 28) else [], version) for view in wanted]

    def inspect(self, reference: str, *, scope: str = "", version: tuple[int, int]) -> Json:
        """By full id, name, or the start of an id that fits one network only."""
        view = self._find(reference, scope)
        return _shaped(view, list(self._attachments()), version)

    def id_of(self, name: str) -> str:
        """The id of `bridge`, `host` or `none`, for a container's NetworkSettings."""
        return str(self._find(name, "")["Id"])

    def _find(self, reference: str, scope: str) -> Json:
        views = [view for view in self._views() if scope in ("", view["Scope"])]
        for key in ("Id", "Name"):
            for view in views:
                if view[key] == reference:
                    return view
        by_prefix = [view for view in views if reference and view["Id"].startswith(reference)]
        if len(by_prefix) > 1:
            raise Conflict(f"network {reference} is ambiguous ({len(by_prefix)} matches found on ID)")
        if not by_prefix:
            raise NotFound(f"network {reference} not found")
        return by_prefix[0]

    def _views(self) -> list[Json]:
        views = [_fixed("host", "host", self._created), _fixed("none", "null", self._created)]
        return [_bridge_view(self._bridge, self._created), *views] if self._bridge else views


def _fixed(name: str, driver: str, created: str) -> Json:
    return _view(name, hashlib.sha256(f"network {name}".encode()).hexdigest(), driver, created, ipv4=True)


def _bridge_view(bridge: Bridge, created: str) -> Json:
    view = _view(bridge.name, bridge.id, "bridge", created, ipv4=True)
    view["IPAM"]["Config"] = [{"Subnet": str(bridge.subnet), "Gateway": str(bridge.gateway)}]
    view["Options"] = {
        "com.docker.network.bridge.default_bridge": "true",
        "com.docker.network.bridge.enable_icc": _word(bridge.icc),
        "com.docker.network.bridge.enable_ip_masquerade": _word(bridge.ip_masq),
        "com.docker.network.bridge.host_binding_ipv4": "0.0.0.0",
        "com.docker.network.bridge.name": bridge.bridge,
        "com.docker.network.driver.mtu": str(bridge.mtu),
    }
    return view


def _view(name: str, network_id: str, driver: str, created: str, *, ipv4: bool) -> Json:
    return {
        "Name": name,
        "Id": network_id,
        "Created": created or NEVER,
        "Scope": "local",
        "Driver": driver,
        "EnableIPv4": ipv4,
        "EnableIPv6": False,
        "IPAM": {"Driver": "default", "Options": None, "Config": [] if driver == "bridge" else None},
        "Internal": False,
        "Attachable": False,
        "Ingress": False,
        "ConfigFrom": {"Network": ""},
        "ConfigOnly": False,
        "Containers": {},
        "Options": {},
        "Labels": {},
    }


def _shaped(view: Json, attached: Iterable[Attachment], version: tuple[int, int]) -> Json:
    view["Containers"] = {
        item.container_id: {
            "Name": item.container_name,
            "EndpointID": item.endpoint_id,
            "MacAddress": item.mac,
            "IPv4Address": f"{item.address}/{item.prefix_len}" if item.address else "",
            "IPv6Address": "",
        }
        for item in attached
        if item.network == view["Name"]
    }
    if version < (1, 48):
        del view["EnableIPv4"]
    return view


def _matches(view: Json, filters: Mapping[str, Sequence[str]]) -> bool:
    """All filters, of each any value; built-in networks have no labels and count as used."""
    tests: dict[str, Callable[[str], bool]] = {
        "driver": lambda value: view["Driver"] == value,
        "id": lambda value: view["Id"].startswith(value),
        "name": lambda value: value in view["Name"],
        "scope": lambda value: view["Scope"] == value,
        "label": lambda value: False,
        "type": _is_of_type,
        "dangling": lambda value: not _boolean("dangling", value),
    }
    return all(any(tests[name](value) for value in values) for name, values in filters.items() if values)


def _is_of_type(value: str) -> bool:
    if value not in ("builtin", "custom"):
        raise InvalidParameter(f"invalid filter: 'type'='{value}'")
    return value == "builtin"


def _boolean(name: str, value: str) -> bool:
    if value not in BOOLEANS:
        raise InvalidParameter(f"invalid filter '{name}={value}'")
    return BOOLEANS[value]


def _word(value: bool) -> str:
    return "true" if value else "false"
