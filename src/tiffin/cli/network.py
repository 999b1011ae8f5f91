"""tiffin network: ls, create, rm, connect, disconnect."""

from __future__ import annotations

from tiffin.cli import filters, human
from tiffin.cli.command import Command, Context
from tiffin.cli.container.lifecycle import each
from tiffin.cli.create.files import mapping
from tiffin.cli.exit import complain
from tiffin.cli.flags import Flag, Options
from tiffin.cli.listing import Row, show
from tiffin.errors import InvalidParameter, TiffinError
from tiffin.wire.http1 import percent_encode

TITLES = {
    "ID": "NETWORK ID",
    "Name": "NAME",
    "Driver": "DRIVER",
    "Scope": "SCOPE",
    "IPv4": "IPV4",
    "IPv6": "IPV6",
    "Internal": "INTERNAL",
    "Labels": "LABELS",
    "CreatedAt": "CREATED AT",
}


def _labels(row: Row) -> str:
    return ",".join(f"{key}={value}" for key, value in (row.data.get("Labels") or {}).items())


def _created_at(row: Row) -> str:
    """The API's moment as Go prints it."""
    date, _, clock = (row.data.get("Created") or "").partition("T")
    return f"{date} {clock[:-1]} +0000 UTC" if clock.endswith("Z") else f"{date} {clock}".strip()


FIELDS = {
    "ID": lambda row: human.short_id(row.data["Id"]) if row.trunc else row.data["Id"],
    "Name": lambda row: row.data.get("Name") or "",
    "Driver": lambda row: row.data.get("Driver") or "",
    "Scope": lambda row: row.data.get("Scope") or "",
    "IPv4": lambda row: str(bool(row.data.get("EnableIPv4"))).lower(),
    "IPv6": lambda row: str(bool(row.data.get("EnableIPv6"))).lower(),
    "Internal": lambda row: str(bool(row.data.get("Internal"))).lower(),
    "Labels": _labels,
    "Label": lambda row: lambda name: (row.data.get("Labels") or {}).get(name, ""),
    "CreatedAt": _created_at,
}


def _ls(context: Context, options: Options, arguments: list[str]) -> int:
    encoded = filters.encode(options["filter"])
    networks = context.client.get("/networks", [("filters", encoded)] if encoded else []) or []
    networks.sort(key=lambda network: network.get("Name") or "")
    rows = [Row(network, FIELDS, not options["no-trunc"], "networkContext") for network in networks]
    if options["quiet"] and options["format"] in ("", "table"):
        for row in rows:
            print(row.template_field("ID"))
        return 0
    show(rows, ("ID", "Name", "Driver", "Scope"), TITLES, options["format"])
    return 0


def _create(context: Context, options: Options, arguments: list[str]) -> int:
    pools = []
    gateways, ranges = options["gateway"], options["ip-range"]
    if (gateways or ranges) and not options["subnet"]:
        raise InvalidParameter("every ip-range or gateway must have a corresponding subnet")
    if len(gateways) > len(options["subnet"]) or len(ranges) > len(options["subnet"]):
        raise InvalidParameter("every ip-range or gateway must have a corresponding subnet")
    for index, subnet in enumerate(options["subnet"]):
        pool = {"Subnet": subnet}
        if index < len(gateways):
            pool["Gateway"] = gateways[index]
        if index < len(ranges):
            pool["IPRange"] = ranges[index]
        pools.append(pool)
    document = {
        "Name": arguments[0],
        "Driver": options["driver"],
        "Scope": options["scope"],
        "IPAM": {"Driver": options["ipam-driver"], "Options": dict(options["ipam-opt"]), "Config": pools},
        "Internal": options["internal"],
        "Attachable": options["attachable"],
        "Ingress": False,
        "ConfigOnly": False,
        "ConfigFrom": None,
        "Options": dict(options["opt"]),
        "Labels": mapping(options["label"]),
    }
    for flag, field in (("ipv4", "EnableIPv4"), ("ipv6", "EnableIPv6")):
        if options.changed(flag):
            document[field] = options[flag]
    reply = context.client.post("/networks/create", (), document)
    if reply.get("Warning"):
        complain(f"WARNING: {reply['Warning']}")
    print(reply["Id"])
    return 0


