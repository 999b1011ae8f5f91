"""The whole engine under cgroup v2 and AppArmor, on a kernel without `lowerdir+`, by the stock docker CLI. Runs inside.

The daemon's data root is on the scratch disk, since an overlay's upper directory cannot be on the guest's overlay.
Everything takes about ten times longer here than on the host: deadlines are generous, and tests share containers.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import signal
import subprocess
import tarfile
from collections.abc import Iterator
from typing import Any

import pytest

import daemon_house
import machine_state
from daemon_house import TIFFIN, DaemonHouse, until

pytestmark = pytest.mark.root

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
SCRATCH = "/var/lib/vmscratch"
CLIENT = shutil.which("docker") or TIFFIN
LAYERS = 300
PATIENCE_S = 60.0
DEFAULT_PROFILE = "tiffin-default (enforce)"
SLEEP = ("busybox", "sleep", "1000")
# Where a daemon was started, it and its neighbours have stepped down from their group for good.
LEAF = "/tiffin-daemon"


def docker(house: DaemonHouse, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """The stock docker CLI, or tiffin where the machine has none."""
    return house.run(CLIENT, *arguments, **{"timeout": 120.0, **options})


def ok(house: DaemonHouse, *arguments: str, **options: Any) -> str:
    """The same, which must succeed: its output without the last newline."""
    return docker(house, *arguments, check=True, **options).stdout.rstrip("\n")


def inside(house: DaemonHouse, script: str, *options: str) -> str:
    return ok(house, "run", "--rm", *options, "busybox", "sh", "-c", script)


def group_of(house: DaemonHouse, container: str) -> str:
    """The container's cgroup on the host, by its process."""
    with open(f"/proc/{house.state(container)['Pid']}/cgroup", encoding="ascii") as file:
        lines = file.read().splitlines()
    assert len(lines) == 1, lines
    return "/sys/fs/cgroup" + lines[0].removeprefix("0::")


def content(path: str) -> str:
    with open(path, encoding="utf-8") as file:
        return file.read().strip()


@pytest.fixture(scope="module")
def busybox_tar() -> bytes:
    return subprocess.run([f"{ROOT}/scripts/busybox-image"], capture_output=True, check=True).stdout


@pytest.fixture(scope="module")
def shared_house(busybox_tar: bytes) -> Iterator[DaemonHouse]:
    """One daemon for all; the machine is compared before and after, but for files, which the host shares with us."""
    before = machine_state.everything()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(daemon_house, "START_S", 90.0)
        patch.setattr(daemon_house, "PATIENCE_S", 30.0)
        house = DaemonHouse()
        house.data_root = f"{SCRATCH}/{house.name}"
        try:
            house.start()
            ok(house, "import", "-c", 'CMD ["sh"]', "-", "busybox", input=busybox_tar)
            yield house
        finally:
            if house.process is None:
                house.start()
            house.close()
    left = machine_state.added({**before, "file": set()}, {**machine_state.everything(), "file": set()})
    assert not [line for line in left if not line.endswith(LEAF)], left


@pytest.fixture
def house(shared_house: DaemonHouse) -> Iterator[DaemonHouse]:
    """What a test leaves in the daemon goes."""
    yield shared_house
    shared_house.remove_all()


def test_streams_stay_apart_and_the_status_comes_back(house: DaemonHouse) -> None:
    done = docker(house, "run", "--rm", "busybox", "sh", "-c", "echo out; echo err >&2; exit 7")
    assert (done.stdout, done.stderr, done.returncode) == ("out\n", "err\n", 7)
    assert docker(house, "run", "--rm", "busybox", "no-such-program").returncode == 127


def test_info_tells_of_cgroup_v2_and_apparmor(house: DaemonHouse) -> None:
    status, info = house.api("GET", "/info")
    assert status == 200
    assert (info["CgroupVersion"], info["CgroupDriver"]) == ("2", "cgroupfs")
    assert "name=apparmor" in info["SecurityOptions"]
    assert info["MemoryLimit"] and info["PidsLimit"] and info["CpuCfsQuota"], info


