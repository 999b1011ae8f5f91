"""Spawner, shim and machine go away under the daemon."""

from __future__ import annotations

import json
import os
import shutil
import signal

from daemon_house import DaemonHouse, until


def kill(house: DaemonHouse, comm: str) -> None:
    (pid,) = house.pids(comm)
    os.kill(pid, signal.SIGKILL)


def test_without_its_spawner_the_next_start_works(own_house: DaemonHouse) -> None:
    house = own_house
    house.ok("run", "-d", "--name", "before", "busybox", "sleep", "1000")
    for _ in range(3):
        kill(house, "tiffin-spawner")
        assert house.ok("run", "--rm", "busybox", "echo", "started") == "started"
    assert house.state("before")["Running"]
    assert house.ok("exec", "before", "echo", "works") == "works"
    house.ok("rm", "-f", "before")


def test_a_dead_shim_takes_its_container_along_and_leaves_nothing(own_house: DaemonHouse) -> None:
    house = own_house
    id = house.ok("run", "-d", "--name", "bereft", "busybox", "sh", "-c", "sleep 1000 & sleep 1001")
    house.ok("exec", "-d", "bereft", "sleep", "1002")
    pid = house.state("bereft")["Pid"]
    kill(house, "tiffin-shim")
    assert house.ok("wait", "bereft") == "137"
    state = house.state("bereft")
    assert (state["Status"], state["Error"], state["OOMKilled"]) == ("exited", "shim died", False)
    until(lambda: not os.path.exists(f"/proc/{pid}"), what="its processes are gone")
    until(lambda: not any(id in path for path in house.cgroups()), what="its cgroups are gone")
    assert id not in os.listdir(house.exec_root)
    until(lambda: not os.listdir(f"/sys/class/net/{house.bridge}/brif"), what="its link is gone")
    assert not [line for line in house.processes().values() if line in ("sleep", "tiffin-shim")]
    house.ok("start", "bereft")
    assert house.state("bereft")["Running"]
    assert house.state("bereft")["Error"] == ""


def test_a_shim_that_died_while_no_daemon_was_there_is_told_of(own_house: DaemonHouse) -> None:
    house = own_house
    id = house.ok("run", "-d", "--name", "bereft", "busybox", "sleep", "1000")
    house.end(signal.SIGKILL)
    kill(house, "tiffin-shim")
    house.start()
    assert house.ok("wait", "bereft") == "137"
    assert house.state("bereft")["Error"] == "shim died"
    until(lambda: not any(id in path for path in house.cgroups()), what="its cgroups are gone")
    until(lambda: "sleep" not in house.processes().values(), what="its program is gone")


def test_what_ran_before_a_reboot_is_exited_255(own_house: DaemonHouse) -> None:
    house = own_house
    ids = [house.ok("run", "-d", "--name", name, "busybox", "sleep", "1000") for name in ("one", "two")]
    house.ok("run", "-d", "--rm", "--name", "volatile", "busybox", "sleep", "1000")
    house.docker("run", "--name", "over", "busybox", "sh", "-c", "exit 3")
    house.end(signal.SIGKILL)
    for pid in house.processes():
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    until(lambda: not house.processes(), what="the machine is down")
    another_boot(f"{house.exec_root}/{ids[0]}/init.pid")  # a run directory that is no tmpfs
    shutil.rmtree(f"{house.exec_root}/{ids[1]}")
    for group in reversed(house.cgroups()):
        os.rmdir(group)
    house.start()
    assert house.ok("wait", "one", "two", "over").split() == ["255", "255", "3"]
    for name in ("one", "two"):
        assert house.state(name)["Status"] == "exited"
    until(lambda: "volatile" not in house.ok("ps", "-a", "--format", "{{.Names}}"), what="--rm is kept")
    house.ok("start", "one")
    assert house.state("one")["Running"]


def another_boot(path: str) -> None:
    with open(path, encoding="utf-8") as file:
        record = json.load(file)
    record["boot_id"] = "00000000-0000-4000-8000-000000000000"
    with open(path, "w", encoding="utf-8") as file:
        json.dump(record, file)


def test_after_rm_of_everything_only_the_daemon_is_there(own_house: DaemonHouse) -> None:
    house = own_house
    before = set(house.processes().values())
    for n in range(3):
        house.ok("run", "-d", "--name", f"n{n}", "-v", f"v{n}:/data", "--tmpfs", "/t", "busybox", "sleep", "1000")
        house.ok("exec", "-d", f"n{n}", "sleep", "999")
    house.ok("rm", "-f", "-v", "n0", "n1", "n2")
    until(lambda: set(house.processes().values()) == before, what=f"only {before}")
    until(lambda: not os.listdir(f"/sys/class/net/{house.bridge}/brif"), what="no link")
    until(lambda: len(house.cgroups()) == len([path for path in house.cgroups() if path.endswith(house.name)]))
    assert os.listdir(f"{house.data_root}/containers") == []
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        assert not [line for line in file if house.name in line]
