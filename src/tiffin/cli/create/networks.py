"""--network and the flags that belong to its endpoint, to NetworkMode and EndpointsConfig."""

from __future__ import annotations

from tiffin.cli.create.csv import fields
from tiffin.cli.flags import Options
from tiffin.errors import InvalidParameter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ENDPOINT_DEFAULTS: dict[str, Any] = {
    "IPAMConfig": None,
    "Links": None,
    "Aliases": None,
    "MacAddress": "",
    "DriverOpts": None,
    "GwPriority": 0,
    "NetworkID": "",
    "EndpointID": "",
    "Gateway": "",
    "IPAddress": "",
    "IPPrefixLen": 0,
    "IPv6Gateway": "",
    "GlobalIPv6Address": "",
    "GlobalIPv6PrefixLen": 0,
    "DNSNames": None,
}


class Attachment:
    """One --network: the target and what its long syntax says."""

    __slots__ = ("aliases", "driver_opts", "ipv4", "ipv6", "link_local", "links", "mac", "priority", "target")

    def __init__(self, target: str) -> None:
        self.target = target
        self.ipv4 = self.ipv6 = self.mac = ""
        self.priority = 0
        self.aliases: list[str] = []
        self.links: list[str] = []
        self.link_local: list[str] = []
        self.driver_opts: dict[str, str] = {}

    def endpoint(self) -> dict[str, Any]:
        ipam: dict[str, Any] = {}
        for key, value in (("IPv4Address", self.ipv4), ("IPv6Address", self.ipv6), ("LinkLocalIPs", self.link_local)):
            if value:
                ipam[key] = value
        own: dict[str, Any] = {
            "IPAMConfig": ipam or None,
            "Links": self.links or None,
            "Aliases": self.aliases or None,
            "MacAddress": self.mac,
            "DriverOpts": self.driver_opts or None,
            "GwPriority": self.priority,
        }
        return {**ENDPOINT_DEFAULTS, **own}


def parse(word: str) -> Attachment:
    """One word of --network: a name, or `name=…,alias=…,ip=…`."""
    if "=" not in word or word.startswith("container:"):
        return Attachment(word)
    found = Attachment("")
    for item in fields(word):
        key, equals, value = item.partition("=")
        if not equals:
            raise ValueError(f"invalid field {item}")
        key, value = key.strip().lower(), value.strip()
        if key == "name":
            found.target = value
        elif key == "alias":
            found.aliases.append(value)
        elif key in ("ip", "ip6"):
            setattr(found, {"ip": "ipv4", "ip6": "ipv6"}[key], value)
        elif key == "mac-address":
            found.mac = mac(value)
        elif key == "link-local-ip":
            found.link_local.append(value)
        elif key == "driver-opt":
            name, equals, text = value.partition("=")
            if not equals:
                raise ValueError("invalid key value pair format in driver options")
            found.driver_opts[name.strip().lower()] = text
        elif key == "gw-priority":
            try:
                found.priority = int(value)
            except ValueError:
                raise ValueError(f"invalid gw-priority ({value}): invalid syntax") from None
        else:
            raise ValueError(f"invalid field key {key}")
    if not found.target:
        raise ValueError("network name/id is not specified")
    return found


def mac(word: str) -> str:
    parts = word.strip().replace("-", ":").split(":")
    if len(parts) != 6 or not all(len(p) == 2 and not p.strip("0123456789abcdefABCDEF") for p in parts):
        raise ValueError(f"{word} is not a valid mac address")
    return word.strip()


USER_DEFINED_ONLY = "network-scoped aliases are only supported for user-defined networks"


def user_defined(target: str) -> bool:
    return target not in ("default", "bridge", "host", "none", "") and not target.startswith("container:")


def assemble(options: Options) -> tuple[str, dict[str, Any]]:
    """NetworkMode and EndpointsConfig."""
    wanted: list[Attachment] = list(options["network"]) or [Attachment("default")]
    first = wanted[0]
    _merge(first, options)
    if len({user_defined(one.target) for one in wanted}) > 1:
        raise InvalidParameter(
            "conflicting options: cannot attach both user-defined and non-user-defined network-modes"
        )
    endpoints: dict[str, Any] = {}
    for one in wanted:
        if one.target in endpoints:
            raise InvalidParameter(f'network "{one.target}" is specified multiple times')
        endpoints[one.target] = one.endpoint()
    if len(options["network"]) == 1 and endpoints[first.target] == ENDPOINT_DEFAULTS:
        endpoints = {}  # nothing said about it: left to the daemon
    return first.target, endpoints


def _merge(first: Attachment, options: Options) -> None:
    """Flags of their own (--ip, --network-alias …) belong to the first network."""
    if options["network-alias"] and not user_defined(first.target):
        raise InvalidParameter(USER_DEFINED_ONLY)
    try:
        address = mac(options["mac-address"]) if options["mac-address"] else ""
    except ValueError as error:
        raise InvalidParameter(str(error)) from None
    _set(first, "ipv4", options["ip"], "ip")
    _set(first, "ipv6", options["ip6"], "ip6")
    _set(first, "mac", address, "mac-address")
    _set(first, "aliases", list(options["network-alias"]), "network-alias")
    _set(first, "link_local", list(options["link-local-ip"]), "link-local-ip")
    if user_defined(first.target):
        _set(first, "links", list(options["link"]), "link")


def _set(first: Attachment, name: str, value: object, flag: str) -> None:
    if not value:
        return
    if getattr(first, name):
        raise InvalidParameter(f"conflicting options: cannot specify both --{flag} and per-network {_words(flag)}")
    setattr(first, name, value)


def _words(flag: str) -> str:
    names = {"ip": "IPv4 address", "ip6": "IPv6 address", "mac-address": "MAC address", "network-alias": "alias"}
    return names.get(flag, "links" if flag == "link" else "link-local IP addresses")
