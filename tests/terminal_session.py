"""A client command on a pseudo-terminal, as a person at a keyboard has it."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
from time import monotonic

CTRL_C, DETACH = b"\x03", b"\x10\x11"
PATIENCE_S = 150.0 if os.environ.get("TIFFIN_IN_VM") == "1" else 15.0


class TerminalSession:
    """`typed` sends keys, `expect` reads until a text was seen."""

    def __init__(self, command: list[str], environment: dict[str, str], rows: int = 24, columns: int = 80) -> None:
        self.master, slave = pty.openpty()
        self.resize(rows, columns, tell=False)
        self.process = subprocess.Popen(
            command,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=environment,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0) and None,
        )
        os.close(slave)
        self.seen = b""

    def resize(self, rows: int, columns: int, *, tell: bool = True) -> None:
        """What a terminal emulator does when its window changes."""
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        if tell:
            self.process.send_signal(signal.SIGWINCH)

    def typed(self, keys: bytes) -> None:
        os.write(self.master, keys)

    def expect(self, text: bytes) -> bytes:
        """Read until `text` came; what came up to its end."""
        deadline = monotonic() + PATIENCE_S
        while text not in self.seen:
            if not self._read(deadline):
                raise AssertionError(f"{text!r} did not come, but: {self.seen!r}")
        before, _, self.seen = self.seen.partition(text)
        return before + text

    def came(self, text: bytes, seconds: float = 0.2) -> bool:
        """Whether `text` has come, or comes soon."""
        self._read(monotonic() + seconds)
        return text in self.seen

    def _read(self, deadline: float) -> bool:
        if not select.select([self.master], [], [], max(0.0, deadline - monotonic()))[0]:
            return False
        try:
            chunk = os.read(self.master, 65536)
        except OSError:  # EIO: the last holder of the other side is gone
            return False
        self.seen += chunk
        return bool(chunk)

    def wait(self) -> int:
        """The command's exit status; reads on, so that it cannot block on its output."""
        deadline = monotonic() + PATIENCE_S
        while self._read(deadline):
            pass
        return self.process.wait(max(0.1, deadline - monotonic()))

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.master)
