"""The daemon is killed, or stopped and started: containers go on, and nobody who asks is turned away."""

from __future__ import annotations

import glob
import os
import signal
import subprocess
import threading

import pytest

from daemon_house import TIFFIN, DaemonHouse, until

COUNT = "n=0; while [ -e /go ] || [ $n -lt 1 ]; do n=$((n+1)); echo line $n; sleep 0.01; done"


def counted(text: str) -> list[int]:
    return [int(line.split()[1]) for line in text.splitlines()]


def test_containers_outlive_kill_9_and_are_told_of_afterwards(own_house: DaemonHouse) -> None:
    house = own_house
    house.ok("run", "-d", "--name", "stays", "busybox", "sh", "-c", f"touch /go; {COUNT}")
    house.ok("run", "-d", "--name", "ends", "busybox", "sh", "-c", "mkfifo /end; read x < /end; exit 21")
    house.ok("run", "-d", "--name", "killed", "busybox", "sleep", "1000")
    house.ok("run", "-d", "--name", "paused", "busybox", "sleep", "1000")
    house.ok("exec", "ends", "sh", "-c", "until [ -p /end ]; do :; done")
    house.ok("pause", "paused")
    house.docker("run", "--name", "over", "busybox", "sh", "-c", "exit 3")
    pids = {name: house.state(name)["Pid"] for name in ("stays", "ends", "killed")}
    house.end(signal.SIGKILL)
    lines = counted_in_log(house, "stays")
    until(lambda: counted_in_log(house, "stays") > lines + 20, what="lines without a daemon")
    os.kill(pids["killed"], signal.SIGKILL)
    enter(pids["ends"], "echo > /end")
    until(lambda: not any(os.path.exists(f"/proc/{pids[name]}") for name in ("ends", "killed")))
    house.start()
    shown = house.ok("ps", "-a", "--format", "{{.Names}} {{.State}}").splitlines()
    assert sorted(shown) == ["ends exited", "killed exited", "over exited", "paused paused", "stays running"]
    assert [house.ok("wait", name) for name in ("ends", "killed", "over")] == ["21", "137", "3"]
    state = house.state("ends")
    assert state["Error"] == "" and not state["OOMKilled"] and state["FinishedAt"] > state["StartedAt"]
    assert house.state("stays")["Pid"] == pids["stays"]
    # attach, exec, pause and stop work on what was taken over, and its log has no gap
    house.ok("unpause", "paused")
    follower = house.popen("docker", "attach", "--sig-proxy=false", "stays", stdin=subprocess.DEVNULL)
    assert follower.stdout is not None and follower.stderr is not None
    assert follower.stdout.readline().startswith(b"line ")
    house.docker("exec", "stays", "rm", "/go")
    follower.stdout.read()
    assert follower.wait(20) == 0
    follower.stdout.close()
    follower.stderr.close()
    assert house.ok("wait", "stays") == "0"
    numbers = counted(house.ok("logs", "stays"))
    assert numbers == list(range(1, len(numbers) + 1))
    assert house.ok("inspect", "-f", "{{.NetworkSettings.Networks.bridge.IPAddress}}", "paused").startswith("10.")
    house.ok("stop", "-t", "0", "paused")


def counted_in_log(house: DaemonHouse, name: str) -> int:
    root = f"{house.data_root}/containers"
    for id in os.listdir(root):
        path = f"{root}/{id}/{id}-json.log"
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                lines = file.read().count("line ")
            if lines:
                return lines
    return 0


def enter(pid: int, script: str) -> None:
    """Run a script in a container without asking the daemon."""
    subprocess.run(["chroot", f"/proc/{pid}/root", "/bin/sh", "-c", script], check=True, timeout=10)


