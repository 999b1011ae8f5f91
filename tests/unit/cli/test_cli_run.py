"""tiffin run, start, attach and exec against a canned daemon: order of requests, streams, statuses, signals."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from fake_daemon import Exchange, FakeDaemon, Run, frame
from scripted import ID, Scripted


def says(*pieces: bytes, status: int = 0):  # type: ignore[no-untyped-def]
    def program(sock: socket.socket, exchange: Exchange) -> int:
        for piece in pieces:
            sock.sendall(piece)
        return status

    return program


def echo(sock: socket.socket, exchange: Exchange) -> int:
    while data := sock.recv(65536):
        sock.sendall(frame(1, data))
    return 0


def test_run_attaches_and_waits_before_it_starts(daemon: FakeDaemon, tiffin: Run) -> None:
    Scripted(daemon, says(frame(1, b"out\n"), frame(2, b"err\n"), status=7))
    done = tiffin("run", "busybox", "sh")
    assert (done.returncode, done.stdout, done.stderr) == (7, b"out\n", b"err\n")
    assert [exchange.path.rpartition("/")[2] for exchange in daemon.seen] == ["create", "attach", "wait", "start"]
    assert daemon.requests("POST", ".*/wait")[0].query == {"condition": ["next-exit"]}
    assert daemon.requests("POST", ".*/attach")[0].headers["upgrade"] == "tcp"


def test_run_rm_waits_for_the_removal(daemon: FakeDaemon, tiffin: Run) -> None:
    Scripted(daemon, says())
    assert tiffin("run", "--rm", "busybox").returncode == 0
    assert daemon.requests("POST", ".*/wait")[0].query == {"condition": ["removed"]}
    assert daemon.requests("POST", ".*/create")[0].json["HostConfig"]["AutoRemove"] is True


def test_run_detached_prints_the_id(daemon: FakeDaemon, tiffin: Run) -> None:
    Scripted(daemon, says())
    done = tiffin("run", "-d", "busybox")
    assert (done.returncode, done.stdout) == (0, ID.encode() + b"\n")
    assert not daemon.requests("POST", ".*/attach")


def test_frames_cut_anywhere_arrive_whole(daemon: FakeDaemon, tiffin: Run) -> None:
    data = b"".join(frame(1 + i % 2, bytes([65 + i % 26]) * (i * 7 % 90)) for i in range(300))

    def program(sock: socket.socket, exchange: Exchange) -> int:
        for at in range(0, len(data), 13):
            sock.sendall(data[at : at + 13])
        return 0

    Scripted(daemon, program)
    done = tiffin("run", "busybox")
    assert done.stdout == b"".join(bytes([65 + i % 26]) * (i * 7 % 90) for i in range(0, 300, 2))
    assert done.stderr == b"".join(bytes([65 + i % 26]) * (i * 7 % 90) for i in range(1, 300, 2))


def test_stdin_goes_in_and_its_end_is_passed_on(daemon: FakeDaemon, tiffin: Run) -> None:
    Scripted(daemon, echo)
    data = os.urandom(8 << 20)
    done = tiffin("run", "-i", "busybox", "cat", stdin=data)
    assert hashlib.sha256(done.stdout).digest() == hashlib.sha256(data).digest()


def test_stdin_is_read_no_further_than_the_program_takes_it(
    daemon: FakeDaemon, environment: dict[str, str], tmp_path: Path
) -> None:
    taken = threading.Event()

    def program(sock: socket.socket, exchange: Exchange) -> int:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        taken.wait(20)
        return 0

    script = Scripted(daemon, program)
    big = tmp_path / "big"
    with big.open("wb") as file:
        file.truncate(64 << 20)
    with big.open("rb") as stdin:
        command = [sys.executable, "-P", "-m", "tiffin", "run", "-i", "busybox"]
        process = subprocess.Popen(command, stdin=stdin, stdout=subprocess.PIPE, env=environment)
        assert script.started.wait(20)
        taken.set()
        process.communicate(timeout=30)
        # The file's offset is shared: it tells how far the client read.
        assert stdin.seek(0, os.SEEK_CUR) < 4 << 20


def test_a_missing_image_is_pulled_and_create_repeated(daemon: FakeDaemon, tiffin: Run) -> None:
    Scripted(daemon, says(frame(1, b"hi\n")))
    answers = [({"message": "No such image: busybox:latest"}, 404), ({"Id": ID, "Warnings": ["mind this"]}, 201)]
    daemon.on("POST", "/containers/create", lambda exchange: exchange.reply(*answers.pop(0)))
    progress = b'{"status":"Pulling from library/busybox","id":"latest"}\r\n{"status":"Status: Downloaded"}\r\n'
    daemon.on("POST", "/images/create", lambda exchange: exchange.reply(progress))
    done = tiffin("run", "busybox")
    assert (done.returncode, done.stdout) == (0, b"hi\n")
    assert done.stderr.decode().splitlines() == [
        "Unable to find image 'busybox:latest' locally",
        "latest: Pulling from library/busybox",
        "Status: Downloaded",
        "WARNING: mind this",
    ]
    assert daemon.requests("POST", "/images/create")[0].query == {"fromImage": ["busybox"], "tag": ["latest"]}


def test_pull_never_pulls_nothing(daemon: FakeDaemon, tiffin: Run) -> None:
    daemon.on("POST", "/containers/create", {"message": "No such image: busybox:latest"}, 404)
    done = tiffin("run", "--pull", "never", "busybox")
    assert done.returncode == 125
    assert done.stderr == (
        b"tiffin: Error response from daemon: No such image: busybox:latest\n\n"
        b"Run 'tiffin run --help' for more information\n"
    )


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ('exec: "foo": executable file not found in $PATH', 127),
        ('exec: "/foo": stat /foo: no such file or directory', 127),
        ('exec: "/etc": permission denied', 126),
        ('exec: "/etc": is a directory', 126),
        ("driver failed programming external connectivity", 125),
    ],
)
def test_a_failed_start_has_dockers_status(daemon: FakeDaemon, tiffin: Run, message: str, code: int) -> None:
    held = threading.Event()
    Scripted(daemon, lambda sock, exchange: int(held.wait(0)))
    daemon.on("POST", "/containers/[^/]+/start", {"message": message}, 400)
    done = tiffin("run", "busybox", "foo")
    assert done.returncode == code
    assert done.stderr.decode().startswith(f"tiffin: Error response from daemon: {message}\n\nRun 'tiffin run --help'")


def test_signals_are_the_containers(daemon: FakeDaemon, environment: dict[str, str]) -> None:
    ready = threading.Event()
    holder: list[Scripted] = []

    def program(sock: socket.socket, exchange: Exchange) -> int:
        sock.sendall(frame(1, b"ready\n"))
        ready.set()
        with holder[0].signalled:
            assert holder[0].signalled.wait_for(lambda: len(holder[0].signals) == 2, 20)
        return 130

    holder.append(Scripted(daemon, program))
    command = [sys.executable, "-P", "-m", "tiffin", "run", "busybox"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(signal.SIGINT)
    with holder[0].signalled:
        assert holder[0].signalled.wait_for(lambda: bool(holder[0].signals), 20)
    process.send_signal(signal.SIGUSR1)
    process.communicate(timeout=30)
    assert process.returncode == 130
    assert holder[0].signals == ["INT", "USR1"]


def test_a_daemon_that_restarts_is_asked_again_for_the_status(daemon: FakeDaemon, tiffin: Run) -> None:
    Scripted(daemon, says(frame(1, b"x")))
    calls = []

    def wait(exchange: Exchange) -> None:
        calls.append(exchange)
        if len(calls) == 1:
            exchange.start_chunks()
            exchange.sock.shutdown(socket.SHUT_RDWR)
        else:
            exchange.reply({"StatusCode": 9})

    daemon.on("POST", "/containers/[^/]+/wait", wait)
    assert tiffin("run", "busybox").returncode == 9
    assert len(calls) == 2


def test_start_attached_gives_the_status(daemon: FakeDaemon, tiffin: Run) -> None:
    Scripted(daemon, says(frame(1, b"again\n"), status=3))
    done = tiffin("start", "-a", "web")
    assert (done.returncode, done.stdout) == (3, b"again\n")


def test_attach_gives_the_status(daemon: FakeDaemon, tiffin: Run) -> None:
    script = Scripted(daemon, echo)
    script.started.set()
    done = tiffin("attach", "web", stdin=b"typed")
    assert (done.returncode, done.stdout) == (0, b"typed")


def test_attach_refuses_what_does_not_run(daemon: FakeDaemon, tiffin: Run) -> None:
    daemon.on("GET", "/containers/web/json", {"Id": ID, "State": {"Running": False}, "Config": {}})
    done = tiffin("attach", "web")
    assert (done.returncode, done.stderr) == (1, b"cannot attach to a stopped container, start it first\n")


@pytest.mark.parametrize("status", [101, 200])
def test_exec_streams_and_gives_the_status(daemon: FakeDaemon, tiffin: Run, status: int) -> None:
    def start(exchange: Exchange) -> None:
        sock = exchange.hijack(frame(1, b"first "), status)
        while data := sock.recv(65536):
            sock.sendall(frame(1, data))
        sock.shutdown(socket.SHUT_WR)

    daemon.on("POST", "/containers/web/exec", {"Id": "e1"}, 201)
    daemon.on("POST", "/exec/e1/start", start)
    daemon.on("GET", "/exec/e1/json", {"ExitCode": 5})
    done = tiffin("exec", "-i", "-e", "A=b", "-w", "/x", "web", "cat", "-n", stdin=b"typed")
    assert (done.returncode, done.stdout) == (5, b"first typed")
    document = daemon.requests("POST", "/containers/web/exec")[0].json
    assert (document["Cmd"], document["Env"], document["WorkingDir"]) == (["cat", "-n"], ["A=b"], "/x")


def test_a_cidfile_holds_the_id_and_is_never_overwritten(daemon: FakeDaemon, tiffin: Run, tmp_path: Path) -> None:
    Scripted(daemon, says())
    file = tmp_path / "cid"
    assert tiffin("run", "-d", "--cidfile", str(file), "busybox").returncode == 0
    assert file.read_text() == ID
    done = tiffin("run", "-d", "--cidfile", str(file), "busybox")
    assert done.returncode == 125
    assert b"container ID file found" in done.stderr


def test_a_cidfile_of_no_container_is_removed(daemon: FakeDaemon, tiffin: Run, tmp_path: Path) -> None:
    daemon.on("POST", "/containers/create", {"message": "nope"}, 409)
    assert tiffin("create", "--cidfile", str(tmp_path / "cid"), "busybox").returncode == 125
    assert not (tmp_path / "cid").exists()


def test_a_broken_pipe_ends_the_client_quietly(daemon: FakeDaemon, environment: dict[str, str]) -> None:
    def program(sock: socket.socket, exchange: Exchange) -> int:
        try:
            while True:
                sock.sendall(frame(1, b"y\n" * 4096))
        except OSError:
            return 0

    Scripted(daemon, program)
    command = [sys.executable, "-P", "-m", "tiffin", "run", "busybox"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment)
    assert process.stdout is not None and process.stderr is not None
    assert process.stdout.read(2) == b"y\n"
    process.stdout.close()
    stderr = process.stderr.read()
    assert process.wait(30) == 1
    process.stderr.close()
    assert stderr == b""


def test_the_daemons_error_in_the_stream_is_an_error(daemon: FakeDaemon, tiffin: Run) -> None:
    Scripted(daemon, says(frame(3, b"log driver broke")))
    done = tiffin("run", "busybox")
    assert done.returncode != 0
    assert b"error from daemon in stream: log driver broke" in done.stderr


def test_create_sends_what_the_flags_say(daemon: FakeDaemon, tiffin: Run) -> None:
    Scripted(daemon, says())
    done = tiffin("create", "--name", "x", "-m", "64m", "--platform", "linux/arm64", "busybox", "sh", "-c", "x")
    assert done.stdout.decode().strip() == ID
    exchange = daemon.requests("POST", "/containers/create")[0]
    assert exchange.query == {"name": ["x"], "platform": ["linux/arm64"]}
    assert json.loads(exchange.body)["HostConfig"]["Memory"] == 64 << 20