def test_own_pids_hostname_and_address_and_others_answer(house: DaemonHouse) -> None:
    first = ok(house, "run", "-d", "--name", "first", *SLEEP)
    ok(house, "run", "-d", "--name", "second", *SLEEP)
    addresses = [
        house.api("GET", f"/containers/{name}/json")[1]["NetworkSettings"]["Networks"]["bridge"]["IPAddress"]
        for name in ("first", "second")
    ]
    script = "echo /proc/[0-9]*; hostname; ip -4 -o addr show eth0; ip route; "
    script += f"ping -c 1 -w 20 {house.gateway}; ping -c 1 -w 20 {addresses[1]}"
    shown = ok(house, "exec", "first", "sh", "-c", script)
    lines = shown.splitlines()
    assert lines[0].split()[0] == "/proc/1"
    assert len(lines[0].split()) == 2, "sleep and the shell of exec"
    assert lines[1] == first[:12]
    assert f"inet {addresses[0]}/24" in shown
    assert f"default via {house.gateway} dev eth0" in shown
    assert shown.count(" 0% packet loss") == 2, shown


def test_two_file_systems_are_apart_and_the_image_stays(house: DaemonHouse) -> None:
    for name in ("one", "two"):
        ok(house, "run", "-d", "--name", name, "busybox", "sh", "-c", f"echo {name} > /mine; rm /etc/group; sleep 1000")
        until(lambda name=name: "/mine" in ok(house, "exec", name, "ls", "-d", "/mine"), PATIENCE_S)
    assert ok(house, "exec", "one", "cat", "/mine") == "one"
    assert ok(house, "exec", "two", "cat", "/mine") == "two"
    assert inside(house, "ls /mine 2>/dev/null; ls /etc/group") == "/etc/group"


def test_limits_are_in_a_private_read_only_cgroup_namespace(house: DaemonHouse) -> None:
    options = ("--memory", "64m", "--pids-limit", "50", "--cpus", "0.5", "--cpu-shares", "512", "--cpuset-cpus", "0")
    ok(house, "run", "-d", "--name", "limited", *options, *SLEEP)
    limits = "memory.max pids.max cpu.max cpuset.cpus"
    script = f"cat /proc/self/cgroup; cd /sys/fs/cgroup; cat {limits}; mkdir x; grep ' /sys/fs/cgroup ' /proc/mounts"
    shown = docker(house, "exec", "limited", "sh", "-c", script)
    assert shown.stdout.splitlines()[:5] == ["0::/", str(64 << 20), "50", "50000 100000", "0"], shown
    mounted = shown.stdout.splitlines()[5].split()
    assert mounted[2] == "cgroup2"
    assert {"ro", "nosuid", "nodev", "noexec"} <= set(mounted[3].split(","))
    assert "Read-only file system" in shown.stderr
    group = group_of(house, "limited")
    assert house.cgroup_parent + "/" in group
    assert content(f"{group}/memory.max") == str(64 << 20)
    assert content(f"{group}/memory.swap.max") == str(64 << 20)
    assert 1 < int(content(f"{group}/cpu.weight")) < 100


def test_in_the_hosts_cgroup_namespace_the_hosts_tree_is_bound(house: DaemonHouse) -> None:
    def options() -> list[str]:
        with open("/proc/self/mountinfo", encoding="utf-8") as file:
            return [line for line in file if " - cgroup2 " in line]

    before = options()
    script = "cat /proc/self/cgroup; mkdir /sys/fs/cgroup/x || ls -d /sys/fs/cgroup/init"
    shown = inside(house, script, "--cgroupns", "host").split("\n")
    assert house.cgroup_parent + "/" in shown[0]
    assert shown[1] == "/sys/fs/cgroup/init"
    assert options() == before


def test_the_pids_limit_holds(house: DaemonHouse) -> None:
    script = "for n in 1 2 3 4 5 6 7 8; do sleep 1 & done"
    assert "can't fork" in docker(house, "run", "--rm", "--pids-limit", "5", "busybox", "sh", "-c", script).stderr


def test_devices_are_denied_by_the_v2_program(house: DaemonHouse) -> None:
    script = "mknod /disk b 254 0; head -c 1 /disk; mknod /null c 1 3; echo x > /null && echo written"
    shown = docker(house, "run", "--rm", "busybox", "sh", "-c", script)
    assert "Operation not permitted" in shown.stderr
    assert shown.stdout == "written\n"


def test_too_much_memory_is_oom_killed_and_a_plain_kill_is_not(house: DaemonHouse) -> None:
    hungry = "dd if=/dev/zero of=/dev/null bs=200M count=1"
    done = docker(house, "run", "--name", "hungry", "--memory", "64m", "busybox", "sh", "-c", hungry)
    state = house.state("hungry")
    assert (done.returncode, state["ExitCode"], state["OOMKilled"]) == (137, 137, True), state
    ok(house, "run", "-d", "--name", "killed", "--memory", "64m", *SLEEP)
    os.kill(house.state("killed")["Pid"], signal.SIGKILL)
    assert ok(house, "wait", "killed") == "137"
    state = house.state("killed")
    assert (state["ExitCode"], state["OOMKilled"]) == (137, False), state


