"""exec: more programs in a running container."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from container_house import House, Running, soon, streams, until

from tiffin.runtime.seccomp.compile import compile
from tiffin.runtime.seccomp.resolve import native_arch, resolve
from tiffin.runtime.shim_handle import StartError
from tiffin.spec.capabilities import DEFAULT


async def sleeper(house: House, **options: object) -> Running:
    """A container that waits, with an init that reaps."""
    running = await house.start(["sh", "-c", "echo up; while :; do sleep 1000 & wait; done"], **options)
    await running.client.line_with(b"up")
    return running


async def test_an_exec_has_streams_and_status_of_its_own(house: House) -> None:
    running = await sleeper(house)
    assert await running.exec_result(["sh", "-c", "echo out; echo err >&2; exit 5"]) == (5, b"out\n", b"err\n")
    code, out, _ = await running.exec_result(["sh", "-c", "cat; echo end"], stdin=False)
    assert (code, out) == (0, b"end\n")
    await running.kill()


async def test_an_exec_is_in_every_namespace_and_in_the_cgroup(house: House) -> None:
    running = await sleeper(house)
    script = "for n in pid net uts ipc mnt cgroup; do readlink /proc/self/ns/$n; done; hostname; cat /proc/self/cgroup"
    _, out, _ = await running.exec_result(["sh", "-c", script])
    lines = out.decode().splitlines()
    assert lines[:6] == [running.shim.namespaces[kind] for kind in ("pid", "net", "uts", "ipc", "mnt", "cgroup")]
    assert lines[6] == "lunchbox"
    assert all(running.id in line or ":/" in line for line in lines[7:])
    assert any(running.id in line for line in lines[7:])
    await running.kill()


async def test_an_exec_reads_input_to_its_end(house: House) -> None:
    running = await sleeper(house)
    handle, peer = await running.exec(["wc", "-c"], stdin=True)
    await peer.send(b"x" * 3_000_000)
    peer.end_input()
    assert streams(await peer.all())[0] == b"3000000\n"
    assert await soon(handle.exited) == 0
    peer.close()
    await running.kill()


async def test_an_exec_on_a_terminal_has_its_size_and_resizes(house: House) -> None:
    running = await sleeper(house)
    script = "tty; stty size; trap 'stty size; exit 4' WINCH; echo ready; while :; do sleep 0.02; done"
    handle, peer = await running.exec(["sh", "-c", script], name="term", tty=True, stdin=True, size=[20, 70])
    out = await peer.line_with(b"ready")
    assert b"/dev/pts/0" in out
    assert b"20 70" in out
    await running.shim.resize("term", 21, 71)
    assert b"21 71" in await peer.all()
    assert await soon(handle.exited) == 4
    peer.close()
    with pytest.raises(StartError, match="cannot resize"):
        await running.shim.resize("no such exec", 1, 1)
    await running.kill()


async def test_the_terminal_of_an_exec_controls_it(house: House) -> None:
    running = await sleeper(house)
    handle, peer = await running.exec(["sh", "-c", "echo up; exec sleep 1000"], tty=True, stdin=True, user="cook")
    await peer.line_with(b"up")
    await peer.send(b"\x03")
    assert await soon(handle.exited) == 130
    peer.close()
    handle, peer = await running.exec(["sh", "-c", "echo $$; sleep 1000 & echo up; cat"], tty=True, stdin=True)
    await peer.line_with(b"up")
    await peer.send(b"\x04")
    assert await soon(handle.exited) == 0
    await peer.all()
    peer.close()
    await running.kill()


@pytest.mark.parametrize(
    ("user", "expected"), [("cook", "1000 1001"), ("1234", "1234 0"), ("cook:audio", "1000 29"), ("7:8", "7 8")]
)
async def test_an_exec_has_a_user_and_a_directory_of_its_own(house: House, user: str, expected: str) -> None:
    running = await sleeper(house)
    code, out, _ = await running.exec_result(["sh", "-c", "id -u; id -g; pwd"], user=user, cwd="/tmp")
    assert (code, out.decode().split()) == (0, [*expected.split(), "/tmp"])
    await running.kill()


@pytest.mark.parametrize(
    ("args", "options", "code", "words"),
    [
        (["nosuch"], {}, 127, 'exec: "nosuch": executable file not found in $PATH'),
        (["/etc"], {}, 126, "is a directory"),
        (["/etc/passwd"], {}, 126, "permission denied"),
        (["true"], {"cwd": "/no/such"}, 126, "no such file or directory"),
        (["true"], {"user": "stranger"}, 125, "unable to find user stranger"),
        (["true"], {"seccomp_path": "/no/such/filter"}, 125, "No such file or directory"),
    ],
)
async def test_an_exec_that_cannot_start_fails_in_dockers_words(
    house: House, args: list[str], options: dict[str, str], code: int, words: str
) -> None:
    running = await sleeper(house)
    with pytest.raises(StartError) as caught:
        await running.exec(args, **options)
    assert (caught.value.exit_code, words in caught.value.message) == (code, True), caught.value.message
    assert "OCI runtime exec failed" in caught.value.message
    assert (await running.exec_result(["echo", "fine"]))[1] == b"fine\n"
    await running.kill()


async def test_many_execs_at_once_keep_their_streams_apart(house: House) -> None:
    running = await sleeper(house)
    results = await asyncio.gather(*(running.exec_result(["sh", "-c", f"echo {n}; exit {n}"]) for n in range(30)))
    assert results == [(n, f"{n}\n".encode(), b"") for n in range(30)]
    await running.kill()


async def test_execs_in_a_container_that_ends_meanwhile_all_come_to_an_end(house: House) -> None:
    running = await sleeper(house)
    handles = [(await running.exec(["sleep", "1000"])) for _ in range(3)]
    late = [asyncio.ensure_future(running.exec(["sleep", "1000"])) for _ in range(10)]
    await running.shim.signal(9)
    for handle, peer in handles:
        assert await soon(handle.exited) == 137
        assert await peer.all() == b""
        peer.close()
    for outcome in await asyncio.gather(*late, return_exceptions=True):
        if isinstance(outcome, tuple):
            handle, peer = outcome
            assert await soon(handle.exited) == 137
            assert await peer.all() == b""
            peer.close()
        else:
            assert isinstance(outcome, StartError)
    assert (await running.finish()).code == 137


async def test_an_exec_after_the_end_is_refused(house: House) -> None:
    running = await house.start(["sh", "-c", "read x"], open_stdin=True)
    running.client.end_input()
    await soon(running.shim.exited)
    with pytest.raises(StartError):
        await running.exec(["true"])
    await running.finish()


async def test_an_exec_that_leaves_a_chatty_child_behind_still_ends(house: House) -> None:
    running = await sleeper(house)
    handle, peer = await running.exec(["sh", "-c", "yes & echo started; exit 2"])
    assert await soon(handle.exited) == 2
    while await peer.some():
        pass
    peer.close()
    assert (await running.exec_result(["echo", "alive"]))[1] == b"alive\n"
    await running.kill()


async def test_an_exec_goes_on_without_its_client_and_the_shim_reaps_it(house: House) -> None:
    running = await sleeper(house)
    handle, peer = await running.exec(["sh", "-c", "read x; echo x; echo y; exit 3"], stdin=True)
    peer.close()
    assert await soon(handle.exited) in (3, 141)
    await until(lambda: not os.path.exists(f"/proc/{handle.pid}"), "the exec to be reaped")
    await running.kill()


async def test_orphans_of_an_exec_do_not_become_zombies_of_the_shim(house: House) -> None:
    running = await sleeper(house)
    _, out, _ = await running.exec_result(["sh", "-c", "(sleep 0.05; exit) & echo $!"])
    pid = int(out)

    async def state() -> bytes:
        return (await running.exec_result(["sh", "-c", f"cat /proc/{pid}/stat 2>/dev/null || echo gone"]))[1]

    for _ in range(100):
        if await state() == b"gone\n":
            break
        await asyncio.sleep(0.02)
    assert await state() == b"gone\n"
    await running.kill()


@pytest.mark.parametrize("no_new_privileges", [False, True])
async def test_run_and_exec_work_under_the_default_filter(house: House, no_new_privileges: bool) -> None:
    path = f"{house.root}/filter"
    Path(path).write_bytes(compile(resolve(None, DEFAULT, native_arch())))
    process = {"noNewPrivileges": no_new_privileges}
    running = await sleeper(house, seccomp_path=path, process=process)
    for tty in (False, True):
        code, out, _ = await running.exec_result(
            ["sh", "-c", "grep Seccomp: /proc/self/status; unshare -m true 2>/dev/null && echo unshared; exit 3"],
            tty=tty, user="cook", seccomp_path=path, process=process,
        )  # fmt: skip
        assert (code, out.split()) == (3, [b"Seccomp:", b"2"])
    await running.kill()


async def test_a_memory_limit_holds_for_execs_too(house: House) -> None:
    if "memory" not in house.layout.controllers:
        pytest.skip("the memory controller is not mounted")
    limit = {"memory": {"limit": 16 << 20, "swap": 16 << 20}}
    running = await sleeper(house, linux={"resources": limit})
    code, _, _ = await running.exec_result(["tail", "/dev/zero"])
    assert code == 137
    assert not running.shim.exited.done()
    await running.kill()
