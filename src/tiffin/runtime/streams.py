"""The byte pump of one process: its standard streams on one side, a log and any number of clients on the other.

    stdout ─┐                ┌─▶ log (json-file)
    stderr ─┼─▶ Pump ────────┼─▶ client: stdcopy frames, or raw with a terminal
    terminal┘                └─▶ client …
    stdin ◀── the clients that carry it

No client's stream ever has a hole. With one client the process gets back-pressure: nothing is read while that client
has bytes to take. With several, each has a buffer of LIMIT bytes; while one is full the process waits, and a client
that takes nothing for STALL_S seconds with a full buffer is disconnected, so that the others go on.
Descriptors are non-blocking and watched by the shim's Loop. An fd is unregistered, not masked, for back-pressure:
EPOLLHUP cannot be masked. Source of the frames: Docker API, "Attach to a container", stream format.
"""

from __future__ import annotations

import errno
import os
import select
from collections import deque
from time import monotonic, time_ns

from tiffin.runtime.attached import CHUNK, LAST_READS, Client, hang_up

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from tiffin.runtime.jsonlog_writer import JsonLogWriter
    from tiffin.runtime.loop import Loop

LIMIT = 1 << 20
STALL_S = 10.0
HEADER = 8
_CODES = {"stdout": 1, "stderr": 2}
_IN, _OUT = select.EPOLLIN | select.EPOLLRDHUP, select.EPOLLOUT
_STDIN_GONE = (errno.EPIPE, errno.EIO)

_buffer = memoryview(bytearray(0))


def _scratch() -> memoryview:
    """One buffer for all pumps of the process, made when the first byte comes."""
    global _buffer
    if not _buffer:
        _buffer = memoryview(bytearray(HEADER + CHUNK))
    return _buffer


