"""One container's place on a network, as data. What the kernel makes of it is in plug.py."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from ipaddress import IPv4Address

# `veth` is what NetworkManager, dhcpcd and udev rules leave alone; the rest tells ours from others' on the same bridge
HOST_VETH_PREFIX = "vethtf"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Addresses are text, as the API shows them; `host_veth` is at most 15 bytes."""

    network_id: str
    endpoint_id: str
    address: str
    prefix_len: int
    gateway: str
    mac: str
    host_veth: str

    def to_json(self) -> dict[str, str | int]:
        """For the container's record."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: dict[str, object]) -> Endpoint:
        return cls(**{name: document[name] for name in cls.__slots__})  # type: ignore[arg-type]

    @property
    def packed_address(self) -> bytes:
        return IPv4Address(self.address).packed

    @property
    def packed_gateway(self) -> bytes:
        return IPv4Address(self.gateway).packed if self.gateway else b""


def new_endpoint_id() -> str:
    """64 hex digits, as Docker's."""
    return os.urandom(32).hex()


def host_veth_name(endpoint_id: str) -> str:
    return HOST_VETH_PREFIX + endpoint_id[:8]
