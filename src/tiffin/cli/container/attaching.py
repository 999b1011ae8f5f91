"""What run, start -a and attach share: attach before start, wait beside it, stream, and the exit status."""

from __future__ import annotations

import os
import time

from tiffin.cli import detach, terminal
from tiffin.cli.container.lifecycle import path
from tiffin.cli.exit import Exit
from tiffin.cli.signals import Proxy
from tiffin.cli.streams import Session
from tiffin.client.connection import CannotConnect
from tiffin.client.reply import BrokenReply
from tiffin.errors import TiffinError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tiffin.client.client import Client
    from tiffin.client.reply import Hijacked, Reply

RESTART_S = 15.0  # how long a daemon may take to come back


class Attached:
    """A container that we look at."""

    __slots__ = ("_hijacked", "_stdin", "client", "keys", "name", "tty", "wait")

    def __init__(self, client: Client, name: str, tty: bool, keys: str) -> None:
        self.client, self.name, self.tty = client, name, tty
        self.keys = detach.parse(keys or detach.DEFAULT)
        self.wait: Reply | None = None
        self._hijacked: Hijacked | None = None
        self._stdin = False

    def attach(self, stdin: bool, stdout: bool, stderr: bool, keys: str, logs: bool = False) -> None:
        """Take over a connection; before start, so that nothing is missed."""
        query = [("stream", "1")]
        wanted = (("stdin", stdin), ("stdout", stdout), ("stderr", stderr), ("logs", logs))
        query += [(name, "1") for name, on in wanted if on]
        if keys:
            query.append(("detachKeys", keys))
        self._stdin = stdin
        self._hijacked = self.client.hijack(path(self.name, "/attach"), query)

    def wait_for(self, condition: str) -> None:
        """Begin to wait; the daemon answers the head at once, the body when it happened."""
        query = [("condition", condition)] if condition else []
        self.wait = self.client.request("POST", path(self.name, "/wait"), query)

    def resize(self) -> None:
        """Tell the daemon our terminal's size."""
        rows, columns = terminal.size()
        if rows or columns:
            try:
                self.client.post(path(self.name, "/resize"), [("h", str(rows)), ("w", str(columns))])
            except TiffinError:
                pass  # it ended meanwhile

    def stream(self) -> bool:
        """Copy until the stream ends; False if the user detached."""
        hijacked = self._hijacked
        if hijacked is None:
            return True
        session = Session(hijacked, self.tty, self.keys)
        if self.tty and (self._stdin or os.isatty(1)):
            with terminal.Raw(self.resize):
                self.resize()
                session.run(self._stdin)
        else:
            session.run(self._stdin)
        hijacked.sock.close()
        return not session.detached

    def status(self) -> int:
        """The exit status, once it is known. A daemon that restarts meanwhile is asked again."""
        assert self.wait is not None
        try:
            document = self.wait.json()
        except BrokenReply:
            document = None
        if document is None:
            document = self._ask_again()
        error = (document.get("Error") or {}).get("Message")
        if error:
            raise Exit(125, str(error))
        return int(document["StatusCode"])

    def _ask_again(self) -> dict[str, Any]:
        until = time.monotonic() + RESTART_S
        while True:
            try:
                document = self.client.post(path(self.name, "/wait"))
                if document is not None:
                    return dict(document)
                failure = BrokenReply("the daemon went away before it told the exit status")
            except (CannotConnect, BrokenReply) as error:
                failure = BrokenReply(error.message)
            if time.monotonic() > until:
                raise Exit(125, failure.message)
            time.sleep(0.05)

    def proxy(self) -> Proxy:
        """Pass our signals on while the `with` lasts."""
        return Proxy(lambda name: self.client.post(path(self.name, "/kill"), [("signal", name)]))


def start_failure_code(message: str) -> int:
    """127, 126 or 125, told from the daemon's words as the docker CLI does it."""
    text = message.lower()
    if any(words in text for words in ("executable file not found", "no such file or directory")):
        return 127
    if "permission denied" in text or "is a directory" in text:
        return 126
    return 125


def container(client: Client, name: str) -> dict[str, Any]:
    """Inspect."""
    document: dict[str, Any] = client.get(path(name, "/json"))
    return document
