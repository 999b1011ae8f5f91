"""What a network makes in the kernel, takes over, repairs and takes away again."""

from __future__ import annotations

import os
import socket
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Address, IPv4Network

import pytest
from netlab import Lab, until

from tiffin.errors import Conflict, Forbidden, InvalidParameter, NotFound, SystemFailure
from tiffin.linux import libnftables
from tiffin.linux.namespaces import CLONE_NEWNET, unshare
from tiffin.network.bridge import BridgeNetwork
from tiffin.wire.rtnetlink import link, route

pytestmark = pytest.mark.root


def tables() -> list[str]:
    return [item["table"]["name"] for item in libnftables.run([{"list": {"tables": None}}]) if "table" in item]


def test_connecting_configures_the_container_as_docker_does(lab: Lab) -> None:
    network, inside = lab.network(mtu=1450), lab.namespace()
    endpoint = network.allocate()
    facts = network.connect(endpoint, inside.fd, inside.rtnl.fileno())
    with inside.inside() as rtnl:
        eth0 = rtnl.link("eth0")
        assert eth0 is not None and eth0.up and eth0.kind == "veth"
        assert (eth0.address, eth0.mtu, eth0.index) == (endpoint.mac, 1450, facts["ifindex"])
        addresses = {(found.local, found.prefix_len) for found in rtnl.addresses() if found.index == eth0.index}
        assert addresses == {(endpoint.packed_address, 24)}
        defaults = [found.gateway for found in rtnl.routes() if found.prefix_len == 0 and found.table == 254]
        assert defaults == [IPv4Address("10.213.1.1").packed]
    port = lab.rtnl.link(endpoint.host_veth)
    assert port is not None and port.up
    assert (port.master, port.index) == (lab.index("tnet1"), facts["host_ifindex"])
    assert facts["address"] == "10.213.1.2/24"
    assert list(facts["durations_us"]) == ["veth", "ipv6_off", "configure", "carrier"]  # type: ignore[call-overload]


def test_descriptors_from_another_process_are_enough(lab: Lab) -> None:
    """As the shim does it: it makes the namespace and the socket, and passes both by SCM_RIGHTS."""
    network = lab.network()
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    child = os.fork()
    if child == 0:
        ours.close()
        unshare(CLONE_NEWNET)
        namespace = os.open("/proc/self/ns/net", os.O_RDONLY)
        rtnl = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        socket.send_fds(theirs, [b"x"], [namespace, rtnl.fileno()])
        theirs.recv(1)
        os._exit(0)
    theirs.close()
    try:
        with ours:
            _data, (netns_fd, rtnl_fd), _flags, _address = socket.recv_fds(ours, 1, 2)
            endpoint = network.allocate()
            network.connect(endpoint, netns_fd, rtnl_fd)
            assert endpoint.host_veth in lab.links()
            os.close(netns_fd)
            os.close(rtnl_fd)
    finally:
        os.waitpid(child, 0)
    network.release(endpoint)
    until(lambda: endpoint.host_veth not in lab.links())


def test_removing_a_network_leaves_no_link_and_no_table(lab: Lab) -> None:
    before, network = lab.links(), lab.network()
    lab.container(network)
    network.remove()
    assert (lab.links(), tables()) == (before, [])


def test_ensuring_twice_changes_nothing_and_repairs_what_is_gone(lab: Lab) -> None:
    network = lab.network()
    index = lab.index("tnet1")
    network.ensure()
    assert lab.index("tnet1") == index
    lab.rtnl.request([link.delete_link(name="tnet1")], "tnet1")
    network.ensure()
    assert lab.index("tnet1") != index


def test_connecting_to_a_bridge_that_someone_deleted_makes_it_again(lab: Lab) -> None:
    network = lab.network()
    lab.rtnl.request([link.delete_link(name="tnet1")], "tnet1")
    inside, _address = lab.container(network)
    assert "eth0" in inside.links()


