"""The flags of `run` and `create`: one table. Windows-only ones are accepted and passed on, as Docker does."""

from __future__ import annotations

from tiffin.cli.create import files, gpus, mounts, networks, values
from tiffin.cli.flags import Flag


def _list(name: str, text: str, parse: object = None, short: str = "") -> Flag:
    return Flag(name, short, "list", text, parse=parse)  # type: ignore[arg-type]


def _bytes(name: str, text: str, short: str = "") -> Flag:
    return Flag(name, short, "bytes", text, parse=values.size)


def _duration(name: str, text: str) -> Flag:
    return Flag(name, "", "duration", text, parse=values.duration)


IDENTITY = (
    Flag("name", "", "string", "Name the container"),
    Flag("hostname", "h", "string", "Host name inside"),
    Flag("domainname", "", "string", "NIS domain name inside"),
    Flag("user", "u", "string", "User to run as (name|uid[:group|gid])"),
    _list("group-add", "Supplementary groups to join"),
    Flag("workdir", "w", "string", "Working directory inside"),
    Flag("entrypoint", "", "string", "Replace the image's entrypoint"),
    _list("env", "Set environment variables", files.environment_word, "e"),
    _list("env-file", "Read environment variables from a file"),
    _list("label", "Set labels", files.label_word, "l"),
    _list("label-file", "Read labels from a file, one a line"),
    Flag("annotation", "", "map", "Annotations for the OCI runtime", parse=values.key_value),
    Flag("cidfile", "", "string", "Write the container's id to this file"),
    Flag("platform", "", "string", "Take this variant of the image (os/arch[/variant])"),
    Flag("pull", "", "string", 'When to pull the image: "always", "missing" or "never"', "missing"),
    Flag("quiet", "q", "bool", "Do not show a pull's progress"),
    Flag("disable-content-trust", "", "bool", "Accepted for compatibility", True),
)
STREAMS = (
    _list("attach", "Attach to stdin, stdout or stderr", values.stream, "a"),
    Flag("interactive", "i", "bool", "Keep stdin open, also when nobody is attached"),
    Flag("tty", "t", "bool", "Give the program a pseudo-terminal"),
)
LIFE = (
    Flag("init", "", "bool", "Run an init inside that passes signals on and reaps processes"),
    Flag(
        "restart", "", "string", "What to do when the container exits: no, on-failure[:n], always, unless-stopped", "no"
    ),
    Flag("rm", "", "bool", "Remove the container, and its anonymous volumes, when it exits"),
    Flag("stop-signal", "", "string", "The signal that asks the container to stop"),
    Flag("stop-timeout", "", "int", "Seconds to wait before killing on stop"),
    Flag("health-cmd", "", "string", "Command that checks the container's health"),
    _duration("health-interval", "Time between two checks (ms|s|m|h)"),
    Flag("health-retries", "", "int", "Failures in a row that mean unhealthy"),
    _duration("health-start-interval", "Time between two checks while starting (ms|s|m|h)"),
    _duration("health-start-period", "Time to start in which failures do not count (ms|s|m|h)"),
    _duration("health-timeout", "How long one check may take (ms|s|m|h)"),
    Flag("no-healthcheck", "", "bool", "Run no health check, not even the image's"),
    Flag("log-driver", "", "string", "Logging driver"),
    _list("log-opt", "Options of the logging driver"),
    Flag("runtime", "", "string", "OCI runtime to use"),
    Flag("isolation", "", "string", "Isolation technology"),
)
RESOURCES = (
    Flag("cpus", "", "decimal", "How many processors' time to give at most", parse=values.cpus),
    Flag("cpu-shares", "c", "int", "Weight beside other containers"),
    Flag("cpu-period", "", "int", "Scheduler period, in microseconds"),
    Flag("cpu-quota", "", "int", "Processor time per period, in microseconds"),
    Flag("cpu-rt-period", "", "int", "Real-time period, in microseconds"),
    Flag("cpu-rt-runtime", "", "int", "Real-time processor time per period, in microseconds"),
    Flag("cpuset-cpus", "", "string", "Processors to run on (0-3, 0,1)"),
    Flag("cpuset-mems", "", "string", "Memory nodes to use (0-3, 0,1)"),
    Flag("cpu-count", "", "int", "Number of processors (Windows only)"),
    Flag("cpu-percent", "", "int", "Per cent of the processors (Windows only)"),
    _bytes("memory", "Memory limit", "m"),
    _bytes("memory-reservation", "Memory that is given up last"),
    Flag("memory-swap", "", "bytes", "Memory and swap together; -1 for no limit", parse=values.swap_size),
    Flag("memory-swappiness", "", "int", "How eagerly to swap (0 to 100)", -1),
    Flag("kernel-memory", "", "bytes", "No longer supported by kernels, ignored", parse=values.size, hidden=True),
    Flag("oom-kill-disable", "", "bool", "Let the program wait instead of killing it when memory is short"),
    Flag("oom-score-adj", "", "int", "How likely to be killed when memory is short (-1000 to 1000)"),
    Flag("pids-limit", "", "int", "How many processes and threads at most (-1: no limit)"),
    Flag("blkio-weight", "", "uint16", "Disk weight (10 to 1000; 0: none)"),
    _list("blkio-weight-device", "Disk weight of a device", values.weight_device),
    _list("device-read-bps", "Bytes per second to read from a device", values.throttle_bytes),
    _list("device-read-iops", "Reads per second from a device", values.throttle_iops),
    _list("device-write-bps", "Bytes per second to write to a device", values.throttle_bytes),
    _list("device-write-iops", "Writes per second to a device", values.throttle_iops),
    _bytes("io-maxbandwidth", "Bandwidth of the system drive (Windows only)"),
    Flag("io-maxiops", "", "uint", "Operations per second of the system drive (Windows only)"),
    _bytes("shm-size", "Size of /dev/shm"),
    Flag("ulimit", "", "ulimit", "Process limits (name=soft[:hard])", parse=values.ulimit),
)
ISOLATION = (
    _list("cap-add", "Capabilities to add"),
    _list("cap-drop", "Capabilities to drop"),
    Flag("privileged", "", "bool", "Give every capability and device"),
    _list("security-opt", "seccomp=file|unconfined, apparmor=name, no-new-privileges, systempaths=unconfined"),
    Flag("read-only", "", "bool", "Mount the root file system read-only"),
    Flag("cgroup-parent", "", "string", "Parent of the container's cgroup"),
    Flag("cgroupns", "", "string", "Cgroup namespace: host or private"),
    Flag("ipc", "", "string", "IPC namespace: none, private, shareable, host or container:name"),
    Flag("pid", "", "string", "PID namespace: host or container:name"),
    Flag("userns", "", "string", "User namespace: host"),
    Flag("uts", "", "string", "UTS namespace: host"),
    Flag("sysctl", "", "map", "Kernel parameters of the container's namespaces", parse=values.sysctl),
    _list("device", "Host devices to add (path[:path[:rwm]])"),
    _list("device-cgroup-rule", "Rules for the allowed devices (c 1:3 rwm)", values.cgroup_rule),
    Flag("gpus", "", "gpu-request", "GPUs to add ('all' for all)", parse=gpus.request),
)
FILES = (
    _list("volume", "Mount a volume or a directory (source:target[:options])", short="v"),
    Flag("volume-driver", "", "string", "Driver of the volumes"),
    _list("volumes-from", "Mount the volumes of other containers"),
    Flag("mount", "", "mount", "Mount something (type=…,src=…,dst=…)", parse=mounts.mount),
    _list("tmpfs", "Mount a tmpfs (path[:options])"),
    _list("storage-opt", "Options of the storage driver"),
)
NETWORK = (
    Flag(
        "network",
        "",
        "network",
        "Connect to a network: bridge, host, none, container:name or a name",
        parse=networks.parse,
    ),
    Flag("net", "", "network", "The same as --network", parse=networks.parse, hidden=True),
    _list("network-alias", "Further names on the network"),
    Flag("net-alias", "", "list", "The same as --network-alias", hidden=True),
    Flag("ip", "", "string", "IPv4 address"),
    Flag("ip6", "", "string", "IPv6 address"),
    _list("link-local-ip", "Link-local addresses", values.address),
    Flag("mac-address", "", "string", "MAC address"),
    _list("link", "Link to another container (name:alias)"),
    _list("publish", "Publish a port ([[address:]host port:]port[/protocol])", short="p"),
    Flag("publish-all", "P", "bool", "Publish every exposed port on a random one"),
    _list("expose", "Expose a port or a range"),
    _list("add-host", "Add a line to /etc/hosts (name:address)", values.extra_host),
    _list("dns", "Name servers", values.address),
    _list("dns-option", "Options for resolv.conf"),
    Flag("dns-opt", "", "list", "The same as --dns-option", hidden=True),
    _list("dns-search", "Domains to search", values.dns_search),
)

CREATE = tuple(
    sorted((*IDENTITY, *STREAMS, *LIFE, *RESOURCES, *ISOLATION, *FILES, *NETWORK), key=lambda flag: flag.name)
)
RUN_ONLY = (
    Flag("detach", "d", "bool", "Run in the background and print the id"),
    Flag("detach-keys", "", "string", "Keys that leave the container running and end the session"),
    Flag("sig-proxy", "", "bool", "Pass signals on to the program", True),
)
RUN = tuple(sorted((*CREATE, *RUN_ONLY), key=lambda flag: flag.name))
