"""Groups on the real kernel, whatever its layout; the same file runs in the VM for pure v2."""

from __future__ import annotations

import errno
import mmap
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tiffin.errors import Conflict, SystemFailure
from tiffin.runtime.cgroup.control import wait_event
from tiffin.runtime.cgroup.convert import io_weight
from tiffin.runtime.cgroup.delegate import prepare
from tiffin.runtime.cgroup.features import features
from tiffin.runtime.cgroup.group import Cgroup
from tiffin.runtime.cgroup.layout import Layout, discover

pytestmark = [pytest.mark.root, pytest.mark.skipif(os.geteuid() != 0, reason="needs root")]

MIB = 1 << 20
DEADLINE_S = 20.0
DENY_ALL_BUT_NULL = [
    {"allow": False, "access": "rwm"},
    {"allow": True, "type": "c", "major": 1, "minor": 3, "access": "rwm"},
]


# A hybrid machine is tested once more as if it had no v2 tree.
LAYOUTS = ["as it is", "v1 alone"] if discover().version == "hybrid" else ["as it is"]


@pytest.fixture(scope="module", params=LAYOUTS)
def parent(request: pytest.FixtureRequest) -> Iterator[tuple[Layout, str]]:
    layout = discover()
    if request.param == "v1 alone":
        layout = Layout("v1", layout.trees, None)
    name = f"/tiffin-test-{os.getpid()}"
    prepare(layout, name)
    yield layout, name
    Cgroup.open(layout, name).remove()
    assert not any(os.path.exists(path) for path in Cgroup.open(layout, name).describe().values())


@pytest.fixture
def make(parent: tuple[Layout, str]) -> Iterator[Callable[..., Cgroup]]:
    made: list[Cgroup] = []

    def create(**resources: object) -> Cgroup:
        made.append(Cgroup.create(parent[0], f"{parent[1]}/c{len(made)}", dict(resources)))
        return made[-1]

    yield create
    for group in made:
        group.kill()
        group.remove()
        assert not any(os.path.exists(path) for path in group.describe().values())


def child_in(group: Cgroup, body: Callable[[], int]) -> int:
    """Fork a child that joins the group by itself and runs `body`, whose result is its exit status."""
    pid = os.fork()
    if pid == 0:
        try:
            group.attach()
            status = body()
        except OSError as error:
            status = error.errno or 255
        except BaseException:
            status = 254
        os._exit(status)
    return pid


