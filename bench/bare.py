"""Bare OCI runtimes on the very config.json that this engine made for a container of its own.

The engine leaves linux.seccomp out of that file, since its filter is compiled beforehand: it is put back here, so that
the runtimes do the same work. The root is an overlay of one layer, as the engine's is.
"""

from __future__ import annotations

import json
import os
import subprocess

from bench.command import Inside
from bench.stopwatch import Contender
from tiffin.runtime.seccomp.resolve import native_arch, resolve


def engines_config(exec_root: str, container: str) -> dict[str, object]:
    """The config.json of a running container."""
    with open(f"{exec_root}/{container}/config.json", "rb") as file:
        document: dict[str, object] = json.load(file)
    return document


class Bundle:
    """An OCI bundle that runs /bin/true."""

    def __init__(self, directory: str, config: dict[str, object], archive: str, inside: Inside) -> None:
        self.path = f"{directory}/bundle"
        for name in ("lower", "upper", "work", "rootfs"):
            os.makedirs(f"{self.path}/{name}")
        subprocess.run(["tar", "-xf", archive, "-C", f"{self.path}/lower"], check=True)
        self._inside = inside
        self._number = 0
        layers = f"lowerdir={self.path}/lower,upperdir={self.path}/upper,workdir={self.path}/work"
        inside.overlay(layers, f"{self.path}/rootfs")
        with open(f"{self.path}/config.json", "w", encoding="utf-8") as file:
            json.dump(self._runnable(config), file)

    def _runnable(self, config: dict[str, object]) -> dict[str, object]:
        process = dict(config["process"])  # type: ignore[call-overload]
        process["args"] = ["/bin/true"]
        process["user"] = {"uid": 0, "gid": 0}
        linux = dict(config["linux"])  # type: ignore[call-overload]
        linux["seccomp"] = resolve(None, process["capabilities"]["bounding"], native_arch())
        linux["cgroupsPath"] = "/tfpeers/bare"
        return {**config, "process": process, "linux": linux, "root": {"path": f"{self.path}/rootfs"}}

    def contender(self, runtime: str) -> Contender:
        """`runtime run`, timed by the helper inside the peers' namespaces."""

        def once() -> float:
            self._number += 1
            return self._inside.run([runtime, "run", "--bundle", self.path, f"tfbench-{runtime}-{self._number}"])

        return once