def test_a_failed_connect_leaves_nothing_on_the_host(lab: Lab) -> None:
    network, inside = lab.network(), lab.namespace()
    endpoint = network.allocate()
    before = lab.links()
    with pytest.raises(SystemFailure, match="failed to set up container networking"):
        network.connect(endpoint, inside.fd, lab.rtnl._socket.fileno())  # a socket of the wrong namespace
    assert lab.links() == before
    inside2, _ = lab.container(network)
    with pytest.raises(SystemFailure, match="File exists"):
        network.connect(endpoint, inside2.fd, inside2.rtnl.fileno())  # there is an eth0 already
    assert endpoint.host_veth not in lab.links()


def test_a_link_that_outlives_its_release_is_deleted(lab: Lab) -> None:
    network, inside = lab.network(), lab.namespace()
    endpoint = network.allocate()
    network.connect(endpoint, inside.fd, inside.rtnl.fileno())
    network.release(endpoint)
    until(lambda: endpoint.host_veth not in lab.links())


def test_recovery_keeps_what_runs_and_sweeps_the_rest(lab: Lab) -> None:
    network = lab.network()
    kept, left = lab.namespace(), lab.namespace()
    endpoints = [network.allocate(), network.allocate()]
    for endpoint, inside in zip(endpoints, (kept, left), strict=True):
        network.connect(endpoint, inside.fd, inside.rtnl.fileno())
    lab.rtnl.request([link.new_veth("users0", master=lab.index("tnet1"), peer="users1")], "users0")
    again = lab.network()
    again.reserve(endpoints[0])
    assert again.sweep() == [endpoints[1].host_veth]
    assert {endpoints[0].host_veth, "users0"} <= set(lab.links())
    assert again.allocate().address == endpoints[1].address
    with pytest.raises(Forbidden, match="Address already in use"):
        again.allocate(address=endpoints[0].address)


def test_the_subnet_of_a_bridge_that_is_there_is_taken_over(lab: Lab) -> None:
    lab.network(7)
    again = BridgeNetwork(bridge="tnet7", table="tiffin_tnet7")
    again.ensure()
    assert (again.subnet, again.gateway) == (IPv4Network("10.213.7.0/24"), IPv4Address("10.213.7.1"))


def test_the_default_subnet_avoids_the_hosts_routes(lab: Lab) -> None:
    lab.outside()
    uplink = lab.index("uplink1")
    gateway, taken = IPv4Address("198.51.1.2").packed, IPv4Address("172.17.5.0").packed
    lab.rtnl.request([route.new_route(uplink, gateway=gateway, destination=taken, prefix_len=24)], "route")
    network = BridgeNetwork(bridge="tnet1", table="tiffin_tnet1")
    network.ensure()
    assert network.subnet == IPv4Network("172.18.0.0/16")


def test_a_subnet_that_collides_names_the_route(lab: Lab) -> None:
    lab.outside()
    with pytest.raises(Conflict, match=r"10\.213\.1\.0/24|198\.51\.1\.0/24") as refusal:
        lab.network(subnet=IPv4Network("198.51.0.0/16"))
    assert "host route 198.51.1.0/24 dev uplink1" in str(refusal.value)
    assert "tnet1" not in lab.links()


def test_a_name_that_is_no_bridge_is_refused(lab: Lab) -> None:
    lab.outside()
    with pytest.raises(Conflict, match="uplink1"):
        lab.network(bridge="uplink1")
    with pytest.raises(NotFound, match="bridge tnet1 does not exist"):
        lab.network(own_bridge=False)
    with pytest.raises(InvalidParameter, match="1 to 15 bytes"):
        lab.network(bridge="a-name-of-16-byt")


def test_many_threads_connect_at_once(lab: Lab) -> None:
    network = lab.network()
    inside = [lab.namespace() for _ in range(24)]
    endpoints = [network.allocate() for _ in inside]

    def connect(number: int) -> object:
        return network.connect(endpoints[number], inside[number].fd, inside[number].rtnl.fileno())["host_veth"]

    with ThreadPoolExecutor(8) as threads:
        veths = list(threads.map(connect, range(len(inside))))
    assert veths == [endpoint.host_veth for endpoint in endpoints]
    assert set(veths) <= set(lab.links())
    assert len({endpoint.address for endpoint in endpoints}) == len(inside)
