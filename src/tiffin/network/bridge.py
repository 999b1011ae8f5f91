"""A bridge network: the link, its addresses and rules, and the endpoints on it. The default network is one of these.

    ensure ─▶ allocate ─▶ connect ─▶ (the container runs) ─▶ release          remove
                 ▲ after a restart of the daemon: reserve, for each endpoint of a running container, then sweep

Methods block for microseconds (allocate, reserve, release), about a millisecond (connect) or longer (the rest) and may
be called from any thread. A veth dies with its namespace; what outlives its container is deleted in the background.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network

from tiffin.errors import InvalidParameter, SystemFailure
from tiffin.network import foreign
from tiffin.network.bridgelink import BridgeLink, BridgeOptions
from tiffin.network.endpoint import HOST_VETH_PREFIX, Endpoint, host_veth_name, new_endpoint_id
from tiffin.network.firewall import Firewall
from tiffin.network.ipam import DEFAULT_POOLS, AddressPool, PoolBase, mac_of
from tiffin.network.plug import HostSide, Socket, plug, unplug
from tiffin.network.reaper import Reaper
from tiffin.network.ruleset import BridgePolicy
from tiffin.wire.rtnetlink.link import parse_mac

DEFAULT_BRIDGE = "tiffin0"


class BridgeNetwork:
    """One bridge, its subnet and everything that goes with it."""

    def __init__(
        self,
        *,
        bridge: str = DEFAULT_BRIDGE,
        subnet: IPv4Network | None = None,
        gateway: IPv4Address | None = None,
        fixed_cidr: IPv4Network | None = None,
        mtu: int = 0,
        table: str = "tiffin",
        ip_masq: bool = True,
        icc: bool = True,
        ip_forward: bool = True,
        pools: Sequence[PoolBase] = DEFAULT_POOLS,
        name: str = "bridge",
        network_id: str = "",
        own_bridge: bool = True,
        own_firewall_only: bool = False,
        firewall: Firewall | None = None,
    ) -> None:
        """Nothing is touched before `ensure`. `own_bridge` false: the link is the user's, made and removed by them."""
        if not 0 < len(bridge.encode()) < 16 or "/" in bridge or bridge in (".", ".."):
            raise InvalidParameter(f"invalid bridge name {bridge!r}: 1 to 15 bytes, no slash")
        self.name = name
        self.id = network_id or hashlib.sha256(f"{table}/{bridge}".encode()).hexdigest()
        self.icc, self.ip_masq = icc, ip_masq
        self.warnings: list[str] = []
        self._options = BridgeOptions(bridge, subnet, gateway, mtu, tuple(pools), own_bridge, ip_forward)
        self._fixed_cidr = fixed_cidr
        self._own_firewall_only = own_firewall_only
        self._firewall = firewall or Firewall(table)
        self._droppers: list[foreign.Dropper] = []
        self._lock = threading.RLock()  # ensure, recheck, remove: slow, never taken by allocate or release
        self._fast = threading.Lock()  # the pool and the endpoints
        self._threads = threading.local()
        self._link: BridgeLink | None = None
        self._pool: AddressPool | None = None
        self._endpoints: dict[str, Endpoint] = {}
        self._reaper = Reaper(self._is_in_use)

    @property
    def bridge(self) -> str:
        return self._options.name

    @property
    def subnet(self) -> IPv4Network:
        return self._ready()[0].subnet

    @property
    def gateway(self) -> IPv4Address:
        return self._ready()[0].gateway

    @property
    def mtu(self) -> int:
        return self._ready()[0].mtu

    @property
    def endpoints(self) -> list[Endpoint]:
        """Those in use now."""
        with self._fast:
            return list(self._endpoints.values())

    def ensure(self) -> None:
        """Make what is missing of link, address, switches, table and accepts; called again it repairs."""
        with self._lock:
            try:
                made = BridgeLink.ensure(self._options, self._link)
                policy = BridgePolicy(self.bridge, made.subnet, self.ip_masq, self.icc)
                self._firewall.put(policy, apart=made.enable_forwarding())
                self._accept_in_foreign_chains(made)
            except OSError as error:
                raise SystemFailure(f"failed to set up network {self.name} on bridge {self.bridge}: {error}") from error
            with self._fast:
                if self._pool is None:
                    self._pool = AddressPool(made.subnet, gateway=made.gateway, within=self._fixed_cidr)
                self._link = made

    def recheck(self) -> list[str]:
        """Put back what others flushed; what was done, in words. Call it now and then, or on an nftables event."""
        with self._lock:
            if self._link is None:
                return []
            done = []
            try:
                if self._firewall.restore():
                    done.append(f"table inet {self._firewall.table} was restored")
                done += self._accept_in_foreign_chains(self._link)
            except OSError as error:
                raise SystemFailure(f"failed to check the firewall of network {self.name}: {error}") from error
            return done

    def allocate(self, *, mac: str | None = None, address: str | None = None) -> Endpoint:
        """An endpoint with the next free address, or with this one; nothing in the kernel yet."""
        link, pool = self._ready()
        if mac:
            _check_mac(mac)
        with self._fast:
            if address:
                chosen = _parse_address(address)
                pool.reserve(chosen)
            else:
                chosen = pool.allocate(self.name)
            endpoint_id = new_endpoint_id()
            endpoint = Endpoint(
                network_id=self.id,
                endpoint_id=endpoint_id,
                address=str(chosen),
                prefix_len=link.subnet.prefixlen,
                gateway=str(link.gateway),
                mac=mac or mac_of(chosen),
                host_veth=host_veth_name(endpoint_id),
            )
            self._endpoints[endpoint_id] = endpoint
        return endpoint

    def reserve(self, endpoint: Endpoint) -> None:
        """At recovery: this endpoint is in use. An address that the subnet no longer holds is kept without a claim."""
        _link, pool = self._ready()
        with self._fast:
            if endpoint.endpoint_id in self._endpoints:
                return
            if IPv4Address(endpoint.address) in pool.subnet:
                pool.reserve(IPv4Address(endpoint.address))
            self._endpoints[endpoint.endpoint_id] = endpoint

    def sweep(self) -> list[str]:
        """At recovery, after `reserve`: delete veths on the bridge that belong to no endpoint; returns their names."""
        link, _pool = self._ready()
        rtnl = self._host().rtnl
        with self._fast:
            kept = {endpoint.host_veth for endpoint in self._endpoints.values()}
        ports = [port.name for port in rtnl.links() if port.master == link.index and port.kind == "veth"]
        left = [port for port in ports if port.startswith(HOST_VETH_PREFIX) and port not in kept]
        return [port for port in left if unplug(rtnl, port)]

    def connect(
        self, endpoint: Endpoint, netns_fd: int, rtnl_fd: int, container_ifname: str = "eth0"
    ) -> dict[str, object]:
        """Plug the container's namespace into the bridge; facts for the trace. On failure nothing stays."""
        try:
            return self._plug(endpoint, netns_fd, rtnl_fd, container_ifname)
        except OSError as error:
            if self._bridge_stands():
                raise _connect_failure(self.name, error) from error
        self.ensure()  # someone deleted the bridge
        try:
            return self._plug(endpoint, netns_fd, rtnl_fd, container_ifname)
        except OSError as error:
            raise _connect_failure(self.name, error) from error

    def release(self, endpoint: Endpoint) -> None:
        """The address is free again; the veth dies with its namespace, and soon without it."""
        with self._fast:
            if self._endpoints.pop(endpoint.endpoint_id, None) is None:
                return
            if self._pool is not None:
                self._pool.release(IPv4Address(endpoint.address))
        self._reaper.expect_gone(endpoint.host_veth)

    def remove(self) -> None:
        """No link, table or accept of this network stays."""
        with self._lock:
            try:
                foreign.withdraw(self.bridge)
                self._firewall.drop(self.bridge)
                BridgeLink.remove(self._options)
            except OSError as error:
                raise SystemFailure(f"failed to remove network {self.name}: {error}") from error
            with self._fast:
                self._link = self._pool = None
                self._endpoints.clear()

    def describe(self) -> dict[str, object]:
        """For `info`: what this network put on the host."""
        link = self._link
        return {
            "bridge": self.bridge,
            "subnet": str(link.subnet) if link else "",
            "table": f"inet {self._firewall.table}",
            "ip_forward": link.forwarding if link else "",
            "kept_apart": sorted(self._firewall.apart),
            "accepts": [f"{d.chain}: {d.place}" for d in self._droppers if self._may_touch(d)],
            "warnings": list(self.warnings),
        }

    def _ready(self) -> tuple[BridgeLink, AddressPool]:
        if self._link is None or self._pool is None:
            self.ensure()
        assert self._link is not None and self._pool is not None
        return self._link, self._pool

    def _host(self) -> HostSide:
        host = getattr(self._threads, "host", None)
        if host is None:
            host = self._threads.host = HostSide()
        return host

    def _plug(self, endpoint: Endpoint, netns_fd: int, rtnl_fd: int, ifname: str) -> dict[str, object]:
        link, _pool = self._ready()
        into = Socket(self.bridge, link.index, link.mtu, isolated=not self.icc)
        return plug(self._host(), into, endpoint, netns_fd, rtnl_fd, ifname)

    def _bridge_stands(self) -> bool:
        found = self._host().rtnl.link(self.bridge)
        return found is not None and self._link is not None and found.index == self._link.index

    def _is_in_use(self, host_veth: str) -> bool:
        with self._fast:
            return any(endpoint.host_veth == host_veth for endpoint in self._endpoints.values())

    def _may_touch(self, dropper: foreign.Dropper) -> bool:
        return bool(dropper.place) and not self._own_firewall_only

    def _accept_in_foreign_chains(self, link: BridgeLink) -> list[str]:
        self._firewall.set_foreign(link.foreign_bridges())
        self._droppers = foreign.find_droppers()
        self.warnings = [
            f"forwarded traffic of bridge {self.bridge} is dropped by {dropper.chain}"
            for dropper in self._droppers
            if not self._may_touch(dropper)
        ]
        touched = [d for d in self._droppers if self._may_touch(d) and foreign.accept(d, self.bridge)]
        return [f"accepts were put into {dropper.place} for {dropper.chain}" for dropper in touched]


def _connect_failure(name: str, error: OSError) -> SystemFailure:
    return SystemFailure(f"failed to set up container networking: network {name}: {error}")


def _check_mac(mac: str) -> None:
    try:
        first = parse_mac(mac)[0]
    except ValueError:
        raise InvalidParameter(f"invalid MAC address: {mac}") from None
    if first & 1:
        raise InvalidParameter(f"invalid MAC address: {mac} is a multicast address")


def _parse_address(address: str) -> IPv4Address:
    try:
        return IPv4Address(address)
    except ValueError:
        raise InvalidParameter(f"invalid IPv4 address: {address}") from None
