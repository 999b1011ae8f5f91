"""tiffin run -it on a real pseudo-terminal: raw mode and back, size, detach keys, what is typed."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import socket
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator

import pytest
from fake_daemon import Exchange, FakeDaemon, Run
from scripted import Scripted


class Terminal:
    """A pseudo-terminal with a client on it."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.environment = environment
        self.master, self.slave = pty.openpty()
        self.seen = b""
        self.process: subprocess.Popen[bytes] | None = None
        self.resize(30, 100)
        self.before = termios.tcgetattr(self.slave)

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-P", "-m", "tiffin", *words]
        ends = {"stdin": self.slave, "stdout": self.slave, "stderr": self.slave}
        self.process = subprocess.Popen(command, env=self.environment, start_new_session=True, **ends)
        return self.process

    def resize(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def expect(self, text: bytes, seconds: float = 20) -> None:
        until = time.monotonic() + seconds
        while text not in self.seen:
            left = until - time.monotonic()
            assert left > 0, f"{text!r} not in {self.seen!r}"
            if select.select([self.master], [], [], left)[0]:
                self.seen += os.read(self.master, 65536)

    def type(self, data: bytes) -> None:
        os.write(self.master, data)

    def raw(self) -> bool:
        return not termios.tcgetattr(self.slave)[3] & (termios.ECHO | termios.ICANON | termios.ISIG)

    def close(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
        if self.process is not None:
            self.process.wait()
        os.close(self.master)
        os.close(self.slave)


@pytest.fixture
def terminal(environment: dict[str, str]) -> Iterator[Terminal]:
    one = Terminal({**environment, "TERM": "xterm"})
    yield one
    one.close()


def shell(sock: socket.socket, exchange: Exchange) -> int:
    """Echoes what is typed in brackets; q ends it."""
    sock.sendall(b"ready\r\n")
    while data := sock.recv(4096):
        sock.sendall(b"[" + data + b"]")
        if b"q" in data:
            return 4
    return 0


def test_a_session_is_raw_and_the_terminal_is_given_back(daemon: FakeDaemon, terminal: Terminal) -> None:
    script = Scripted(daemon, shell, tty=True)
    process = terminal.start("run", "-it", "busybox", "sh")
    terminal.expect(b"ready\r\n")
    assert terminal.raw()
    terminal.type(b"\x03")  # Ctrl-C is a key of the program's now
    terminal.expect(b"[\x03]")
    terminal.type(b"q")
    assert process.wait(20) == 4
    assert termios.tcgetattr(terminal.slave) == terminal.before
    assert script.sizes[0] == ("30", "100")
    document = daemon.requests("POST", "/containers/create")[0].json
    assert document["Tty"] is True
    assert document["HostConfig"]["ConsoleSize"] == [30, 100]
    assert script.signals == []


def test_a_new_size_is_passed_on(daemon: FakeDaemon, terminal: Terminal) -> None:
    script = Scripted(daemon, shell, tty=True)
    process = terminal.start("run", "-it", "busybox", "sh")
    terminal.expect(b"ready")
    terminal.resize(40, 120)
    process.send_signal(signal.SIGWINCH)  # the terminal is not the session's controlling one
    with script.resized:
        assert script.resized.wait_for(lambda: ("40", "120") in script.sizes, 20)
    terminal.type(b"q")
    assert process.wait(20) == 4


def test_the_detach_keys_leave_the_program_running(daemon: FakeDaemon, terminal: Terminal) -> None:
    script = Scripted(daemon, shell, tty=True)
    process = terminal.start("run", "-it", "busybox", "sh")
    terminal.expect(b"ready")
    terminal.type(b"a\x10")
    terminal.expect(b"[a]")
    terminal.type(b"\x11")
    assert process.wait(20) == 0
    assert termios.tcgetattr(terminal.slave) == terminal.before
    assert script.signals == []


def test_other_detach_keys_can_be_chosen(daemon: FakeDaemon, terminal: Terminal) -> None:
    script = Scripted(daemon, shell, tty=True)
    script.started.set()
    process = terminal.start("attach", "--detach-keys", "ctrl-x,x", "web")
    terminal.expect(b"ready")
    terminal.type(b"\x10\x11")
    terminal.expect(b"[\x10\x11]")
    terminal.type(b"\x18x")
    assert process.wait(20) == 0
    assert daemon.requests("POST", ".*/attach")[0].query["detachKeys"] == ["ctrl-x,x"]


def test_a_terminated_client_gives_the_terminal_back(daemon: FakeDaemon, terminal: Terminal) -> None:
    Scripted(daemon, shell, tty=True)
    process = terminal.start("run", "-it", "busybox", "sh")
    terminal.expect(b"ready")
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == -signal.SIGTERM
    assert termios.tcgetattr(terminal.slave) == terminal.before


def test_exec_gets_the_size_at_once(daemon: FakeDaemon, terminal: Terminal) -> None:
    def start(exchange: Exchange) -> None:
        sock = exchange.hijack()
        shell(sock, exchange)
        sock.shutdown(socket.SHUT_WR)

    daemon.on("POST", "/containers/web/exec", {"Id": "e1"}, 201)
    daemon.on("POST", "/exec/e1/start", start)
    daemon.on("GET", "/exec/e1/json", {"ExitCode": 6})
    process = terminal.start("exec", "-it", "web", "sh")
    terminal.expect(b"ready")
    terminal.type(b"q")
    assert process.wait(20) == 6
    assert daemon.requests("POST", "/containers/web/exec")[0].json["ConsoleSize"] == [30, 100]
    assert daemon.requests("POST", "/exec/e1/start")[0].json["ConsoleSize"] == [30, 100]


def test_a_terminal_is_asked_of_stdin_where_there_is_none(daemon: FakeDaemon, tiffin: Run) -> None:
    Scripted(daemon, shell, tty=True)
    done = tiffin("run", "-it", "busybox", "sh")
    assert done.returncode == 125
    assert done.stderr.startswith(b"tiffin: the input device is not a TTY")
    assert not daemon.requests("POST", "/containers/create")
