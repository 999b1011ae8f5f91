"""The user's terminal: raw mode and back, its size, and a watch on both."""

from __future__ import annotations

import os

from tiffin.errors import InvalidParameter

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal
    from collections.abc import Callable
    from types import FrameType
else:
    import _signal

# termios.tcgetattr fields
IFLAG, OFLAG, CFLAG, LFLAG, CC = 0, 1, 2, 3, 6


def size(fd: int = 1) -> tuple[int, int]:
    """Rows and columns; zeros where it is no terminal."""
    try:
        columns, rows = os.get_terminal_size(fd)
        return rows, columns
    except OSError:
        return 0, 0


def require(interactive: bool, tty: bool) -> None:
    """-it needs a terminal on stdin."""
    if interactive and tty and not os.isatty(0):
        raise InvalidParameter("the input device is not a TTY")


class Raw:
    """Raw mode of stdin while the `with` lasts: every key goes to the container. Restored on every way out."""

    __slots__ = ("_on_resize", "_previous", "_saved")

    def __init__(self, on_resize: Callable[[], None] | None = None) -> None:
        self._saved: list[object] | None = None
        self._previous: list[tuple[int, object]] = []
        self._on_resize = on_resize

    def __enter__(self) -> Raw:
        import termios

        if os.isatty(0):
            self._saved = termios.tcgetattr(0)
            self._apply()
            for number in (_signal.SIGTERM, _signal.SIGHUP):
                self._handle(number, self._die)
            self._handle(_signal.SIGCONT, self._continued)
        if self._on_resize is not None:
            self._handle(_signal.SIGWINCH, self._resized)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous:
            _signal.signal(number, handler)  # type: ignore[arg-type]
        self._restore()

    def _apply(self) -> None:
        import termios

        mode = termios.tcgetattr(0)
        mode[IFLAG] &= ~(
            termios.IGNBRK
            | termios.BRKINT
            | termios.PARMRK
            | termios.ISTRIP
            | termios.INLCR
            | termios.IGNCR
            | termios.ICRNL
            | termios.IXON
        )
        mode[OFLAG] &= ~termios.OPOST
        mode[LFLAG] &= ~(termios.ECHO | termios.ECHONL | termios.ICANON | termios.ISIG | termios.IEXTEN)
        mode[CFLAG] = (mode[CFLAG] & ~(termios.CSIZE | termios.PARENB)) | termios.CS8
        mode[CC][termios.VMIN], mode[CC][termios.VTIME] = 1, 0
        termios.tcsetattr(0, termios.TCSANOW, mode)

    def _restore(self) -> None:
        import termios

        if self._saved is not None:
            try:
                termios.tcsetattr(0, termios.TCSANOW, self._saved)  # type: ignore[arg-type]
            except termios.error:
                pass  # the terminal went away
            self._saved = None

    def _handle(self, number: int, handler: Callable[[int, FrameType | None], None]) -> None:
        self._previous.append((number, _signal.signal(number, handler)))

    def _die(self, number: int, frame: FrameType | None) -> None:
        self._restore()
        _signal.signal(number, _signal.SIG_DFL)
        os.kill(os.getpid(), number)

    def _continued(self, number: int, frame: FrameType | None) -> None:
        self._apply()
        if self._on_resize is not None:
            self._on_resize()

    def _resized(self, number: int, frame: FrameType | None) -> None:
        if self._on_resize is not None:
            self._on_resize()
