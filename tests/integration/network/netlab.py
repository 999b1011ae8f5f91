"""Hosts and containers as network namespaces: nothing here touches the network of the machine that runs the tests."""

from __future__ import annotations

import os
import select
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from ipaddress import IPv4Address, IPv4Network
from time import monotonic

from tiffin.linux.namespaces import CLONE_NEWNET, setns, unshare
from tiffin.network import sysctl
from tiffin.network.bridge import BridgeNetwork
from tiffin.network.netlink import RouteSocket
from tiffin.wire.rtnetlink import link, route

DEADLINE = 10.0
SHORT = 0.3  # how long silence must last to count as a drop, on links without delay


def until(condition: Callable[[], object]) -> None:
    """Poll, and fail the test at the deadline."""
    end = monotonic() + DEADLINE
    while not condition():
        assert monotonic() < end, "the condition did not come true"
        select.select([], [], [], 0.02)


class Namespace:
    """A network namespace with lo up and a netlink socket that was made inside it."""

    def __init__(self, home: int) -> None:
        self._home = home
        unshare(CLONE_NEWNET)
        try:
            self.fd = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
            self.rtnl = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
        finally:
            setns(home, CLONE_NEWNET)
        with RouteSocket(self.rtnl.fileno()) as rtnl:
            rtnl.request([link.set_link(1, up=True)], "lo")

    @contextmanager
    def inside(self) -> Iterator[RouteSocket]:
        setns(self.fd, CLONE_NEWNET)
        try:
            with RouteSocket() as rtnl:
                yield rtnl
        finally:
            setns(self._home, CLONE_NEWNET)

    def udp(self, address: str = "0.0.0.0", port: int = 0) -> socket.socket:
        with self.inside():
            made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made.bind((address, port))
        made.settimeout(SHORT)
        return made

    def links(self) -> list[str]:
        with self.inside() as rtnl:
            return [found.name for found in rtnl.links()]

    def close(self) -> None:
        self.rtnl.close()
        os.close(self.fd)


class Lab:
    """The host is the namespace that the test's thread lives in; others hang on it."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        before = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        stack.callback(os.close, before)
        unshare(CLONE_NEWNET)
        stack.callback(setns, before, CLONE_NEWNET)
        self.home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        stack.callback(os.close, self.home)
        self.rtnl = stack.enter_context(RouteSocket())
        self.rtnl.request([link.set_link(1, up=True)], "lo")
        sysctl.write("ipv4/ip_forward", "0")  # a new namespace inherits the machine's

    def namespace(self) -> Namespace:
        made = Namespace(self.home)
        self._stack.callback(made.close)
        return made

    def outside(self, number: int = 1) -> Namespace:
        """Another host: 198.51.<number>.2 on a cable to this one, which is 198.51.<number>.1."""
        other = self.namespace()
        name = f"uplink{number}"
        self.rtnl.request([link.new_veth(name, peer="wire0", peer_netns=other.fd)], name)
        index = self.index(name)
        self.rtnl.request([route.new_address(index, IPv4Address(f"198.51.{number}.1").packed, 24)], name)
        with other.inside() as rtnl:
            wire = rtnl.link("wire0")
            assert wire is not None
            address = IPv4Address(f"198.51.{number}.2").packed
            rtnl.request([route.new_address(wire.index, address, 24), link.set_link(wire.index, up=True)], "wire0")
        until(lambda: self.up(name))
        return other

    def index(self, name: str) -> int:
        found = self.rtnl.link(name)
        assert found is not None, f"no link {name}"
        return found.index

    def up(self, name: str) -> bool:
        found = self.rtnl.link(name)
        return found is not None and bool(found.flags & link.IFF_RUNNING)

    def network(self, number: int = 1, **options: object) -> BridgeNetwork:
        bridge = f"tnet{number}"
        settings: dict[str, object] = {
            "bridge": bridge,
            "subnet": IPv4Network(f"10.213.{number}.0/24"),
            "table": f"tiffin_{bridge}",
            **options,
        }
        made = BridgeNetwork(**settings)  # type: ignore[arg-type]
        made.ensure()
        return made

    def container(self, network: BridgeNetwork) -> tuple[Namespace, str]:
        """A namespace that is connected to `network`, and its address."""
        inside = self.namespace()
        endpoint = network.allocate()
        network.connect(endpoint, inside.fd, inside.rtnl.fileno())
        return inside, endpoint.address

    def links(self) -> list[str]:
        return [found.name for found in self.rtnl.links()]


def hears(listener: socket.socket, speaker: socket.socket, address: str) -> tuple[str, int] | None:
    """Send to the listener at `address` and let it answer; the source it saw, or None when either way was silent."""
    speaker.sendto(b"marco", (address, listener.getsockname()[1]))
    try:
        _data, source = listener.recvfrom(64)
        listener.sendto(b"polo", source)
        assert speaker.recvfrom(64)[0] == b"polo"
    except TimeoutError:
        return None
    return str(source[0]), int(source[1])
