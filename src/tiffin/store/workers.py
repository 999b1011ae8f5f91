"""Entry points of the workers: processes forked by the spawner that unpack or pack one tree, locked into it.

    fds     [control, stream, directory, *lower]
            control    SOCK_SEQPACKET unix socket, one JSON object per packet
            stream     what is read (unpack) or written (pack): a file, a pipe, a socket, in blocking mode
            directory  the tree; O_PATH or O_RDONLY
            lower      directories of the layers below, top first (unpack of a layer, optional)

    message to unpack   {"layer": true,       whiteouts mean something (default)
                         "entries": n, "size": bytes,      limits, with sane defaults (unpack.Limits)
                         "ratio": n}          most bytes of tar for one compressed byte, once there are 4 GiB of tar
    message to pack     {"changes": false}    true: the directory is an overlay upper directory

    worker → daemon     {"progress": bytes of the stream so far}     at most ten a second
                        {"ok": {...}}                                the last packet, or
                        {"error": kind, "message": text}             kind is a class name of tiffin.errors

    ok of unpack   "diff_id" sha256:… of the tar, "tar_size"; "compressed_digest" sha256:… of the stream,
                   "compressed_size"; "compression" tar|gzip|zstd|bzip2|xz; "entries"; "size" bytes of regular files;
                   "root_opaque" the layer hides everything below; "dropped_xattrs" how many were not kept
    ok of pack     "diff_id", "tar_size", "entries", "size"

The stream is read to its end, past the end of the archive, since digests cover all of it. The worker ends when the
other end of control is closed. If it ends without a last packet it was killed. Nothing is flushed to disk here.
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
import time

from tiffin.errors import InvalidParameter, SystemFailure, TiffinError
from tiffin.store import worker_jail
from tiffin.store.decompress import Source, decompressed
from tiffin.store.pack import Packer
from tiffin.store.unpack import Limits, Unpacker
from tiffin.wire.tar.layout import TarError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Final

_PROGRESS_EVERY: Final = 0.1  # seconds: what a person sees
# gzip cannot exceed 1032, zstd can reach 30,000 on zeros: a small stream that fills the disk is refused.
_DEFAULT_RATIO: Final = 4000
_RATIO_COUNTS_FROM: Final = 4 << 30


class Control:
    """The worker's side of the control socket."""

    __slots__ = ("_next", "_sock")

    def __init__(self, fd: int) -> None:
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET, 0, fileno=fd)
        self._next = 0.0

    def progress(self, count: int) -> None:
        """Tell how far the stream is, if it is time to. Raises OSError when nobody listens any more."""
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + _PROGRESS_EVERY
        try:
            self._sock.send(json.dumps({"progress": count}).encode(), socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
        except BlockingIOError:
            pass  # the daemon is busy; the next figure is better anyway

    def finish(self, message: dict[str, Any]) -> None:
        """Send the last packet and hang up."""
        self._sock.setblocking(True)
        self._sock.send(json.dumps(message).encode(), socket.MSG_NOSIGNAL)
        self._sock.close()


def unpack_main(message: dict[str, Any], fds: list[int]) -> None:
    """Unpack a tar, compressed or not, into a directory."""
    control_fd, stream_fd, directory_fd, *lower_fds = fds
    control = Control(control_fd)

    def work() -> dict[str, Any]:
        root_fd = worker_jail.enter(
            directory_fd, (control_fd, stream_fd, *lower_fds), worker_jail.UNPACK_CAPABILITIES
        )
        limits = Limits(message.get("entries") or Limits().entries, message.get("size") or Limits().size)
        unpacker = Unpacker(root_fd, lower_fds=lower_fds, layer=message.get("layer", True), limits=limits)
        try:
            return unpack_stream(unpacker, stream_fd, message.get("ratio") or _DEFAULT_RATIO, control.progress)
        finally:
            unpacker.close()

    report(control, work)


def unpack_stream(unpacker: Unpacker, stream_fd: int, ratio: int, progress: Callable[[int], None]) -> dict[str, Any]:
    """Everything that `ok` of unpack says, after the deed."""
    source = Source(stream_fd)
    compression, pieces = decompressed(source)
    content = source.digest if compression == "tar" else hashlib.sha256()
    tar_size = 0
    for piece in pieces:
        if content is not source.digest:
            content.update(piece)
        tar_size += len(piece)
        if tar_size > _RATIO_COUNTS_FROM and tar_size > ratio * source.size:
            raise TarError(f"the archive expands to more than {ratio} times its compressed size")
        unpacker.feed(piece)
        progress(source.size)
    unpacker.finish()
    return {
        "diff_id": f"sha256:{content.hexdigest()}",
        "tar_size": tar_size,
        "compressed_digest": f"sha256:{source.digest.hexdigest()}",
        "compressed_size": source.size,
        "compression": compression,
        "entries": unpacker.entries,
        "size": unpacker.size,
        "root_opaque": unpacker.root_opaque,
        "dropped_xattrs": unpacker.dropped_xattrs,
    }


def pack_main(message: dict[str, Any], fds: list[int]) -> None:
    """Write a directory as a tar."""
    control_fd, stream_fd, directory_fd = fds
    control = Control(control_fd)

    def work() -> dict[str, Any]:
        root_fd = worker_jail.enter(directory_fd, (control_fd, stream_fd), worker_jail.PACK_CAPABILITIES)
        return pack_stream(root_fd, stream_fd, message.get("changes", False), control.progress)

    report(control, work)


def pack_stream(root_fd: int, stream_fd: int, changes: bool, progress: Callable[[int], None]) -> dict[str, Any]:
    """Everything that `ok` of pack says, after the deed."""
    content = hashlib.sha256()
    written = 0
    pending = bytearray()

    def put(piece: bytes | memoryview | bytearray) -> None:
        nonlocal written
        content.update(piece)
        view = memoryview(piece)
        while view:
            count = os.write(stream_fd, view)
            view = view[count:]
            written += count
        progress(written)

    def write(piece: bytes | memoryview) -> None:
        # Headers and small files are gathered: one write for many members.
        if len(pending) + len(piece) < 64 * 1024:
            pending.extend(piece)
            return
        put(pending)
        pending.clear()
        put(piece)

    packer = Packer(root_fd, write, changes=changes)
    packer.run()
    put(pending)
    return {
        "diff_id": f"sha256:{content.hexdigest()}",
        "tar_size": written,
        "entries": packer.entries,
        "size": packer.size,
    }


def report(control: Control, work: Callable[[], dict[str, Any]]) -> None:
    """Do the work and say how it went. No exception leaves: a printed traceback would open source files by name, and
    the names now lead into a foreign tree."""
    try:
        try:
            control.finish({"ok": work()})
        except Exception as error:
            control.finish({"error": _kind(error), "message": _message(error)})
    except OSError:
        raise SystemExit(1) from None


def _kind(error: Exception) -> str:
    if isinstance(error, InvalidParameter):
        return "InvalidParameter"
    return type(error).__name__ if isinstance(error, TiffinError) else SystemFailure.__name__


def _message(error: Exception) -> str:
    if isinstance(error, TiffinError):
        return error.message
    if isinstance(error, OSError):
        return str(error)
    where = error.__traceback__
    while where is not None and where.tb_next is not None:
        where = where.tb_next
    line = f"{where.tb_frame.f_code.co_filename.rpartition('/')[2]}:{where.tb_lineno}" if where is not None else "?"
    return f"internal error: {type(error).__name__}: {error} ({line})"
