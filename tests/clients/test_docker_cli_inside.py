"""The stock docker CLI's options, seen from inside of the container: its namespaces, limits, mounts and network."""

from __future__ import annotations

import json
import os

import pytest

from daemon_house import DaemonHouse, until


def inside(house: DaemonHouse, script: str, *options: str) -> str:
    return house.ok("run", "--rm", *options, "busybox", "sh", "-c", script)


def test_only_its_own_processes_are_there(house: DaemonHouse) -> None:
    pids = inside(house, "echo /proc/[0-9]*").split()
    assert pids == ["/proc/1"]


def test_the_hostname_is_the_short_id_or_what_was_asked_for(house: DaemonHouse) -> None:
    id = house.ok("run", "-d", "busybox", "sleep", "1000")
    assert house.ok("exec", id, "hostname") == id[:12]
    shown = inside(house, "hostname; cat /etc/hostname; grep -c box /etc/hosts", "--hostname", "box")
    assert shown.split() == ["box", "box", "1"]


def test_eth0_has_an_address_and_gateway_and_neighbour_answer(house: DaemonHouse) -> None:
    house.ok("run", "-d", "--name", "neighbour", "busybox", "sleep", "1000")
    address = house.ok("inspect", "-f", "{{.NetworkSettings.IPAddress}}", "neighbour")
    shown = inside(house, "ip -4 -o addr show eth0; ip route")
    assert f"inet {house.gateway.rpartition('.')[0]}." in shown
    assert f"default via {house.gateway} dev eth0" in shown
    for target in (house.gateway, address):
        assert "0% packet loss" in inside(house, f"ping -c 1 -w 5 {target}")


def test_a_neighbour_serves_over_tcp(house: DaemonHouse) -> None:
    house.ok("run", "-d", "--name", "server", "busybox", "sh", "-c", "while :; do echo hello | nc -l -p 80; done")
    address = house.ok("inspect", "-f", "{{.NetworkSettings.IPAddress}}", "server")
    until(lambda: "hello" in inside(house, f"nc -w 2 {address} 80 </dev/null || true"))


def test_two_file_systems_are_apart_and_the_image_stays(house: DaemonHouse) -> None:
    for name in ("one", "two"):
        house.ok("run", "-d", "--name", name, "busybox", "sleep", "1000")
        house.ok("exec", name, "sh", "-c", f"echo {name} > /mine; rm /etc/group")
    assert house.ok("exec", "one", "cat", "/mine") == "one"
    assert house.ok("exec", "two", "cat", "/mine") == "two"
    assert inside(house, "ls /mine 2>/dev/null; ls /etc/group") == "/etc/group"
    house.ok("restart", "-t", "0", "one")
    assert house.ok("exec", "one", "cat", "/mine") == "one"


def test_network_none_host_and_anothers(house: DaemonHouse) -> None:
    assert inside(house, "ls /sys/class/net", "--network", "none").split() == ["lo"]
    assert house.bridge in inside(house, "ls /sys/class/net", "--network", "host").split()
    house.ok("run", "-d", "--name", "owner", "busybox", "sleep", "1000")
    address = house.ok("inspect", "-f", "{{.NetworkSettings.IPAddress}}", "owner")
    assert f"inet {address}/" in inside(house, "ip -4 addr show eth0", "--network", "container:owner")
    missing = house.docker("run", "--rm", "--network", "container:nobody", "busybox", "true")
    assert missing.returncode == 125
    assert "No such container: nobody" in missing.stderr
    unknown = house.docker("run", "--rm", "--network", "no-such-net", "busybox", "true")
    assert unknown.returncode == 125
    assert "network no-such-net not found" in unknown.stderr


def test_too_much_memory_is_reported_as_oom_killed(house: DaemonHouse) -> None:
    script = "dd if=/dev/zero of=/dev/null bs=200M count=1"
    house.docker("run", "--name", "hungry", "--memory", "64m", "busybox", "sh", "-c", script)
    state = house.state("hungry")
    assert state["OOMKilled"] is True, state
    assert state["ExitCode"] == 137
    assert "oom" in house.events("hungry")


def test_users_directories_and_environment(house: DaemonHouse) -> None:
    assert inside(house, "id -u; id -g", "-u", "nobody").split() == ["65534", "65534"]
    assert inside(house, "echo $(id -u):$(id -g) $(id -G)", "-u", "5:6", "--group-add", "audio") == "5:6 6 29"
    assert inside(house, "pwd", "-w", "/made/by/w") == "/made/by/w"
    assert inside(house, "echo $A-$B-$HOME", "-e", "A=1", "-e", "B=2") == "1-2-/root"
    assert inside(house, "echo $HOME", "-u", "nobody") == "/home"


def test_init_is_process_1_or_said_to_be_missing(house: DaemonHouse) -> None:
    done = house.docker("run", "--rm", "--init", "busybox", "sh", "-c", "cat /proc/1/comm; echo $$")
    if done.returncode == 0:
        assert done.stdout.split()[0] in ("tini", "docker-init", "tini-static", "init")
        assert done.stdout.split()[1] != "1"
    else:
        assert done.returncode in (125, 127)
        assert "init" in done.stderr


def test_a_read_only_root_with_places_to_write(house: DaemonHouse) -> None:
    script = "touch /no 2>&1; touch /scratch/yes && stat -f -c %T /scratch; touch /dev/shm/yes && echo shm"
    shown = inside(house, script, "--read-only", "--tmpfs", "/scratch:size=1m,mode=1777")
    assert "Read-only file system" in shown
    assert shown.endswith("tmpfs\nshm")


