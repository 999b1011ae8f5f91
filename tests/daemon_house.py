"""A daemon of a test's own, as a user starts it: on new roots, with its own bridge, subnet and cgroup parent.

    /run/tt<pid>x<n>       exec root; short, because addresses of unix sockets end at 107 bytes
    BASE/tt<pid>x<n>       data root, and beside it .log (the daemon's stderr) and .home (HOME of clients)

`left_behind` says what of it is still on the machine; nothing may be, once it was ended for good.
"""

from __future__ import annotations

import http.client
import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic, sleep, time
from typing import Any, TypeVar

TIFFIN = f"{sys.prefix}/bin/tiffin"
INSIDE_VM = os.environ.get("TIFFIN_IN_VM") == "1"
PACE = 10 if INSIDE_VM else 1  # its processor is emulated
BASE = "/var/lib/vmscratch" if INSIDE_VM else "/var/tmp"  # no overlay: upper directories lie there
PATIENCE_S = 5.0 * PACE
START_S = 20.0 * PACE
COMMAND_S = 60.0 * PACE
T = TypeVar("T")
_numbers = itertools.count()


def until(condition: Callable[[], T], seconds: float = 10.0, what: str = "", *, every: float = 0.02) -> T:
    """Poll until the condition holds; its value. Fails the test after `seconds`."""
    deadline = monotonic() + seconds * PACE
    while not (value := condition()):
        if monotonic() > deadline:
            raise AssertionError(f"not within {seconds:g} s: {what or condition}")
        sleep(every)  # a poll with a deadline
    return value


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


