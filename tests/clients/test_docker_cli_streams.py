"""The stock docker CLI: output, input and exit statuses are where they belong."""

from __future__ import annotations

import hashlib
import os
import subprocess
import threading
from time import monotonic, sleep

import pytest

from daemon_house import DaemonHouse

MEGABYTE = 1 << 20


def test_streams_are_apart_and_the_status_is_the_programs(house: DaemonHouse) -> None:
    done = house.docker("run", "--rm", "busybox", "sh", "-c", "echo out; echo err >&2; exit 7")
    assert (done.stdout, done.stderr, done.returncode) == ("out\n", "err\n", 7)


def pattern(size: int) -> bytes:
    """Half text of short lines, half bytes of every value."""
    text = b"".join(b"line %d of some text that goes through a container\n" % n for n in range(size // 100))
    return text[: size // 2] + (os.urandom(MEGABYTE) * (size // 2 // MEGABYTE + 1))[: size - len(text[: size // 2])]


def test_100_megabytes_go_through_cat_unchanged(house: DaemonHouse) -> None:
    data = pattern(100 * MEGABYTE)
    process = house.popen("docker", "run", "-i", "--rm", "busybox", "cat")
    seen = hashlib.sha256()
    size = 0

    def feed() -> None:
        assert process.stdin is not None
        process.stdin.write(data)
        process.stdin.close()

    feeder = threading.Thread(target=feed)
    feeder.start()
    assert process.stdout is not None and process.stderr is not None
    while chunk := process.stdout.read1(MEGABYTE):  # type: ignore[attr-defined]
        seen.update(chunk)
        size += len(chunk)
    feeder.join()
    assert process.wait(30) == 0, process.stderr.read()
    assert size == len(data)
    assert seen.hexdigest() == hashlib.sha256(data).hexdigest()
    process.stdout.close()
    process.stderr.close()


def test_a_reader_of_2_megabytes_a_second_gets_every_byte(house: DaemonHouse) -> None:
    data = pattern(8 * MEGABYTE)
    process = house.popen("docker", "run", "-i", "--rm", "busybox", "cat", bufsize=0)
    feeder = threading.Thread(target=lambda: (process.stdin.write(data), process.stdin.close()))  # type: ignore[union-attr]
    feeder.start()
    assert process.stdout is not None
    began, size, seen = monotonic(), 0, hashlib.sha256()
    while chunk := process.stdout.read(MEGABYTE // 10):
        seen.update(chunk)
        size += len(chunk)
        sleep(max(0.0, began + size / (2 * MEGABYTE) - monotonic()))  # this is what makes it slow
    feeder.join()
    assert process.wait(30) == 0
    assert (size, seen.hexdigest()) == (len(data), hashlib.sha256(data).hexdigest())
    process.stdout.close()
    assert process.stderr is not None
    process.stderr.close()


def test_standard_input_ends_for_the_program_when_it_ends_for_the_client(house: DaemonHouse) -> None:
    done = house.docker("run", "-i", "--rm", "busybox", "sh", "-c", "wc -c; echo after", input="12345")
    assert done.stdout.split() == ["5", "after"]


def test_input_that_nobody_reads_does_not_hold_the_client(house: DaemonHouse) -> None:
    done = house.docker("run", "-i", "--rm", "busybox", "true", input=b"x" * MEGABYTE)
    assert done.returncode == 0


def test_without_i_the_program_has_no_input(house: DaemonHouse) -> None:
    assert house.ok("run", "--rm", "busybox", "wc", "-c", input="unseen") == "0"


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["run", "--rm", "busybox", "sh", "-c", "exit 3"], 3, ""),
        (["run", "--rm", "busybox", "sh", "-c", "trap 'exit 5' TERM; kill -TERM $$"], 5, ""),
        (
            ["run", "--rm", "busybox", "no-such-program"],
            127,
            'exec: "no-such-program": executable file not found in $PATH',
        ),
        (["run", "--rm", "busybox", "/no/such/program"], 127, "no such file or directory"),
        (["run", "--rm", "busybox", "/etc"], 126, "is a directory"),
        (["run", "--rm", "busybox", "/etc/passwd"], 126, "permission denied"),
        (["run", "--rm", "--no-such-flag", "busybox"], 125, "unknown flag: --no-such-flag"),
        (["run", "--rm", "--pull", "never", "no-such-image"], 125, "No such image: no-such-image:latest"),
        (["run", "--rm", "-w", "relative", "busybox"], 125, "needs to be an absolute path"),
        (["run", "--rm", "-u", "nobody-at-all", "busybox"], 125, "unable to find user nobody-at-all"),
    ],
)
def test_exit_statuses_are_dockers(house: DaemonHouse, arguments: list[str], status: int, words: str) -> None:
    done = house.docker(*arguments)
    assert done.returncode == status, done.stderr
    assert words in done.stderr
    assert house.ok("ps", "-aq") == ""


def test_a_stopped_shell_is_143_and_a_killed_one_137(house: DaemonHouse) -> None:
    for command, status in (("stop", "143"), ("kill", "137")):
        name = f"by-{command}"
        house.ok("run", "-d", "--init=false", "--name", name, "busybox", "sh", "-c", "sleep 1000 & wait")
        if command == "stop":  # PID 1 ignores TERM without a handler, so its child is what is stopped
            house.ok("rm", "-f", name)
            house.ok("run", "-d", "--name", name, "busybox", "sh", "-c", "trap 'exit 143' TERM; sleep 1000 & wait")
            house.ok("exec", name, "sh", "-c", "until grep -q 'SigCgt:.*[1-9a-f]' /proc/1/status; do :; done")
        house.ok(command, name)
        assert house.ok("wait", name) == status


def test_the_cli_leaves_with_the_containers_status_when_a_signal_is_passed_on(house: DaemonHouse) -> None:
    script = "trap 'echo got; exit 9' TERM; echo ready; while :; do sleep 0.1; done"
    process = house.popen("docker", "run", "--rm", "busybox", "sh", "-c", script, stdin=subprocess.DEVNULL)
    assert process.stdout is not None and process.stderr is not None
    assert process.stdout.readline() == b"ready\n"
    process.terminate()
    assert process.stdout.read() == b"got\n"
    assert process.wait(20) == 9
    process.stdout.close()
    process.stderr.close()
