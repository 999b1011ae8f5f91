"""hosts, hostname and resolv.conf in a directory."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tiffin.errors import InvalidParameter
from tiffin.network import etcfiles
from tiffin.network.etcfiles import LOOPBACK_HOSTS, parse_extra_host, write_etc_files


@pytest.fixture(autouse=True)
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "host").mkdir()
    (tmp_path / "host/hosts").write_text("127.0.0.1 localhost thishost\n")
    (tmp_path / "host/resolv.conf").write_text("nameserver 127.0.0.53\n")
    (tmp_path / "host/stub").write_text("nameserver 192.0.2.53\n")
    monkeypatch.setattr(etcfiles, "HOST_HOSTS", str(tmp_path / "host/hosts"))
    monkeypatch.setattr(etcfiles, "HOST_RESOLV_CONF", str(tmp_path / "host/resolv.conf"))
    monkeypatch.setattr(etcfiles, "SYSTEMD_RESOLV_CONF", str(tmp_path / "host/stub"))
    return tmp_path / "host"


def test_a_bridged_container_knows_itself(tmp_path: Path) -> None:
    write_etc_files(
        str(tmp_path), hostname="web", hosts=[("172.17.0.2", ["web"])], extra_hosts=["db:10.0.0.5", "six:[fd00::1]"]
    )
    hosts = (tmp_path / "hosts").read_text()
    assert hosts == LOOPBACK_HOSTS + "10.0.0.5\tdb\nfd00::1\tsix\n172.17.0.2\tweb\n"
    assert (tmp_path / "hostname").read_text() == "web\n"
    assert (tmp_path / "resolv.conf").read_text() == "nameserver 192.0.2.53\n"


def test_the_full_name_comes_first(tmp_path: Path) -> None:
    write_etc_files(str(tmp_path), hostname="web", domainname="a.test", hosts=[("172.17.0.2", ["web"])])
    assert (tmp_path / "hosts").read_text().endswith("172.17.0.2\tweb.a.test web\n")
    assert (tmp_path / "hostname").read_text() == "web\n"


def test_without_a_network_there_is_only_the_loopback(tmp_path: Path) -> None:
    write_etc_files(str(tmp_path), hostname="web")
    assert (tmp_path / "hosts").read_text() == LOOPBACK_HOSTS


def test_in_the_hosts_network_the_hosts_files_are_copied(tmp_path: Path) -> None:
    write_etc_files(str(tmp_path), hostname="thishost", host_network=True)
    assert (tmp_path / "hosts").read_text() == "127.0.0.1 localhost thishost\n"
    assert (tmp_path / "resolv.conf").read_text() == "nameserver 127.0.0.53\n"


def test_writing_again_keeps_the_inodes_and_shortens(tmp_path: Path) -> None:
    write_etc_files(str(tmp_path), hostname="a-rather-long-name", hosts=[("172.17.0.2", ["a-rather-long-name"])])
    before = {name: os.stat(tmp_path / name).st_ino for name in ("hosts", "hostname", "resolv.conf")}
    write_etc_files(str(tmp_path), hostname="w")
    assert (tmp_path / "hostname").read_text() == "w\n"
    assert {name: os.stat(tmp_path / name).st_ino for name in before} == before


def test_a_host_without_the_files_is_no_error(tmp_path: Path, host: Path) -> None:
    for name in ("hosts", "resolv.conf", "stub"):
        (host / name).unlink()
    write_etc_files(str(tmp_path), hostname="web", host_network=True)
    assert (tmp_path / "hosts").read_text() == LOOPBACK_HOSTS
    assert (tmp_path / "resolv.conf").read_text() == ""


@pytest.mark.parametrize(
    ("entry", "row"),
    [
        ("db:10.0.0.5", ("10.0.0.5", ["db"])),
        ("db=10.0.0.5", ("10.0.0.5", ["db"])),
        ("six:fd00::1", ("fd00::1", ["six"])),
        ("six=[fd00::1]", ("fd00::1", ["six"])),
        ("host.docker.internal:host-gateway", ("172.17.0.1", ["host.docker.internal"])),
    ],
)
def test_an_extra_host_is_a_name_and_an_address(entry: str, row: tuple[str, list[str]]) -> None:
    assert parse_extra_host(entry, "172.17.0.1") == row


@pytest.mark.parametrize("entry", ["db", "db:", ":10.0.0.5", "db:not-an-address", "db:10.0.0.5\n6.6.6.6 bank", ""])
def test_a_malformed_extra_host_is_refused(entry: str) -> None:
    with pytest.raises(InvalidParameter, match="add-host"):
        parse_extra_host(entry)


def test_host_gateway_needs_a_gateway() -> None:
    with pytest.raises(InvalidParameter, match="host-gateway"):
        parse_extra_host("up:host-gateway")


def test_a_line_break_in_a_name_cannot_add_a_row() -> None:
    with pytest.raises(InvalidParameter, match="add-host"):
        parse_extra_host("a\n6.6.6.6 bank:10.0.0.5")
