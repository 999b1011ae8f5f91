"""Copying between our stdin, stdout and stderr and a hijacked connection.

    stdin ──(thread)──▶ socket ──▶ stdout            raw: a terminal's one stream
                              └──▶ stdout, stderr    multiplexed: 8-byte headers: stream, 0, 0, 0, length (big endian)

Both directions block: a slow stdout stops us reading the socket, a full socket stops us reading stdin.
Two threads, since a program that writes much before it reads must not stall the other direction.
"""

from __future__ import annotations

import _thread
import os

from tiffin.cli.detach import Watch
from tiffin.cli.exit import Exit
from tiffin.wire import stdcopy

TYPE_CHECKING = False
if TYPE_CHECKING:
    import _socket

    from tiffin.client.reply import Hijacked

SIZE = 256 * 1024


def write_all(fd: int, data: memoryview) -> None:
    while len(data):
        try:
            data = data[os.write(fd, data) :]
        except BlockingIOError:  # somebody set O_NONBLOCK on the file that we share with them
            import select

            select.select([], [fd], [])


class Demultiplexer:
    """Stream frames to descriptors. Holds nothing back: a piece of a frame is written when it is there."""

    __slots__ = ("_decoder", "_message", "targets")

    def __init__(self, stdout: int = 1, stderr: int = 2) -> None:
        self.targets = {stdcopy.STDIN: stdout, stdcopy.STDOUT: stdout, stdcopy.STDERR: stderr}
        self._decoder = stdcopy.Decoder()
        self._message = b""

    def feed(self, data: memoryview) -> None:
        try:
            pieces = self._decoder.feed(data)
        except stdcopy.StdcopyError as error:
            raise Exit(1, str(error)) from None
        for stream, piece in pieces:
            if stream == stdcopy.SYSTEM_ERROR:
                self._message += bytes(piece)
            else:
                write_all(self.targets[stream], piece)
        if self._message and self._decoder.between_frames:
            text = self._message.decode("utf-8", "replace")
            raise Exit(1, f"error from daemon in stream: {text}")


def copy_output(sock: _socket.socket, tail: bytes, multiplexed: bool, stdout: int = 1, stderr: int = 2) -> None:
    """Everything the daemon sends, until it closes its side."""
    demultiplexer = Demultiplexer(stdout, stderr) if multiplexed else None
    buffer = bytearray(SIZE)
    view = memoryview(buffer)
    piece = memoryview(tail)
    while True:
        if len(piece):
            if demultiplexer is None:
                write_all(stdout, piece)
            else:
                demultiplexer.feed(piece)
        try:
            count = sock.recv_into(buffer)
        except (ConnectionResetError, ConnectionAbortedError):
            return
        if not count:
            return
        piece = view[:count]


class Session:
    """One attached stream: stdin in a thread of its own, output in the caller's."""

    __slots__ = ("_hijacked", "_keys", "_tty", "detached")

    def __init__(self, hijacked: Hijacked, tty: bool, keys: bytes) -> None:
        self._hijacked = hijacked
        self._tty = tty
        self._keys = keys if tty else b""
        self.detached = False

    def run(self, stdin: bool) -> None:
        """Copy until the output ends. `detached` tells whether the user left with the detach keys."""
        if stdin:
            _thread.start_new_thread(self._send_stdin, ())
        copy_output(self._hijacked.sock, self._hijacked.tail, not self._tty)

    def _send_stdin(self) -> None:
        import _socket

        sock = self._hijacked.sock
        watch = Watch(self._keys)
        try:
            while data := os.read(0, 64 * 1024):
                data, left = watch.feed(data)
                if data:
                    sock.sendall(data)
                if left:
                    self.detached = True
                    sock.shutdown(_socket.SHUT_RDWR)
                    return
        except OSError:
            pass  # stdin or the session ended; the output's end tells the rest
        try:
            sock.shutdown(_socket.SHUT_WR)
        except OSError:
            pass