class Pump:
    """The streams of one process. `sources` maps an fd to "stdout" or "stderr"; a terminal is one fd for all."""

    def __init__(
        self,
        loop: Loop,
        sources: dict[int, str],
        stdin: int | None,
        *,
        log: JsonLogWriter | None = None,
        terminal: bool = False,
        stdin_once: bool = False,
        stall_s: float = STALL_S,
        on_idle: Callable[[], None] = lambda: None,
    ) -> None:
        self._loop = loop
        self._sources = sources
        self._paused: set[int] = set()
        self.stdin = stdin
        self._terminal = terminal
        self._stdin_once = stdin_once
        self._stall_s = stall_s
        self._stdin_pending: deque[memoryview] = deque()
        self._stdin_closing = False
        self._log = log
        self.clients: dict[int, Client] = {}
        self.on_idle = on_idle
        self._ended = False
        for fd in {*sources, *([stdin] if stdin is not None else [])}:
            os.set_blocking(fd, False)
        for fd in sources:
            self._watch_source(fd)

    # -- output -------------------------------------------------------------------------------------------------

    def _watch_source(self, fd: int) -> None:
        self._paused.discard(fd)
        if fd == self.stdin and self._stdin_pending:
            self._watch_stdin()
        else:
            self._loop.watch(fd, select.EPOLLIN, self._readable)

    def _readable(self, fd: int, _events: int) -> None:
        if fd in self._sources and fd not in self._paused:
            self._read(fd)

    def _read(self, fd: int) -> bool:
        """Read one chunk and pass it on; False when there is nothing more for now, or ever."""
        scratch = _scratch()
        try:
            count = os.readv(fd, [scratch[HEADER:]])
        except BlockingIOError:
            return False
        except OSError as error:
            if error.errno != errno.EIO:  # a terminal whose other side is closed
                raise
            count = 0
        if not count:
            self._close_source(fd)
            return False
        self._pass_on(self._sources[fd], scratch[: HEADER + count])
        return True

    def _pass_on(self, stream: str, framed: memoryview) -> None:
        if self._log is not None:
            self._log.write(stream, framed[HEADER:], time_ns())
        if self.clients:
            framed[:HEADER] = _CODES[stream].to_bytes(4, "little") + (len(framed) - HEADER).to_bytes(4, "big")
            for client in list(self.clients.values()):
                if client.wants(stream):
                    self._give(client, framed if client.multiplexed else framed[HEADER:])
            self._throttle()

    def _give(self, client: Client, data: memoryview) -> None:
        idle = not client.pending
        try:
            client.send(data)
        except OSError:
            self.remove(client, "gone")
            return
        if idle and client.pending:
            self._watch_client(client)

    def _throttle(self) -> None:
        """Stop or resume reading from the process, as its clients' buffers demand."""
        limit = 0 if len(self.clients) == 1 else LIMIT - 1
        full = [client for client in self.clients.values() if client.pending_bytes > limit]
        if full:
            for fd in self._sources:
                if fd not in self._paused:
                    self._pause_source(fd)
            if len(self.clients) > 1:
                self._loop.call_at(min(client.progress for client in full) + self._stall_s, self._drop_stalled)
        elif not self._ended:
            for fd in list(self._paused):
                self._watch_source(fd)

    def _drop_stalled(self) -> None:
        if len(self.clients) < 2:
            self._throttle()
            return
        now = monotonic()
        for client in list(self.clients.values()):
            if client.pending_bytes >= LIMIT and now - client.progress >= self._stall_s and len(self.clients) > 1:
                self.remove(client, "stalled")
        self._throttle()

    def _pause_source(self, fd: int) -> None:
        self._paused.add(fd)
        if fd == self.stdin and self._stdin_pending:
            self._watch_stdin()  # a terminal still takes its input
        else:
            self._loop.unwatch(fd)

    def _close_source(self, fd: int) -> None:
        del self._sources[fd]
        if fd not in self._paused:
            self._loop.unwatch(fd)
        self._paused.discard(fd)
        if fd != self.stdin:
            os.close(fd)

    # -- clients ------------------------------------------------------------------------------------------------

    def add(self, client: Client) -> None:
        """Attach a client; bytes that came with it are its first input."""
        self.clients[client.fd] = client
        if client.tail and client.stdin:
            self._input(client, client.tail)
            client.tail = b""
        if client.fd in self.clients:
            self._watch_client(client)
        self._throttle()
        if self._ended and not client.pending:
            self.remove(client, "eof")

    def _watch_client(self, client: Client) -> None:
        events = _OUT if client.pending else 0
        if client.stdin and not self._stdin_pending and not self._stdin_closing:
            events |= _IN
        if events or not client.stdin:
            self._loop.watch(client.fd, events, self._client_ready)  # a full hang-up is reported unasked
        else:
            self._loop.unwatch(client.fd)  # back-pressure; a hang-up is seen when it is watched again

    def _client_ready(self, fd: int, events: int) -> None:
        client = self.clients.get(fd)
        if client is None:
            return
        try:
            if client.pending and events & (select.EPOLLOUT | select.EPOLLERR | select.EPOLLHUP):
                client.flush()
            if client.stdin and events & (_IN | select.EPOLLHUP | select.EPOLLERR):
                self._read_client(client)
            elif not client.stdin and events & (select.EPOLLHUP | select.EPOLLERR):
                self.remove(client, "gone")
                return
        except OSError:
            self.remove(client, "gone")
            return
        if fd not in self.clients:
            return
        if self._ended and not client.pending:
            self.remove(client, "eof")
            return
        self._watch_client(client)
        self._throttle()

    def remove(self, client: Client, reason: str) -> None:
        """End a client's connection: flush was done, so shut down, drain what it sent, close (a reset loses bytes)."""
        if self.clients.pop(client.fd, None) is None:
            return
        self._loop.unwatch(client.fd)
        if reason in ("gone", "stalled"):
            self._last_input(client)
        if reason != "gone":
            hang_up(client.fd)
        os.close(client.fd)
        client.on_gone(reason)
        self._throttle()
        if self._ended and not self.clients:
            self.on_idle()

    # -- input --------------------------------------------------------------------------------------------------

    def _read_client(self, client: Client) -> None:
        try:
            data = os.read(client.fd, CHUNK)
        except BlockingIOError:
            return
        if data:
            self._input(client, data)
            return
        client.stdin = False
        if self._stdin_once:
            self._close_stdin()

    def _last_input(self, client: Client) -> None:
        """What a client that takes nothing any more has still sent, and the end of its input."""
        if not client.stdin or self._ended:
            return
        try:
            for _ in range(LAST_READS):
                data = os.read(client.fd, CHUNK)
                if not data:
                    break
                self._input(client, data)
        except OSError:
            pass
        client.stdin = False
        if self._stdin_once:
            self._close_stdin()

    def _input(self, client: Client, data: bytes) -> None:
        if self._terminal and client.detach_keys:
            data = self._detach(client, data)
        if data and self.stdin is not None:
            self._write_stdin(data)

    def _detach(self, client: Client, data: bytes) -> bytes:
        """Look for the client's detach keys; what turns out not to be them is passed on."""
        keys, out = client.detach_keys, bytearray()
        for byte in data:
            if byte == keys[client.matched]:
                client.matched += 1
                if client.matched == len(keys):
                    if out and self.stdin is not None:
                        self._write_stdin(bytes(out))
                    self.remove(client, "detached")
                    return b""
            else:
                out += keys[: client.matched]
                client.matched = 1 if byte == keys[0] else 0
                if not client.matched:
                    out.append(byte)
        return bytes(out)

    def _write_stdin(self, data: bytes) -> None:
        view = memoryview(data)
        if not self._stdin_pending and self.stdin is not None:
            try:
                view = view[os.write(self.stdin, view) :]
            except BlockingIOError:
                pass
            except OSError as error:
                self._stdin_failed(error)
                return
        if view:
            self._stdin_pending.append(view)
            self._watch_stdin()

    def _watch_stdin(self) -> None:
        if self.stdin is None:
            return
        if self.stdin in self._sources:  # a terminal: one descriptor for both directions
            events = select.EPOLLOUT | (0 if self.stdin in self._paused else select.EPOLLIN)
            self._loop.watch(self.stdin, events, self._terminal_ready)
        else:
            self._loop.watch(self.stdin, select.EPOLLOUT, self._stdin_ready)

    def _terminal_ready(self, fd: int, events: int) -> None:
        if events & (select.EPOLLIN | select.EPOLLHUP):
            self._readable(fd, events)
        if events & select.EPOLLOUT:
            self._stdin_ready(fd, events)

    def _stdin_ready(self, fd: int, _events: int) -> None:
        while self._stdin_pending and self.stdin is not None:
            try:
                done = os.write(fd, self._stdin_pending[0])
            except BlockingIOError:
                return
            except OSError as error:
                self._stdin_failed(error)
                return
            if done == len(self._stdin_pending[0]):
                self._stdin_pending.popleft()
            else:
                self._stdin_pending[0] = self._stdin_pending[0][done:]
        self._unwatch_stdin(fd)
        if self._stdin_closing:
            self._close_stdin()
        self._watch_typists()

    def _watch_typists(self) -> None:
        for client in self.clients.values():
            if client.stdin:
                self._watch_client(client)

    def _unwatch_stdin(self, fd: int) -> None:
        if fd in self._sources and fd not in self._paused:
            self._loop.watch(fd, select.EPOLLIN, self._readable)
        else:
            self._loop.unwatch(fd)

    def _stdin_failed(self, error: OSError) -> None:
        """The program has closed its input: the bytes have nowhere to go, and the client learns by its own EPIPE."""
        if error.errno not in _STDIN_GONE:
            raise error
        self._stdin_pending.clear()
        if self._terminal and self.stdin is not None:
            self._unwatch_stdin(self.stdin)
            self._watch_typists()
        self._close_stdin()

    def _close_stdin(self) -> None:
        if self.stdin is None or self._terminal:
            return
        if self._stdin_pending:
            self._stdin_closing = True
            return
        self._loop.unwatch(self.stdin)
        os.close(self.stdin)
        self.stdin = None
        self._watch_typists()

    # -- the end ------------------------------------------------------------------------------------------------

    def end(self) -> None:
        """The process has ended: take what is left in its pipes, then let its clients go.

        No more than that: an exec'd program may leave children behind that go on writing to its pipes for ever.
        """
        for fd in list(self._sources):
            for _ in range(LAST_READS):
                if fd not in self._sources or not self._read(fd):
                    break
            if fd in self._sources:
                self._close_source(fd)
        self._ended = True
        if self.stdin is not None:
            self._stdin_pending.clear()
            self._loop.unwatch(self.stdin)
            os.close(self.stdin)
            self.stdin = None
        if self._log is not None:
            self._log.close()
            self._log = None
        for client in list(self.clients.values()):
            if not client.pending:
                self.remove(client, "eof")
        if not self.clients:
            self.on_idle()
