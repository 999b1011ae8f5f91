"""`tiffin` itself does what the stock CLI does, and explains a start. Terminals: test_docker_cli_terminal.py."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess

import pytest

from daemon_house import TIFFIN, DaemonHouse, until


def ok(house: DaemonHouse, *arguments: str, **options: object) -> str:
    return house.run(TIFFIN, *arguments, check=True, **options).stdout.rstrip("\n")  # type: ignore[arg-type]


def test_streams_are_apart_and_the_status_is_the_programs(house: DaemonHouse) -> None:
    done = house.run(TIFFIN, "run", "--rm", "busybox", "sh", "-c", "echo out; echo err >&2; exit 7")
    assert (done.stdout, done.stderr, done.returncode) == ("out\n", "err\n", 7)


def test_20_megabytes_go_through_cat_unchanged(house: DaemonHouse) -> None:
    data = os.urandom(1 << 20) * 20
    done = subprocess.run(
        [TIFFIN, "run", "-i", "--rm", "busybox", "cat"], input=data, capture_output=True, env=house.environment()
    )
    assert done.returncode == 0, done.stderr
    assert hashlib.sha256(done.stdout).digest() == hashlib.sha256(data).digest()


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["run", "--rm", "busybox", "no-such-program"], 127, "executable file not found in $PATH"),
        (["run", "--rm", "busybox", "/etc"], 126, "is a directory"),
        (["run", "--no-such-flag", "busybox"], 125, "unknown flag: --no-such-flag"),
        (["run", "--rm", "--pull", "never", "no-such-image"], 125, "No such image: no-such-image:latest"),
        (["no-such-command"], 1, "no-such-command"),
        (["inspect", "no-such-thing"], 1, "o such object: no-such-thing"),
    ],
)
def test_errors_have_dockers_statuses(house: DaemonHouse, arguments: list[str], status: int, words: str) -> None:
    done = house.run(TIFFIN, *arguments)
    assert done.returncode == status, done.stderr
    assert words in done.stderr


def test_the_life_of_a_container(house: DaemonHouse) -> None:
    id = ok(house, "run", "-d", "--name", "lives", "busybox", "sh", "-c", "echo up; sleep 1000")
    assert len(id) == 64
    assert ok(house, "ps", "-q", "--no-trunc") == id
    until(lambda: ok(house, "logs", "lives") == "up")
    assert ok(house, "exec", "lives", "hostname") == id[:12]
    assert house.run(TIFFIN, "exec", "lives", "sh", "-c", "exit 6").returncode == 6
    assert json.loads(ok(house, "inspect", "lives"))[0]["Id"] == id
    assert ok(house, "inspect", "-f", "{{.State.Status}}", "lives") == "running"
    ok(house, "stop", "-t", "0", "lives")
    assert ok(house, "wait", "lives") == "137"
    ok(house, "start", "lives")
    ok(house, "restart", "-t", "0", "lives")
    ok(house, "kill", "lives")
    assert "Exited (137)" in ok(house, "ps", "-a")
    ok(house, "rm", "lives")
    assert ok(house, "ps", "-aq") == ""
    house.ok("create", "--name", "made", "busybox", "sh", "-c", "echo attached")
    assert ok(house, "start", "-a", "made") == "attached"


def test_its_tables_are_the_docker_clis(house: DaemonHouse) -> None:
    house.ok("create", "--name", "shown", "busybox")
    for command in (["ps", "-a"], ["images"], ["history", "busybox"], ["version", "-f", "{{.Server.APIVersion}}"]):
        assert ok(house, *command) == house.ok(*command), command


def test_events_and_info(house: DaemonHouse) -> None:
    process = house.popen(TIFFIN, "events", "--format", "{{.Action}}", stdin=subprocess.DEVNULL)
    assert process.stdout is not None
    until(lambda: house.ok("run", "--rm", "busybox", "true") == "")
    line = process.stdout.readline().decode().strip()
    assert line
    process.terminate()
    process.wait(10)
    assert "Storage Driver: overlay2" in ok(house, "info")


def test_images_are_saved_and_loaded(house: DaemonHouse) -> None:
    archive = f"{house.home}/saved.tar"
    ok(house, "tag", "busybox", "copy:1")
    ok(house, "save", "-o", archive, "copy:1")
    ok(house, "rmi", "copy:1")
    assert "Loaded image: copy:1" in ok(house, "load", "-i", archive)
    ok(house, "rmi", "copy:1")


def test_explain_tells_how_a_container_came_about(house: DaemonHouse) -> None:
    house.docker("run", "--name", "story", "busybox", "sh", "-c", "exit 3")
    told = ok(house, "explain", "story")
    for word in ("busybox", "overlay", "mnt", "net", "cgroup", "veth", house.gateway.rpartition(".")[0], "3"):
        assert word in told, f"{word} is missing in:\n{told}"
