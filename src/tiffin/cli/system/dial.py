"""tiffin system dial-stdio: stdin and stdout joined to the daemon's socket. The far end of an ssh:// host."""

from __future__ import annotations

import _socket
import _thread
import os

from tiffin.cli.command import Command, Context
from tiffin.cli.flags import Options
from tiffin.cli.streams import copy_output


def _upload(sock: _socket.socket) -> None:
    try:
        while data := os.read(0, 64 * 1024):
            sock.sendall(data)
        sock.shutdown(_socket.SHUT_WR)
    except OSError:
        pass  # the daemon closed; the other direction ends by itself


def _dial(context: Context, options: Options, arguments: list[str]) -> int:
    sock = context.client.dial()
    _thread.start_new_thread(_upload, (sock,))
    copy_output(sock, b"", False)
    return 0


DIAL_STDIO = Command(_dial, "Join stdin and stdout to the daemon's socket", most=0)
