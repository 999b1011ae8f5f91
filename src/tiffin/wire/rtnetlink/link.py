"""Links: bridges, veth pairs, their state. Builds and reads RTM_*LINK messages; no socket.

    ifinfomsg  u8 family | pad | u16 device type | i32 index | u32 flags | u32 mask of flags to change    attributes

A veth pair is one message: its peer's ifinfomsg and attributes lie nested in IFLA_LINKINFO, and the peer may be born in
another namespace (IFLA_NET_NS_FD) under its final name. Source: include/uapi/linux/if_link.h, drivers/net/veth.c.
"""

from __future__ import annotations

from struct import Struct

from tiffin.wire.rtnetlink.message import (
    NLM_F_ACK,
    NLM_F_CREATE,
    NLM_F_DUMP,
    NLM_F_EXCL,
    NLM_F_REQUEST,
    Message,
    attribute,
    attribute_text,
    attribute_u32,
    attributes,
    nested,
    text,
    u32,
)

RTM_NEWLINK = 16
RTM_DELLINK = 17
RTM_GETLINK = 18
RTM_SETLINK = 19

IFF_UP = 0x1
IFF_LOOPBACK = 0x8
IFF_RUNNING = 0x40

IFLA_ADDRESS = 1
IFLA_IFNAME = 3
IFLA_MTU = 4
IFLA_LINK = 5
IFLA_MASTER = 10
IFLA_LINKINFO = 18
IFLA_IFALIAS = 20
IFLA_NET_NS_FD = 28
IFLA_INFO_KIND = 1
IFLA_INFO_DATA = 2
IFLA_INFO_SLAVE_KIND = 4
IFLA_INFO_SLAVE_DATA = 5
VETH_INFO_PEER = 1
IFLA_BRPORT_MODE = 4  # hairpin
IFLA_BRPORT_ISOLATED = 33

AF_BRIDGE = 7

_LINK = Struct("=BxHiII")
_CREATE = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL


class Link:
    """What a dump or a GETLINK tells of one link."""

    __slots__ = ("address", "alias", "flags", "index", "kind", "master", "mtu", "name")

    def __init__(self, index: int, flags: int, found: dict[int, bytes]) -> None:
        self.index = index
        self.flags = flags
        self.name = text(found.get(IFLA_IFNAME))
        self.alias = text(found.get(IFLA_IFALIAS))
        self.mtu = u32(found.get(IFLA_MTU)) or 0
        self.master = u32(found.get(IFLA_MASTER)) or 0
        self.address = format_mac(found.get(IFLA_ADDRESS, b""))
        info = found.get(IFLA_LINKINFO)
        self.kind = text(attributes(info).get(IFLA_INFO_KIND)) if info else ""

    @property
    def up(self) -> bool:
        return bool(self.flags & IFF_UP)


def parse_mac(value: str) -> bytes:
    """`02:42:ac:11:00:02` as six bytes; ValueError otherwise."""
    raw = bytes.fromhex(value.replace(":", "").replace("-", ""))
    if len(raw) != 6:
        raise ValueError(f"invalid MAC address: {value}")
    return raw


def format_mac(raw: bytes) -> str:
    """Six bytes as `02:42:ac:11:00:02`."""
    return raw.hex(":") if raw else ""


def _header(index: int = 0, flags: int = 0, change: int = 0, family: int = 0) -> bytes:
    return _LINK.pack(family, 0, index, flags, change)


def new_bridge(name: str, *, mtu: int = 0, address: str = "") -> Message:
    """Create a bridge, down."""
    parts = [_header(), attribute_text(IFLA_IFNAME, name)]
    if mtu:
        parts.append(attribute_u32(IFLA_MTU, mtu))
    if address:
        parts.append(attribute(IFLA_ADDRESS, parse_mac(address)))
    parts.append(nested(IFLA_LINKINFO, attribute_text(IFLA_INFO_KIND, "bridge")))
    return Message(RTM_NEWLINK, _CREATE, 0, b"".join(parts))


