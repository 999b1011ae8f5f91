"""The client and the real daemon together: streams, statuses, a real terminal, signals."""

from __future__ import annotations

import fcntl
import hashlib
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="containers need root"),
    pytest.mark.skipif(not Path("/bin/busybox").exists(), reason="needs Debian's busybox-static"),
]
ROOT = Path(__file__).parents[3]
Run = Callable[..., "subprocess.CompletedProcess[bytes]"]
COMMAND = [sys.executable, "-P", "-m", "tiffin"]


def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        select.select([], [], [], 0.02)


@pytest.fixture(scope="module")
def host() -> Iterator[str]:
    """A daemon on roots and a bridge of its own, with a busybox image. /tmp may be an overlay, so /var/tmp."""
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="tiffin-cli-") as data:
        run = Path(f"/run/tiffin-cli-{os.getpid()}")
        run.mkdir(mode=0o700)
        address = f"unix://{run}/t.sock"
        words = ["daemon", "--data-root", f"{data}/root", "--exec-root", str(run), "-H", address]
        words += ["--bridge", f"tfc{os.getpid() % 10**8}", "--pidfile", f"{run}/pid"]
        log = Path(data) / "log"
        with log.open("wb") as output:
            process = subprocess.Popen([*COMMAND, *words], stdout=output, stderr=output, stdin=subprocess.DEVNULL)
        environment = {**os.environ, "DOCKER_HOST": address}
        try:

            def answers() -> bool:
                assert process.poll() is None, log.read_text()
                return not subprocess.run([*COMMAND, "version"], env=environment, capture_output=True).returncode

            until(answers, 30)
            archive = subprocess.run(
                [sys.executable, ROOT / "scripts" / "busybox-image"], capture_output=True, check=True
            )
            importing = [*COMMAND, "import", "-c", 'CMD ["sh"]', "-", "busybox"]
            subprocess.run(importing, input=archive.stdout, env=environment, capture_output=True, check=True)
            yield address
        finally:
            ids = subprocess.run(
                [*COMMAND, "ps", "-aq"], env=environment, capture_output=True, text=True
            ).stdout.split()
            if ids:
                subprocess.run([*COMMAND, "rm", "-f", *ids], env=environment, capture_output=True)
            process.send_signal(signal.SIGINT)
            process.wait(30)
            subprocess.run(["rm", "-rf", str(run)], check=True)


