"""The stock docker CLI, and tiffin's, on a real pseudo-terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import pytest

from daemon_house import TIFFIN, DaemonHouse, until
from terminal_session import CTRL_C, DETACH, TerminalSession


class Open(Protocol):
    def __call__(self, *arguments: str, rows: int = 24, columns: int = 80) -> TerminalSession: ...


@pytest.fixture(params=["docker", TIFFIN], ids=["docker", "tiffin"])
def session(house: DaemonHouse, request: pytest.FixtureRequest) -> Iterator[Open]:
    sessions: list[TerminalSession] = []

    def opened(*arguments: str, rows: int = 24, columns: int = 80) -> TerminalSession:
        sessions.append(TerminalSession([request.param, *arguments], house.environment(), rows, columns))
        return sessions[-1]

    yield opened
    for one in sessions:
        one.close()


def test_a_program_has_a_terminal_of_the_clients_size(session: Open) -> None:
    script = "tty; stty size; echo $TERM; exit 4"
    shell = session("run", "-it", "--rm", "busybox", "sh", "-c", script, rows=31, columns=97)
    assert shell.expect(b"/dev/pts/0\r\n")
    assert shell.expect(b"31 97\r\n")
    assert shell.expect(b"xterm\r\n")
    assert shell.wait() == 4


def test_a_resized_window_is_resized_inside(session: Open) -> None:
    shell = session("run", "-it", "--rm", "busybox", "sh")
    shell.expect(b"/ # ")
    shell.typed(b"until stty size | grep 132; do :; done; echo do''ne\n")

    def resized() -> bool:  # the docker CLI listens for SIGWINCH only some time after the program's first output
        shell.resize(50, 132)
        return shell.came(b"50 132\r\n")

    until(resized, what="the new size inside")
    shell.expect(b"done\r\n")
    shell.typed(b"exit\n")
    assert shell.wait() == 0


def test_ctrl_c_interrupts_the_foreground_program(session: Open) -> None:
    script = "trap 'exit 130' INT; echo ready; while :; do sleep 0.05; done"
    shell = session("run", "-it", "--rm", "busybox", "sh", "-c", script)
    shell.expect(b"ready")
    shell.typed(CTRL_C)
    assert shell.wait() == 130


def test_ctrl_c_at_a_shell_leaves_the_shell(session: Open) -> None:
    shell = session("run", "-it", "--rm", "busybox", "sh")
    shell.expect(b"/ # ")
    shell.typed(b"sh -c 'echo u''p; exec sleep 1000'\n")
    shell.expect(b"up\r\n")
    shell.typed(CTRL_C)
    shell.expect(b"/ # ")
    shell.typed(b"echo status $?\n")
    shell.expect(b"status 130\r\n")
    shell.expect(b"/ # ")
    shell.typed(b"\x04")
    assert shell.wait() == 0


def test_detach_keys_leave_the_container_running_and_attach_comes_back(house: DaemonHouse, session: Open) -> None:
    shell = session("run", "-it", "--name", "left", "busybox", "sh")
    shell.expect(b"/ # ")
    shell.typed(DETACH)
    assert shell.wait() == 0
    assert house.state("left")["Running"]
    again = session("attach", "left")
    again.typed(b"\n")
    again.expect(b"# ")
    again.typed(b"echo back $((40 + 2))\n")
    again.expect(b"back 42\r\n")
    again.typed(b"exit 6\n")
    assert again.wait() == 6


def test_detach_keys_of_ones_own(house: DaemonHouse, session: Open) -> None:
    shell = session("run", "-it", "--name", "own-keys", "--detach-keys", "ctrl-x,q", "busybox", "cat")
    shell.typed(b"one\n")
    shell.expect(b"one\r\none\r\n")
    shell.typed(b"\x18q")
    assert shell.wait() == 0
    assert house.state("own-keys")["Running"]


def test_exec_has_a_terminal_of_its_own(house: DaemonHouse, session: Open) -> None:
    house.ok("run", "-d", "--name", "host", "busybox", "sleep", "1000")
    shell = session("exec", "-it", "host", "sh", rows=33, columns=99)
    shell.expect(b"/ # ")
    shell.typed(b"tty; until stty size | grep 99; do :; done\n")
    shell.expect(b"/dev/pts/0\r\n")
    shell.expect(b"33 99\r\n")
    shell.typed(b"exit 8\n")
    assert shell.wait() == 8


def test_start_ai_takes_the_terminal_again(house: DaemonHouse, session: Open) -> None:
    house.ok("create", "-it", "--name", "later", "busybox", "sh")
    shell = session("start", "-ai", "later")
    shell.expect(b"/ # ")
    shell.typed(b"exit 11\n")
    assert shell.wait() == 11


def test_a_terminal_is_asked_of_the_client(house: DaemonHouse) -> None:
    done = house.docker("run", "-it", "--rm", "busybox", "true")
    assert done.returncode == 1
    assert "the input device is not a TTY" in done.stderr
