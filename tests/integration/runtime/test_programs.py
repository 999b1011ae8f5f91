"""A program's start and end: streams, exit statuses, who it is, where it stands, what it may use."""

from __future__ import annotations

import json
import os

import pytest
from container_house import House

from tiffin.runtime.shim_handle import StartError


async def test_output_and_error_come_apart_and_the_status_is_the_programs(house: House) -> None:
    result = await house.sh("echo out; echo err >&2; exit 7")
    assert (result.code, result.out, result.err) == (7, b"out\n", b"err\n")


@pytest.mark.parametrize(("signal", "code"), [("TERM", 143), ("KILL", 137), ("SEGV", 139), ("HUP", 129)])
async def test_a_program_ended_by_a_signal_has_128_and_its_number(house: House, signal: str, code: int) -> None:
    # PID 1 ignores signals it has no handler for, also its own: the shell becomes the parent of the victim.
    script = f"sh -c 'kill -{signal} $$'; exit $?"
    assert (await house.sh(script)).code == code


async def test_an_outer_kill_of_the_first_process_is_137_and_no_oom(house: House) -> None:
    running = await house.start(["sleep", "100"])
    os.kill(running.shim.pid, 9)
    result = await running.finish()
    assert result.code == 137
    assert not result.exit.oom_killed


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (["nosuch"], 127, 'exec: "nosuch": executable file not found in $PATH'),
        (["/bin/nosuch"], 127, "no such file or directory"),
        (["/etc"], 126, "is a directory"),
        (["/etc/passwd"], 126, "permission denied"),
        (["etc"], 127, "executable file not found"),
        (["/etc/passwd/x"], 127, "not a directory"),
    ],
)
async def test_what_cannot_be_executed_fails_in_dockers_words(
    house: House, args: list[str], code: int, words: str
) -> None:
    with pytest.raises(StartError) as caught:
        await house.start(args)
    assert (caught.value.exit_code, words in caught.value.message) == (code, True), caught.value.message


async def test_a_file_that_is_no_program_is_126(house: House) -> None:
    image = house.copy_image("noexec")
    with open(f"{image}/bin/bad", "w", encoding="utf-8") as file:
        file.write("not a program and no #!\n")
    os.chmod(f"{image}/bin/bad", 0o755)
    with pytest.raises(StartError) as caught:
        await house.start(["bad"], lower=[image])
    assert caught.value.exit_code == 126
    assert "exec format error" in caught.value.message


@pytest.mark.parametrize("cwd", ["/etc/passwd", "/etc/passwd/below"])
async def test_a_working_directory_that_is_none_is_an_error(house: House, cwd: str) -> None:
    with pytest.raises(StartError) as caught:
        await house.start(["true"], cwd=cwd)
    assert "not a directory" in caught.value.message.lower()


async def test_a_missing_working_directory_is_made(house: House) -> None:
    result = await house.sh("pwd; stat -c %u:%g:%a .", cwd="/made/for/you", user="1000")
    assert result.out.split() == [b"/made/for/you", b"0:0:755"]


@pytest.mark.parametrize(
    ("user", "groups", "expected"),
    [
        ("", [], "0 0 0 /root"),
        ("cook", [], "1000 1001 1001,29 /home/cook"),
        ("1000", [], "1000 1001 1001,29 /home/cook"),
        ("cook:audio", [], "1000 29 29 /home/cook"),
        ("4000", [], "4000 0 0 /"),
        ("4000:5000", [], "4000 5000 5000 /"),
        ("cook", ["4294967294", "kitchen"], "1000 1001 29,1001,4294967294 /home/cook"),
        ("1234", [], "1234 0 0 /"),  # a number is an id, never a name
        (":audio", [], "0 29 29 /root"),
    ],
)
async def test_users_and_groups_are_the_images_own(house: House, user: str, groups: list[str], expected: str) -> None:
    result = await house.sh('echo "$(id -u) $(id -g) $(id -G | tr " " ,) $HOME"', user=user, group_add=groups)
    uid, gid, ids, home = result.out.decode().split()
    want = expected.split()
    assert [uid, gid, set(ids.split(",")), home] == [want[0], want[1], set(want[2].split(",")), want[3]]


@pytest.mark.parametrize(
    ("user", "groups", "words"),
    [
        ("nobody-here", [], "unable to find user nobody-here: no matching entries in passwd file"),
        ("0:nogroup", [], "unable to find group nogroup: no matching entries in group file"),
        ("", ["nogroup"], "unable to find group nogroup"),
        ("4294967295", [], "must be in range"),
        ("4294967296", [], "must be in range"),
        ("-1", [], "must be in range"),
        ("--1", [], "unable to find user --1"),
        ("9" * 5000, [], "must be in range"),
        ("0:99999999999999999999", [], "must be in range"),
    ],
)
async def test_unknown_users_and_impossible_numbers_are_errors(
    house: House, user: str, groups: list[str], words: str
) -> None:
    with pytest.raises(StartError) as caught:
        await house.start(["true"], user=user, group_add=groups)
    assert words in caught.value.message


