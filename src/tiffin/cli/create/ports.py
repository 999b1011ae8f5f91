"""--publish and --expose to ExposedPorts and PortBindings.

[[address:][host port or range]:]container port or range[/protocol]      or  published=,target=,protocol=,mode=
"""

from __future__ import annotations

from tiffin.cli.create.values import is_address
from tiffin.errors import InvalidParameter

PROTOCOLS = ("tcp", "udp", "sctp")
Exposed = dict[str, dict[str, str]]
Bindings = dict[str, list[dict[str, str]]]


def parse(publish: list[str], expose: list[str]) -> tuple[Exposed, Bindings]:
    """Both maps; InvalidParameter names the word that is wrong."""
    exposed: Exposed = {}
    bindings: Bindings = {}
    for word in publish:
        _publish(_short_form(word) if "=" in word else word, exposed, bindings)
    for word in expose:
        if ":" in word:
            raise InvalidParameter(f"invalid port format for --expose: {word}")
        ports, protocol = _protocol(word)
        try:
            first, last = _range(ports)
        except ValueError as error:
            raise InvalidParameter(f"invalid range format for --expose: {word}, error: {error}") from None
        for port in range(first, last + 1):
            exposed.setdefault(f"{port}/{protocol}", {})
    return exposed, bindings


def _short_form(word: str) -> str:
    """The long syntax of --publish, rewritten."""
    fields = {"protocol": "tcp", "target": "", "published": ""}
    for part in word.split(","):
        name, _, value = part.partition("=")
        fields[name.lower()] = value.lower()  # mode and what else there is means nothing on one machine
    return f"{fields['published']}:{fields['target']}/{fields['protocol']}"


def _protocol(word: str) -> tuple[str, str]:
    ports, slash, protocol = word.partition("/")
    return ports, protocol.lower() if slash and protocol else "tcp"


def _range(text: str) -> tuple[int, int]:
    first, dash, last = text.partition("-")
    if not first:
        raise ValueError("empty string specified for ports")
    numbers = []
    for part in (first, last) if dash else (first, first):
        if not part.isdigit():
            raise ValueError(f'strconv.ParseUint: parsing "{part}": invalid syntax')
        if int(part) > 65535:
            raise ValueError(f'strconv.ParseUint: parsing "{part}": value out of range')
        numbers.append(int(part))
    if numbers[1] < numbers[0]:
        raise ValueError(f"invalid range specified for port: {text}")
    return numbers[0], numbers[1]


def _split(word: str) -> tuple[str, str, str]:
    """Address, host port, container port."""
    parts = word.split(":")
    if len(parts) == 1:
        return "", "", parts[0]
    if len(parts) == 2:
        return "", parts[0], parts[1]
    return ":".join(parts[:-2]), parts[-2], parts[-1]


def _publish(word: str, exposed: Exposed, bindings: Bindings) -> None:
    address, host, rest = _split(word)
    container, protocol = _protocol(rest)
    if address.startswith("[") and address.endswith("]"):
        address = address[1:-1]
    if address and not is_address(address):
        raise InvalidParameter(f"invalid IP address: {address}")
    if not container:
        raise InvalidParameter(f"no port specified: {word}<empty>")
    if protocol not in PROTOCOLS:
        raise InvalidParameter(f"invalid proto: {protocol}")
    try:
        first, last = _range(container)
    except ValueError:
        raise InvalidParameter(f"invalid containerPort: {container}") from None
    host_first = host_last = 0
    if host:
        try:
            host_first, host_last = _range(host)
        except ValueError:
            raise InvalidParameter(f"invalid hostPort: {host}") from None
    if host and host_last - host_first != last - first and first != last:
        raise InvalidParameter(f"invalid ranges specified for container and host Ports: {container} and {host}")
    for offset in range(last - first + 1):
        host_port = str(host_first + offset) if host else ""
        if host and first == last and host_first != host_last:  # the daemon picks one of the range
            host_port = f"{host_first}-{host_last}"
        key = f"{first + offset}/{protocol}"
        exposed.setdefault(key, {})
        bindings.setdefault(key, []).append({"HostIp": address, "HostPort": host_port})
