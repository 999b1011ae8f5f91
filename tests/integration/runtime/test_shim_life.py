"""Who may die when: the daemon's side, the spawner, the shim, init; and that a failed start leaves nothing."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import stat

import pytest
from container_house import Attachment, House, bind, soon, streams, until

from tiffin.errors import TiffinError
from tiffin.linux.libc import libc
from tiffin.linux.namespaces import CLONE_NEWNET
from tiffin.runtime.shim_handle import StartError
from tiffin.runtime.supervisor import SHIM_DIED, Supervisor


async def test_an_adopted_container_goes_on_where_it_was(house: House) -> None:
    running = await house.start(["sh", "-c", "echo up; read x; echo got $x; exit 8"], open_stdin=True, stdin_once=False)
    await running.client.line_with(b"up")
    handle, exec_peer = await running.exec(["sh", "-c", "read x; exit 6"], stdin=True, name="the-exec")
    running.shim.close()  # the daemon is gone
    del house.supervisor._shims[running.id]
    running.client.close()

    other = Supervisor(house.exec_root, house.spawner, house.layout)
    shim = await other.adopt(running.id)
    assert shim is not None
    before = running.shim
    assert (shim.pid, shim.started_at_ns, shim.trace[-1]) == (before.pid, before.started_at_ns, before.trace[-1])
    assert shim.adopted_execs["the-exec"].pid == handle.pid
    await exec_peer.send(b"go\n")
    assert await soon(shim.adopted_execs["the-exec"].exited) == 6
    exec_peer.close()
    running.shim = shim
    peer, gone = await running.attach(stdin=True)
    assert not gone.done()
    await peer.send(b"word\n")
    assert streams(await peer.all())[0] == b"got word\n"
    assert (await soon(shim.exited)).code == 8
    peer.close()
    await soon(shim.gone)


async def test_clients_of_an_earlier_daemon_are_not_taken_for_the_new_ones(house: House) -> None:
    running = await house.start(["sh", "-c", "echo up; read x"], open_stdin=True, stdin_once=False)
    await running.client.line_with(b"up")
    old = [await running.attach() for _ in range(4)]
    running.shim.close()
    del house.supervisor._shims[running.id]
    shim = await house.supervisor.adopt(running.id)
    assert shim is not None
    running.shim = shim
    new = [await running.attach(stdin=True) for _ in range(4)]
    for peer, _ in old:
        peer.close()
    await shim.stats()  # what the shim says of the old ones has come before this answer
    assert not any(gone.done() for _, gone in new)
    await new[0][0].send(b"go\n")
    for peer, gone in new:
        assert await soon(gone) == "eof"
        peer.close()
    await running.finish()


async def test_adopting_what_does_not_run_is_none(house: House) -> None:
    assert await house.supervisor.adopt("0" * 64) is None
    os.mkdir(house.supervisor.run_dir("1" * 64), 0o700)
    try:
        assert await house.supervisor.adopt("1" * 64) is None
    finally:
        os.rmdir(house.supervisor.run_dir("1" * 64))


async def test_an_exit_while_no_daemon_is_there_is_on_disk_and_in_the_log(house: House) -> None:
    running = await house.start(["sh", "-c", "read x; echo last words; exit 12"], open_stdin=True, log=True)
    shim_pid = running.shim_pid
    running.shim.close()
    del house.supervisor._shims[running.id]
    await running.client.send(b"go\n")
    running.client.close()
    await until(lambda: not os.path.exists(f"/proc/{shim_pid}"), "the shim to leave")
    with open(f"{running.directory}/exit.json", encoding="utf-8") as file:
        assert json.load(file)["code"] == 12
    with open(f"{running.directory}/log", encoding="utf-8") as file:
        assert [json.loads(line)["log"] for line in file] == ["last words\n"]
    assert await house.supervisor.adopt(running.id) is None
    house.supervisor.lost(running.id)


async def test_a_killed_shim_takes_its_container_along_and_both_are_recorded(house: House) -> None:
    running = await house.start(["sh", "-c", "sleep 1000 & sleep 1000"])
    _, peer = await running.exec(["sleep", "1000"])
    os.kill(running.shim_pid, signal.SIGKILL)
    exit_ = await soon(running.shim.exited)
    assert (exit_.code, exit_.error, exit_.oom_killed) == (137, SHIM_DIED, False)
    assert await peer.all() == b""
    peer.close()
    running.client.close()


async def test_a_container_that_clears_its_death_signal_still_ends_with_its_shim(house: House) -> None:
    """A setuid program's execve clears PR_SET_PDEATHSIG; the cgroup gets it all the same."""
    image = house.copy_image("setuid")
    os.unlink(f"{image}/bin/busybox")
    with open(f"{house.image}/bin/busybox", "rb") as source, open(f"{image}/bin/busybox", "wb") as target:
        target.write(source.read())
    os.chmod(f"{image}/bin/busybox", 0o4755)
    running = await house.start(["sleep", "1000"], user="cook", lower=[image])
    os.kill(running.shim_pid, signal.SIGKILL)
    assert (await soon(running.shim.exited)).error == SHIM_DIED
    running.client.close()