def _rm(context: Context, options: Options, names: list[str]) -> int:
    def act(name: str) -> str | None:
        try:
            context.client.delete(f"/networks/{percent_encode(name)}")
            return name
        except TiffinError as error:
            if not (options["force"] and getattr(error, "status", 0) == 404):
                raise
            return None

    return each(names, act)


def _connect(context: Context, options: Options, arguments: list[str]) -> int:
    network, container = arguments
    ipam = {
        key: options[flag]
        for flag, key in (("ip", "IPv4Address"), ("ip6", "IPv6Address"), ("link-local-ip", "LinkLocalIPs"))
        if options[flag]
    }
    endpoint = {
        "IPAMConfig": ipam or None,
        "Links": options["link"] or None,
        "Aliases": options["alias"] or None,
        "DriverOpts": dict(options["driver-opt"]) or None,
        "GwPriority": options["gw-priority"],
    }
    document = {"Container": container, "EndpointConfig": endpoint}
    context.client.post(f"/networks/{percent_encode(network)}/connect", (), document)
    return 0


def _disconnect(context: Context, options: Options, arguments: list[str]) -> int:
    network, container = arguments
    document = {"Container": container, "Force": options["force"]}
    context.client.post(f"/networks/{percent_encode(network)}/disconnect", (), document)
    return 0


def _pair(word: str) -> tuple[str, str]:
    key, _, value = word.partition("=")
    return key, value


LS = Command(
    _ls,
    "List networks",
    flags=(
        Flag("filter", "f", "filter", "Show only what fits (driver=bridge)", parse=filters.parse),
        Flag("format", "", "string", 'How to print: "table", "table TEMPLATE", "json" or a Go template'),
        Flag("no-trunc", "", "bool", "Show ids in full"),
        Flag("quiet", "q", "bool", "Show ids only"),
    ),
    most=0,
    aliases=("network ls", "network list"),
)
CREATE = Command(
    _create,
    "Create a network",
    "NETWORK",
    (
        Flag("attachable", "", "bool", "Let containers attach by hand"),
        Flag("driver", "d", "string", "The network's driver", "bridge"),
        Flag("gateway", "", "strings", "Gateway of a subnet"),
        Flag("internal", "", "bool", "No way out of this network"),
        Flag("ip-range", "", "strings", "Give addresses of this part of a subnet only"),
        Flag("ipam-driver", "", "string", "Driver of the addresses", "default"),
        Flag("ipam-opt", "", "map", "Options of the addresses' driver", parse=_pair),
        Flag("ipv4", "", "bool", "Assign IPv4 addresses", True),
        Flag("ipv6", "", "bool", "Assign IPv6 addresses"),
        Flag("label", "", "list", "Set labels"),
        Flag("opt", "o", "map", "Options of the driver", parse=_pair),
        Flag("scope", "", "string", "The network's scope"),
        Flag("subnet", "", "strings", "A subnet in CIDR form"),
    ),
    least=1,
    most=1,
)
RM = Command(
    _rm,
    "Remove networks",
    "NETWORK [NETWORK...]",
    (Flag("force", "f", "bool", "Be content with what is gone already"),),
    least=1,
    aliases=("network rm", "network remove"),
)
CONNECT = Command(
    _connect,
    "Connect a container to a network",
    "NETWORK CONTAINER",
    (
        Flag("alias", "", "strings", "Further names on the network"),
        Flag("driver-opt", "", "map", "Options of the driver", parse=_pair),
        Flag("gw-priority", "", "int", "The highest gives the default gateway"),
        Flag("ip", "", "string", "IPv4 address"),
        Flag("ip6", "", "string", "IPv6 address"),
        Flag("link", "", "list", "Link to another container"),
        Flag("link-local-ip", "", "strings", "Link-local addresses"),
    ),
    least=2,
    most=2,
)
DISCONNECT = Command(
    _disconnect,
    "Disconnect a container from a network",
    "NETWORK CONTAINER",
    (Flag("force", "f", "bool", "Even if the container is gone"),),
    least=2,
    most=2,
)
