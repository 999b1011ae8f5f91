"""The rtnetlink codec: what it builds it reads back, and what is short is refused."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiffin.wire.rtnetlink import link, message, route
from tiffin.wire.rtnetlink.message import Message

payloads = st.binary(max_size=80)
kinds = st.integers(1, message.NLA_TYPE_MASK)
names = st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="/"), min_size=1, max_size=15)
macs = st.binary(min_size=6, max_size=6)
messages = st.builds(
    Message, st.integers(0, 0xFFFF), st.integers(0, 0xFFFF), st.integers(0, 0xFFFFFFFF), st.binary(max_size=200)
)


@given(st.dictionaries(kinds, payloads, max_size=8))
def test_attributes_come_back_as_they_went(wanted: dict[int, bytes]) -> None:
    data = b"".join(message.attribute(kind, payload) for kind, payload in wanted.items())
    assert message.attributes(data) == wanted
    assert len(data) % 4 == 0


@given(st.lists(messages, max_size=5))
def test_messages_of_one_datagram_come_back_as_they_went(wanted: list[Message]) -> None:
    read = message.split(b"".join(one.encode() for one in wanted))
    fields = [(one.kind, one.flags, one.sequence, one.body) for one in wanted]
    assert [(one.kind, one.flags, one.sequence, one.body) for one in read] == fields


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_read_or_refused(data: bytes) -> None:
    for read in (message.split, message.attributes):
        try:
            read(data)
        except ValueError:
            pass


@given(messages)
def test_a_short_message_is_refused(one: Message) -> None:
    data = one.encode()
    whole = 16 + len(one.body)
    for end in {1, 15, whole - 1} - {0, whole}:
        with pytest.raises(ValueError, match="netlink"):
            message.split(data[:end])


@given(names, st.integers(68, 65535), macs)
def test_a_bridge_request_reads_as_that_bridge(name: str, mtu: int, mac: bytes) -> None:
    found = link.parse_link(link.new_bridge(name, mtu=mtu, address=link.format_mac(mac)))
    assert (found.name, found.mtu, found.address, found.kind) == (name, mtu, link.format_mac(mac), "bridge")
    assert not found.up


@given(names, names, st.integers(1, 1 << 30), st.integers(0, 20000), macs, st.integers(68, 65535))
def test_a_veth_request_holds_both_ends(
    name: str, peer: str, master: int, netns: int, mac: bytes, mtu: int
) -> None:
    request = link.new_veth(
        name, master=master, mtu=mtu, peer=peer, peer_netns=netns, peer_mac=link.format_mac(mac)
    )
    here = link.parse_link(request)
    assert (here.name, here.master, here.mtu, here.kind, here.up) == (name, master, mtu, "veth", True)
    info = message.attributes(message.attributes(request.body, 16)[link.IFLA_LINKINFO])
    body = message.attributes(info[link.IFLA_INFO_DATA])[link.VETH_INFO_PEER]
    there = link.parse_link(Message(link.RTM_NEWLINK, 0, 0, body))
    assert (there.name, there.address, there.mtu, there.up) == (peer, link.format_mac(mac), mtu, False)
    assert message.u32(message.attributes(body, 16)[link.IFLA_NET_NS_FD]) == netns


@given(st.integers(1, 1 << 30), st.binary(min_size=4, max_size=4), st.integers(0, 32))
def test_an_ipv4_address_request_reads_as_that_address(index: int, address: bytes, prefix_len: int) -> None:
    found = route.parse_address(route.new_address(index, address, prefix_len))
    assert (found.index, found.local, found.prefix_len) == (index, address, prefix_len)


def test_the_broadcast_address_is_the_last_of_the_subnet() -> None:
    request = route.new_address(2, bytes([172, 17, 0, 2]), 16)
    assert message.attributes(request.body, 8)[route.IFA_BROADCAST] == bytes([172, 17, 255, 255])


@given(st.integers(1, 1 << 30), st.binary(min_size=16, max_size=16))
def test_an_ipv6_address_has_no_broadcast_and_no_duplicate_detection(index: int, address: bytes) -> None:
    request = route.new_address(index, address, 64)
    assert route.IFA_BROADCAST not in message.attributes(request.body, 8)
    assert request.body[:3] == bytes([route.AF_INET6, 64, route.IFA_F_NODAD])


@given(
    st.integers(1, 1 << 30),
    st.one_of(st.just(b""), st.binary(min_size=4, max_size=4)),
    st.binary(min_size=4, max_size=4),
    st.integers(0, 32),
)
def test_a_route_request_reads_as_that_route(index: int, gateway: bytes, destination: bytes, prefix: int) -> None:
    request = route.new_route(index, gateway=gateway, destination=destination, prefix_len=prefix)
    found = route.parse_route(request)
    assert (found.index, found.gateway, found.destination) == (index, gateway, destination)
    assert (found.prefix_len, found.table, found.kind) == (prefix, route.RT_TABLE_MAIN, route.RTN_UNICAST)
    assert found.scope == (route.RT_SCOPE_UNIVERSE if gateway else route.RT_SCOPE_LINK)


@pytest.mark.parametrize("capped", [True, False])
def test_a_refusal_gives_errno_and_the_kernels_words(capped: bool) -> None:
    request = link.delete_link(index=7).encode()
    echoed = request[:16] if capped else request
    body = struct.pack("=i", -17) + echoed + message.attribute_text(message.NLMSGERR_ATTR_MSG, "it is there")
    flags = message.NLM_F_ACK_TLVS | (message.NLM_F_CAPPED if capped else 0)
    ack = message.parse_ack(Message(message.NLMSG_ERROR, flags, 9, body))
    assert (ack.errno, ack.sequence, ack.text, ack.offset) == (17, 9, "it is there", None)


def test_the_end_of_a_dump_may_carry_an_error() -> None:
    assert message.parse_ack(Message(message.NLMSG_DONE, 0, 1, struct.pack("=i", -4))).errno == 4
    assert message.parse_ack(Message(message.NLMSG_DONE, 0, 1, b"")).errno == 0


@pytest.mark.parametrize("body", [b"", b"\0" * 19])
def test_a_short_acknowledgement_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match="acknowledgement"):
        message.parse_ack(Message(message.NLMSG_ERROR, 0, 1, body))


@pytest.mark.parametrize("parse", [link.parse_link, route.parse_address, route.parse_route])
def test_a_short_body_is_refused(parse: object) -> None:
    with pytest.raises(ValueError, match="netlink"):
        parse(Message(16, 0, 0, b"\0" * 7))  # type: ignore[operator]


@pytest.mark.parametrize("mac", ["", "02:42", "zz:42:ac:11:00:02", "02:42:ac:11:00:02:03"])
def test_what_is_no_mac_is_refused(mac: str) -> None:
    with pytest.raises(ValueError):
        link.parse_mac(mac)