async def test_what_a_shim_that_died_unseen_left_is_found_and_ended(house: House) -> None:
    running = await house.start(["sleep", "1000"])
    shim_pid = running.shim_pid
    running.shim.close()
    del house.supervisor._shims[running.id]
    os.kill(shim_pid, signal.SIGKILL)
    await until(lambda: not os.path.exists(f"/proc/{shim_pid}"))
    assert await house.supervisor.adopt(running.id) is None
    assert house.supervisor.lost(running.id) == SHIM_DIED
    running.client.close()


async def test_a_killed_spawner_is_replaced_and_the_containers_go_on(house: House) -> None:
    running = await house.start(["sh", "-c", "read x; exit 3"], open_stdin=True)
    first = house.spawner.pid
    os.kill(first, signal.SIGKILL)
    assert (await house.sh("echo again")).out == b"again\n"
    assert house.spawner.pid != first
    await running.client.send(b"go\n")
    assert (await running.finish()).code == 3


async def test_a_spawner_killed_between_many_starts_loses_at_most_the_one_in_its_hands(house: House) -> None:
    starts = [asyncio.ensure_future(house.sh(f"exit {n}")) for n in range(10)]
    await asyncio.sleep(0)
    os.kill(house.spawner.pid, signal.SIGKILL)
    for n, outcome in enumerate(await asyncio.gather(*starts, return_exceptions=True)):
        assert isinstance(outcome, StartError) or outcome.code == n, outcome
    assert (await house.sh("exit 9")).code == 9


async def test_a_terminated_shim_runs_the_stop_sequence(house: House) -> None:
    script = "trap 'echo stopping; exit 21' USR1; echo up; while :; do sleep 0.02; done"
    running = await house.start(["sh", "-c", script], stop_signal=int(signal.SIGUSR1), stop_timeout=10)
    await running.client.line_with(b"up")
    os.kill(running.shim_pid, signal.SIGTERM)
    result = await running.finish()
    assert (result.code, result.out) == (21, b"stopping\n")


async def test_a_terminated_shim_kills_what_does_not_stop(house: House) -> None:
    running = await house.start(["sh", "-c", "trap '' TERM; echo up; while :; do sleep 0.02; done"], stop_timeout=0)
    await running.client.line_with(b"up")
    os.kill(running.shim_pid, signal.SIGTERM)
    assert (await running.finish()).code == 137


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT, signal.SIGPIPE])
async def test_other_signals_do_not_end_a_shim(house: House, number: signal.Signals) -> None:
    running = await house.start(["sh", "-c", "read x; exit 3"], open_stdin=True)
    os.kill(running.shim_pid, number)
    await running.client.send(b"go\n")
    assert (await running.finish()).code == 3


async def test_signals_reach_one_or_all_processes(house: House) -> None:
    child = "trap 'echo child; exit' USR2; echo up; while :; do sleep 0.02; done"
    script = f"({child}) & trap : USR2; wait; wait"
    running = await house.start(["sh", "-c", script])
    await running.client.line_with(b"up")
    await running.shim.signal(signal.SIGUSR2, all=True)
    await running.client.line_with(b"child")
    await running.finish()


async def test_a_frozen_container_stands_still_until_thawed(house: House) -> None:
    running = await house.start(["sh", "-c", "echo up; read x; exit 2"], open_stdin=True)
    await running.client.line_with(b"up")
    await running.shim.freeze()
    await running.client.send(b"go\n")
    await asyncio.sleep(0.05)
    assert not running.shim.exited.done()
    await running.shim.thaw()
    assert (await running.finish()).code == 2


async def test_limits_can_be_changed_and_counters_read(house: House) -> None:
    running = await house.start(["sleep", "100"])
    await running.shim.update({"pids": {"limit": 7}})
    assert (await running.shim.stats())
    code, _, err = await running.exec_result(["sh", "-c", "for i in 1 2 3 4 5 6 7 8; do sleep 1 & done"])
    assert code != 0
    assert b"can't fork" in err
    await running.kill()


FAILURES = {
    "program": {"args": ["nosuch"]},
    "user": {"user": "stranger"},
    "bind": {"mounts": [bind("/no/such/source", "/data")]},
    "layer": {"lower": ["/no/such/layer"]},
    "sysctl": {"linux": {"sysctl": {"no.such": "1"}}},
    "limit": {"linux": {"resources": {"cpu": {"cpus": "4000"}}}},
    "filter": {"seccomp_path": "/no/such/filter"},
    "cwd": {"cwd": "/etc/passwd"},
    "apparmor": {"process": {"apparmorProfile": "no-such-profile"}},
}


@pytest.mark.parametrize("what", FAILURES)
async def test_a_start_that_fails_leaves_nothing(house: House, what: str) -> None:
    options = dict(FAILURES[what])
    with pytest.raises((StartError, TiffinError)) as caught:
        await house.start(options.pop("args", ["true"]), **options)
    assert str(caught.value)
    assert house.leftovers() == [] or await house.settle() == []


