"""What signals mean to the daemon: TERM, INT and QUIT end it in good order, HUP reloads, USR1 shows what it does.

A second TERM or INT while it is ending means: now.
"""

from __future__ import annotations

import asyncio
import io
import logging
import os
import signal
from collections.abc import Callable

log = logging.getLogger("tiffin.daemon")
_END = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)
_EXIT_NOW = 130


def install(
    loop: asyncio.AbstractEventLoop,
    stop: asyncio.Event,
    reload: Callable[[], None],
    ending: Callable[[signal.Signals], None] = lambda _number: None,
) -> None:
    """Handle signals on `loop` from now on; `stop` is set by the first ending signal, which `ending` is told."""

    def end(number: signal.Signals) -> None:
        if stop.is_set() and number != signal.SIGQUIT:
            log.warning("%s again: exiting at once", number.name)
            os._exit(_EXIT_NOW)
        log.info("%s: shutting down", number.name)
        ending(number)
        stop.set()

    def again() -> None:
        try:
            reload()
        except Exception:
            log.exception("reloading the configuration failed; the old one stays")

    for number in _END:
        loop.add_signal_handler(number, end, number)
    loop.add_signal_handler(signal.SIGHUP, again)
    loop.add_signal_handler(signal.SIGUSR1, show_tasks)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)


def show_tasks() -> None:
    """Write the stack of every task to the log."""
    for task in asyncio.all_tasks():
        text = io.StringIO()
        task.print_stack(file=text)
        log.info("%s", text.getvalue().rstrip())
