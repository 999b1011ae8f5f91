"""Signals as Docker's API writes them: `SIGTERM`, `term`, `15`, `SIGRTMIN+3`."""

from __future__ import annotations

import signal

from tiffin.errors import InvalidParameter

_NAMES: dict[str, int] = {
    **{name.removeprefix("SIG"): int(number) for name, number in signal.Signals.__members__.items()},
    "RTMIN": int(signal.SIGRTMIN),
    "RTMAX": int(signal.SIGRTMAX),
    **{f"RTMIN+{n}": int(signal.SIGRTMIN) + n for n in range(1, 16)},
    **{f"RTMAX-{n}": int(signal.SIGRTMAX) - n for n in range(1, 15)},
}


def number(text: str) -> int:
    """InvalidParameter in Docker's words for what is no signal."""
    if text.isdigit():
        value = int(text)
        if 0 < value <= int(signal.SIGRTMAX):
            return value
    else:
        found = _NAMES.get(text.upper().removeprefix("SIG"))
        if found is not None:
            return found
    raise InvalidParameter(f"invalid signal: {text}")
