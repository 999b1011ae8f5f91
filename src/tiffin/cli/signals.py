"""Signals that the client gets, passed on to the container's program (--sig-proxy)."""

from __future__ import annotations

from tiffin.errors import TiffinError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal
    from collections.abc import Callable
    from types import FrameType
else:
    import _signal

# Not passed on: what cannot be caught; what is about ourselves (a child of ours, our pipe, our terminal's size, our
# being in the background, our own faults).
OURS = frozenset(
    (
        *("SIGKILL", "SIGSTOP", "SIGCHLD", "SIGCLD", "SIGPIPE", "SIGURG", "SIGWINCH", "SIGTTIN", "SIGTTOU"),
        *("SIGSEGV", "SIGBUS", "SIGFPE", "SIGILL", "SIGTRAP", "SIGSYS", "SIGPROF", "SIGABRT", "SIGIOT", "SIGCONT"),
    )
)


def names() -> dict[int, str]:
    """Number to API name of every signal that is passed on."""
    found: dict[int, str] = {}
    for name in dir(_signal):
        if name.startswith("SIG") and not name.startswith(("SIG_", "SIGRT")) and name not in OURS:
            found.setdefault(int(getattr(_signal, name)), name[3:])
    return found


class Proxy:
    """While the `with` lasts, our signals are the container's. `send` gets a name like INT."""

    __slots__ = ("_names", "_previous", "_send")

    def __init__(self, send: Callable[[str], object]) -> None:
        self._send = send
        self._names = names()
        self._previous: list[tuple[int, object]] = []

    def __enter__(self) -> Proxy:
        for number in self._names:
            try:
                self._previous.append((number, _signal.signal(number, self._caught)))
            except (OSError, ValueError):
                pass  # not on this kernel
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous:
            if handler is not None:
                _signal.signal(number, handler)  # type: ignore[arg-type]

    def _caught(self, number: int, frame: FrameType | None) -> None:
        try:
            self._send(self._names[number])
        except TiffinError:
            pass  # the container is gone already, or not there yet
