"""Subnets from pools and addresses from subnets."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tiffin.errors import Conflict, Forbidden, InvalidParameter, NotFound
from tiffin.network.ipam import DEFAULT_POOLS, RESTING, AddressPool, PoolBase, Taken, choose_subnet, mac_of


def pool(subnet: str = "10.1.0.0/24", gateway: str = "10.1.0.1", within: str | None = None) -> AddressPool:
    narrowed = IPv4Network(within) if within else None
    return AddressPool(IPv4Network(subnet), gateway=IPv4Address(gateway), within=narrowed)


def test_the_first_default_subnet_is_dockers() -> None:
    assert choose_subnet(DEFAULT_POOLS, []) == IPv4Network("172.17.0.0/16")


def test_subnets_that_overlap_a_route_are_passed_over() -> None:
    taken = [Taken(IPv4Network("172.17.3.0/24"), "host route"), Taken(IPv4Network("172.18.0.0/15"), "network a")]
    assert choose_subnet(DEFAULT_POOLS, taken) == IPv4Network("172.20.0.0/16")


def test_the_pools_do_not_run_out_after_thirty_networks() -> None:
    taken: list[Taken] = []
    for _ in range(100):
        taken.append(Taken(choose_subnet(DEFAULT_POOLS, taken), "a network"))
    assert len({item.network for item in taken}) == 100


def test_an_exhausted_pool_names_what_is_in_the_way() -> None:
    pools = [PoolBase(IPv4Network("10.9.0.0/16"), 24)]
    with pytest.raises(NotFound) as refusal:
        choose_subnet(pools, [Taken(IPv4Network("10.0.0.0/8"), "host route 10.0.0.0/8 via 192.0.2.1 dev tun0")])
    assert "in use are 10.0.0.0/8 (host route 10.0.0.0/8 via 192.0.2.1 dev tun0)" in str(refusal.value)


def test_a_pool_whose_pieces_are_larger_than_itself_is_refused() -> None:
    with pytest.raises(InvalidParameter, match="larger than its base"):
        choose_subnet([PoolBase(IPv4Network("10.9.0.0/24"), 16)], [])


def test_addresses_come_in_order_after_the_gateway() -> None:
    addresses = pool()
    assert [str(addresses.allocate()) for _ in range(3)] == ["10.1.0.2", "10.1.0.3", "10.1.0.4"]


def test_a_released_address_rests_before_it_is_used_again() -> None:
    addresses = pool("10.1.0.0/16")
    first = addresses.allocate()
    addresses.release(first)
    seen = []
    for _ in range(RESTING):
        seen.append(addresses.allocate())
        addresses.release(seen[-1])
    assert first not in seen
    assert addresses.allocate() == first


def test_in_a_full_subnet_the_longest_rested_address_is_used() -> None:
    addresses = pool("10.1.0.0/29")
    taken = [addresses.allocate() for _ in range(5)]
    with pytest.raises(Conflict, match="no available IPv4 addresses"):
        addresses.allocate("bridge")
    addresses.release(taken[3])
    addresses.release(taken[1])
    assert [addresses.allocate(), addresses.allocate()] == [taken[3], taken[1]]


def test_a_reserved_address_is_not_handed_out() -> None:
    addresses = pool()
    addresses.reserve(IPv4Address("10.1.0.2"))
    assert str(addresses.allocate()) == "10.1.0.3"
    with pytest.raises(Forbidden, match="Address already in use"):
        addresses.reserve(IPv4Address("10.1.0.3"))


@pytest.mark.parametrize("address", ["10.1.0.0", "10.1.0.1", "10.1.0.255"])
def test_network_gateway_and_broadcast_cannot_be_asked_for(address: str) -> None:
    with pytest.raises(Forbidden):
        pool().reserve(IPv4Address(address))


def test_an_address_of_another_subnet_is_refused() -> None:
    with pytest.raises(InvalidParameter, match="does not belong to subnet"):
        pool().reserve(IPv4Address("10.2.0.2"))


def test_a_fixed_range_bounds_what_is_handed_out_unasked() -> None:
    addresses = pool(within="10.1.0.128/30")
    outside = IPv4Address("10.1.0.7")
    addresses.reserve(outside)
    addresses.release(outside)
    handed = [str(addresses.allocate()) for _ in range(4)]
    assert handed == ["10.1.0.128", "10.1.0.129", "10.1.0.130", "10.1.0.131"]
    with pytest.raises(Conflict):
        addresses.allocate()


def test_releasing_twice_is_once() -> None:
    addresses = pool("10.1.0.0/29")
    taken = [addresses.allocate() for _ in range(5)]
    addresses.release(taken[0])
    addresses.release(taken[0])
    assert addresses.allocate() == taken[0]
    with pytest.raises(Conflict):
        addresses.allocate()


def test_the_mac_is_locally_administered_and_made_of_the_address() -> None:
    assert mac_of(IPv4Address("172.17.0.2")) == "02:42:ac:11:00:02"


class Addresses(RuleBasedStateMachine):
    """No address is in two hands, none is lost: as many can be taken as the subnet has."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = pool("10.1.0.0/27", "10.1.0.9")
        self.usable = {IPv4Address("10.1.0.0") + n for n in range(1, 31)} - {IPv4Address("10.1.0.9")}
        self.held: set[IPv4Address] = set()

    @precondition(lambda self: len(self.held) < len(self.usable))
    @rule()
    def allocate(self) -> None:
        address = self.pool.allocate()
        assert address in self.usable - self.held
        self.held.add(address)

    @rule(number=st.integers(0, 31))
    def reserve(self, number: int) -> None:
        address = IPv4Address("10.1.0.0") + number
        if address in self.usable - self.held:
            self.pool.reserve(address)
            self.held.add(address)
        else:
            with pytest.raises(Forbidden):
                self.pool.reserve(address)

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        address = data.draw(st.sampled_from(sorted(self.held)))
        self.pool.release(address)
        self.held.discard(address)

    @invariant()
    def the_count_is_right(self) -> None:
        assert len(self.pool) == len(self.held)

    def teardown(self) -> None:
        while len(self.held) < len(self.usable):
            self.allocate()


TestAddresses = Addresses.TestCase
TestAddresses.settings = settings(max_examples=30, stateful_step_count=60)
