"""Beside other owners' firewalls: their forward chains drop, ours carries the containers' traffic all the same."""

from __future__ import annotations

import shutil
import subprocess
from contextlib import closing

import pytest
from netlab import Lab, hears

from tiffin.linux import libnftables
from tiffin.wire.rtnetlink import link

pytestmark = pytest.mark.root


def sh(*commands: str) -> str:
    output = ""
    for command in commands:
        done = subprocess.run(command.split(), capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{command}: {done.stderr}"
        output += done.stdout
    return output


def need(tool: str) -> None:
    if shutil.which(tool) is None:
        pytest.skip(f"needs {tool}")


def reaches_outside(lab: Lab, network: object) -> bool:
    outside = lab.outside()
    inside, _ = lab.container(network)  # type: ignore[arg-type]
    with closing(outside.udp()) as ear, closing(inside.udp()) as mouth:
        return hears(ear, mouth, "198.51.1.2") is not None


DOCKERD = (
    "iptables-nft -P FORWARD DROP",
    "iptables-nft -N DOCKER-USER",
    "iptables-nft -A DOCKER-USER -j RETURN",
    "iptables-nft -A FORWARD -j DOCKER-USER",
)
UFW = (
    "iptables-nft -P FORWARD DROP",
    "iptables-nft -N ufw-user-forward",
    "iptables-nft -A FORWARD -j ufw-user-forward",
)
ADMIN = ("iptables-nft -P FORWARD DROP",)


@pytest.mark.parametrize(
    ("rules", "place"), [(DOCKERD, "DOCKER-USER"), (UFW, "ufw-user-forward"), (ADMIN, "FORWARD")]
)
def test_traffic_flows_where_the_forward_policy_drops(lab: Lab, rules: tuple[str, ...], place: str) -> None:
    need("iptables-nft")
    sh(*rules)
    before = sh("iptables-nft -S")
    network = lab.network()
    assert reaches_outside(lab, network)
    assert network.describe()["accepts"] == [f"ip filter FORWARD: {place}"]
    added = sh("iptables-nft -S").splitlines()
    assert f"-A {place} -i tnet1 -m comment --comment \"tiffin:tnet1\" -j ACCEPT" in added
    assert f"-A {place} -o tnet1 -m comment --comment \"tiffin:tnet1\" -j ACCEPT" in added
    assert network.recheck() == []
    network.remove()
    assert sh("iptables-nft -S") == before


def test_accepts_come_back_after_their_owner_reloaded(lab: Lab) -> None:
    need("iptables-nft")
    sh(*DOCKERD)
    network = lab.network()
    sh("iptables-nft -F DOCKER-USER", "iptables-nft -A DOCKER-USER -j RETURN")
    assert network.recheck() == ["accepts were put into DOCKER-USER for ip filter FORWARD"]
    assert reaches_outside(lab, network)


def test_own_rules_only_warns_and_names_the_chain(lab: Lab) -> None:
    need("iptables-nft")
    sh(*DOCKERD)
    before = sh("iptables-nft -S")
    network = lab.network(own_firewall_only=True)
    assert network.warnings == ["forwarded traffic of bridge tnet1 is dropped by ip filter FORWARD"]
    assert not reaches_outside(lab, network)
    assert sh("iptables-nft -S") == before


def test_an_unknown_owners_chain_is_not_touched_but_named(lab: Lab) -> None:
    sh("nft add table inet theirs")
    chain = {"family": "inet", "table": "theirs", "name": "fwd", "type": "filter", "hook": "forward"}
    libnftables.run([{"add": {"chain": {**chain, "prio": 0, "policy": "drop"}}}])
    network = lab.network()
    assert network.warnings == ["forwarded traffic of bridge tnet1 is dropped by inet theirs fwd"]
    assert "tnet1" not in sh("nft list table inet theirs")


def test_legacy_iptables_is_a_forward_chain_too(lab: Lab) -> None:
    need("iptables-legacy")
    sh("iptables-legacy -P FORWARD DROP")
    before = sh("iptables-legacy -S")
    network = lab.network()
    assert reaches_outside(lab, network)
    assert "-A FORWARD -i tnet1 -m comment --comment \"tiffin:tnet1\" -j ACCEPT" in sh("iptables-legacy -S")
    assert network.recheck() == []
    network.remove()
    assert sh("iptables-legacy -S") == before


def test_an_accept_for_us_does_not_open_another_engines_containers(lab: Lab) -> None:
    """DOCKER-USER comes before Docker's own isolation, so our table keeps our containers out of docker0."""
    need("iptables-nft")
    sh(*DOCKERD, "ip link add docker0 type bridge", "ip addr add 10.214.0.1/24 dev docker0", "ip link set docker0 up")
    network = lab.network()
    theirs = lab.namespace()
    peer = link.new_veth("far0", master=lab.index("docker0"), peer="eth0", peer_netns=theirs.fd)
    lab.rtnl.request([peer], "far0")
    with theirs.inside():
        sh("ip addr add 10.214.0.2/24 dev eth0", "ip link set eth0 up", "ip route add default via 10.214.0.1")
    inside, _ = lab.container(network)
    with closing(theirs.udp()) as ear, closing(inside.udp()) as mouth:
        assert hears(ear, mouth, "10.214.0.2") is None