async def test_a_network_step_that_fails_leaves_nothing_and_keeps_its_error(house: House) -> None:
    async def connect(netns: int, rtnl: int) -> None:
        raise RuntimeError("no address is free")

    with pytest.raises(RuntimeError, match="no address is free"):
        await house.start(["true"], connect=connect)


async def test_a_network_step_that_is_cancelled_leaves_nothing(house: House) -> None:
    entered = asyncio.Event()

    async def connect(netns: int, rtnl: int) -> None:
        entered.set()
        await asyncio.Event().wait()

    start = asyncio.ensure_future(house.start(["true"], connect=connect))
    await soon(entered.wait())
    start.cancel()
    with pytest.raises(asyncio.CancelledError):
        await start


async def test_the_network_step_gets_the_namespace_and_a_route_socket_in_it(house: House) -> None:
    seen: list[str] = []

    async def connect(netns: int, rtnl: int) -> None:
        seen.append(f"net:[{os.fstat(netns).st_ino}]")
        pid = os.fork()
        if pid == 0:
            os._exit(0 if libc.setns(netns, CLONE_NEWNET) == 0 else 1)
        assert os.waitpid(pid, 0)[1] == 0
        assert os.readlink(f"/proc/self/fd/{rtnl}").startswith("socket:")

    running = await house.start(["readlink", "/proc/self/ns/net"], connect=connect)
    assert (await running.finish()).out.decode().split() == seen


async def test_without_a_network_there_is_a_loopback(house: House) -> None:
    assert b"127.0.0.1" in (await house.sh("ip addr show lo; ping -c 1 -W 1 127.0.0.1 >/dev/null && echo")).out


async def test_fifty_starts_at_once(house: House) -> None:
    results = await asyncio.gather(*(house.sh(f"echo {n}; exit {n}") for n in range(50)))
    assert [(result.code, result.out) for result in results] == [(n, f"{n}\n".encode()) for n in range(50)]


async def test_a_container_starts_again_under_its_id(house: House) -> None:
    running = await house.start(["sh", "-c", "echo x >>/count; wc -l </count"])
    assert (await running.finish()).out == b"1\n"
    shim = await soon(house.supervisor.start(running.request, connect=None, attachments=[]))
    assert (await soon(shim.exited)).code == 0
    await soon(shim.gone)
    with open(f"{running.directory}/upper/count", encoding="utf-8") as file:
        assert file.read() == "x\nx\n"


async def test_a_container_can_join_the_namespaces_of_another(house: House) -> None:
    first = await house.start(["sleep", "1000"])
    kinds = (("pid", "pid"), ("network", "net"), ("ipc", "ipc"), ("uts", "uts"))
    joined = [{"type": kind, "path": f"/proc/{first.shim.pid}/ns/{file}"} for kind, file in kinds]
    script = "for n in pid net ipc uts; do readlink /proc/self/ns/$n; done; hostname; ps | grep -c 'slee[p]'"
    result = await house.sh(script, linux={"namespaces": [{"type": "mount"}, *joined]})
    expected = [first.shim.namespaces[file] for _, file in kinds]
    assert result.out.decode().split() == [*expected, "lunchbox", "1"]
    await first.kill()


async def test_in_the_hosts_pid_namespace_children_end_with_the_container(house: House) -> None:
    namespaces = [{"type": kind} for kind in ("mount", "network", "ipc", "uts")]
    script = "sleep 1000 & echo $!; exit 4"
    result = await house.sh(script, linux={"namespaces": namespaces})
    assert result.code == 4
    await until(lambda: not os.path.exists(f"/proc/{int(result.out)}/exe"), "the child to end")


async def test_the_shims_socket_and_directory_are_roots_alone(house: House) -> None:
    running = await house.start(["sleep", "1000"])
    run_dir = house.supervisor.run_dir(running.id)
    assert stat.S_IMODE(os.stat(run_dir).st_mode) == 0o700
    assert stat.S_IMODE(os.stat(f"{run_dir}/shim.sock").st_mode) == 0o600
    assert stat.S_IMODE(os.stat(f"{run_dir}/init.pid").st_mode) == 0o600
    await running.kill()


async def test_a_long_message_and_many_attachments_arrive(house: House) -> None:
    env = ["PATH=/bin", f"LONG={'x' * 100_000}"]
    pairs = [__import__("socket").socketpair() for _ in range(8)]
    request = house.request(["sh", "-c", "echo ${#LONG}"], process={"env": env})
    request["annotations"] = "y" * 100_000
    attachments = [Attachment(theirs.fileno()) for _, theirs in pairs]
    shim = await soon(house.supervisor.start(request, connect=None, attachments=attachments))
    for ours, theirs in pairs:
        theirs.close()
        with ours:
            ours.settimeout(10)
            assert await asyncio.to_thread(ours.recv, 100) == b"\x01\0\0\0\0\0\0\x07100000\n"
    await soon(shim.gone)
