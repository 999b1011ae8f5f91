"""ssh:// hosts: the far client's `system dial-stdio` joins our stream to its daemon's socket.

The stream is one end of a socket pair; the other is ssh's stdin and stdout. ssh's own words go to our stderr.
"""

from __future__ import annotations

import _socket
import os

from tiffin.client.connection import CannotConnect
from tiffin.client.endpoint import Endpoint


def command(endpoint: Endpoint) -> list[str]:
    """The program and arguments that reach `endpoint`."""
    words = ["ssh", "-o", "ConnectTimeout=30", "-T"]
    if endpoint.user:
        words += ["-l", endpoint.user]
    if endpoint.port:
        words += ["-p", endpoint.port]
    words += ["--", endpoint.host, "tiffin"]
    if endpoint.path:
        words += ["--host", f"unix://{endpoint.path}"]
    return [*words, "system", "dial-stdio"]


def connect(endpoint: Endpoint) -> _socket.socket:
    """Start ssh; a failure to log in shows as an early end of the stream, after ssh's own message."""
    if not endpoint.host or endpoint.host.startswith("-"):
        raise CannotConnect(f"unable to parse docker host `{endpoint.text}`: no host name", None)
    ours, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_STREAM)
    far = theirs.fileno()
    words = command(endpoint)
    actions = [(os.POSIX_SPAWN_DUP2, far, 0), (os.POSIX_SPAWN_DUP2, far, 1)]
    try:
        # A session of its own: Ctrl-C in our terminal is the container's business, not ssh's.
        os.posix_spawnp(words[0], words, os.environ, file_actions=actions, setsid=True)
    except OSError as error:
        raise CannotConnect(f"cannot run ssh for {endpoint.describe()}: {error.strerror}", error.errno) from None
    finally:
        theirs.close()
    return ours