@dataclass
class DaemonHouse:
    """One daemon and everything that belongs to it."""

    flags: tuple[str, ...] = ()
    data_root: str = ""
    number: int = field(default_factory=lambda: next(_numbers))
    process: subprocess.Popen[bytes] | None = None
    clients: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.name = f"tt{os.getpid()}x{self.number}"
        self.exec_root = f"/run/{self.name}"
        self.base = f"{BASE}/{self.name}"
        self.data_root = self.data_root or self.base
        self.home = f"{self.base}.home"
        self.log_path = f"{self.base}.log"
        self.bridge = self.name[-15:]
        key = os.getpid() * 8 + self.number
        self.gateway = f"10.{160 + key // 250 % 80}.{key % 250}.1"
        self.cgroup_parent = f"/{self.name}"
        self.socket_path = f"{self.exec_root}/tiffin.sock"
        self.host = f"unix://{self.socket_path}"
        os.makedirs(self.home, exist_ok=True)

    # -- life ---------------------------------------------------------------------------------------------------------

    def start(self) -> DaemonHouse:
        """Start the daemon; returns when it answers."""
        command = [TIFFIN, "daemon", "--data-root", self.data_root, "--exec-root", self.exec_root]
        command += ["--bridge", self.bridge, "--bip", f"{self.gateway}/24", "--cgroup-parent", self.cgroup_parent]
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [*command, *self.flags],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        until(self._answers, START_S / PACE, "the daemon answers")
        return self

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, f"the daemon ended:\n{self.log()}"
        try:
            return self.api("GET", "/_ping", timeout=2 * PACE)[0] == 200
        except OSError:
            return False

    def end(self, number: int = signal.SIGINT) -> int:
        """Signal the daemon and wait for its end: INT leaves nothing, TERM expects a next start, KILL asks nobody."""
        assert self.process is not None
        self.process.send_signal(number)
        status = self.process.wait(30 * PACE)
        self.process = None
        return status

    def log(self) -> str:
        """What the daemon and its shims said on stderr."""
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def remove_all(self) -> None:
        """End clients and force away all containers; images stay."""
        self.end_clients()
        for container in self.api("GET", "/containers/json?all=1")[1]:
            self.api("DELETE", f"/containers/{container['Id']}?force=1&v=1")

    def close(self) -> None:
        """End for good and look for what was left."""
        self.end_clients()
        if self.process is not None:
            try:
                self.remove_all()
            finally:
                self.end()
        deadline = monotonic() + PATIENCE_S
        while (left := self.left_behind()) and monotonic() < deadline:
            sleep(0.05)  # a poll with a deadline
        log = self.log()
        for path in (self.exec_root, self.base, self.home):
            shutil.rmtree(path, ignore_errors=True)
        os.unlink(self.log_path)
        assert not left, "left behind:\n" + "\n".join(left) + "\nthe daemon said:\n" + log[-4000:]
        assert "Traceback" not in log, f"the daemon said:\n{log[-8000:]}"

    # -- what is there ------------------------------------------------------------------------------------------------

    def left_behind(self) -> list[str]:
        """Mounts, links, cgroups, rules, processes and run directories of this house."""
        left = [f"process {pid} {comm}" for pid, comm in self.processes().items()]
        with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as file:
            left += [f"mount {line.split()[4]}" for line in file if self.name in line.split(" - ")[0]]
        if os.path.exists(f"/sys/class/net/{self.bridge}"):
            left.append(f"link {self.bridge}")
            left += [f"link {name}" for name in os.listdir(f"/sys/class/net/{self.bridge}/brif")]
        left += [f"cgroup {path}" for path in self.cgroups()]
        tables = subprocess.run(["nft", "list", "tables"], capture_output=True, text=True, check=True).stdout
        left += [line for line in tables.splitlines() if line.endswith(f"_{self.bridge}")]
        if os.path.isdir(self.exec_root):
            left += [f"{self.exec_root}/{name}" for name in os.listdir(self.exec_root) if name != "seccomp"]
        return left

    def cgroups(self) -> list[str]:
        """Every group of this house's containers."""
        found = []
        for directory, names, _ in os.walk("/sys/fs/cgroup"):
            if self.name in names:
                found += [path for path, _, _ in os.walk(f"{directory}/{self.name}")]
        return found

    def processes(self) -> dict[int, str]:
        """Pid to name: the daemon and its helpers, known by their stderr, and what runs in its containers."""
        found = {}
        group = f"/{self.name}/".encode()
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/cgroup", "rb") as groups:
                    inside = group in groups.read()
                if inside or os.readlink(f"/proc/{pid}/fd/2") == self.log_path:
                    with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as name:
                        found[int(pid)] = name.read().strip()
            except OSError:
                continue
        return found

    def pids(self, comm: str) -> list[int]:
        """Processes of a name, such as "tiffin-shim"."""
        return [pid for pid, name in self.processes().items() if name == comm]

    # -- clients ------------------------------------------------------------------------------------------------------

    def environment(self, **more: str) -> dict[str, str]:
        """What a client's user has: DOCKER_HOST and nothing of tiffin's."""
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "TERM") if name in os.environ}
        return {"TERM": "xterm", **kept, "HOME": self.home, "DOCKER_HOST": self.host, **more}

    def run(
        self, *command: str, input: bytes | str = b"", timeout: float = COMMAND_S, check: bool = False
    ) -> subprocess.CompletedProcess[str]:
        """Any client command; text in and out."""
        done = subprocess.run(
            command,
            input=input.encode() if isinstance(input, str) else input,
            capture_output=True,
            env=self.environment(),
            timeout=timeout,
        )
        result = subprocess.CompletedProcess(
            command, done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
        )
        assert not check or result.returncode == 0, f"{command}: {result.returncode}: {result.stderr}{result.stdout}"
        return result

    def docker(self, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """The stock docker CLI."""
        return self.run("docker", *arguments, **options)

    def ok(self, *arguments: str, **options: Any) -> str:
        """The stock docker CLI, which must succeed: its output without the last newline."""
        return self.docker(*arguments, check=True, **options).stdout.rstrip("\n")

    def popen(self, *command: str, **options: Any) -> subprocess.Popen[bytes]:
        """A client command that goes on; streams are pipes unless said otherwise."""
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        self.clients.append(subprocess.Popen(command, env=self.environment(), **{**pipes, **options}))
        return self.clients[-1]

    def end_clients(self) -> None:
        """Kill what `popen` started and still runs, and close its pipes."""
        for client in self.clients:
            client.kill()
            client.wait()
            for stream in (client.stdin, client.stdout, client.stderr):
                if stream is not None:
                    try:
                        stream.close()
                    except BrokenPipeError:
                        pass
        self.clients.clear()

    def api(
        self, method: str, path: str, body: Any = None, *, timeout: float = COMMAND_S, kind: str = "application/json"
    ) -> tuple[int, Any]:
        """One request; status, and the decoded body (bytes where it is no JSON)."""
        connection = _UnixConnection(self.socket_path, timeout)
        try:
            data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
            connection.request(method, path, data, {"Content-Type": kind} if data is not None else {})
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        try:
            return answer.status, json.loads(content) if content else None
        except ValueError:
            return answer.status, content

    def import_busybox(self, archive: str, name: str = "busybox") -> str:
        """Make the image that tests run; its id."""
        return self.ok("import", "-c", 'CMD ["sh"]', archive, name)

    def events(self, name: str) -> list[str]:
        """The actions of all events of a container, so far."""
        filters = ("--filter", f"container={name}", "--format", "{{.Action}}")
        return self.ok("events", "--since", "1h", "--until", f"{time():.6f}", *filters).splitlines()

    def state(self, container: str) -> dict[str, Any]:
        """`.State` of a container."""
        status, found = self.api("GET", f"/containers/{container}/json")
        assert status == 200, found
        return dict(found["State"])
