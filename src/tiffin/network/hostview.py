"""What the host's network looks like to a new bridge: routes in the way, uplink, bridges of other engines."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network

from tiffin.network.ipam import Taken
from tiffin.network.netlink import RouteSocket
from tiffin.wire.rtnetlink.link import IFF_LOOPBACK, Link
from tiffin.wire.rtnetlink.route import RT_TABLE_MAIN, RTN_UNICAST, Route

# docker0 and br-<network id>, podman's, CNI's: bridges whose containers are another engine's to protect
FOREIGN_BRIDGE = re.compile(r"docker0|docker_gwbridge|br-[0-9a-f]{12}|podman[0-9]+|cni[0-9]+|cni-podman[0-9]+")
DEFAULT_MTU = 1500


def _network(route: Route) -> IPv4Network:
    return IPv4Network((int.from_bytes(route.destination, "big"), route.prefix_len), strict=False)


def taken_subnets(rtnl: RouteSocket, *, except_link: int = 0) -> list[Taken]:
    """Networks with a route of their own in the main table, in `ip route`'s words; not those of `except_link`."""
    names = {link.index: link.name for link in rtnl.links()}
    return [
        Taken(_network(route), _words(route, names))
        for route in rtnl.routes(socket.AF_INET)
        if route.table == RT_TABLE_MAIN
        and route.kind == RTN_UNICAST
        and route.prefix_len > 0
        and route.index != except_link
    ]


def _words(route: Route, names: dict[int, str]) -> str:
    via = f" via {IPv4Address(route.gateway)}" if route.gateway else ""
    return f"host route {_network(route)}{via} dev {names.get(route.index, route.index)}"


def uplink_mtu(rtnl: RouteSocket) -> int:
    """The MTU of the default route's link, at most 1500: larger frames would only be cut on the way out."""
    by_index = {link.index: link.mtu for link in rtnl.links()}
    for route in rtnl.routes(socket.AF_INET):
        if route.table == RT_TABLE_MAIN and route.prefix_len == 0 and route.index in by_index:
            return min(by_index[route.index], DEFAULT_MTU)
    return DEFAULT_MTU


def bridge_subnet(rtnl: RouteSocket, index: int) -> tuple[IPv4Address, IPv4Network] | None:
    """The first IPv4 address of a link with its network."""
    for address in rtnl.addresses(socket.AF_INET):
        if address.index == index:
            local = int.from_bytes(address.local, "big")
            return IPv4Address(local), IPv4Network((local, address.prefix_len), strict=False)
    return None


def foreign_bridges(links: Iterable[Link]) -> list[str]:
    """Names of other engines' bridges among `links`."""
    return [link.name for link in links if link.kind == "bridge" and FOREIGN_BRIDGE.fullmatch(link.name)]


def other_links(links: Iterable[Link], own_bridge: str) -> list[str]:
    """The links that must not start forwarding to each other because of us: those up, but loopback and ours."""
    return [link.name for link in links if link.up and not link.flags & IFF_LOOPBACK and link.name != own_bridge]