def test_bind_mounts_and_read_only_ones(house: DaemonHouse) -> None:
    source = f"{house.home}/bound"
    os.makedirs(source, exist_ok=True)
    with open(f"{source}/file", "w", encoding="utf-8") as file:
        file.write("from outside\n")
    assert inside(house, "cat /in/file; echo back > /in/answer", "-v", f"{source}:/in") == "from outside"
    with open(f"{source}/answer", encoding="utf-8") as file:
        assert file.read() == "back\n"
    assert "Read-only file system" in inside(house, "touch /in/x 2>&1 || true", "-v", f"{source}:/in:ro")
    mount = f"type=bind,source={source}/file,target=/etc/one,readonly"
    assert inside(house, "cat /etc/one", "--mount", mount) == "from outside"
    missing = house.docker("run", "--rm", "--mount", "type=bind,source=/no/such,target=/in", "busybox", "true")
    assert missing.returncode == 125
    assert "bind source path does not exist: /no/such" in missing.stderr


def test_a_named_volume_outlives_its_container(house: DaemonHouse) -> None:
    inside(house, "echo kept > /data/file", "-v", "vault:/data")
    assert inside(house, "cat /data/file", "-v", "vault:/data") == "kept"


def test_ulimits_and_capabilities(house: DaemonHouse) -> None:
    assert inside(house, "ulimit -n; ulimit -Hn", "--ulimit", "nofile=100:200").split() == ["100", "200"]
    caps = {}
    for name, options in {
        "default": (),
        "dropped": ("--cap-drop", "ALL"),
        "added": ("--cap-drop", "ALL", "--cap-add", "CHOWN"),
        "privileged": ("--privileged",),
    }.items():
        caps[name] = int(inside(house, "grep CapEff /proc/self/status", *options).split()[1], 16)
    assert caps["default"] == 0xA80425FB
    assert caps["dropped"] == 0
    assert caps["added"] == 1
    assert caps["privileged"] & caps["default"] == caps["default"]
    assert caps["privileged"].bit_count() > 30


def test_privileged_sees_devices_and_may_mount(house: DaemonHouse) -> None:
    assert inside(house, "mkdir /m && mount -t tmpfs x /m && echo mounted", "--privileged") == "mounted"
    refused = house.docker("run", "--rm", "busybox", "sh", "-c", "mkdir /m; mount -t tmpfs x /m")
    assert refused.returncode != 0


def test_pids_limit_holds(house: DaemonHouse) -> None:
    script = "for n in 1 2 3 4 5 6 7 8; do sleep 1 & done"
    shown = house.docker("run", "--rm", "--pids-limit", "5", "busybox", "sh", "-c", script)
    assert "can't fork" in shown.stderr


def test_proc_and_sys_are_masked(house: DaemonHouse) -> None:
    script = "echo x > /proc/sys/kernel/hostname || echo ro; cat /proc/keys /proc/kcore | wc -c; "
    script += "touch /sys/x || echo ro"
    shown = house.docker("run", "--rm", "busybox", "sh", "-c", script).stdout.split()
    assert shown == ["ro", "0", "ro"]


def test_hosts_and_dns_options(house: DaemonHouse) -> None:
    options = ("--add-host", "other:10.1.2.3", "--dns", "9.9.9.9", "--dns-search", "example.test")
    shown = inside(house, "cat /etc/hosts /etc/resolv.conf", *options)
    assert "10.1.2.3\tother" in shown
    assert "nameserver 9.9.9.9" in shown
    assert "search example.test" in shown


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--memory", "1m"], "Minimum memory limit allowed is 6MB"),
        (["--cap-add", "NONSENSE"], 'invalid CapAdd: unknown capability: "CAP_NONSENSE"'),
        (["-v", "relative/path:/in"], "includes invalid characters for a local volume name"),
        (["-v", "/src:relative"], "invalid mount path: 'relative' mount path must be absolute"),
        (["--cpus", "1000"], "range of CPUs is from 0.01 to"),
        (["--ulimit", "nofile=5:2"], "ulimit soft limit must be less than or equal to hard limit"),
        (["--user", "a:b:c"], "unable to find user"),
        (["--stop-signal", "SIGNONSENSE"], "invalid signal: SIGNONSENSE"),
    ],
)
def test_options_that_make_no_sense_are_125_with_dockers_words(
    house: DaemonHouse, options: list[str], words: str
) -> None:
    done = house.docker("run", "--rm", *options, "busybox", "true")
    assert done.returncode == 125, done.stdout
    assert words in done.stderr
    assert house.ok("ps", "-aq") == ""


def test_inspect_shows_mounts_and_networks(house: DaemonHouse) -> None:
    house.ok("create", "--name", "shown", "-v", "/tmp:/in:ro", "--tmpfs", "/t", "--network", "none", "busybox")
    document = json.loads(house.ok("inspect", "shown"))[0]
    mount = document["Mounts"][0]
    assert (mount["Type"], mount["Source"], mount["Destination"], mount["RW"]) == ("bind", "/tmp", "/in", False)
    assert document["HostConfig"]["Tmpfs"] == {"/t": ""}
    assert list(document["NetworkSettings"]["Networks"]) == ["none"]