def test_pause_freezes_the_group_and_unpause_thaws_it(house: DaemonHouse) -> None:
    ok(house, "run", "-d", "--name", "still", *SLEEP)
    group = group_of(house, "still")
    ok(house, "pause", "still")
    assert "frozen 1" in content(f"{group}/cgroup.events")
    assert house.state("still")["Status"] == "paused"
    ok(house, "unpause", "still")
    assert "frozen 0" in content(f"{group}/cgroup.events")
    assert ok(house, "exec", "still", "echo", "awake") == "awake"


def test_exec_joins_the_group_and_reports_its_status(house: DaemonHouse) -> None:
    ok(house, "run", "-d", "--name", "host", *SLEEP)
    assert docker(house, "exec", "host", "sh", "-c", "exit 5").returncode == 5
    ok(house, "exec", "-d", "host", "sleep", "999")
    group = group_of(house, "host")
    until(lambda: len(content(f"{group}/cgroup.procs").split()) == 2, PATIENCE_S)
    assert docker(house, "exec", "-i", "host", "cat", input="through\n").stdout == "through\n"


def test_mounts_of_all_kinds_and_a_terminal(house: DaemonHouse) -> None:
    bound = f"{SCRATCH}/{house.name}.bound"
    os.makedirs(bound)
    options = ["-t", "--read-only", "-v", "/etc", "-v", f"{bound}:/bound:ro", "--tmpfs", "/tmp"]
    options += ["--device", "/dev/full:/dev/mine", "--sysctl", "net.ipv4.ip_default_ttl=63"]
    script = "tty; touch /no; touch /bound/no; touch /etc/yes /tmp/yes; grep -c root /etc/passwd; echo x > /dev/mine; "
    shown = inside(house, script + "cat /proc/sys/net/ipv4/ip_default_ttl", *options)
    os.rmdir(bound)
    assert "/dev/pts/0" in shown
    assert shown.count("Read-only file system") == 2
    assert "No space left on device" in shown
    assert shown.split()[-1] == "63"


def test_logs_keep_both_streams(house: DaemonHouse) -> None:
    ok(house, "run", "-d", "--name", "talker", "busybox", "sh", "-c", "echo one; echo two >&2")
    assert ok(house, "wait", "talker") == "0"
    done = docker(house, "logs", "talker")
    assert (done.stdout, done.stderr) == ("one\n", "two\n")


def test_the_default_profile_confines_run_and_exec(house: DaemonHouse) -> None:
    ok(house, "run", "-d", "--name", "confined", *SLEEP)
    assert content(f"/proc/{house.state('confined')['Pid']}/attr/current") == DEFAULT_PROFILE
    script = "cat /proc/self/attr/current /proc/1/attr/current"
    assert ok(house, "exec", "confined", "sh", "-c", script).split("\n") == [DEFAULT_PROFILE] * 2
    document = house.api("GET", "/containers/confined/json")[1]
    assert document["AppArmorProfile"] == "tiffin-default"
    # With the capability and without the filter, only the profile stands in the way.
    options = ["--cap-add", "SYS_ADMIN", "--security-opt", "seccomp=unconfined"]
    refused = docker(house, "run", "--rm", *options, "busybox", "sh", "-c", "mkdir /m; mount -t tmpfs x /m")
    assert refused.returncode != 0
    assert "Permission denied" in refused.stderr, refused.stderr
    options += ["--security-opt", "apparmor=unconfined"]
    assert inside(house, "mkdir /m; mount -t tmpfs x /m && echo mounted", *options) == "mounted"


def test_the_profile_lets_a_container_end_and_signal_its_own(house: DaemonHouse) -> None:
    # More than one signal: the first may meet the forked shell that is not yet `sleep` and still has the trap.
    kill = "sleep 999 & for n in 1 2 3 4 5; do kill $!; sleep 0.2; done; wait $!; echo $?"
    script = f"{kill}; trap 'echo ended; exit 3' TERM; echo armed; while :; do sleep 0.1; done"
    ok(house, "run", "-d", "--name", "mortal", "busybox", "sh", "-c", script)
    until(lambda: "armed" in docker(house, "logs", "mortal").stdout, PATIENCE_S)
    ok(house, "stop", "-t", "60", "mortal")
    assert house.state("mortal")["ExitCode"] == 3
    assert docker(house, "logs", "mortal").stdout == "143\narmed\nended\n"


