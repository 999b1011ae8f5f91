"""What the containers' engine needs of the rooms below it, as Protocols; the composition root passes the real ones.

Descriptors are *borrowed* through these ports: `Supervisor.start`, `Shim.attach` and `Shim.exec` send duplicates to
the shim before they return or raise, and the caller closes its own. No port blocks the event loop, except
`Bridge.connect` and `Bridge.allocate`, which are called in a thread or are a matter of microseconds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Any, NamedTuple, Protocol


class Attachment(NamedTuple):
    """A hijacked connection: its descriptor, bytes already read from it, and which streams it carries."""

    fd: int
    tail: bytes = b""
    stdin: bool = False
    stdout: bool = False
    stderr: bool = False
    detach_keys: bytes = b""
    multiplexed: bool = True


class Exit(Protocol):
    """How a container's first process ended; code is 128+n for signal n."""

    @property
    def code(self) -> int: ...
    @property
    def oom_killed(self) -> bool: ...
    @property
    def finished_at_ns(self) -> int: ...
    @property
    def error(self) -> str: ...


class ExecHandle(Protocol):
    @property
    def pid(self) -> int: ...
    @property
    def exited(self) -> asyncio.Future[int]: ...


class Shim(Protocol):
    """One running container. `on_event` is called with each of the shim's events as it comes."""

    on_event: Callable[[dict[str, Any]], None]

    @property
    def id(self) -> str: ...
    @property
    def pid(self) -> int: ...
    @property
    def started_at_ns(self) -> int: ...
    @property
    def trace(self) -> list[dict[str, Any]]: ...
    @property
    def exited(self) -> asyncio.Future[Any]: ...

    async def attach(
        self,
        fd: int,
        tail: bytes,
        *,
        stdin: bool,
        stdout: bool,
        stderr: bool,
        detach_keys: bytes,
        multiplexed: bool,
    ) -> Awaitable[Any]:
        """Returns once the shim has the stream; what it returns resolves when the client is detached."""

    async def exec(self, exec_id: str, request: dict[str, Any], attachment: Attachment | None) -> ExecHandle:
        """`request`: process (OCI), user, group_add, open_stdin, console_size, seccomp_path. Raises as start does."""
    async def resize(self, exec_id: str | None, rows: int, cols: int) -> None: ...
    async def signal(self, sig: int, all: bool = False) -> None: ...
    async def freeze(self) -> None: ...
    async def thaw(self) -> None: ...
    async def update(self, resources: dict[str, Any]) -> None: ...


Connect = Callable[[int, int], Awaitable[None]]
"""Called by the supervisor between namespace and program: (netns descriptor, rtnetlink descriptor), both borrowed."""


class Supervisor(Protocol):
    async def start(
        self, request: dict[str, Any], *, connect: Connect | None, attachments: Sequence[Attachment]
    ) -> Shim:
        """Raises an error with `message` and `exit_code` (125, 126, 127) when the program did not start."""

    async def adopt(self, id: str) -> Shim | None:
        """The shim that outlived an earlier daemon, or None."""

    async def settle(self, id: str) -> None:
        """Waits until a container that has ended holds no mount and no cgroup."""

    def ran(self, id: str) -> bool:
        """Whether a program was started of which no end has been taken note of."""

    def lost(self, id: str) -> str:
        """Ends what a dead shim left; "shim died" in this boot, "" when the machine was booted since."""

    def sweep(self) -> None:
        """Ends and removes what is there of containers that were neither adopted nor started."""

    def clean(self, id: str) -> None:
        """Removes the run directory of a container that has ended."""


class Records(Protocol):
    """`store.records.ContainerRecords`."""

    def load_all(self) -> list[dict[str, Any]]: ...
    async def save(self, id: str, name: str, doc: dict[str, Any]) -> None: ...
    async def delete(self, id: str) -> None: ...


class ImageView(Protocol):
    @property
    def id(self) -> str: ...
    @property
    def config(self) -> dict[str, Any]:
        """The whole image configuration document (`{"config": {"Env": …}, "rootfs": …}`)."""

    @property
    def lowerdirs(self) -> Sequence[str]: ...
    @property
    def chain_id(self) -> str: ...


class Images(Protocol):
    def resolve_for_create(self, reference: str) -> Any:
        """An ImageView, or an awaitable of one; NotFound in Docker's words."""


class Endpoint(Protocol):
    """`address`, `gateway`, `mac`: anything whose `str` is the usual form."""

    @property
    def address(self) -> Any: ...
    @property
    def prefix_len(self) -> int: ...
    @property
    def gateway(self) -> Any: ...
    @property
    def mac(self) -> str: ...
    @property
    def network_id(self) -> str: ...
    @property
    def endpoint_id(self) -> str: ...
    @property
    def host_veth(self) -> str: ...


class Bridge(Protocol):
    """The default network; `network.BridgeNetwork`."""

    @property
    def gateway(self) -> Any: ...

    def allocate(self, *, mac: str | None = None, address: str | None = None) -> Any: ...
    def reserve(self, endpoint: Any) -> None: ...
    def connect(self, endpoint: Any, netns_fd: int, rtnl_fd: int) -> dict[str, Any]: ...
    def release(self, endpoint: Any) -> None: ...


class EtcWriter(Protocol):
    """`network.write_etc_files`: hosts, hostname and resolv.conf in a container's directory."""

    def __call__(
        self,
        dir: str,
        *,
        hostname: str,
        domainname: str,
        hosts: Sequence[tuple[str, Sequence[str]]],
        dns: Sequence[str],
        dns_search: Sequence[str],
        dns_options: Sequence[str],
        extra_hosts: Sequence[str],
        host_network: bool,
        host_gateway: str,
    ) -> None: ...


class SeccompResolver(Protocol):
    """`runtime.seccomp.resolve`: a profile in Docker's form becomes an OCI `linux.seccomp`."""

    def __call__(self, profile: dict[str, Any] | None, caps: Collection[str], arch: str) -> dict[str, Any]: ...


class FilterPath(Protocol):
    """`runtime.seccomp.FilterCache.path_for`: a compiled filter's file for an OCI `linux.seccomp`."""

    def __call__(self, oci_seccomp: dict[str, Any]) -> str: ...
