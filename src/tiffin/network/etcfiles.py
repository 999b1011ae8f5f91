"""/etc/hosts, /etc/hostname and /etc/resolv.conf of a container, as files that are bind-mounted over the image's.

    <dir>/hosts         names of the loopback, extra hosts, then the container's own address and names
    <dir>/hostname      one line
    <dir>/resolv.conf   the host's without what only the host can reach (resolvconf.py)

A container that joins another's network (`container:<id>`) uses that one's three files: nothing is written for it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from ipaddress import ip_address

from tiffin.errors import InvalidParameter
from tiffin.network import resolvconf

HOST_HOSTS = "/etc/hosts"
HOST_RESOLV_CONF = "/etc/resolv.conf"
SYSTEMD_RESOLV_CONF = "/run/systemd/resolve/resolv.conf"
HOST_GATEWAY = "host-gateway"

LOOPBACK_HOSTS = """\
127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::\tip6-localnet
ff00::\tip6-mcastprefix
ff02::1\tip6-allnodes
ff02::2\tip6-allrouters
"""


def write_etc_files(
    dir: str,
    *,
    hostname: str,
    domainname: str = "",
    hosts: Sequence[tuple[str, Sequence[str]]] = (),
    dns: Sequence[str] = (),
    dns_search: Sequence[str] = (),
    dns_options: Sequence[str] = (),
    extra_hosts: Sequence[str] = (),
    host_network: bool = False,
    host_gateway: str = "",
) -> None:
    """Write the three into `dir`, over what was there (the files stay the same inodes: they may be mounted).

    `hosts` are the container's own addresses with their names (the full name is added where there is a domain);
    `extra_hosts` is Docker's `name:address`, where the address may be `host-gateway`.
    """
    extra = [parse_extra_host(entry, host_gateway) for entry in extra_hosts]
    own = [(address, _with_domain(names, hostname, domainname)) for address, names in hosts]
    if host_network and not extra:
        hosts_text = _read(HOST_HOSTS) or LOOPBACK_HOSTS
    else:
        rows = [*extra, *own]
        hosts_text = LOOPBACK_HOSTS + "".join(f"{address}\t{' '.join(names)}\n" for address, names in rows)
    resolv = resolvconf.for_container(
        _host_resolv_conf(host_network),
        dns=dns,
        dns_search=dns_search,
        dns_options=dns_options,
        host_network=host_network,
    )
    for name, text in (("hosts", hosts_text), ("hostname", hostname + "\n"), ("resolv.conf", resolv.render())):
        _write(os.path.join(dir, name), text)


def parse_extra_host(entry: str, host_gateway: str = "") -> tuple[str, list[str]]:
    """`name:address` (or `name=address`; brackets around an IPv6 address) as a row of /etc/hosts."""
    separator = "=" if "=" in entry.partition(":")[0] else ":"
    name, _, address = entry.partition(separator)
    if not name or not address or len(name.split()) != 1:
        raise InvalidParameter(f'bad format for add-host: "{entry}"')
    if address == HOST_GATEWAY:
        if not host_gateway:
            raise InvalidParameter(f'unable to derive the IP value for host-gateway in add-host: "{entry}"')
        return host_gateway, [name]
    if address.startswith("[") and address.endswith("]"):
        address = address[1:-1]
    try:
        return str(ip_address(address)), [name]
    except ValueError:
        raise InvalidParameter(f'invalid IP address in add-host: "{address}"') from None


def _with_domain(names: Sequence[str], hostname: str, domainname: str) -> list[str]:
    """The full name stands first, as `hostname -f` wants it."""
    full = f"{hostname}.{domainname}"
    if domainname and hostname in names and full not in names:
        return [full, *names]
    return list(names)


def _host_resolv_conf(host_network: bool) -> resolvconf.ResolvConf:
    host = resolvconf.parse(_read(HOST_RESOLV_CONF))
    if not host_network and resolvconf.is_systemd_stub(host):
        behind = _read(SYSTEMD_RESOLV_CONF)
        return resolvconf.parse(behind) if behind else host
    return host


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except OSError:
        return ""


def _write(path: str, text: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
    try:
        os.write(fd, text.encode("utf-8", "surrogateescape"))
    finally:
        os.close(fd)
