"""The stock docker CLI: what it does to containers in their life, and what it shows of them."""

from __future__ import annotations

import json
import os
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from daemon_house import DaemonHouse, until

SLEEP = ("busybox", "sleep", "1000")


def background(house: DaemonHouse, name: str, *more: str, command: tuple[str, ...] = SLEEP) -> str:
    return house.ok("run", "-d", "--name", name, *more, *command)


def test_run_d_prints_the_id_and_ps_shows_it(house: DaemonHouse) -> None:
    id = background(house, "first", "--label", "colour=blue")
    assert len(id) == 64
    wanted = "{{.ID}}|{{.Names}}|{{.Image}}|{{.Command}}|{{.State}}|{{.Status}}"
    shown = house.ok("ps", "--no-trunc", "--format", wanted)
    ident, name, image, command, state, status = shown.split("|")
    assert (ident, name, image, command, state) == (id, "first", "busybox", '"sleep 1000"', "running")
    assert status.startswith("Up ")
    assert house.ok("ps", "-q") == id[:12]


def test_ps_a_filters_and_formats(house: DaemonHouse) -> None:
    running = background(house, "runs", "--label", "tier=a")
    house.docker("run", "--name", "over", "--label", "tier=b", "busybox", "sh", "-c", "exit 3")
    house.ok("create", "--name", "made", "busybox")

    def names(*filters: str) -> set[str]:
        arguments = [word for filter in filters for word in ("--filter", filter)]
        return set(house.ok("ps", "-a", "--format", "{{.Names}}", *arguments).split())

    assert names() == {"runs", "over", "made"}
    assert names("status=exited") == {"over"}
    assert names("status=created") == {"made"}
    assert names("exited=3") == {"over"}
    assert names("label=tier") == {"runs", "over"}
    assert names("label=tier=a") == {"runs"}
    assert names("name=ade") == {"made"}
    assert names(f"id={running[:12]}") == {"runs"}
    assert names("ancestor=busybox") == {"runs", "over", "made"}
    assert names("status=running", "status=created") == {"runs", "made"}
    assert names("since=runs") == {"over", "made"}
    assert names("before=over") == {"runs"}
    assert house.ok("ps", "-n", "1", "--format", "{{.Names}}") == "made"
    table = house.ok("ps", "-a").splitlines()
    assert table[0].split() == ["CONTAINER", "ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "PORTS", "NAMES"]
    assert "Exited (3) " in house.ok("ps", "-a", "--filter", "name=over")
    assert house.docker("ps", "--filter", "nonsense=1").stderr.strip().endswith("invalid filter 'nonsense'")


def test_logs_with_their_options(house: DaemonHouse) -> None:
    script = "for n in 1 2 3 4 5; do echo line $n; done; echo bad >&2"
    house.ok("run", "--name", "talks", "busybox", "sh", "-c", script)
    done = house.docker("logs", "talks")
    assert (done.stdout, done.stderr) == ("".join(f"line {n}\n" for n in range(1, 6)), "bad\n")
    house.ok("run", "--name", "plain", "busybox", "seq", "9")
    assert house.docker("logs", "--tail", "2", "plain").stdout == "8\n9\n"
    stamped = house.docker("logs", "-t", "talks").stdout.splitlines()
    moments = [line.split(" ", 1)[0] for line in stamped]
    assert all(moment.endswith("Z") for moment in moments)
    assert datetime.fromisoformat(moments[0][:26] + "+00:00") <= datetime.now(UTC)
    assert house.docker("logs", "--since", "1h", "talks").stdout.count("\n") == 5
    assert house.docker("logs", "--until", "1h", "talks").stdout == ""
    assert house.docker("logs", "--since", "2100-01-01", "talks").stdout == ""
    assert house.docker("logs", "--tail", "0", "talks").stdout == ""


def test_logs_f_follows_to_the_end(house: DaemonHouse) -> None:
    script = "mkfifo /gate; echo one; read x < /gate; echo two"
    background(house, "follows", command=("busybox", "sh", "-c", script))
    process = house.popen("docker", "logs", "-f", "follows", stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    assert process.stdout is not None
    assert process.stdout.readline() == b"one\n"
    house.docker("exec", "follows", "sh", "-c", "echo > /gate")  # 137 when the container's end overtakes its own
    assert process.stdout.read() == b"two\n"
    assert process.wait(20) == 0
    process.stdout.close()


def test_exec_with_its_options(house: DaemonHouse) -> None:
    background(house, "host", "-e", "A=1", "-w", "/tmp")
    assert house.ok("exec", "host", "pwd") == "/tmp"
    assert house.ok("exec", "-w", "/etc", "host", "pwd") == "/etc"
    assert house.ok("exec", "-u", "nobody", "host", "id", "-un") == "nobody"
    assert house.ok("exec", "-u", "12:34", "host", "sh", "-c", "echo $(id -u):$(id -g)") == "12:34"
    assert house.ok("exec", "-e", "B=2", "host", "sh", "-c", "echo $A$B") == "12"
    assert house.ok("exec", "-i", "host", "cat", input="through") == "through"
    assert house.ok("exec", "host", "cat", input="not through") == ""
    done = house.docker("exec", "host", "sh", "-c", "echo out; echo err >&2; exit 9")
    assert (done.stdout, done.stderr, done.returncode) == ("out\n", "err\n", 9)
    assert house.ok("exec", "-d", "host", "touch", "/tmp/made") == ""
    until(lambda: house.docker("exec", "host", "test", "-e", "/tmp/made").returncode == 0)
    missing = house.docker("exec", "host", "no-such-program")
    assert missing.returncode == 127
    assert "executable file not found in $PATH" in missing.stderr + missing.stdout
    assert house.docker("exec", "host", "/etc").returncode == 126
    assert house.docker("exec", "nobody-there", "true").stderr.strip() == (
        "Error response from daemon: No such container: nobody-there"
    )


def test_exec_in_what_does_not_run(house: DaemonHouse) -> None:
    id = house.ok("create", "--name", "made", "busybox")
    done = house.docker("exec", "made", "true")
    assert done.returncode == 1
    assert f"container {id} is not running" in done.stderr
    background(house, "still")
    house.ok("pause", "still")
    assert "is paused, unpause the container before exec" in house.docker("exec", "still", "true").stderr


def test_two_clients_attach_and_both_see_and_type(house: DaemonHouse) -> None:
    background(house, "shared", "-i", command=("busybox", "sh", "-c", "while read l; do echo got $l; done"))
    clients = [house.popen("docker", "attach", "shared", bufsize=0) for _ in range(2)]
    for number, client in enumerate(clients):
        assert client.stdin is not None and client.stdout is not None
        if number == 0:
            # both must be attached before the first line; the daemon knows when
            until(lambda: house.events("shared").count("attach") >= 2, what="two attached clients")
        client.stdin.write(b"%d\n" % number)
        for other in clients:
            assert other.stdout is not None
            assert other.stdout.readline() == b"got %d\n" % number
    house.ok("kill", "shared")
    for client in clients:
        assert client.wait(20) == 137
        for stream in (client.stdin, client.stdout, client.stderr):
            assert stream is not None
            stream.close()


def test_attach_to_what_has_ended(house: DaemonHouse) -> None:
    house.ok("run", "--name", "over", "busybox", "true")
    assert "cannot attach to a stopped container, start it first" in house.docker("attach", "over").stderr


def test_stop_kill_start_and_restart(house: DaemonHouse) -> None:
    script = "trap 'echo term; exit 4' TERM; trap 'echo usr1' USR1; echo up; while :; do sleep 0.05; done"
    background(house, "cycle", command=("busybox", "sh", "-c", script))
    until(lambda: "up" in house.docker("logs", "cycle").stdout)
    assert house.ok("kill", "-s", "USR1", "cycle") == "cycle"
    until(lambda: "usr1" in house.docker("logs", "cycle").stdout)
    assert house.ok("stop", "cycle") == "cycle"
    assert house.state("cycle")["ExitCode"] == 4
    assert house.ok("start", "cycle") == "cycle"
    until(lambda: house.docker("logs", "cycle").stdout.count("up") == 2)
    before = house.state("cycle")["Pid"]
    assert house.ok("restart", "-t", "5", "cycle") == "cycle"
    assert house.state("cycle")["Pid"] not in (0, before)
    assert house.ok("kill", "cycle") == "cycle"
    assert house.state("cycle")["ExitCode"] == 137
    assert "cannot kill container: cycle: container " in house.docker("kill", "cycle").stderr
    assert house.ok("stop", "cycle") == "cycle"


def test_stop_kills_what_does_not_listen(house: DaemonHouse) -> None:
    background(house, "deaf")
    house.ok("stop", "-t", "0", "deaf")
    assert house.state("deaf")["ExitCode"] == 137
    assert house.state("deaf")["OOMKilled"] is False


def test_start_a_gives_output_and_status(house: DaemonHouse) -> None:
    house.ok("create", "--name", "later", "busybox", "sh", "-c", "echo out; echo err >&2; exit 5")
    done = house.docker("start", "-a", "later")
    assert (done.stdout, done.stderr, done.returncode) == ("out\n", "err\n", 5)


def test_rm_wants_force_for_what_runs(house: DaemonHouse) -> None:
    id = background(house, "busy")
    refused = house.docker("rm", "busy")
    assert refused.returncode == 1
    assert refused.stderr.strip() == (
        'Error response from daemon: cannot remove container "/busy": container is running: '
        "stop the container before removing or force remove"
    )
    assert house.ok("rm", "-f", "busy") == "busy"
    assert house.ok("ps", "-aq") == ""
    assert f"No such container: {id}" in house.docker("rm", id).stderr


def test_names_conflict_in_dockers_words(house: DaemonHouse) -> None:
    id = background(house, "taken")
    again = house.docker("run", "-d", "--name", "taken", *SLEEP)
    assert again.returncode == 125
    assert (
        f'Conflict. The container name "/taken" is already in use by container "{id}". '
        "You have to remove (or rename) that container to be able to reuse that name." in again.stderr
    )
    house.ok("rename", "taken", "renamed")
    assert house.ok("inspect", "-f", "{{.Name}}", id) == "/renamed"
    bad = house.docker("run", "-d", "--name", "a b", *SLEEP)
    assert "Invalid container name (a b), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed" in bad.stderr


def test_wait_tells_the_status(house: DaemonHouse) -> None:
    background(house, "waited", command=("busybox", "sh", "-c", "mkfifo /go; read x < /go; exit 12"))
    process = house.popen("docker", "wait", "waited", stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    house.docker("exec", "waited", "sh", "-c", "until [ -p /go ]; do :; done; echo > /go")
    assert process.communicate(timeout=20)[0] == b"12\n"


def test_rm_flag_removes_after_the_end(house: DaemonHouse) -> None:
    id = house.ok("run", "-d", "--rm", *SLEEP)
    process = house.popen("docker", "wait", id, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    house.ok("kill", id)
    assert process.communicate(timeout=20)[0] == b"137\n"
    until(lambda: house.ok("ps", "-aq") == "")


def test_inspect_and_its_format(house: DaemonHouse) -> None:
    id = background(house, "seen", "-e", "COLOUR=red", "--hostname", "box", "--memory", "64m")
    document = json.loads(house.ok("inspect", "seen"))[0]
    assert document["Id"] == id
    assert document["Config"]["Hostname"] == "box"
    assert "COLOUR=red" in document["Config"]["Env"]
    assert document["HostConfig"]["Memory"] == 64 << 20
    assert document["State"]["Status"] == "running"
    assert document["Path"] == "sleep" and document["Args"] == ["1000"]
    assert document["NetworkSettings"]["Networks"]["bridge"]["Gateway"] == house.gateway
    shown = house.ok("inspect", "-f", "{{.State.Running}} {{json .Config.Cmd}} {{.HostConfig.NetworkMode}}", "seen")
    assert shown == 'true ["sleep","1000"] bridge'
    addresses = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
    assert house.ok("inspect", "-f", addresses, "seen").startswith("10.")
    missing = house.docker("inspect", "nothing-of-this-name")
    assert (missing.returncode, missing.stdout.strip()) == (1, "[]")
    assert "No such object: nothing-of-this-name" in missing.stderr


def test_events_tell_a_whole_life(house: DaemonHouse) -> None:
    house.ok("run", "--rm", "--name", "lives", "busybox", "true")
    until(lambda: "destroy" in house.events("lives"))
    wanted = ["create", "attach", "start", "die", "destroy"]
    assert [action for action in house.events("lives") if action in wanted] == wanted


def test_top_shows_the_processes(house: DaemonHouse) -> None:
    background(house, "two", command=("busybox", "sh", "-c", "sleep 777 & sleep 778"))
    until(lambda: "sleep 778" in house.ok("top", "two"))
    rows = house.ok("top", "two").splitlines()
    assert rows[0].split() == ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"]
    assert [row.split()[-2:] for row in rows[1:]] == [["sleep", "778"], ["sleep", "777"]]
    assert "is not running" in house.docker("top", house.ok("create", "busybox")).stderr


def test_pause_and_unpause(house: DaemonHouse) -> None:
    background(house, "ticks", command=("busybox", "sh", "-c", "while :; do echo tick; sleep 0.02; done"))
    house.ok("pause", "ticks")
    assert house.ok("ps", "--format", "{{.Status}}").endswith("(Paused)")
    assert house.state("ticks")["Paused"] is True
    until(lambda: len({house.docker("logs", "ticks").stdout for _ in range(2)}) == 1, what="silence")
    still = house.docker("logs", "ticks").stdout
    assert "is already paused" in house.docker("pause", "ticks").stderr
    house.ok("unpause", "ticks")
    until(lambda: len(house.docker("logs", "ticks").stdout) > len(still))
    house.ok("pause", "ticks")
    house.ok("rm", "-f", "ticks")


def test_restarting_again_and_again_always_starts(house: DaemonHouse) -> None:
    background(house, "again")
    for _ in range(15):
        house.ok("restart", "-t", "0", "again")
    assert house.state("again")["Running"]


def test_ipc_of_another_container_and_of_the_host_are_shared(house: DaemonHouse) -> None:
    house.ok("run", "-d", "--name", "sharer", "--ipc", "shareable", "busybox", "sleep", "1000")
    house.ok("exec", "sharer", "sh", "-c", "echo here > /dev/shm/note")
    assert house.ok("run", "--rm", "--ipc", "container:sharer", "busybox", "cat", "/dev/shm/note").strip() == "here"
    theirs = house.ok("run", "--rm", "--ipc", "host", "busybox", "readlink", "/proc/self/ns/ipc")
    assert theirs.strip() == os.readlink("/proc/self/ns/ipc")


def test_a_file_is_bound_and_a_missing_source_becomes_a_directory(house: DaemonHouse, tmp_path: Path) -> None:
    (tmp_path / "note").write_text("a file\n")
    mine, none = f"{tmp_path}/note:/note:ro", f"{tmp_path}/none/of/it:/made"
    assert house.ok("run", "--rm", "-v", mine, "-v", none, "busybox", "cat", "/note") == "a file"
    assert (tmp_path / "none/of/it").is_dir()


def test_an_exec_by_nobody_known_is_126(house: DaemonHouse) -> None:
    background(house, "known")
    done = house.docker("exec", "-u", "stranger", "known", "true")
    assert done.returncode == 126
    assert "unable to find user stranger: no matching entries in passwd file" in done.stdout + done.stderr


def test_diff_and_cp_are_answered(house: DaemonHouse) -> None:
    background(house, "changed")
    for command in (["diff", "changed"], ["port", "changed"]):
        done = house.docker(*command)
        assert done.returncode == 0 or "is not supported yet" in done.stderr, done.stderr


@pytest.mark.parametrize("command", [["info"], ["version"], ["ps"], ["images"], ["network", "ls"]])
def test_overviews_are_shown_without_an_error(house: DaemonHouse, command: list[str]) -> None:
    done = house.docker(*command)
    assert done.returncode == 0, done.stderr
    assert "ERROR" not in done.stdout + done.stderr
