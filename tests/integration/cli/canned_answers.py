"""The canned answers that both command lines are asked to show."""

from __future__ import annotations

import json
import time
from typing import Any

from fake_daemon import FakeDaemon, frame


def register(f: FakeDaemon) -> None:
    """Every route that output_lines.txt needs."""
    now = int(time.time())
    containers: list[dict[str, Any]] = [
        {
            "Id": "a" * 64,
            "Names": ["/web", "/other/alias"],
            "Image": "nginx:1.2",
            "ImageID": "sha256:" + "1" * 64,
            "Command": "nginx -g 'daemon off; and much more text'",
            "Created": now - 7300,
            "Ports": [
                {"IP": "0.0.0.0", "PrivatePort": 80, "PublicPort": 8080, "Type": "tcp"},
                {"IP": "::", "PrivatePort": 80, "PublicPort": 8080, "Type": "tcp"},
                {"PrivatePort": 443, "Type": "tcp"},
                {"PrivatePort": 444, "Type": "tcp"},
                {"IP": "0.0.0.0", "PrivatePort": 90, "PublicPort": 90, "Type": "udp"},
                {"IP": "0.0.0.0", "PrivatePort": 91, "PublicPort": 91, "Type": "udp"},
            ],
            "SizeRw": 12345,
            "SizeRootFs": 4567890,
            "Labels": {"b": "2", "a": "1"},
            "State": "running",
            "Status": "Up 2 hours",
            "HostConfig": {"NetworkMode": "bridge"},
            "NetworkSettings": {"Networks": {"bridge": {"NetworkID": "x"}}},
            "Mounts": [
                {
                    "Type": "volume",
                    "Name": "v" * 64,
                    "Source": "/x",
                    "Destination": "/y",
                    "Driver": "local",
                    "Mode": "",
                    "RW": True,
                    "Propagation": "",
                },
                {
                    "Type": "bind",
                    "Source": "/host/path/very/long",
                    "Destination": "/z",
                    "Mode": "",
                    "RW": True,
                    "Propagation": "",
                },
            ],
        },
        {
            "Id": "b" * 64,
            "Names": ["/déjà"],
            "Image": "sha256:" + "2" * 64,
            "ImageID": "sha256:" + "2" * 64,
            "Command": "sh",
            "Created": now - 1270,
            "Ports": [],
            "Labels": {},
            "State": "exited",
            "Status": "Exited (0) 5 seconds ago",
            "HostConfig": {"NetworkMode": "host"},
            "NetworkSettings": {"Networks": {}},
            "Mounts": [],
        },
        {
            "Id": "c" * 64,
            "Names": ["/dig"],
            "Image": "busybox@sha256:" + "3" * 64,
            "ImageID": "sha256:" + "4" * 64,
            "Command": 'sh "quoted"',
            "Created": now - 86400 * 20,
            "Ports": [],
            "Labels": None,
            "State": "created",
            "Status": "Created",
            "HostConfig": {},
            "NetworkSettings": None,
            "Mounts": None,
        },
    ]
    images = [
        {
            "Id": "sha256:" + "1" * 64,
            "ParentId": "",
            "RepoTags": ["nginx:1.2", "nginx:latest"],
            "RepoDigests": ["nginx@sha256:" + "9" * 64],
            "Created": now - 86400 * 3,
            "Size": 142000000,
            "SharedSize": -1,
            "Containers": -1,
            "Labels": None,
        },
        {
            "Id": "sha256:" + "2" * 64,
            "ParentId": "",
            "RepoTags": [],
            "RepoDigests": [],
            "Created": now - 86400 * 70,
            "Size": 4261550,
            "SharedSize": -1,
            "Containers": -1,
            "Labels": {},
        },
        {
            "Id": "sha256:" + "3" * 64,
            "ParentId": "",
            "RepoTags": [],
            "RepoDigests": ["dig@sha256:" + "8" * 64],
            "Created": now - 86400 * 800,
            "Size": 999,
            "SharedSize": -1,
            "Containers": -1,
            "Labels": {},
        },
        {
            "Id": "sha256:" + "5" * 64,
            "ParentId": "",
            "RepoTags": ["localhost:5000/ng:x"],
            "RepoDigests": [],
            "Created": now - 1000,
            "Size": 9990000000,
            "SharedSize": 100,
            "Containers": 2,
            "Labels": {},
        },
    ]
    history = [
        {
            "Comment": "",
            "Created": now - 3600,
            "CreatedBy": '/bin/sh -c #(nop)  CMD ["sh"] and so on and so forth until it is long',
            "Id": "sha256:" + "1" * 64,
            "Size": 0,
            "Tags": ["x:y"],
        },
        {
            "Comment": "imp",
            "Created": now - 360000,
            "CreatedBy": "",
            "Id": "<missing>",
            "Size": 123456789,
            "Tags": None,
        },
    ]
    inspected = {
        "Id": "a" * 64,
        "Created": "2024-01-02T03:04:05.678Z",
        "Path": "sh",
        "Args": ["-c", "x"],
        "State": {"Status": "running", "Running": True, "Paused": False, "ExitCode": 0, "Pid": 123},
        "Name": "/web",
        "RestartCount": 0,
        "HostConfig": {
            "Binds": None,
            "NetworkMode": "bridge",
            "Memory": 67108864,
            "CapAdd": ["A"],
            "PortBindings": {"80/tcp": [{"HostIp": "", "HostPort": "8080"}]},
        },
        "Mounts": [
            {"Type": "bind", "Source": "/a", "Destination": "/b", "Mode": "", "RW": True, "Propagation": "rprivate"}
        ],
        "Config": {
            "Env": ["A=b", "C=<d>&"],
            "Cmd": ["sh"],
            "Labels": {"x": "y", "a.b": "c"},
            "Tty": False,
            "OpenStdin": False,
            "Entrypoint": None,
        },
        "NetworkSettings": {
            "Ports": {
                "80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}, {"HostIp": "::", "HostPort": "8080"}],
                "9/tcp": None,
            },
            "Networks": {"bridge": {"IPAddress": "172.17.0.2", "Gateway": "172.17.0.1"}},
        },
    }
    f.on("GET", "/containers/json", containers)
    f.on("GET", "/images/json", images)
    f.on("GET", "/images/[^/]*/history", history)
    f.on("GET", "/containers/web/json", inspected)
    f.on("GET", "/containers/gone/json", {"message": "No such container: gone"}, 404)
    f.on("GET", "/images/gone/json", {"message": "No such image: gone"}, 404)
    f.on("GET", "/networks/gone", {"message": "network gone not found"}, 404)
    f.on(
        "GET",
        "/networks",
        [
            {
                "Name": "bridge",
                "Id": "d" * 64,
                "Created": "2024-01-02T03:04:05.6Z",
                "Scope": "local",
                "Driver": "bridge",
                "EnableIPv4": True,
                "EnableIPv6": False,
                "IPAM": {},
                "Internal": False,
                "Labels": {"a": "b"},
            },
            {
                "Name": "alpha",
                "Id": "e" * 64,
                "Created": "2024-01-02T03:04:05.6Z",
                "Scope": "local",
                "Driver": "bridge",
                "Labels": {},
            },
        ],
    )
    f.on(
        "GET",
        "/volumes",
        {
            "Volumes": [
                {
                    "Name": "vol",
                    "Driver": "local",
                    "Mountpoint": "/m",
                    "Scope": "local",
                    "Labels": {"a": "b"},
                    "Options": None,
                    "CreatedAt": "2024",
                }
            ],
            "Warnings": None,
        },
    )
    f.on("GET", "/volumes/gone", {"message": "get gone: no such volume"}, 404)
    f.on(
        "GET",
        "/containers/[^/]*/top",
        {"Titles": ["UID", "PID", "CMD"], "Processes": [["root", "1", "sleep 1"], ["root", "22222", "sh"]]},
    )
    f.on(
        "GET",
        "/containers/[^/]*/changes",
        [{"Path": "/a", "Kind": 0}, {"Path": "/a/b", "Kind": 1}, {"Path": "/c", "Kind": 2}],
    )
    f.on("POST", "/containers/web/(stop|restart|kill|pause|unpause|rename|start)", None, 204)
    f.on("POST", "/containers/web/wait", {"StatusCode": 3})
    f.on("POST", "/containers/gone/.*", {"message": "No such container: gone"}, 404)
    f.on("DELETE", "/containers/web", None, 204)
    f.on("DELETE", "/containers/gone", {"message": "No such container: gone"}, 404)
    f.on("DELETE", "/images/nginx", [{"Untagged": "nginx:latest"}, {"Deleted": "sha256:" + "1" * 64}])
    f.on("DELETE", "/images/gone", {"message": "No such image: gone"}, 404)
    f.on("POST", "/images/nginx/tag", None, 201)
    f.on("POST", "/containers/prune", {"ContainersDeleted": ["x"], "SpaceReclaimed": 12345})
    f.on(
        "POST",
        "/images/prune",
        {"ImagesDeleted": [{"Untagged": "a:b"}, {"Deleted": "sha256:1"}], "SpaceReclaimed": 12345},
    )
    f.on("POST", "/networks/prune", {"NetworksDeleted": ["x"]})
    f.on("POST", "/volumes/prune", {"VolumesDeleted": ["x"], "SpaceReclaimed": 12345})
    f.on(
        "GET",
        "/system/df",
        {
            "LayersSize": 1092588,
            "Images": [
                {
                    "Id": "sha256:" + "1" * 64,
                    "Size": 1092588,
                    "SharedSize": 0,
                    "Containers": 1,
                    "RepoTags": ["a:b"],
                    "Created": 1,
                }
            ],
            "Containers": [
                {"Id": "a" * 64, "SizeRw": 100, "State": "running", "Names": ["/x"]},
                {"Id": "b" * 64, "SizeRw": 300, "State": "exited", "Names": ["/y"]},
            ],
            "Volumes": [{"Name": "v", "UsageData": {"Size": 500, "RefCount": 0}}],
            "BuildCache": [],
        },
    )
    f.on("GET", "/containers/[^/]*/logs", lambda e: e.reply(frame(1, b"out\n") + frame(2, b"err\n")))
    f.on(
        "GET",
        "/containers/[^/]*/stats",
        {
            "id": "a" * 64,
            "name": "/web",
            "read": "2024-01-02T03:04:05Z",
            "cpu_stats": {"cpu_usage": {"total_usage": 2000000}, "system_cpu_usage": 100000000, "online_cpus": 2},
            "precpu_stats": {"cpu_usage": {"total_usage": 1000000}, "system_cpu_usage": 50000000},
            "memory_stats": {"usage": 10485760, "limit": 104857600, "stats": {"total_inactive_file": 1048576}},
            "networks": {"eth0": {"rx_bytes": 1234, "tx_bytes": 56}},
            "blkio_stats": {
                "io_service_bytes_recursive": [{"op": "read", "value": 4096}, {"op": "write", "value": 10}]
            },
            "pids_stats": {"current": 3},
        },
    )
    event = {
        "Type": "container",
        "Action": "start",
        "Actor": {"ID": "a" * 64, "Attributes": {"image": "busybox", "name": "x"}},
        "scope": "local",
        "time": 1700000000,
        "timeNano": 1700000000123456789,
        "status": "start",
        "id": "a" * 64,
        "from": "busybox",
    }
    f.on("GET", "/events", lambda e: e.reply(json.dumps(event).encode() + b"\n"))
    f.on("POST", "/containers/[^/]*/exec", {"Id": "e1"})
    f.on(
        "POST",
        "/exec/[^/]*/start",
        {"message": 'OCI runtime exec failed: exec: "foo": executable file not found in $PATH'},
        400,
    )
    f.on(
        "GET",
        "/info",
        {
            "ID": "x",
            "Containers": 3,
            "ContainersRunning": 1,
            "ContainersPaused": 0,
            "ContainersStopped": 2,
            "Images": 4,
            "Driver": "overlay2",
            "DriverStatus": [["Backing Filesystem", "extfs"]],
            "Plugins": {
                "Volume": ["local"],
                "Network": ["bridge", "host"],
                "Authorization": None,
                "Log": ["json-file"],
            },
            "MemoryLimit": True,
            "SwapLimit": True,
            "CPUShares": True,
            "CPUSet": True,
            "PidsLimit": True,
            "IPv4Forwarding": True,
            "CpuCfsPeriod": True,
            "CpuCfsQuota": True,
            "OomKillDisable": True,
            "CgroupDriver": "cgroupfs",
            "CgroupVersion": "1",
            "LoggingDriver": "json-file",
            "NCPU": 2,
            "MemTotal": 4123456789,
            "DockerRootDir": "/var/lib/tiffin",
            "Name": "host",
            "Labels": [],
            "ExperimentalBuild": False,
            "ServerVersion": "0.1",
            "Runtimes": {"runc": {"path": "runc"}},
            "DefaultRuntime": "runc",
            "Swarm": {"LocalNodeState": "inactive"},
            "LiveRestoreEnabled": True,
            "InitBinary": "tini",
            "ContainerdCommit": {"ID": ""},
            "RuncCommit": {"ID": ""},
            "InitCommit": {"ID": ""},
            "SecurityOptions": ["name=seccomp,profile=builtin", "name=apparmor"],
            "KernelVersion": "6.1",
            "OperatingSystem": "Debian",
            "OSType": "linux",
            "Architecture": "x86_64",
            "IndexServerAddress": "https://index.docker.io/v1/",
            "RegistryConfig": {
                "IndexConfigs": {"docker.io": {"Name": "docker.io", "Secure": True}},
                "InsecureRegistryCIDRs": ["::1/128", "127.0.0.0/8"],
                "Mirrors": None,
            },
            "Warnings": ["WARNING: foo"],
        },
    )
    f.on(
        "GET",
        "/version",
        {
            "Platform": {"Name": "Tiffin"},
            "Components": [
                {
                    "Name": "Engine",
                    "Version": "0.1",
                    "Details": {
                        "ApiVersion": "1.51",
                        "Arch": "amd64",
                        "BuildTime": "2024-01-02T03:04:05.000000000+00:00",
                        "Experimental": "false",
                        "GitCommit": "abc",
                        "GoVersion": "go1",
                        "KernelVersion": "6",
                        "MinAPIVersion": "1.24",
                        "Os": "linux",
                    },
                }
            ],
            "Version": "0.1",
            "ApiVersion": "1.51",
            "MinAPIVersion": "1.24",
            "Os": "linux",
            "Arch": "amd64",
            "KernelVersion": "6.1",
            "GoVersion": "go1",
            "GitCommit": "abc",
            "BuildTime": "2024-01-02T03:04:05.000000000+00:00",
        },
    )
