"""Which subnet a network gets, and which address a container: arithmetic only, no kernel, no clock, no disk.

Subnets come from pools as Docker's (`default-address-pools`: a base cut into pieces of one size), and never overlap
what is taken: the host's routes, other networks. Addresses of a subnet are handed out in order; a released one rests
until RESTING others were released after it, or until nothing fresher is left, because neighbours remember who had it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from tiffin.errors import Conflict, Forbidden, InvalidParameter, NotFound

RESTING = 256


@dataclass(frozen=True, slots=True)
class PoolBase:
    """A base network, cut into subnets of prefix length `size`."""

    base: IPv4Network
    size: int

    def subnets(self) -> Iterator[IPv4Network]:
        if self.size < self.base.prefixlen:
            raise InvalidParameter(f"invalid pool {self.base}: the size /{self.size} is larger than its base")
        return self.base.subnets(new_prefix=self.size)


@dataclass(frozen=True, slots=True)
class Taken:
    """A network that is in use, and in words by what."""

    network: IPv4Network
    by: str


# Docker's, in its order; the last one begins where Docker's run out (30 networks)
DEFAULT_POOLS: tuple[PoolBase, ...] = (
    PoolBase(IPv4Network("172.17.0.0/16"), 16),
    PoolBase(IPv4Network("172.18.0.0/16"), 16),
    PoolBase(IPv4Network("172.19.0.0/16"), 16),
    PoolBase(IPv4Network("172.20.0.0/14"), 16),
    PoolBase(IPv4Network("172.24.0.0/14"), 16),
    PoolBase(IPv4Network("172.28.0.0/14"), 16),
    PoolBase(IPv4Network("192.168.0.0/16"), 20),
    PoolBase(IPv4Network("10.192.0.0/10"), 24),
)


def choose_subnet(pools: Sequence[PoolBase], taken: Iterable[Taken]) -> IPv4Network:
    """The first subnet of the pools that overlaps nothing; the error names what stood in the way."""
    used = list(taken)
    blockers: dict[str, None] = {}
    for pool in pools:
        for subnet in pool.subnets():
            blocker = overlap(subnet, used)
            if blocker is None:
                return subnet
            blockers[f"{blocker.network} ({blocker.by})"] = None
            if blocker.network.supernet_of(pool.base):
                break  # every other piece is covered too
    named = ", ".join(list(blockers)[:5]) + (", …" if len(blockers) > 5 else "")
    raise NotFound(
        "could not find an available, non-overlapping IPv4 address pool among the defaults to assign to the network"
        + (f": in use are {named}" if named else "")
    )


def overlap(subnet: IPv4Network, taken: Iterable[Taken]) -> Taken | None:
    """The first of `taken` that shares an address with `subnet`."""
    return next((item for item in taken if item.network.overlaps(subnet)), None)


class AddressPool:
    """The addresses of one subnet. Not locked: its owner is."""

    def __init__(self, subnet: IPv4Network, *, gateway: IPv4Address, within: IPv4Network | None = None) -> None:
        """`within` (fixed-cidr) narrows what is handed out unasked."""
        if gateway not in subnet:
            raise InvalidParameter(f"gateway {gateway} is not in subnet {subnet}")
        if within is not None and not within.subnet_of(subnet):
            raise InvalidParameter(f"ip range {within} is not within subnet {subnet}")
        self.subnet = subnet
        self.gateway = gateway
        span = within or subnet
        self._start = self._next = int(span.network_address)
        self._end = int(span.broadcast_address) + 1
        self._never = {int(gateway)}
        if subnet.prefixlen < 31:
            self._never |= {int(subnet.network_address), int(subnet.broadcast_address)}
        self._used: set[int] = set()
        self._resting: OrderedDict[int, None] = OrderedDict()

    def __len__(self) -> int:
        """How many are in use."""
        return len(self._used)

    def allocate(self, network_name: str = "") -> IPv4Address:
        """The next free address, in amortised constant time."""
        number = self._pop_rested() if len(self._resting) > RESTING else self._fresh()
        if number is None:
            number = self._pop_rested()
        if number is None:
            on = f" of network {network_name}" if network_name else ""
            raise Conflict(f"no available IPv4 addresses on this network's address pools{on} ({self.subnet})")
        self._used.add(number)
        return IPv4Address(number)

    def reserve(self, address: IPv4Address) -> None:
        """Take this very address."""
        number = int(address)
        if address not in self.subnet:
            raise InvalidParameter(f"invalid address {address}: it does not belong to subnet {self.subnet}")
        if number in self._used or number in self._never:
            raise Forbidden("Address already in use")
        self._resting.pop(number, None)
        self._used.add(number)

    def release(self, address: IPv4Address) -> None:
        """Give back; twice is once."""
        number = int(address)
        if number not in self._used:
            return
        self._used.remove(number)
        if self._start <= number < self._next:  # later ones are still before the cursor, others were asked for by name
            self._resting[number] = None

    def _fresh(self) -> int | None:
        while self._next < self._end:
            number = self._next
            self._next += 1
            if number not in self._used and number not in self._never:
                return number
        return None

    def _pop_rested(self) -> int | None:
        return self._resting.popitem(last=False)[0] if self._resting else None


def mac_of(address: IPv4Address) -> str:
    """A locally administered MAC made of the address: one that is used again is no surprise to its neighbours."""
    return (b"\x02\x42" + address.packed).hex(":")