def new_veth(
    name: str, *, master: int = 0, mtu: int = 0, up: bool = True, peer: str, peer_netns: int = -1, peer_mac: str = ""
) -> Message:
    """Create a veth pair: `name` here, enslaved to `master`, up; `peer` in the namespace of fd `peer_netns`, down."""
    peer_parts = [_header(), attribute_text(IFLA_IFNAME, peer)]
    parts = [_header(flags=IFF_UP if up else 0, change=IFF_UP), attribute_text(IFLA_IFNAME, name)]
    if mtu:
        parts.append(attribute_u32(IFLA_MTU, mtu))
        peer_parts.append(attribute_u32(IFLA_MTU, mtu))
    if peer_mac:
        peer_parts.append(attribute(IFLA_ADDRESS, parse_mac(peer_mac)))
    if peer_netns >= 0:
        peer_parts.append(attribute_u32(IFLA_NET_NS_FD, peer_netns))
    if master:
        parts.append(attribute_u32(IFLA_MASTER, master))
    data = nested(IFLA_INFO_DATA, attribute(VETH_INFO_PEER, b"".join(peer_parts)))
    parts.append(nested(IFLA_LINKINFO, attribute_text(IFLA_INFO_KIND, "veth"), data))
    return Message(RTM_NEWLINK, _CREATE, 0, b"".join(parts))


def set_link(
    index: int, *, up: bool | None = None, mtu: int = 0, name: str = "", address: str = "", alias: str = ""
) -> Message:
    """Change a link; only what is given."""
    parts = [_header(index, IFF_UP if up else 0, IFF_UP if up is not None else 0)]
    if mtu:
        parts.append(attribute_u32(IFLA_MTU, mtu))
    if name:
        parts.append(attribute_text(IFLA_IFNAME, name))
    if address:
        parts.append(attribute(IFLA_ADDRESS, parse_mac(address)))
    if alias:
        parts.append(attribute_text(IFLA_IFALIAS, alias))
    return Message(RTM_SETLINK, NLM_F_REQUEST | NLM_F_ACK, 0, b"".join(parts))


def set_bridge_port(name: str, *, isolated: bool = False, hairpin: bool = False) -> Message:
    """Flags of a port: an isolated port exchanges frames with the bridge itself, with no other isolated port."""
    data = nested(
        IFLA_INFO_SLAVE_DATA,
        attribute(IFLA_BRPORT_ISOLATED, bytes([isolated])),
        attribute(IFLA_BRPORT_MODE, bytes([hairpin])),
    )
    info = nested(IFLA_LINKINFO, attribute_text(IFLA_INFO_SLAVE_KIND, "bridge"), data)
    return Message(
        RTM_NEWLINK, NLM_F_REQUEST | NLM_F_ACK, 0, _header() + attribute_text(IFLA_IFNAME, name) + info
    )


def delete_link(*, index: int = 0, name: str = "") -> Message:
    """Delete by index or, where only that is known, by name."""
    return Message(RTM_DELLINK, NLM_F_REQUEST | NLM_F_ACK, 0, _header(index) + _named(name))


def get_link(*, index: int = 0, name: str = "") -> Message:
    """Ask for one link; the answer is RTM_NEWLINK, or an error acknowledgement (ENODEV)."""
    return Message(RTM_GETLINK, NLM_F_REQUEST, 0, _header(index) + _named(name))


def dump_links() -> Message:
    """Ask for all links of the namespace."""
    return Message(RTM_GETLINK, NLM_F_REQUEST | NLM_F_DUMP, 0, _header())


def _named(name: str) -> bytes:
    return attribute_text(IFLA_IFNAME, name) if name else b""


def parse_link(message: Message) -> Link:
    """Read RTM_NEWLINK."""
    if len(message.body) < _LINK.size:
        raise ValueError(f"netlink: a link message of {len(message.body)} bytes")
    _family, _type, index, flags, _change = _LINK.unpack_from(message.body)
    return Link(index, flags, attributes(message.body, _LINK.size))
