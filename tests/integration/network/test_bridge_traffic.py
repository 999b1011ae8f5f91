"""Packets on a bridge network: containers, the gateway, another host. Every host is a namespace of its own."""

from __future__ import annotations

from contextlib import closing
from ipaddress import IPv4Address

import pytest
from netlab import Lab, Namespace, hears

from tiffin.linux import libnftables
from tiffin.wire.rtnetlink import route

pytestmark = pytest.mark.root


def talk(listener: Namespace, address: str, speaker: Namespace) -> tuple[str, int] | None:
    with closing(listener.udp()) as ear, closing(speaker.udp()) as mouth:
        return hears(ear, mouth, address)


def test_two_containers_and_the_gateway_answer_at_once(lab: Lab) -> None:
    network = lab.network()
    (first, first_address), (second, second_address) = lab.container(network), lab.container(network)
    assert talk(first, first_address, second) is not None
    assert talk(second, second_address, first) is not None
    host = Namespace.__new__(Namespace)
    host.fd, host._home = lab.home, lab.home
    assert talk(host, str(network.gateway), first) is not None
    assert talk(first, first_address, host) is not None


def test_traffic_to_another_host_leaves_with_this_hosts_address(lab: Lab) -> None:
    outside, network = lab.outside(), lab.network()
    inside, _address = lab.container(network)
    source = talk(outside, "198.51.1.2", inside)
    assert source is not None and source[0] == "198.51.1.1"


def test_without_masquerade_the_containers_address_is_kept(lab: Lab) -> None:
    outside, network = lab.outside(), lab.network(ip_masq=False)
    inside, address = lab.container(network)
    route_to_containers(outside)
    source = talk(outside, "198.51.1.2", inside)
    assert source is not None and source[0] == address


def route_to_containers(outside: Namespace, number: int = 1) -> None:
    with outside.inside() as rtnl:
        wire = rtnl.link("wire0")
        assert wire is not None
        gateway = IPv4Address(f"198.51.{number}.1").packed
        subnet = IPv4Address("10.213.0.0").packed
        rtnl.request([route.new_route(wire.index, gateway=gateway, destination=subnet, prefix_len=16)], "route")


def test_a_container_cannot_be_reached_directly_from_another_host(lab: Lab) -> None:
    outside, network = lab.outside(), lab.network()
    inside, address = lab.container(network)
    route_to_containers(outside)
    assert talk(inside, address, outside) is None


@pytest.mark.parametrize("shared_table", [True, False])
def test_networks_are_isolated_from_each_other(lab: Lab, shared_table: bool) -> None:
    one = lab.network(1)
    two = lab.network(2, firewall=one._firewall) if shared_table else lab.network(2)
    (first, first_address), (second, second_address) = lab.container(one), lab.container(two)
    assert talk(first, first_address, second) is None
    assert talk(second, second_address, first) is None


def test_without_icc_containers_reach_the_world_but_not_each_other(lab: Lab) -> None:
    outside, network = lab.outside(), lab.network(icc=False)
    (first, first_address), (second, _) = lab.container(network), lab.container(network)
    assert talk(first, first_address, second) is None
    assert talk(outside, "198.51.1.2", first) is not None


def test_isolation_holds_after_someone_flushed_the_rules(lab: Lab) -> None:
    one, two = lab.network(1), lab.network(2)
    (first, first_address), (second, _) = lab.container(one), lab.container(two)
    libnftables.run([{"flush": {"ruleset": None}}])
    assert one.recheck() == ["table inet tiffin_tnet1 was restored"]
    assert two.recheck() == ["table inet tiffin_tnet2 was restored"]
    assert one.recheck() == []
    assert talk(first, first_address, second) is None


def test_links_that_did_not_forward_before_stay_apart(lab: Lab) -> None:
    left, right = lab.outside(1), lab.outside(2)
    network = lab.network()
    inside, _ = lab.container(network)
    for other, number in ((left, 1), (right, 2)):
        with other.inside() as rtnl:
            wire = rtnl.link("wire0")
            assert wire is not None
            rtnl.request([route.new_route(wire.index, gateway=IPv4Address(f"198.51.{number}.1").packed)], "default")
    assert talk(right, "198.51.2.2", left) is None
    assert talk(right, "198.51.2.2", inside) is not None
    assert network.describe()["kept_apart"] == ["uplink1", "uplink2"]
    again = lab.network()  # the next life of the daemon finds forwarding on, and the set in the table
    assert again.describe()["kept_apart"] == ["uplink1", "uplink2"]


def test_no_ipv6_and_no_router_advertisement_on_an_ipv4_network(lab: Lab) -> None:
    network = lab.network()
    inside, _ = lab.container(network)
    with open("/proc/sys/net/ipv6/conf/tnet1/disable_ipv6") as bridge:
        assert bridge.read() == "1\n"
    with inside.inside() as rtnl:
        eth0 = rtnl.link("eth0")
        assert eth0 is not None
        assert [found for found in rtnl.addresses(10) if found.index == eth0.index] == []