async def test_a_home_that_is_given_stays(house: House) -> None:
    result = await house.sh("echo $HOME", process={"env": ["PATH=/bin", "HOME=/elsewhere"]})
    assert result.out == b"/elsewhere\n"


async def test_the_environment_is_exactly_what_was_asked(house: House) -> None:
    env = ["PATH=/bin", "A=1", "A=2", "EMPTY=", "ODD=a=b \udcff"]
    result = await house.run(["env"], process={"env": env})
    assert sorted(result.out.splitlines()) == [b"A=2", b"EMPTY=", b"HOME=/root", b"ODD=a=b \xff", b"PATH=/bin"]


async def test_host_name_processes_and_namespaces_are_its_own(house: House) -> None:
    script = (
        "hostname; echo $$; ls /proc | grep -c '^[0-9]'; "
        "for n in pid net uts ipc mnt; do readlink /proc/self/ns/$n; done"
    )
    result = await house.sh(script)
    name, pid, processes, *links = result.out.decode().split()
    assert (name, pid) == ("lunchbox", "1")
    assert int(processes) <= 3
    assert not {os.readlink(f"/proc/self/ns/{kind}") for kind in ("pid", "net", "uts", "ipc", "mnt")} & set(links)


async def test_limits_reach_the_program(house: House) -> None:
    limits = [{"type": "RLIMIT_NOFILE", "soft": 100, "hard": 200}, {"type": "RLIMIT_CORE", "soft": 0, "hard": 0}]
    result = await house.sh("ulimit -Sn; ulimit -Hn; ulimit -c", process={"rlimits": limits})
    assert result.out.split() == [b"100", b"200", b"0"]


async def test_a_limit_that_cannot_be_set_is_a_clear_error(house: House) -> None:
    limits = [{"type": "RLIMIT_NOFILE", "soft": 200, "hard": 100}]
    with pytest.raises(StartError, match="RLIMIT_NOFILE"):
        await house.start(["true"], process={"rlimits": limits})


async def test_a_sysctl_is_set_in_the_containers_namespace_only(house: House) -> None:
    with open("/proc/sys/net/ipv4/ip_unprivileged_port_start", encoding="ascii") as file:
        before = file.read()
    settings = {"net.ipv4.ip_unprivileged_port_start": "77", "kernel.msgmax": "4321"}
    script = "cat /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/kernel/msgmax"
    result = await house.sh(script, linux={"sysctl": settings})
    assert result.out.split() == [b"77", b"4321"]
    with open("/proc/sys/net/ipv4/ip_unprivileged_port_start", encoding="ascii") as file:
        assert file.read() == before


async def test_an_unknown_sysctl_is_an_error(house: House) -> None:
    with pytest.raises(StartError, match=r"[Nn]o such file"):
        await house.start(["true"], linux={"sysctl": {"net.no.such": "1"}})


async def test_the_exit_record_tells_code_and_boot(house: House) -> None:
    running = await house.start(["sh", "-c", "exit 3"])
    result = await running.finish()
    with open(f"{running.directory}/exit.json", encoding="utf-8") as file:
        record = json.load(file)
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        assert record["boot_id"] == file.read().strip()
    assert (record["code"], record["oom_killed"], record["error"]) == (3, False, "")
    assert record["finished_at_ns"] == result.exit.finished_at_ns


async def test_more_memory_than_allowed_is_reported_as_oom(house: House) -> None:
    if "memory" not in house.layout.controllers:
        pytest.skip("the memory controller is not mounted")
    limit = {"memory": {"limit": 16 << 20, "swap": 16 << 20}}
    result = await house.sh("exec tail /dev/zero", linux={"resources": limit})
    assert result.code == 137
    assert result.exit.oom_killed


async def test_the_trace_names_every_step_and_the_kernels_objects(house: House) -> None:
    running = await house.start(["true"])
    await running.finish()
    steps = [step["step"] for step in running.shim.trace]
    assert len(steps) == 6
    assert steps[-1] == "execve"
    mounts = next(step for step in running.shim.trace if step["step"] == "mounts")
    assert "proc proc on /proc" in mounts["facts"]["mounts"]
    assert running.shim.namespaces["pid"].startswith("pid:[")
    assert all(step["duration_us"] >= 0 for step in running.shim.trace)
