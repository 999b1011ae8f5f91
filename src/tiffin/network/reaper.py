"""Deletes host ends of veth pairs whose namespace should be gone but is not. In the background: a deletion waits 31 ms.

Normally there is nothing to do, because the pair died with the namespace; so links are given GRACE_SECONDS first.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from tiffin.network.netlink import RouteSocket
from tiffin.network.plug import unplug

GRACE_SECONDS = 3.0


class Reaper:
    """One thread while something is expected to go, none otherwise."""

    def __init__(self, in_use: Callable[[str], bool]) -> None:
        self._in_use = in_use
        self._lock = threading.Lock()
        self._expected: dict[str, float] = {}
        self._running = False

    def expect_gone(self, host_veth: str) -> None:
        """Look after GRACE_SECONDS whether `host_veth` is gone, and delete it if not."""
        with self._lock:
            self._expected[host_veth] = time.monotonic() + GRACE_SECONDS
            if self._running:
                return
            self._running = True
        threading.Thread(target=self._run, name="veth-reaper", daemon=True).start()

    def _run(self) -> None:
        with RouteSocket() as rtnl:
            while True:
                with self._lock:
                    if not self._expected:
                        self._running = False
                        return
                    name, due = next(iter(self._expected.items()))
                    if due <= time.monotonic():
                        del self._expected[name]
                delay = due - time.monotonic()
                if delay > 0:
                    time.sleep(delay)
                    continue
                try:
                    if not self._in_use(name):
                        unplug(rtnl, name)
                except OSError:
                    continue  # sweep finds it at the next start
