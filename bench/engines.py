"""The engines under measurement: this checkout's daemon on a root of its own, and the peers of scripts/peers."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from time import monotonic, sleep

from bench.command import Inside
from bench.docker_api import DockerApi

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
START_S = 20.0


def busybox_archive(directory: str) -> str:
    """The image that everybody runs, as an archive."""
    path = f"{directory}/busybox.tar"
    with open(path, "wb") as file:
        subprocess.run([f"{ROOT}/scripts/busybox-image"], stdout=file, check=True)
    return path


class Tiffin:
    """A daemon of this checkout; close() stops it and removes all that it made."""

    name = "tiffin"

    def __init__(self) -> None:
        self.directory = tempfile.mkdtemp(prefix="tiffin-bench.", dir="/var/tmp")
        self.exec_root = tempfile.mkdtemp(prefix="tiffin-bench.", dir="/run")
        self.socket = f"{self.exec_root}/tiffin.sock"
        self.host = f"unix://{self.socket}"
        self.program = os.path.join(os.path.dirname(sys.executable), "tiffin")
        self._log = f"{self.directory}/daemon.log"
        command = [self.program, "daemon", "--data-root", f"{self.directory}/root", "--exec-root", self.exec_root]
        command += ["-H", self.host, "--bridge", "tfbench0", "--pidfile", f"{self.exec_root}/pid"]
        with open(self._log, "wb") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self._wait_until_it_answers()

    def _wait_until_it_answers(self) -> None:
        deadline = monotonic() + START_S
        while True:
            try:
                DockerApi(self.socket).call("GET", "/info")
                return
            except OSError:
                if self._process.poll() is not None or monotonic() > deadline:
                    with open(self._log, encoding="utf-8", errors="replace") as log:
                        raise RuntimeError(f"the daemon did not start:\n{log.read()[-3000:]}") from None
                sleep(0.02)

    def close(self) -> None:
        """Stop for good."""
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self.exec_root, ignore_errors=True)
        shutil.rmtree(self.directory, ignore_errors=True)


class Peers:
    """dockerd and its neighbours in their own root."""

    def __init__(self) -> None:
        self.directory = os.environ.get("TIFFIN_PEERS", "/var/tmp/tiffin-peers")
        script = f"{ROOT}/scripts/peers"
        self.host = subprocess.run([script, "start"], stdout=subprocess.PIPE, check=True, text=True).stdout.strip()
        self.socket = self.host.removeprefix("unix://")
        with open(f"{self.directory}/holder.pid", encoding="ascii") as file:
            self.inside = Inside(int(file.read()))
        self._script = script

    def has(self, program: str) -> bool:
        """Whether the peers' root has a program."""
        places = ("usr/bin", "usr/sbin")
        return any(os.path.exists(f"{self.directory}/root/{place}/{program}") for place in places)

    def podman(self) -> list[str]:
        """podman's words before its command."""
        storage = ["--root", f"{self.directory}/podman", "--runroot", f"{self.directory}/podman-run"]
        return ["podman", *storage, "--cgroup-manager", "cgroupfs", "--events-backend", "none"]

    def close(self) -> None:
        """Stop dockerd; what was unpacked stays for the next time."""
        self.inside.close()
        subprocess.run([self._script, "stop"], check=True)
