"""The spawner: a small warm process that forks every shim and worker. Runs as a program of its own.

It is exec'd once by the daemon, imports what its children will need, blocks all further imports and then serves:

    daemon → spawner   entry name, newline, message  + descriptors           fork, run the entry point in the child
    spawner → daemon   {"exited": pid, "status": wait status}                a child has ended
                       {"ready": true}                                       after start-up

A child inherits nothing but the descriptors of its request. When the daemon goes, the spawner goes; its shims stay.
One process of this kind is single-threaded for life: after fork only the forking thread exists (man 2 fork).
"""

from __future__ import annotations

# The C module: `signal` turns every number into an Enum, 200 KiB of touched pages in each child.
import _signal  # type: ignore[import-not-found]
import codecs
import gc
import os
import select
import signal
import sys
import traceback

from tiffin.linux.process import PR_SET_CHILD_SUBREAPER, PR_SET_DUMPABLE, prctl, set_name
from tiffin.spawn.channel import Channel, decode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Entry = Callable[[dict[str, Any], list[int]], None]


class _NoImports:
    """A meta path finder that refuses: nothing is imported once strangers' files may be in reach."""

    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> None:
        """Refuse every import."""
        raise ImportError(f"imports are closed in the spawner and its children: {name}")


def load_entries(table: dict[str, str]) -> dict[str, Entry]:
    """Import `module:function` for each entry point, and let modules that have a `warm_up` prepare themselves.

    What is written once here (caches, the interpreter's specialised code) is shared by all children; written after
    the fork it is each child's own memory.
    """
    entries: dict[str, Entry] = {}
    for name, target in table.items():
        module_name, _, function = target.partition(":")
        module = __import__(module_name, fromlist=[function])
        entries[name] = getattr(module, function)
        if hasattr(module, "warm_up"):
            module.warm_up()
    return entries


def close_imports() -> None:
    """Make any later import fail, whatever sys.path says."""
    for codec in ("utf-8", "latin-1", "ascii", "idna", "utf-16-le"):
        codecs.lookup(codec)  # str.encode has short cuts that load nothing
    sys.path[:] = []
    sys.path_hooks[:] = []
    sys.path_importer_cache.clear()
    sys.meta_path[:] = [_NoImports]


def run_child(entry: Entry, packet: bytes, fds: list[int]) -> None:
    """The child's life: the entry point, then the end without the interpreter's clean-up."""
    status = 1
    try:
        _signal.set_wakeup_fd(-1)
        _signal.signal(_signal.SIGCHLD, _signal.SIG_DFL)
        entry(decode(packet, fds), fds)
        status = 0
    except SystemExit as exit_:
        status = exit_.code if isinstance(exit_.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


class Spawner:
    """The serving loop: requests on one side, ended children on the other."""

    def __init__(self, channel: Channel, entries: dict[str, Entry]) -> None:
        self._channel = channel
        self._entries = entries
        self._wake_read, self._wake_write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.signal(signal.SIGCHLD, lambda _signal, _frame: None)
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        self._poll = select.poll()
        self._poll.register(channel.fileno(), select.POLLIN)
        self._poll.register(self._wake_read, select.POLLIN)

    def serve(self) -> None:
        """Serve until the daemon goes."""
        self._channel.send({"ready": True})
        while True:
            for fd, _ in self._poll.poll():
                if fd == self._wake_read:
                    self._reap()
                elif not self._fork_next():
                    return

    def _fork_next(self) -> bool:
        raw, fds = self._channel.recv_raw()
        if not raw:
            return False
        # The message is decoded in the child: what the spawner writes to its memory, every earlier child pays for
        # with a private copy of the page.
        name, _, packet = raw.partition(b"\n")
        entry = self._entries[name.decode()]
        try:
            pid = os.fork()
        except OSError:  # no more processes: who asked learns by the end of its descriptors
            traceback.print_exc()
            pid = -1
        if pid == 0:
            self._channel.close()
            os.close(self._wake_read)
            os.close(self._wake_write)
            run_child(entry, packet, fds)
        for fd in fds:
            os.close(fd)
        return True

    def _reap(self) -> None:
        try:
            os.read(self._wake_read, 4096)
        except BlockingIOError:
            pass
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            self._channel.send({"exited": pid, "status": status})


def main(control_fd: int, table: dict[str, str]) -> None:
    """Run as the spawner on the inherited control socket."""
    set_name("tiffin-spawner")
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    prctl(PR_SET_DUMPABLE, 0)  # /proc/<pid> of it and its children is root's only: nothing to peek at from inside
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    entries = load_entries(table)
    close_imports()
    gc.collect()
    gc.disable()
    gc.freeze()
    try:
        Spawner(Channel.from_fd(control_fd), entries).serve()
    except (BrokenPipeError, ConnectionResetError):
        pass
