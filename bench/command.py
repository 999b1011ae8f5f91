"""Run a program and time it: here, or in another engine's mount and network namespaces."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from time import perf_counter_ns

from bench.stopwatch import Contender
from tiffin.linux.mount import mount
from tiffin.linux.namespaces import CLONE_NEWNET, CLONE_NEWNS, setns


class CommandFailed(Exception):
    """A program that should succeed did not."""


def run(words: list[str], env: dict[str, str] | None = None, check: bool = True) -> float:
    """Milliseconds from start to end of a program without input or output."""
    begun = perf_counter_ns()
    done = subprocess.run(
        words,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={**os.environ, **(env or {})},
        check=False,
    )
    spent = (perf_counter_ns() - begun) / 1e6
    if check and done.returncode != 0:
        raise CommandFailed(f"{' '.join(words)}: status {done.returncode}: {done.stderr.decode(errors='replace')}")
    return spent


def contender(words: list[str], env: dict[str, str] | None = None) -> Contender:
    """The program as a contender."""
    return lambda: run(words, env)


class Inside:
    """A helper process in the namespaces of another one, with all it needs imported before it enters.

    One JSON document a line: {"run": [words], "env": {}} or {"overlay": options, "at": path}; answers {"ms": …}.
    """

    def __init__(self, pid: int) -> None:
        ours, theirs = socket.socketpair()
        self._child = os.fork()
        if self._child == 0:
            ours.close()
            try:
                _serve(theirs, pid)
            finally:
                os._exit(0)
        theirs.close()
        self._stream = ours.makefile("rw", encoding="utf-8")
        ours.close()

    def _ask(self, question: dict[str, object]) -> float:
        self._stream.write(json.dumps(question) + "\n")
        self._stream.flush()
        answer = json.loads(self._stream.readline() or '{"failed": "the helper process died"}')
        if "failed" in answer:
            raise CommandFailed(answer["failed"])
        return float(answer["ms"])

    def run(self, words: list[str], env: dict[str, str] | None = None) -> float:
        """Milliseconds of a program, measured by the helper."""
        return self._ask({"run": words, "env": env or {}})

    def overlay(self, options: str, target: str) -> None:
        """Mount an overlay in the helper's mount namespace."""
        self._ask({"overlay": options, "at": target})

    def contender(self, words: list[str], env: dict[str, str] | None = None) -> Contender:
        """The program as a contender."""
        return lambda: self.run(words, env)

    def close(self) -> None:
        """End the helper."""
        self._stream.close()
        os.waitpid(self._child, 0)


def _serve(sock: socket.socket, pid: int) -> None:
    kinds = (("net", CLONE_NEWNET), ("mnt", CLONE_NEWNS))
    opened = [(os.open(f"/proc/{pid}/ns/{name}", os.O_RDONLY | os.O_CLOEXEC), flag) for name, flag in kinds]
    for fd, flag in opened:
        setns(fd, flag)
    os.environ["PATH"] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    with sock.makefile("rw", encoding="utf-8") as stream:
        for line in stream:
            question = json.loads(line)
            try:
                spent = 0.0
                if "overlay" in question:
                    mount("overlay", question["at"], "overlay", 0, question["overlay"])
                else:
                    spent = run(question["run"], question["env"])
                answer: dict[str, object] = {"ms": spent}
            except Exception as error:
                answer = {"failed": str(error)}
            stream.write(json.dumps(answer) + "\n")
            stream.flush()