@pytest.fixture
def tiffin(host: str) -> Run:
    def run(*words: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        environment = {**os.environ, "DOCKER_HOST": host}
        return subprocess.run([*COMMAND, *words], input=stdin, capture_output=True, env=environment, timeout=120)

    return run


def test_streams_stay_apart_and_the_status_comes_back(tiffin: Run) -> None:
    done = tiffin("run", "--rm", "busybox", "sh", "-c", "echo out; echo err >&2; exit 7")
    assert (done.returncode, done.stdout, done.stderr) == (7, b"out\n", b"err\n")


def test_what_goes_in_comes_out(tiffin: Run) -> None:
    data = os.urandom(20 << 20)
    done = tiffin("run", "-i", "--rm", "busybox", "cat", stdin=data)
    assert hashlib.sha256(done.stdout).digest() == hashlib.sha256(data).digest()


@pytest.mark.parametrize(("program", "code"), [("nonexistent", 127), ("/etc", 126)])
def test_a_program_that_cannot_run_has_its_status(tiffin: Run, program: str, code: int) -> None:
    done = tiffin("run", "--rm", "busybox", program)
    assert done.returncode == code
    assert b"Run 'tiffin run --help' for more information" in done.stderr


def test_a_container_in_the_background_is_looked_at_and_ended(tiffin: Run) -> None:
    assert tiffin("run", "-d", "--name", "bg", "busybox", "sh", "-c", "echo hello; exec sleep 1000").returncode == 0
    assert b"bg" in tiffin("ps").stdout
    until(lambda: tiffin("logs", "bg").stdout == b"hello\n")
    done = tiffin("exec", "-e", "A=b", "bg", "sh", "-c", "echo $A; exit 3")
    assert (done.returncode, done.stdout) == (3, b"b\n")
    assert tiffin("inspect", "-f", "{{.State.Status}}", "bg").stdout == b"running\n"
    assert tiffin("kill", "bg").stdout == b"bg\n"
    assert tiffin("wait", "bg").stdout == b"137\n"
    assert tiffin("rm", "bg").stdout == b"bg\n"


def test_an_interrupt_reaches_the_program(tiffin: Run, host: str) -> None:
    script = "trap 'echo caught; exit 9' INT; echo ready; while :; do sleep 0.05; done"
    environment = {**os.environ, "DOCKER_HOST": host}
    command = [*COMMAND, "run", "--rm", "busybox", "sh", "-c", script]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(signal.SIGINT)
    assert process.stdout.read() == b"caught\n"
    assert process.wait(20) == 9
    process.stdout.close()


class Screen:
    """A pseudo-terminal, and what came out of it."""

    def __init__(self, host: str, *words: str) -> None:
        self.master, self.slave = pty.openpty()
        self.size(30, 100)
        self.before = termios.tcgetattr(self.slave)
        ends = {"stdin": self.slave, "stdout": self.slave, "stderr": self.slave}
        environment = {**os.environ, "DOCKER_HOST": host, "TERM": "xterm"}
        self.process = subprocess.Popen([*COMMAND, *words], env=environment, start_new_session=True, **ends)
        self.seen = b""

    def size(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def expect(self, text: bytes) -> None:
        deadline = time.monotonic() + 20
        while text not in self.seen:
            assert select.select([self.master], [], [], max(0, deadline - time.monotonic()))[0], self.seen
            self.seen += os.read(self.master, 65536)
        self.seen = self.seen.partition(text)[2]

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self.master)
        os.close(self.slave)


def test_a_shell_on_a_terminal_knows_its_size_and_takes_every_key(tiffin: Run, host: str) -> None:
    screen = Screen(host, "run", "-it", "--name", "term", "busybox", "sh")
    try:
        os.write(screen.master, b"stty size\n")
        screen.expect(b"30 100")
        screen.size(40, 120)
        screen.process.send_signal(signal.SIGWINCH)
        inspect = "{{.State.Running}}"
        assert tiffin("inspect", "-f", inspect, "term").stdout == b"true\n"

        def resized() -> bool:
            return tiffin("exec", "term", "stty", "-F", "/proc/1/fd/0", "size").stdout == b"40 120\n"

        until(resized)
        # The shell's line editor takes Ctrl-C as a byte; only when the program runs is it a signal again.
        os.write(screen.master, b"sh -c 'echo run$((1))ning; exec sleep 100'\n")
        screen.expect(b"run1ning")
        os.write(screen.master, b"\x03")
        os.write(screen.master, b"echo $((6*7))\n")
        screen.expect(b"42")
        os.write(screen.master, b"\x10\x11")
        assert screen.process.wait(20) == 0
        assert termios.tcgetattr(screen.slave) == screen.before
        assert tiffin("inspect", "-f", inspect, "term").stdout == b"true\n"
    finally:
        screen.close()
    again = Screen(host, "attach", "term")
    try:
        os.write(again.master, b"exit 5\n")
        assert again.process.wait(20) == 5
    finally:
        again.close()
    assert tiffin("rm", "-f", "term").returncode == 0


def test_explain_shows_how_it_came_about(tiffin: Run) -> None:
    tiffin("run", "--name", "told", "busybox", "true")
    page = tiffin("explain", "told").stdout.decode()
    assert page.startswith("told (")
    assert "busybox" in page.splitlines()[0]
    assert "└─ exit" in page
    tiffin("rm", "told")