def test_an_attached_client_keeps_its_stream_through_kill_9(own_house: DaemonHouse) -> None:
    house = own_house
    script = "while read l; do echo got $l; done"
    client = house.popen("docker", "run", "-i", "--rm", "busybox", "sh", "-c", script, bufsize=0)
    assert client.stdin is not None and client.stdout is not None and client.stderr is not None
    client.stdin.write(b"before\n")
    assert client.stdout.readline() == b"got before\n"
    until(lambda: house.ok("ps", "-q"), what="the start is answered: the stream may be faster than that")
    house.end(signal.SIGKILL)
    client.stdin.write(b"after\n")
    assert client.stdout.readline() == b"got after\n"
    client.stdin.close()
    assert client.stdout.read() == b""
    client.wait(20)  # its wait was lost with the daemon: no status to ask for
    client.stdout.close()
    client.stderr.close()
    house.start()
    until(lambda: house.ok("ps", "-aq") == "", what="--rm is done by the next daemon")


@pytest.mark.parametrize(
    "moment", ["data/containers/*", "run/*/config.json", "run/*/init.pid", "data/containers/*/exit.json"]
)
def test_kill_9_in_the_middle_of_starts_leaves_nothing_half_made(own_house: DaemonHouse, moment: str) -> None:
    house = own_house
    pattern = moment.replace("data", house.data_root, 1).replace("run", house.exec_root, 1)
    clients = [house.popen("docker", "run", "--rm", "busybox", "true", stdin=subprocess.DEVNULL) for _ in range(3)]
    until(lambda: glob.glob(pattern), 10, f"a start has come to {moment}", every=0.0)
    house.end(signal.SIGKILL)
    house.start()
    for client in clients:
        client.communicate(timeout=30)
    assert house.ok("run", "--rm", "busybox", "echo", "fine") == "fine"
    house.remove_all()
    until(lambda: not house.pids("tiffin-shim"), what="no shim is left")
    assert glob.glob(f"{house.exec_root}/" + "?" * 64) == []
    until(lambda: os.listdir(f"{house.data_root}/containers") == [], what="no container's directory is left")


def test_sigterm_and_a_new_start_fail_no_request(own_house: DaemonHouse) -> None:
    house = own_house
    house.ok("run", "-d", "--name", "up", "busybox", "sleep", "1000")
    answers: list[int] = []
    errors: list[BaseException] = []
    stop = threading.Event()

    def asks() -> None:
        while not stop.is_set():
            try:
                answers.append(house.api("GET", "/containers/up/json", timeout=20)[0])
            except OSError as error:
                errors.append(error)

    askers = [threading.Thread(target=asks) for _ in range(3)]
    for asker in askers:
        asker.start()
    try:
        for _ in range(3):
            answered = len(answers) + 20
            until(lambda: len(answers) > answered)  # noqa: B023  # called before the next round
            assert house.end(signal.SIGTERM) == 0
            house.start()
    finally:
        stop.set()
        for asker in askers:
            asker.join()
    assert not errors
    assert set(answers) == {200}
    assert house.ok("exec", "up", "echo", "still") == "still"


def test_a_follower_of_logs_ends_cleanly_when_the_daemon_stops(own_house: DaemonHouse) -> None:
    house = own_house
    house.ok("run", "-d", "--name", "talks", "busybox", "sh", "-c", "echo one; sleep 1000")
    follower = house.popen("docker", "logs", "-f", "talks", stdin=subprocess.DEVNULL)
    assert follower.stdout is not None
    assert follower.stdout.readline() == b"one\n"
    house.end(signal.SIGTERM)
    follower.communicate(timeout=20)
    house.start()
    assert house.ok("logs", "talks") == "one"


def test_a_second_daemon_on_the_same_roots_is_refused(own_house: DaemonHouse) -> None:
    house = own_house
    command = ["daemon", "--data-root", house.data_root, "--exec-root", house.exec_root, "--bridge", house.bridge]
    done = house.run(TIFFIN, *command)
    assert done.returncode == 1
    assert "is still running" in done.stderr
    assert house.ok("run", "--rm", "busybox", "echo", "first") == "first"


def test_sigint_with_a_running_container_keeps_it_for_the_next_daemon(own_house: DaemonHouse) -> None:
    house = own_house
    house.ok("run", "-d", "--name", "kept", "busybox", "sleep", "1000")
    assert house.end(signal.SIGINT) == 0
    house.start()
    assert house.state("kept")["Running"]
    assert "0% packet loss" in house.ok("exec", "kept", "ping", "-c", "1", "-w", "5", house.gateway)