def status_of(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def sleeper() -> int:
    while True:
        signal.pause()


def wait_for(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.002)


def joined(group: Cgroup, pid: int) -> None:
    wait_for(lambda: pid in group.pids() and mine(group, pid), "the child joins")


def mine(group: Cgroup, pid: int) -> bool:
    """The child has joined every hierarchy that the group is in."""
    unified = "unified" in group.describe()
    with open(f"/proc/{pid}/cgroup") as file:
        return all(line.rstrip().endswith(group.path) for line in file if unified or not line.startswith("0::"))


def touch(size: int) -> int:
    with mmap.mmap(-1, size) as memory:
        for page in range(0, size, 4096):
            memory[page] = 1
    return 0


def test_a_child_that_joins_is_in_every_hierarchy(make: Callable[..., Cgroup]) -> None:
    group = make()
    pid = child_in(group, sleeper)
    joined(group, pid)
    assert group.pids() == [pid]
    group.kill()
    assert status_of(pid) == -signal.SIGKILL


def test_another_process_can_be_attached(make: Callable[..., Cgroup]) -> None:
    group = make()
    pid = os.fork()
    if pid == 0:
        sleeper()
    group.attach(pid)
    assert mine(group, pid)
    os.kill(pid, signal.SIGTERM)
    assert status_of(pid) == -signal.SIGTERM


def test_too_much_memory_is_an_oom_kill_and_is_counted(make: Callable[..., Cgroup]) -> None:
    group = make(memory={"limit": 16 * MIB, "swap": 16 * MIB})
    assert group.oom_kills() == 0
    assert status_of(child_in(group, lambda: touch(64 * MIB))) == -signal.SIGKILL
    assert group.oom_kills() == 1


def test_a_plain_kill_is_not_an_oom_kill(make: Callable[..., Cgroup]) -> None:
    group = make(memory={"limit": 16 * MIB, "swap": 16 * MIB})
    pid = child_in(group, sleeper)
    joined(group, pid)
    os.kill(pid, signal.SIGKILL)
    assert status_of(pid) == -signal.SIGKILL
    assert group.oom_kills() == 0


def test_limits_can_be_raised_and_lowered_together(make: Callable[..., Cgroup]) -> None:
    group = make(memory={"limit": 16 * MIB, "swap": 32 * MIB}, cpu={"quota": 10000, "period": 20000})
    for limit in (64, 8, 128):
        group.update({"memory": {"limit": limit * MIB, "swap": 2 * limit * MIB}})
        assert group.stats()["memory"]["limit"] == limit * MIB
    group.update({"memory": {"limit": -1, "swap": -1}, "cpu": {"quota": -1}})
    assert group.stats()["memory"].get("limit") is None


def test_a_group_has_no_more_processes_than_allowed(make: Callable[..., Cgroup]) -> None:
    group = make(pids={"limit": 3})

    def forks() -> int:
        children = []
        try:
            for _ in range(5):
                pid = os.fork()
                if pid == 0:
                    sleeper()
                children.append(pid)
        except BlockingIOError:
            return 100 + len(children)
        return 99

    pid = child_in(group, forks)
    assert status_of(pid) == 102
    group.kill()
    wait_for(lambda: not group.pids(), "the orphans die")


def test_a_cpu_quota_throttles(make: Callable[..., Cgroup]) -> None:
    group = make(cpu={"quota": 2000, "period": 20000, "shares": 512})

    def spins() -> int:
        end = time.process_time() + 0.05
        while time.process_time() < end:
            pass
        return 0

    assert status_of(child_in(group, spins)) == 0
    cpu = group.stats()["cpu"]
    assert cpu["throttled_periods"] > 0
    assert cpu["usage_ns"] > 40_000_000


def test_a_cpuset_pins(make: Callable[..., Cgroup]) -> None:
    group = make(cpu={"cpus": "0", "mems": "0"})
    assert status_of(child_in(group, lambda: 0 if os.sched_getaffinity(0) == {0} else 1)) == 0


def opens(path: str) -> Callable[[], int]:
    def body() -> int:
        os.close(os.open(path, os.O_RDONLY))
        return 0

    return body


def test_devices_that_are_not_listed_cannot_be_opened(make: Callable[..., Cgroup]) -> None:
    group = make(devices=DENY_ALL_BUT_NULL)
    assert status_of(child_in(group, opens("/dev/null"))) == 0
    assert status_of(child_in(group, opens("/dev/zero"))) == errno.EPERM


def test_without_device_rules_all_is_allowed(make: Callable[..., Cgroup]) -> None:
    assert status_of(child_in(make(), opens("/dev/zero"))) == 0


def test_the_bpf_filter_does_the_same_where_there_is_no_devices_controller(parent: tuple[Layout, str]) -> None:
    layout = Layout.from_json(parent[0].to_json())
    layout.trees = []
    if layout.unified is None:
        with pytest.raises(SystemFailure, match="device access cannot be restricted"):
            Cgroup.create(layout, f"{parent[1]}/bpf", {"devices": DENY_ALL_BUT_NULL})
        return
    group = Cgroup.create(layout, f"{parent[1]}/bpf", {"devices": DENY_ALL_BUT_NULL})
    assert status_of(child_in(group, opens("/dev/null"))) == 0
    assert status_of(child_in(group, opens("/dev/zero"))) == errno.EPERM
    group.remove()
    partly = [{"allow": True, "type": "c", "major": 1, "minor": 5, "access": "r"}]
    group = Cgroup.create(layout, f"{parent[1]}/bpf", {"devices": DENY_ALL_BUT_NULL + partly})
    assert status_of(child_in(group, opens("/dev/zero"))) == 0

    def writes() -> int:
        os.close(os.open("/dev/zero", os.O_RDWR))
        return 0

    assert status_of(child_in(group, writes)) == errno.EPERM
    group.remove()


def test_a_frozen_group_stands_still_and_can_be_killed(make: Callable[..., Cgroup]) -> None:
    group = make()
    reader, writer = os.pipe()

    def ticks() -> int:
        while True:
            os.write(writer, b".")

    pid = child_in(group, ticks)
    os.close(writer)
    os.set_blocking(reader, True)
    assert os.read(reader, 1) == b"."
    group.freeze()
    os.set_blocking(reader, False)
    wait_for(lambda: drained(reader), "the pipe runs dry")
    group.thaw()
    os.set_blocking(reader, True)
    assert os.read(reader, 1) == b"."
    group.freeze()
    group.kill()
    group.thaw()
    assert status_of(pid) == -signal.SIGKILL
    os.close(reader)


def drained(reader: int) -> bool:
    try:
        return not os.read(reader, 65536)
    except BlockingIOError:
        return True


def test_kill_reaches_groups_below(make: Callable[..., Cgroup], parent: tuple[Layout, str]) -> None:
    group = make()
    below = Cgroup.create(parent[0], group.path + "/inner", {})
    pid = child_in(below, sleeper)
    joined(below, pid)
    assert group.pids() == [pid]
    group.kill()
    assert status_of(pid) == -signal.SIGKILL


def test_the_v2_directory_can_be_opened_and_tells_when_it_is_empty(
    make: Callable[..., Cgroup], parent: tuple[Layout, str]
) -> None:
    group = make()
    fd = group.open_v2_dir()
    if fd is None:
        assert parent[0].version == "v1"
        return
    os.close(fd)
    assert wait_event(os.fsencode(group.describe()["unified"]), b"populated 0", 5)


def test_a_group_with_processes_is_not_taken_over_and_an_empty_one_is(
    make: Callable[..., Cgroup], parent: tuple[Layout, str]
) -> None:
    group = make()
    pid = child_in(group, sleeper)
    joined(group, pid)
    with pytest.raises(Conflict):
        Cgroup.create(parent[0], group.path, {})
    assert group.pids() == [pid]
    group.kill()
    status_of(pid)
    assert Cgroup.create(parent[0], group.path, {}).pids() == []


def test_a_value_that_the_kernel_refuses_is_named_and_nothing_is_left(parent: tuple[Layout, str]) -> None:
    path = f"{parent[1]}/refused"
    with pytest.raises(SystemFailure, match=r'failed to write "4096" to cpuset.cpus: '):
        Cgroup.create(parent[0], path, {"cpu": {"cpus": "4096"}})
    assert not any(os.path.exists(directory) for directory in Cgroup.open(parent[0], path).describe().values())


def test_a_parent_that_nobody_prepared_is_made_on_the_way(parent: tuple[Layout, str]) -> None:
    group = Cgroup.create(parent[0], f"{parent[1]}/deep/er/c", {"memory": {"limit": 16 * MIB}, "pids": {"limit": 9}})
    assert status_of(child_in(group, lambda: 0)) == 0
    assert group.stats()["pids"]["limit"] == 9
    group.remove()
    Cgroup.open(parent[0], f"{parent[1]}/deep").remove()


def test_preparing_again_finds_the_same_place(parent: tuple[Layout, str]) -> None:
    again = discover()
    assert again.trees == [] or again.trees[0].own == parent[0].trees[0].own
    if again.unified is not None and parent[0].unified is not None:
        assert again.unified.own == parent[0].unified.own
    prepare(parent[0], parent[1])


def test_block_weights_and_throttles_are_taken(make: Callable[..., Cgroup], parent: tuple[Layout, str]) -> None:
    if not features(*parent)["blkio_weight"]:
        pytest.skip("no block I/O weight")
    group = make(blockIO={"weight": 300})
    directory = group.describe()["io" if parent[0].version == "v2" else "blkio"]
    files = [name for name in os.listdir(directory) if name.endswith(".weight")]
    found = " ".join(Path(directory, name).read_text() for name in files).split()
    assert "300" in found or str(io_weight(300)) in found


def test_removing_twice_is_harmless(make: Callable[..., Cgroup]) -> None:
    group = make()
    group.remove()
    group.remove()


def test_the_machines_features_are_found(parent: tuple[Layout, str]) -> None:
    found = features(*parent)
    assert found["memory"] and found["pids"] and found["cpu_cfs"] and found["cpuset"]
    assert found["swappiness"] == (parent[0].version != "v2")
