"""The bridge link itself on the host: create or take over, address, switches, forwarding. Blocking; no rules here."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from tiffin.errors import Conflict, InvalidParameter, NotFound
from tiffin.network import hostview, sysctl
from tiffin.network.ipam import PoolBase, Taken, choose_subnet, mac_of
from tiffin.network.netlink import RouteSocket
from tiffin.wire.rtnetlink import link, route

ALIAS = "tiffin"  # on a bridge that we made, and so may delete


@dataclass(frozen=True, slots=True)
class BridgeOptions:
    """What was asked for; None and 0 are chosen when the link is made."""

    name: str
    subnet: IPv4Network | None
    gateway: IPv4Address | None
    mtu: int
    pools: tuple[PoolBase, ...]
    own: bool
    ip_forward: bool


@dataclass(slots=True)
class BridgeLink:
    """What is there."""

    name: str
    index: int
    subnet: IPv4Network
    gateway: IPv4Address
    mtu: int
    may_forward: bool
    forwarding: str = ""  # "already on", "switched on", "off"

    @classmethod
    def ensure(cls, options: BridgeOptions, before: BridgeLink | None) -> BridgeLink:
        """Create the link or take over the one that is there; `before` is what an earlier call settled on."""
        with RouteSocket() as rtnl:
            found = rtnl.link(options.name)
            if found is not None and found.kind != "bridge":
                raise Conflict(f"cannot use {options.name} as a bridge: a link of that name is there and is no bridge")
            if found is None and not options.own:
                raise NotFound(f"bridge {options.name} does not exist")
            gateway, subnet = _addresses(rtnl, options, found, before)
            mtu = options.mtu or (before.mtu if before else 0) or (found.mtu if found else hostview.uplink_mtu(rtnl))
            if found is None:
                rtnl.request([link.new_bridge(options.name, mtu=mtu, address=mac_of(gateway))], options.name)
                found = rtnl.link(options.name)
                assert found is not None
                rtnl.request([link.set_link(found.index, alias=ALIAS)], options.name)
            _switches(options.name)
            if hostview.bridge_subnet(rtnl, found.index) != (gateway, subnet):
                rtnl.request([route.new_address(found.index, gateway.packed, subnet.prefixlen)], options.name)
            if not found.up or found.mtu != mtu:
                rtnl.request([link.set_link(found.index, up=True, mtu=mtu)], options.name)
        known = before.forwarding if before else ""
        return cls(options.name, found.index, subnet, gateway, mtu, options.ip_forward, known)

    def enable_forwarding(self) -> list[str]:
        """Switch ip_forward on if it is off; the links that the rules must keep from forwarding to each other then."""
        if sysctl.read("ipv4/ip_forward") == "1":
            self.forwarding = self.forwarding or "already on"
            return []
        if not self.may_forward:
            self.forwarding = "off"
            return []
        with RouteSocket() as rtnl:
            apart = hostview.other_links(rtnl.links(), self.name)
        sysctl.write("ipv4/ip_forward", "1")
        self.forwarding = "switched on"
        return apart

    def foreign_bridges(self) -> list[str]:
        """Other engines' bridges on this host now."""
        with RouteSocket() as rtnl:
            return [name for name in hostview.foreign_bridges(rtnl.links()) if name != self.name]

    @staticmethod
    def remove(options: BridgeOptions) -> None:
        """Delete the link with the veths on it; a bridge that was there before us stays."""
        if not options.own:
            return
        with RouteSocket() as rtnl:
            found = rtnl.link(options.name)
            if found is None or found.kind != "bridge" or found.alias != ALIAS:
                return
            ports = [port.index for port in rtnl.links() if port.master == found.index and port.kind == "veth"]
            rtnl.request([link.delete_link(index=index) for index in [*ports, found.index]], options.name)


def _switches(name: str) -> None:
    """An IPv4 network has no IPv6 on its bridge: a container's router advertisement finds no ear (CVE-2020-13401)."""
    sysctl.write(f"ipv6/conf/{name}/accept_ra", "0")
    sysctl.write(f"ipv6/conf/{name}/disable_ipv6", "1")


def _addresses(
    rtnl: RouteSocket, options: BridgeOptions, found: link.Link | None, before: BridgeLink | None
) -> tuple[IPv4Address, IPv4Network]:
    """The gateway and the subnet: as before, as asked for, as the link has it, or the first free of the pools."""
    if before is not None:
        return before.gateway, before.subnet
    taken = hostview.taken_subnets(rtnl, except_link=found.index if found else 0)
    if options.subnet is not None:
        _refuse_collision(options.subnet, taken)
        return options.gateway or _first_host(options.subnet), options.subnet
    present = hostview.bridge_subnet(rtnl, found.index) if found else None
    if present is not None:
        return present
    subnet = choose_subnet(options.pools, taken)
    return options.gateway or _first_host(subnet), subnet


def _first_host(subnet: IPv4Network) -> IPv4Address:
    if subnet.prefixlen > 30:
        raise InvalidParameter(f"invalid subnet {subnet}: it has no room for a gateway and a container")
    return subnet.network_address + 1


def _refuse_collision(subnet: IPv4Network, taken: list[Taken]) -> None:
    """A wider route by a gateway is only made more specific; anything else would be cut off from the host."""
    for item in taken:
        inside_of_remote = " via " in item.by and subnet.subnet_of(item.network) and subnet != item.network
        if item.network.overlaps(subnet) and not inside_of_remote:
            raise Conflict(f"invalid pool request: subnet {subnet} overlaps with {item.by}")
