"""Addresses and routes, IPv4 and IPv6. Builds and reads RTM_*ADDR and RTM_*ROUTE messages; no socket.

    ifaddrmsg  u8 family | u8 prefix | u8 flags | u8 scope | i32 index                                     attributes
    rtmsg      u8 family | u8 dst prefix | u8 src prefix | u8 tos | u8 table | u8 protocol | u8 scope | u8 type
               u32 flags                                                                                   attributes

Addresses are packed (4 or 16 bytes), as socket.inet_pton gives them. Source: linux/if_addr.h, linux/rtnetlink.h.
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
    attribute_u32,
    attributes,
    u32,
)

RTM_NEWADDR = 20
RTM_DELADDR = 21
RTM_GETADDR = 22
RTM_NEWROUTE = 24
RTM_DELROUTE = 25
RTM_GETROUTE = 26

IFA_ADDRESS = 1
IFA_LOCAL = 2
IFA_BROADCAST = 4
IFA_F_NODAD = 0x02
RTA_DST = 1
RTA_OIF = 4
RTA_GATEWAY = 5
RTA_TABLE = 15
RT_TABLE_MAIN = 254
RTPROT_BOOT = 3
RT_SCOPE_UNIVERSE = 0
RT_SCOPE_LINK = 253
RTN_UNICAST = 1

AF_INET = 2
AF_INET6 = 10

_ADDRESS = Struct("=BBBBi")
_ROUTE = Struct("=BBBBBBBBI")
_CREATE = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL


class Address:
    """One address of one link."""

    __slots__ = ("index", "local", "prefix_len", "scope")

    def __init__(self, index: int, local: bytes, prefix_len: int, scope: int) -> None:
        self.index = index
        self.local = local
        self.prefix_len = prefix_len
        self.scope = scope


class Route:
    """One route; `destination` is empty for a default route, `gateway` for a connected one."""

    __slots__ = ("destination", "gateway", "index", "kind", "prefix_len", "scope", "table")

    def __init__(
        self, destination: bytes, prefix_len: int, gateway: bytes, index: int, table: int, kind: int, scope: int
    ) -> None:
        self.destination = destination
        self.prefix_len = prefix_len
        self.gateway = gateway
        self.index = index
        self.table = table
        self.kind = kind
        self.scope = scope


def _family(packed: bytes) -> int:
    return AF_INET if len(packed) == 4 else AF_INET6


def _broadcast(address: bytes, prefix_len: int) -> bytes:
    host_bits = (1 << (32 - prefix_len)) - 1
    return (int.from_bytes(address, "big") | host_bits).to_bytes(4, "big")


def new_address(index: int, address: bytes, prefix_len: int) -> Message:
    """Add an address; IPv4 with its broadcast address, IPv6 without duplicate detection (the engine hands them out)."""
    parts = [b"", attribute(IFA_LOCAL, address), attribute(IFA_ADDRESS, address)]
    flags = 0
    if len(address) == 4 and prefix_len < 31:
        parts.append(attribute(IFA_BROADCAST, _broadcast(address, prefix_len)))
    elif len(address) == 16:
        flags = IFA_F_NODAD
    parts[0] = _ADDRESS.pack(_family(address), prefix_len, flags, RT_SCOPE_UNIVERSE, index)
    return Message(RTM_NEWADDR, _CREATE, 0, b"".join(parts))


def new_route(index: int, *, gateway: bytes = b"", destination: bytes = b"", prefix_len: int = 0) -> Message:
    """Add a route: the default one when no destination is given; on the link when no gateway is given."""
    family = _family(gateway or destination)
    scope = RT_SCOPE_UNIVERSE if gateway else RT_SCOPE_LINK
    parts = [_ROUTE.pack(family, prefix_len, 0, 0, RT_TABLE_MAIN, RTPROT_BOOT, scope, RTN_UNICAST, 0)]
    if destination:
        parts.append(attribute(RTA_DST, destination))
    if gateway:
        parts.append(attribute(RTA_GATEWAY, gateway))
    parts.append(attribute_u32(RTA_OIF, index))
    return Message(RTM_NEWROUTE, _CREATE, 0, b"".join(parts))


def dump_addresses(family: int = AF_INET) -> Message:
    """Ask for all addresses of a family in the namespace."""
    return Message(RTM_GETADDR, NLM_F_REQUEST | NLM_F_DUMP, 0, _ADDRESS.pack(family, 0, 0, 0, 0))


def dump_routes(family: int = AF_INET) -> Message:
    """Ask for all routes of a family, of every table."""
    return Message(RTM_GETROUTE, NLM_F_REQUEST | NLM_F_DUMP, 0, _ROUTE.pack(family, 0, 0, 0, 0, 0, 0, 0, 0))


def parse_address(message: Message) -> Address:
    """Read RTM_NEWADDR."""
    if len(message.body) < _ADDRESS.size:
        raise ValueError(f"netlink: an address message of {len(message.body)} bytes")
    _af, prefix_len, _flags, scope, index = _ADDRESS.unpack_from(message.body)
    found = attributes(message.body, _ADDRESS.size)
    return Address(index, found.get(IFA_LOCAL) or found.get(IFA_ADDRESS, b""), prefix_len, scope)


def parse_route(message: Message) -> Route:
    """Read RTM_NEWROUTE."""
    if len(message.body) < _ROUTE.size:
        raise ValueError(f"netlink: a route message of {len(message.body)} bytes")
    _af, prefix_len, _src, _tos, table, _protocol, scope, kind, _flags = _ROUTE.unpack_from(message.body)
    found = attributes(message.body, _ROUTE.size)
    return Route(
        found.get(RTA_DST, b""),
        prefix_len,
        found.get(RTA_GATEWAY, b""),
        u32(found.get(RTA_OIF)) or 0,
        u32(found.get(RTA_TABLE)) or table,
        kind,
        scope,
    )
