"""A container's place on the network: its endpoint, its files in /etc, and what events and inspect say of it.

Modes `host`, `none` and `container:<id>` have no endpoint. The default one is `bridge`, whatever its link is.
"""

from __future__ import annotations

import asyncio
import os
import time
from typing import Any

from tiffin.engine.containers.container import Container
from tiffin.engine.containers.ocispec import namespaces
from tiffin.engine.containers.ports import Bridge, Connect, EtcWriter
from tiffin.engine.containers.record import EndpointRecord
from tiffin.engine.containers.settings import Settings
from tiffin.engine.containers.table import ContainerTable
from tiffin.engine.events import Events
from tiffin.errors import Conflict, InvalidParameter, NotFound

DEFAULT = "bridge"


class Networks:
    def __init__(
        self,
        settings: Settings,
        table: ContainerTable,
        bridge: Bridge | None,
        write_etc: EtcWriter,
        events: Events,
        network_id: str = "",
    ) -> None:
        self._settings, self._table, self._bridge = settings, table, bridge
        self._write_etc, self._events, self.network_id = write_etc, events, network_id
        self._live: dict[str, Any] = {}

    def allocate(self, container: Container) -> None:
        """Gives the container its endpoint for the run that begins."""
        record = container.record
        mode = record.host_config.network_mode
        record.endpoints = []
        if mode in ("host", "none") or namespaces.joined(mode):
            return
        if mode not in (DEFAULT, "default") or self._bridge is None:
            raise NotFound(f"network {mode} not found")
        asked = record.networks.get(DEFAULT) or record.networks.get("default")
        mac = (asked.mac_address if asked else "") or record.config.mac_address
        ipam = asked.ipam_config if asked else None
        endpoint = self._bridge.allocate(mac=mac or None, address=(ipam.ipv4_address if ipam else "") or None)
        self._live[container.id] = endpoint
        record.endpoints = [
            EndpointRecord(
                network=DEFAULT,
                network_id=str(endpoint.network_id),
                endpoint_id=endpoint.endpoint_id,
                address=str(endpoint.address),
                prefix_len=endpoint.prefix_len,
                gateway=str(endpoint.gateway),
                mac=endpoint.mac,
                host_veth=endpoint.host_veth,
            )
        ]

    def adopt(self, container: Container, make: Any) -> None:
        """After a daemon restart: the running container's address is taken. `make` is network.Endpoint."""
        for endpoint in container.record.endpoints:
            live = make(
                network_id=endpoint.network_id,
                endpoint_id=endpoint.endpoint_id,
                address=endpoint.address,
                prefix_len=endpoint.prefix_len,
                gateway=endpoint.gateway,
                mac=endpoint.mac,
                host_veth=endpoint.host_veth,
            )
            self._live[container.id] = live
            if self._bridge is not None:
                self._bridge.reserve(live)

    def connector(self, container: Container) -> Connect | None:
        """What the supervisor calls with the new namespace's descriptors."""
        endpoint, bridge = self._live.get(container.id), self._bridge
        if endpoint is None or bridge is None:
            return None

        async def connect(netns_fd: int, rtnl_fd: int) -> None:
            loop = asyncio.get_running_loop()
            began = time.monotonic_ns()
            # In a thread: the kernel's RTNL lock may be held for milliseconds by somebody's veth being deleted.
            facts = await loop.run_in_executor(None, bridge.connect, endpoint, netns_fd, rtnl_fd)
            container.trace.add("connect to the bridge", "network", began, **facts)
            self._event(container, "connect")

        return connect

    def release(self, container: Container) -> None:
        endpoint = self._live.pop(container.id, None)
        if endpoint is not None and self._bridge is not None:
            self._bridge.release(endpoint)
            self._event(container, "disconnect")
        container.record.endpoints = []

    def _event(self, container: Container, action: str) -> None:
        attributes = {"container": container.id, "name": DEFAULT, "type": "bridge"}
        self._events.publish("network", action, self.network_id, attributes)

    def write_files(self, container: Container) -> None:
        """hosts, hostname and resolv.conf; those of the joined container for `container:<id>`."""
        record, settings = container.record, self._settings
        host, config = record.host_config, record.config
        directory = settings.container_dir(record.id)
        if other := namespaces.joined(host.network_mode):
            self._copy_files(settings.container_dir(self._other(other).id), directory)
            return
        self._write_etc(
            directory,
            hostname=config.hostname,
            domainname=config.domainname,
            hosts=[(endpoint.address, [config.hostname]) for endpoint in record.endpoints],
            dns=host.dns or settings.dns,
            dns_search=host.dns_search or settings.dns_search,
            dns_options=host.dns_options or settings.dns_options,
            extra_hosts=host.extra_hosts or (),
            host_network=host.network_mode == "host",
            host_gateway=str(self._bridge.gateway) if self._bridge is not None else "",
        )

    def _copy_files(self, source: str, target: str) -> None:
        for name in ("hosts", "hostname", "resolv.conf"):
            with open(f"{source}/{name}", "rb") as file:
                content = file.read()
            fd = os.open(f"{target}/{name}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
            with open(fd, "wb") as file:
                file.write(content)

    def pid_of(self, reference: str) -> int:
        """The process whose namespace is joined."""
        container = self._other(reference)
        if container.shim is None or not container.record.state.alive:
            raise Conflict(f"cannot join namespace of a non running container: {container.id}")
        return container.shim.pid

    def _other(self, reference: str) -> Container:
        try:
            return self._table.get(reference)
        except NotFound as missing:
            raise InvalidParameter(f"joining namespace of container: {missing.message}") from None
