"""GET /networks and /networks/{id}: the three networks that always exist."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

import pytest

from tiffin.errors import Conflict, InvalidParameter, NotFound
from tiffin.network.views import Attachment, Networks

NOW = (1, 51)


class FakeBridge:
    name = "bridge"
    id = "b" * 64
    icc = True
    ip_masq = False
    bridge = "tiffin0"
    subnet = IPv4Network("172.17.0.0/16")
    gateway = IPv4Address("172.17.0.1")
    mtu = 1500


def networks(*attachments: Attachment, bridge: FakeBridge | None = None) -> Networks:
    return Networks(bridge or FakeBridge(), "2026-01-02T03:04:05Z", lambda: attachments)


WEB = Attachment("bridge", "c1", "web", "e1", "02:42:ac:11:00:02", "172.17.0.2", 16)


def names(filters: dict[str, list[str]], *attachments: Attachment) -> list[str]:
    return [view["Name"] for view in networks(*attachments).summaries(filters, version=NOW)]


def test_the_three_networks_are_listed() -> None:
    assert names({}) == ["bridge", "host", "none"]


def test_without_a_bridge_two_remain() -> None:
    assert [view["Name"] for view in Networks(None, "", list).summaries({}, version=NOW)] == ["host", "none"]


def test_inspect_shows_dockers_fields() -> None:
    view = networks(WEB).inspect("bridge", version=NOW)
    assert view["IPAM"]["Config"] == [{"Subnet": "172.17.0.0/16", "Gateway": "172.17.0.1"}]
    assert view["Options"]["com.docker.network.bridge.name"] == "tiffin0"
    assert view["Options"]["com.docker.network.bridge.enable_ip_masquerade"] == "false"
    assert view["Containers"] == {
        "c1": {
            "Name": "web",
            "EndpointID": "e1",
            "MacAddress": "02:42:ac:11:00:02",
            "IPv4Address": "172.17.0.2/16",
            "IPv6Address": "",
        }
    }
    assert view["EnableIPv4"] is True and view["Driver"] == "bridge"


def test_the_list_has_containers_only_before_1_28() -> None:
    assert networks(WEB).summaries({"name": ["bridge"]}, version=NOW)[0]["Containers"] == {}
    assert "c1" in networks(WEB).summaries({"name": ["bridge"]}, version=(1, 27))[0]["Containers"]


def test_enable_ipv4_is_new_in_1_48() -> None:
    assert "EnableIPv4" not in networks().inspect("host", version=(1, 47))


def test_a_network_is_found_by_name_id_and_unique_start_of_its_id() -> None:
    assert networks().inspect("b" * 64, version=NOW)["Name"] == "bridge"
    assert networks().inspect("bbbb", version=NOW)["Name"] == "bridge"
    assert networks().id_of("none") == networks().inspect("none", version=NOW)["Id"]
    with pytest.raises(NotFound, match="network nowhere not found"):
        networks().inspect("nowhere", version=NOW)
    with pytest.raises(NotFound):
        networks().inspect("", version=NOW)
    with pytest.raises(NotFound):
        networks().inspect("bridge", scope="swarm", version=NOW)


def test_an_ambiguous_id_is_a_conflict() -> None:
    twin = FakeBridge()
    twin.id = networks().id_of("host")[:8] + "f" * 56
    with pytest.raises(Conflict, match="ambiguous"):
        networks(bridge=twin).inspect(twin.id[:8], version=NOW)


@pytest.mark.parametrize(
    ("filters", "wanted"),
    [
        ({"driver": ["null"]}, ["none"]),
        ({"name": ["o"]}, ["host", "none"]),
        ({"id": ["bb"]}, ["bridge"]),
        ({"scope": ["swarm"]}, []),
        ({"label": ["x"]}, []),
        ({"type": ["builtin"]}, ["bridge", "host", "none"]),
        ({"type": ["custom"]}, []),
        ({"dangling": ["true"]}, []),
        ({"dangling": ["false"]}, ["bridge", "host", "none"]),
        ({"driver": ["bridge", "host"], "name": ["host"]}, ["host"]),
    ],
)
def test_filters_narrow_the_list(filters: dict[str, list[str]], wanted: list[str]) -> None:
    assert names(filters, WEB) == wanted


@pytest.mark.parametrize("filters", [{"colour": ["red"]}, {"type": ["x"]}, {"dangling": ["maybe"]}])
def test_an_unknown_filter_is_refused(filters: dict[str, list[str]]) -> None:
    with pytest.raises(InvalidParameter, match="invalid filter"):
        names(filters)
