"""`tiffin daemon`: from the command line to a serving daemon, and back out in good order.

    SIGTERM   a restart is near: finish what was accepted; netd keeps the listening sockets, containers run on
    SIGINT    the end: the same, but nothing is kept; without running containers the bridge and its rules go too
    SIGHUP    read the configuration again
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import ssl
import sys
from collections.abc import Sequence
from importlib.metadata import version

from tiffin.daemon import configure, flags, listeners, sd_notify, signals, tls
from tiffin.daemon.config import Config, ConfigError
from tiffin.daemon.house import House
from tiffin.daemon.keeper import Keeper
from tiffin.daemon.pidfile import PidFile, lock_root
from tiffin.errors import TiffinError

log = logging.getLogger("tiffin.daemon")


def main(arguments: Sequence[str]) -> int:
    """Run the daemon; returns the exit status."""
    try:
        config = configure.configure(arguments)
    except flags.HelpWanted:
        print(flags.help_text())
        return 0
    except flags.VersionWanted:
        print(f"tiffin version {version('tiffin')}")
        return 0
    except ConfigError as error:
        print(f"{error}\n\nRun 'tiffin daemon --help' for more information", file=sys.stderr)
        return 1
    if config.validate:
        print("configuration OK")
        return 0
    set_up_logging(config)
    try:
        return asyncio.run(Daemon(config, arguments).run())
    except (ConfigError, TiffinError, OSError) as error:
        said = str(error)
        print(said if said.startswith("failed to start daemon") else f"failed to start daemon: {said}", file=sys.stderr)
        log.debug("failed to start daemon", exc_info=True)
        return 1


def set_up_logging(config: Config) -> None:
    """One line per record on stderr."""
    names = {"warn": "WARNING", "fatal": "CRITICAL"}
    level = "DEBUG" if config.debug else names.get(config.log_level, config.log_level)
    logging.basicConfig(level=level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s", force=True)
    logging.getLogger("asyncio").setLevel("WARNING")


class Daemon:
    """One run of the daemon."""

    def __init__(self, config: Config, arguments: Sequence[str]) -> None:
        self._config = config
        self._arguments = arguments
        self._ended_by = signal.SIGTERM
        self._house = House(config)
        self._keeper = Keeper(config.exec_root)

    async def run(self) -> int:
        """Start, serve until a signal, end."""
        if os.geteuid() != 0:
            raise ConfigError("the daemon needs to be root")
        os.makedirs(self._config.exec_root, mode=0o711, exist_ok=True)
        pidfile = PidFile(self._config.pid_path)
        try:
            await self._serve()
        finally:
            pidfile.release()
        return 0

    async def _serve(self) -> None:
        locks = [lock_root(self._config.exec_root, 0o711), lock_root(self._config.data_root, 0o710)]
        stop = asyncio.Event()
        signals.install(asyncio.get_running_loop(), stop, self._reload, self._end)
        sockets = self._listen()
        context = self._context(sockets)
        await self._house.open()
        for sock in sockets:
            await self._house.server.serve(sock, context if sock.family != socket.AF_UNIX else None)
        log.info("API listen on %s", ", ".join(self._config.listen))
        self._keeper.watch()
        sd_notify.notify("READY=1")
        try:
            await stop.wait()
        finally:
            sd_notify.notify("STOPPING=1")
            await self._close()
            for lock in locks:
                os.close(lock)

    def _end(self, number: signal.Signals) -> None:
        self._ended_by = number

    def _context(self, sockets: list[socket.socket]) -> ssl.SSLContext | None:
        """The TLS context, where a TCP listener (also one that systemd passed) wants one."""
        if all(sock.family == socket.AF_UNIX for sock in sockets):
            return None
        context = tls.server_context(self._config)
        if context is None:
            log.warning("the API answers anybody who reaches its TCP port, and that is root on this host (--tls=false)")
        return context

    def _listen(self) -> list[socket.socket]:
        config = self._config
        hosts = [listeners.parse_host(host, tls=config.uses_tls) for host in config.listen]
        passed = [sock for host in hosts if host.scheme == "fd" for sock in listeners.make(host)]
        kept = {str(host): host for host in hosts if host.scheme != "fd"}
        return passed + self._keeper.listeners(list(kept), lambda name: listeners.make(kept[name], config.group)[0])

    def _reload(self) -> None:
        config, changed = configure.reload(self._config, self._arguments)
        self._config = config
        set_up_logging(config)
        self._house.reloaded(config)
        log.info("configuration reloaded; changed: %s", changed or "nothing")

    async def _close(self) -> None:
        for_good = self._ended_by == signal.SIGINT
        await self._house.close(self._config.shutdown_timeout, for_good=for_good)
        if for_good:
            self._keeper.release()
            self._remove_sockets()
        else:
            self._keeper.close()

    def _remove_sockets(self) -> None:
        for host in self._config.listen:
            if host.startswith("unix://"):
                try:
                    os.unlink(host.removeprefix("unix://"))
                except FileNotFoundError:
                    pass
