"""The Docker API as a benchmark calls it: one kept connection, small JSON documents, nothing cleverer."""

from __future__ import annotations

import http.client
import json
import socket
from typing import Any

VERSION = "/v1.43"


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=60)
        self._path = path

    def connect(self) -> None:
        """Dial."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(60)
        self.sock.connect(self._path)


class DockerApi:
    """One engine's API. Raises RuntimeError with the engine's message when it refuses."""

    def __init__(self, path: str) -> None:
        self._connection = UnixConnection(path)

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """One request; the decoded answer, None when it is empty."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"} if data is not None else {}
        self._connection.request(method, VERSION + path, data, headers)
        reply = self._connection.getresponse()
        text = reply.read()
        if reply.status >= 400:
            raise RuntimeError(f"{method} {path}: {reply.status} {text.decode(errors='replace')}")
        return json.loads(text) if text and "json" in reply.headers.get("Content-Type", "") else None

    def create(self, network: str, command: list[str], **more: Any) -> str:
        """Create a busybox container; its id."""
        body = {"Image": "busybox", "Cmd": command, "HostConfig": {"NetworkMode": network}, **more}
        return str(self.call("POST", "/containers/create", body)["Id"])

    def cycle(self, network: str) -> None:
        """create, start, wait, remove: a container's whole life without a CLI."""
        name = self.create(network, ["true"])
        self.call("POST", f"/containers/{name}/start")
        code = self.call("POST", f"/containers/{name}/wait")["StatusCode"]
        self.call("DELETE", f"/containers/{name}")
        if code != 0:
            raise RuntimeError(f"the container ended with status {code}")

    def start(self, network: str) -> str:
        """A container that sleeps; its id."""
        name = self.create(network, ["sleep", "100000"])
        self.call("POST", f"/containers/{name}/start")
        return name

    def exec(self, name: str) -> None:
        """Run `true` in a running container and read its status."""
        made = self.call("POST", f"/containers/{name}/exec", {"Cmd": ["true"], "AttachStdout": True})["Id"]
        self.call("POST", f"/exec/{made}/start", {"Detach": False, "Tty": False})
        code = self.call("GET", f"/exec/{made}/json")["ExitCode"]
        if code != 0:
            raise RuntimeError(f"the exec ended with status {code}")

    def remove(self, name: str) -> None:
        """Remove, running or not."""
        self.call("DELETE", f"/containers/{name}?force=1")
