"""What is measured. Each function compares all engines that are there, in one run and alternating."""

from __future__ import annotations

import json
import os
import shutil

from bench.bare import Bundle, engines_config
from bench.command import CommandFailed, contender, run
from bench.docker_api import DockerApi
from bench.engines import Peers, Tiffin, busybox_archive
from bench.report import OURS, Report
from bench.stopwatch import Contender, alternate

PODMAN_IMAGE = "localhost/busybox"
PODMAN_RUN = ["run", "--rm", "--cgroup-parent", "/tfpeers"]
QUIET = {"PODMAN_IGNORE_CGROUPSV1_WARNING": "1"}


class Suite:
    """The engines, with the image in each, and the comparisons."""

    def __init__(self, report: Report, rounds: int, ours: Tiffin, peers: Peers | None) -> None:
        self._report = report
        self._rounds = rounds
        self._ours = ours
        self._peers = peers
        self._podman: list[str] = []
        self._docker = shutil.which("docker")
        self._archive = busybox_archive(ours.directory)
        self._import()

    def _import(self) -> None:
        words = ["import", "-c", 'CMD ["sh"]', self._archive]
        run([self._ours.program, "-H", self._ours.host, *words, "busybox"])
        if self._peers is None:
            return
        if self._docker:
            run([self._docker, "-H", self._peers.host, *words, "busybox"])
        if self._peers.has("podman"):
            self._podman = self._peers.podman()
            self._peers.inside.run([*self._podman, *words, PODMAN_IMAGE], QUIET)
            try:
                self._peers.inside.run([*self._podman, *PODMAN_RUN, PODMAN_IMAGE, "true"], QUIET)
            except CommandFailed as error:
                self._podman = []
                self._report.note(f"podman does not run here: {error}")

    def _through_docker(self, words: list[str]) -> dict[str, Contender]:
        """The stock docker CLI against this daemon and against dockerd; our own CLI beside it."""
        found = {}
        if self._docker:
            found[OURS] = contender([self._docker, "-H", self._ours.host, *words])
            found["tiffin (own CLI)"] = contender([self._ours.program, "-H", self._ours.host, *words])
            if self._peers is not None:
                found["dockerd"] = contender([self._docker, "-H", self._peers.host, *words])
        else:
            self._report.note("no docker CLI here: tiffin's own takes its place")
            found[OURS] = contender([self._ours.program, "-H", self._ours.host, *words])
        return found

    def cli_run(self, network: str) -> None:
        """`docker run --rm busybox true`."""
        found = self._through_docker(["run", "--rm", "--network", network, "busybox", "true"])
        if self._podman and self._peers is not None:
            words = [*self._podman, *PODMAN_RUN, "--network", network, PODMAN_IMAGE, "true"]
            found["podman"] = self._peers.inside.contender(words, QUIET)
        target = "dockerd >= 6 x" if network == "bridge" else ""
        self._report.add(
            f"docker run --rm busybox true, network {network}", alternate(found, self._rounds), target
        )

    def api_cycle(self, network: str) -> None:
        """create, start, wait and remove over the API; with network none beside bare runtimes."""
        ours = DockerApi(self._ours.socket)
        found: dict[str, Contender] = {OURS: lambda: ours.cycle(network)}
        if self._peers is None:
            self._report.add(f"API: create, start, wait, remove, network {network}", alternate(found, self._rounds))
            return
        theirs = DockerApi(self._peers.socket)
        found["dockerd"] = lambda: theirs.cycle(network)
        model = ours.start(network) if network == "none" else ""
        try:
            if model:
                found |= self._bare(model)
            target = "crun run >= 0.5 x, or runc run >= 1.43 x" if network == "none" else ""
            samples = alternate(found, self._rounds)
            self._report.add(f"API: create, start, wait, remove, network {network}", samples, target)
        finally:
            if model:
                ours.remove(model)

    def _bare(self, model: str) -> dict[str, Contender]:
        """Runtimes that run the config.json of the container `model`; those that cannot are noted."""
        assert self._peers is not None
        config = engines_config(self._ours.exec_root, model)
        bundle = Bundle(self._ours.directory, config, self._archive, self._peers.inside)
        found = {}
        for runtime in ("crun", "runc"):
            once = bundle.contender(runtime)
            try:
                once()
            except CommandFailed as error:
                self._report.note(f"bare {runtime} does not run here: {error}")
            else:
                found[f"bare {runtime} run"] = once
        return found

    def exec(self) -> None:
        """exec of `true` in a running container: by the CLI and over the API."""
        ours = DockerApi(self._ours.socket)
        name = ours.start("bridge")
        ours.call("POST", f"/containers/{name}/rename?name=execbench")
        theirs, other = None, ""
        try:
            if self._peers is not None:
                theirs = DockerApi(self._peers.socket)
                other = theirs.start("bridge")
                theirs.call("POST", f"/containers/{other}/rename?name=execbench")
            found = self._through_docker(["exec", "execbench", "true"])
            self._report.add("docker exec C true", alternate(found, self._rounds), "dockerd >= 3 x")
            direct: dict[str, Contender] = {OURS: lambda: ours.exec(name)}
            if theirs is not None:
                direct["dockerd"] = lambda: theirs.exec(other)
            self._report.add("API: exec create, start, inspect", alternate(direct, self._rounds))
        finally:
            ours.remove(name)
            if theirs is not None and other:
                theirs.remove(other)

    def cli_start(self) -> None:
        """What the client alone costs."""
        for title, words, target in (("ps", ["ps"], "docker >= 0.2 x"), ("--version", ["--version"], "")):
            found = {OURS: contender([self._ours.program, "-H", self._ours.host, *words])}
            if self._docker:
                found["docker"] = contender([self._docker, "-H", self._ours.host, *words])
            self._report.add(f"the CLI alone: {title}", alternate(found, self._rounds), target)

    def shim_memory(self) -> None:
        """Private memory of the shims of some idle containers, the mean."""
        ours = DockerApi(self._ours.socket)
        names = [ours.start("bridge") for _ in range(5)]
        try:
            sizes = [private_kib(shim_pid(self._ours.exec_root, name)) for name in names]
        finally:
            for name in names:
                ours.remove(name)
        self._report.add_value("private memory of a shim", sum(sizes) / len(sizes) / 1024, "MiB", "<= 2 MiB")

    def run(self, only: list[str]) -> None:
        """All comparisons, or those named."""
        parts = {
            "run": lambda: self.cli_run("bridge"),
            "run-none": lambda: self.cli_run("none"),
            "api-none": lambda: self.api_cycle("none"),
            "api": lambda: self.api_cycle("bridge"),
            "exec": self.exec,
            "cli": self.cli_start,
            "memory": self.shim_memory,
        }
        for name in only or parts:
            parts[name]()


def shim_pid(exec_root: str, container: str) -> int:
    """The shim of a running container."""
    with open(f"{exec_root}/{container}/init.pid", "rb") as file:
        return int(json.load(file)["shim"])


def private_kib(pid: int) -> int:
    """Memory that a process has for itself."""
    total = 0
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        for line in file:
            if line.startswith("Private_"):
                total += int(line.split()[1])
    return total


def machine_is_fit() -> str:
    """Why this machine cannot be measured on, or an empty string."""
    return "" if os.geteuid() == 0 else "run me as root: containers need namespaces, mounts and cgroups"
