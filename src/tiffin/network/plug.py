"""Puts a container's eth0 in place: one message on the host's side, one batch on the container's.

    host namespace                     container's namespace
    tiffin0 ── vethtf1a2b3c4d ═══════ eth0  172.17.0.2/16, default via 172.17.0.1

The pair is made with its far end already inside, under its final name and MAC: nothing is moved, renamed or deleted
later (deleting a veth waits 31 ms for RCU; it dies with the container's namespace instead). Budget: 1.5 ms.
"""

from __future__ import annotations

import errno
import os
import time
from dataclasses import dataclass
from typing import NoReturn

from tiffin.linux.namespaces import CLONE_NEWNET, setns
from tiffin.network import sysctl
from tiffin.network.endpoint import Endpoint
from tiffin.network.netlink import RouteSocket
from tiffin.wire.rtnetlink import link, route

CARRIER_SECONDS = 0.2  # then go on: the packet may be lost, the container is not
CARRIER_TICK = 0.0005
LOOPBACK_INDEX = 1  # the loopback link is the first of every namespace


@dataclass(frozen=True, slots=True)
class Socket:
    """What the bridge end looks like."""

    bridge: str
    bridge_index: int
    mtu: int
    isolated: bool  # no frames between containers


class HostSide:
    """One thread's netlink socket and way home, both of the namespace it is in now; closed with the thread."""

    def __init__(self) -> None:
        self.rtnl = RouteSocket()
        self.namespace = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)

    def __del__(self) -> None:
        self.rtnl.close()
        os.close(self.namespace)


def plug(
    host: HostSide, into: Socket, endpoint: Endpoint, netns_fd: int, rtnl_fd: int, ifname: str
) -> dict[str, object]:
    """Create and configure; on failure nothing stays. Returns facts and durations (microseconds) for the trace."""
    started = time.perf_counter_ns()
    host.rtnl.request(
        [
            link.new_veth(
                endpoint.host_veth,
                master=into.bridge_index,
                mtu=into.mtu,
                peer=ifname,
                peer_netns=netns_fd,
                peer_mac=endpoint.mac,
            )
        ],
        endpoint.host_veth,
    )
    try:
        if into.isolated:
            host.rtnl.request([link.set_bridge_port(endpoint.host_veth, isolated=True)], endpoint.host_veth)
        sysctl.write(f"ipv6/conf/{endpoint.host_veth}/disable_ipv6", "1")  # a bridge port needs no address of its own
        paired = time.perf_counter_ns()
        _disable_ipv6_inside(host, netns_fd, ifname)
        switched = time.perf_counter_ns()
        index = _configure(rtnl_fd, endpoint, ifname)
        configured = time.perf_counter_ns()
        host_index = _await_carrier(host.rtnl, endpoint.host_veth)
        _await_carrier(host.rtnl, into.bridge)
        running = time.perf_counter_ns()
    except BaseException:
        unplug(host.rtnl, endpoint.host_veth)
        raise
    return {
        "bridge": into.bridge,
        "host_veth": endpoint.host_veth,
        "host_ifindex": host_index,
        "ifname": ifname,
        "ifindex": index,
        "mac": endpoint.mac,
        "address": f"{endpoint.address}/{endpoint.prefix_len}",
        "gateway": endpoint.gateway,
        "mtu": into.mtu,
        "durations_us": {
            "veth": (paired - started) // 1000,
            "ipv6_off": (switched - paired) // 1000,
            "configure": (configured - switched) // 1000,
            "carrier": (running - configured) // 1000,
        },
    }


def unplug(rtnl: RouteSocket, host_veth: str) -> bool:
    """Delete the pair by its host end; False when it was gone."""
    if rtnl.link(host_veth) is None:
        return False
    try:
        rtnl.request([link.delete_link(name=host_veth)], host_veth)
    except OSError:
        if rtnl.link(host_veth) is not None:
            raise
        return False
    return True


def _configure(rtnl_fd: int, endpoint: Endpoint, ifname: str) -> int:
    """lo up, address, `ifname` up, default route, by the container's own socket; returns the link's index inside."""
    with RouteSocket(rtnl_fd) as inside:
        found = inside.link(ifname)
        if found is None:
            raise OSError(f"{ifname} is missing in the container's network namespace")
        batch = [
            link.set_link(LOOPBACK_INDEX, up=True),
            route.new_address(found.index, endpoint.packed_address, endpoint.prefix_len),
            link.set_link(found.index, up=True),
        ]
        if endpoint.gateway:
            batch.append(route.new_route(found.index, gateway=endpoint.packed_gateway))
        inside.request(batch, ifname)
    return found.index


def _await_carrier(rtnl: RouteSocket, name: str) -> int:
    """Until the kernel's link watch has seen the cable; before, the container's first packet would be lost.

    Nearly always that is already so. The first container of an idle bridge may wait some milliseconds for it. Returns
    the link's index.
    """
    deadline = time.monotonic() + CARRIER_SECONDS
    while True:
        found = rtnl.link(name)
        if found is None:
            raise OSError(errno.ENODEV, f"{os.strerror(errno.ENODEV)}: it was deleted meanwhile", name)
        if found.flags & link.IFF_RUNNING or time.monotonic() > deadline:
            return found.index
        time.sleep(CARRIER_TICK)


def _disable_ipv6_inside(host: HostSide, netns_fd: int, ifname: str) -> None:
    """On an IPv4 network, as Docker does: no link-local address, no faith in router advertisements (CVE-2020-13401)."""
    setns(netns_fd, CLONE_NEWNET)
    try:
        sysctl.write(f"ipv6/conf/{ifname}/disable_ipv6", "1")
    finally:
        try:
            setns(host.namespace, CLONE_NEWNET)
        except OSError as error:
            _lost(error)


def _lost(error: OSError) -> NoReturn:
    """A daemon thread that stays in a container's network would do the host's work there: better no daemon."""
    os.write(2, f"tiffin: cannot return to the host's network namespace: {error}\n".encode())
    os.abort()
