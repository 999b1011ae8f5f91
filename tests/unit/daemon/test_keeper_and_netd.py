"""The keeper of the listening sockets and its netd: ends and beginnings that cross."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import tempfile
from collections.abc import Iterator
from time import monotonic, sleep

import pytest

from tiffin.daemon.config import ConfigError
from tiffin.daemon.keeper import Keeper
from tiffin.daemon.pidfile import lock_root
from tiffin.network import netd
from tiffin.spawn.channel import Channel, pair


@pytest.fixture
def root() -> Iterator[str]:
    path = tempfile.mkdtemp(prefix="tk-")
    yield path
    shutil.rmtree(path)


def listening(path: str) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(path)
    sock.listen()
    return sock


def keep(root: str) -> tuple[Keeper, list[socket.socket]]:
    keeper = Keeper(root)
    host = f"unix://{root}/api.sock"
    return keeper, keeper.listeners([host], lambda name: listening(name.removeprefix("unix://")))


def gone(pid: int) -> None:
    """Wait for a child that this process started, or that somebody else has waited for."""
    deadline = monotonic() + 10
    while os.path.exists(f"/proc/{pid}"):
        assert monotonic() < deadline, f"process {pid} stays"
        try:
            os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:
            pass
        sleep(0.01)  # a poll with a deadline


def hold(keeper: netd.Netd, path: str, sock: socket.socket) -> None:
    ours, theirs = pair()
    netd.hold(ours, [path], [sock.fileno()], [path])
    assert keeper._command(theirs)
    ours.close()
    theirs.close()


def test_netd_removes_at_its_end_what_it_held(root: str) -> None:
    path = f"{root}/api.sock"
    control, _ours = pair()
    process = netd.Netd(root, control)
    with listening(path) as sock:
        hold(process, path, sock)
        process._end()
        assert os.listdir(root) == []
    for channel in (control, _ours):
        channel.close()


def test_netd_leaves_a_path_alone_where_another_daemon_has_put_its_own_socket(root: str) -> None:
    path = f"{root}/api.sock"
    control, ours = pair()
    process = netd.Netd(root, control)
    with listening(path) as sock:
        hold(process, path, sock)
        os.rename(path, f"{path}.old")  # so that the new file cannot get the same number
        os.unlink(f"{root}/{netd.SOCKET_NAME}")
        with listening(path), listening(f"{root}/{netd.SOCKET_NAME}"):
            process._end()
            assert sorted(os.listdir(root)) == ["api.sock", "api.sock.old", netd.SOCKET_NAME]
    for channel in (control, ours):
        channel.close()


def test_a_daemon_that_meets_a_netd_at_its_end_starts_another(root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = pair()
    theirs.close()
    ending: list[Channel] = [ours]
    connect = netd.connect
    monkeypatch.setattr(netd, "connect", lambda path: ending.pop() if ending else connect(path))
    keeper, (sock,) = keep(root)
    assert not ending
    keeper.release()
    sock.close()
    gone(keeper._pid)


def test_the_next_daemon_gets_the_same_socket(root: str) -> None:
    first, (sock,) = keep(root)
    first.close()
    sock.close()
    inode = os.stat(f"{root}/api.sock").st_ino
    second, (again,) = keep(root)
    assert os.stat(f"{root}/api.sock").st_ino == inode
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(f"{root}/api.sock")
        again.accept()[0].close()
    second.release()
    again.close()
    gone(first._pid)


def test_a_held_socket_whose_file_was_removed_is_made_anew(root: str) -> None:
    first, (sock,) = keep(root)
    first.close()
    sock.close()
    os.unlink(f"{root}/api.sock")
    second, (again,) = keep(root)
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(f"{root}/api.sock")
        again.accept()[0].close()
    second.release()
    again.close()
    gone(first._pid)


def test_a_netd_that_dies_is_replaced_and_keeps_the_sockets(root: str) -> None:
    async def story() -> None:
        keeper, (sock,) = keep(root)
        keeper.watch()
        first = keeper._pid
        os.kill(first, signal.SIGKILL)
        async with asyncio.timeout(10):
            while keeper._pid == first or (probe := netd.connect(root)) is None:
                await asyncio.sleep(0.01)
        probe.close()
        keeper.close()
        sock.close()
        second, (again,) = keep(root)
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(f"{root}/api.sock")
            again.accept()[0].close()
        second.release()
        again.close()
        await asyncio.to_thread(gone, keeper._pid)

    asyncio.run(story())


def test_a_root_is_one_daemons(root: str) -> None:
    lock = lock_root(f"{root}/data", 0o710)
    with pytest.raises(ConfigError, match="another daemon uses"):
        lock_root(f"{root}/data", 0o710)
    os.close(lock)
    os.close(lock_root(f"{root}/data", 0o710))
