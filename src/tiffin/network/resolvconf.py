"""A container's resolv.conf, made from the host's and the user's wishes. Pure: text in, text out.

    nameserver ADDRESS      as many as there are
    search DOMAIN …         the last search or domain line counts (man 5 resolv.conf)
    options OPTION …        all of them
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address

# Docker's, when the host has only servers that a container cannot reach
FALLBACK_NAMESERVERS = ("8.8.8.8", "8.8.4.4")
SYSTEMD_STUB = "127.0.0.53"


@dataclass(frozen=True, slots=True)
class ResolvConf:
    """What a resolver reads there."""

    nameservers: tuple[str, ...] = ()
    search: tuple[str, ...] = ()
    options: tuple[str, ...] = ()

    def render(self) -> str:
        lines = [f"nameserver {address}" for address in self.nameservers]
        if self.search:
            lines.append("search " + " ".join(self.search))
        if self.options:
            lines.append("options " + " ".join(self.options))
        return "".join(f"{line}\n" for line in lines)


def parse(text: str) -> ResolvConf:
    """Read a resolv.conf; lines that a resolver ignores are ignored."""
    nameservers: list[str] = []
    search: tuple[str, ...] = ()
    options: list[str] = []
    for line in text.splitlines():
        words = line.split()
        if len(words) < 2 or words[0][0] in "#;":
            continue
        if words[0] == "nameserver":
            nameservers.append(words[1])
        elif words[0] in ("search", "domain"):
            search = tuple(words[1:])
        elif words[0] == "options":
            options += words[1:]
    return ResolvConf(tuple(nameservers), search, tuple(options))


def is_systemd_stub(host: ResolvConf) -> bool:
    """True when the host asks only its own systemd-resolved: the servers that one asks are in another file."""
    return host.nameservers == (SYSTEMD_STUB,)


def for_container(
    host: ResolvConf,
    *,
    dns: Sequence[str] = (),
    dns_search: Sequence[str] = (),
    dns_options: Sequence[str] = (),
    host_network: bool = False,
) -> ResolvConf:
    """The host's, overridden by what was asked for; outside the host's network without what only the host can reach."""
    if dns:
        nameservers = tuple(dns)
    elif host_network:
        nameservers = host.nameservers
    else:
        nameservers = tuple(filter(_reachable, host.nameservers)) or FALLBACK_NAMESERVERS
    search = tuple(dns_search) or host.search
    if search == (".",):  # the user's way to say: none
        search = ()
    return ResolvConf(nameservers, search, tuple(dns_options) or host.options)


def _reachable(nameserver: str) -> bool:
    """Not the host's loopback; nor IPv6, which an IPv4 network does not route."""
    try:
        address = ip_address(nameserver.partition("%")[0])
    except ValueError:
        return False
    return address.version == 4 and not address.is_loopback