@pytest.mark.parametrize("options", [("--security-opt", "apparmor=unconfined"), ("--privileged",)])
def test_unconfined_is_unconfined(house: DaemonHouse, options: tuple[str, ...]) -> None:
    ok(house, "run", "-d", "--name", "free", *options, *SLEEP)
    script = "cat /proc/self/attr/current /proc/1/attr/current"
    assert ok(house, "exec", "free", "sh", "-c", script).split("\n") == ["unconfined"] * 2


def test_no_new_privileges_and_a_user_keep_the_profile(house: DaemonHouse) -> None:
    script = "cat /proc/self/attr/current; grep NoNewPrivs /proc/self/status"
    shown = inside(house, script, "--security-opt", "no-new-privileges", "--user", "nobody")
    assert shown.split("\n") == [DEFAULT_PROFILE, "NoNewPrivs:\t1"]


def test_a_profile_that_is_not_loaded_is_an_error_and_leaves_nothing(house: DaemonHouse) -> None:
    done = docker(house, "run", "--name", "lost", "--security-opt", "apparmor=no-such-profile", "busybox", "true")
    assert done.returncode in (125, 126, 127)
    assert "failed to apply profile no-such-profile" in done.stderr
    assert house.state("lost")["Status"] == "created"


def many_layers(busybox_tar: bytes) -> bytes:
    """A docker archive: busybox, and a file in each of the layers above it."""
    layers = [busybox_tar, *(archive({f"n/{number}": b"x"}) for number in range(1, LAYERS))]
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Cmd": ["sh"]},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}" for layer in layers]},
    }
    names = [f"{number:03d}/layer.tar" for number in range(LAYERS)]
    manifest = [{"Config": "config.json", "RepoTags": ["deep:1"], "Layers": names}]
    documents = {"config.json": json.dumps(config).encode(), "manifest.json": json.dumps(manifest).encode()}
    return archive({**dict(zip(names, layers, strict=True)), **documents})


def archive(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as writer:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(data), 0o755
            writer.addfile(info, io.BytesIO(data))
    return out.getvalue()


def test_300_layers_mount_and_run(house: DaemonHouse, busybox_tar: bytes) -> None:
    ok(house, "load", input=many_layers(busybox_tar), timeout=240.0)
    script = "ls /n | wc -l; rm /n/7; touch /n/new; ls /n | wc -l; grep ' / ' /proc/mounts | cut -d' ' -f3"
    assert ok(house, "run", "--rm", "deep:1", "sh", "-c", script).split() == ["299", "299", "overlay"]
    script = "ls /n | wc -l; touch /x || echo ro"
    assert ok(house, "run", "--rm", "--read-only", "deep:1", "sh", "-c", script).split() == ["299", "ro"]


def test_containers_outlive_a_killed_daemon(house: DaemonHouse) -> None:
    ok(house, "run", "-d", "--name", "long", "--memory", "64m", *SLEEP)
    script = "echo before; while [ ! -e /go ]; do sleep 0.2; done; echo after; exit 9"
    ok(house, "run", "-d", "--name", "short", "busybox", "sh", "-c", script)
    long, short = house.state("long")["Pid"], house.state("short")["Pid"]
    house.end(signal.SIGKILL)
    with open(f"/proc/{short}/root/go", "w", encoding="ascii"):
        pass
    until(lambda: not os.path.exists(f"/proc/{short}/root/go"), PATIENCE_S)
    house.start()
    assert ok(house, "wait", "short") == "9"
    assert ok(house, "logs", "short") == "before\nafter"
    assert house.state("long")["Pid"] == long
    assert house.state("long")["Running"] is True
    files = ("/proc/self/attr/current", "/proc/self/cgroup", "/sys/fs/cgroup/memory.max")
    shown = ok(house, "exec", "long", "cat", *files)
    assert shown.split("\n") == [DEFAULT_PROFILE, "0::/", str(64 << 20)]
    assert "9" in inside(house, "echo 9"), "new ones start"


def test_after_rm_of_everything_nothing_is_left(house: DaemonHouse) -> None:
    for name in ("aa", "bb"):
        ok(house, "run", "-d", "--name", name, *SLEEP)
    ok(house, "rm", "-f", "aa", "bb")

    def left() -> list[str]:
        groups = [path for path in house.cgroups() if not path.endswith(house.cgroup_parent)]
        mounts = [line for line in machine_state.mounts() if house.name in line]
        shims = [f"shim {pid}" for pid in house.pids("tiffin-shim")]
        return groups + mounts + shims + os.listdir(f"/sys/class/net/{house.bridge}/brif")

    until(lambda: not left(), PATIENCE_S, "nothing is left of the containers")
