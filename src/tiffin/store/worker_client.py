"""The daemon's side of the workers: start one, read its packets, turn its last word into a result or an error.

The protocol is drawn in workers.py. How a process is forked is the composition root's business: `spawn` is injected.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

from tiffin import errors
from tiffin.store.layers import Unpacked

Spawn = Callable[[str, dict[str, Any], Sequence[int]], Awaitable[object]]
OnPacket = Callable[[dict[str, Any]], None]

UNPACK = "unpack"
PACK = "pack"
INGEST = "ingest"
INFLATE = "inflate"
ENTRIES = {
    UNPACK: "tiffin.store.workers:unpack_main",
    PACK: "tiffin.store.workers:pack_main",
    INGEST: "tiffin.store.ingest_worker:ingest_main",
    INFLATE: "tiffin.store.ingest_worker:inflate_main",
}
_KINDS: dict[str, type[errors.TiffinError]] = {
    kind.__name__: kind for kind in (errors.InvalidParameter, errors.NotFound, errors.Conflict, errors.SystemFailure)
}
PACKET_BYTES = 256 << 10
PIPE_BYTES = 1 << 20


class Workers:
    """Runs workers. Each call is one process; cancelling the call ends it (its control socket closes)."""

    def __init__(self, spawn: Spawn) -> None:
        self._spawn = spawn

    async def unpack(self, source_fd: int, target_fd: int) -> Unpacked:
        """Unpack a layer's tar into a directory."""
        facts = await self.run(UNPACK, {"layer": True}, [source_fd, target_fd])
        return Unpacked(
            facts["diff_id"],
            facts["size"],
            facts["compression"],
            facts["compressed_digest"],
            facts["compressed_size"],
            facts["root_opaque"],
        )

    async def inflate(self, source_fd: int, target_fd: int) -> str:
        """Decompress a file into a directory; returns the name of the new file in it."""
        await self.run(INFLATE, {}, [source_fd, target_fd])
        return "content"

    async def ingest(self, chunks: AsyncIterator[bytes], directory_fd: int, on_member: OnPacket) -> dict[str, Any]:
        """Split the archive that `chunks` is into files of the directory; `on_member` hears of each."""
        reading, writing = os.pipe2(os.O_CLOEXEC)
        try:
            with contextlib.suppress(OSError):
                _widen(writing)
            os.set_blocking(writing, False)
            worker = asyncio.ensure_future(self.run(INGEST, {}, [reading, directory_fd], on_member))
            try:
                await asyncio.sleep(0)
                await self._feed(chunks, writing, worker)
                os.close(writing)
                writing = -1
                return await worker
            finally:
                worker.cancel()
                with contextlib.suppress(BaseException):
                    await worker
        finally:
            os.close(reading)
            if writing >= 0:
                os.close(writing)

    async def _feed(self, chunks: AsyncIterator[bytes], pipe: int, worker: asyncio.Future[Any]) -> None:
        """Write all of `chunks` to the pipe, unless the worker ends before."""
        async for chunk in chunks:
            view = memoryview(chunk)
            while view and not worker.done():
                try:
                    view = view[os.write(pipe, view) :]
                except BlockingIOError:
                    await _writable(pipe, worker)
            if worker.done():
                return

    async def run(
        self, entry: str, message: dict[str, Any], fds: Sequence[int], on_packet: OnPacket | None = None
    ) -> dict[str, Any]:
        """Run one worker and return its `ok`. Raises its error as the kind it is."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with ours:
            ours.setblocking(False)
            with theirs:
                await self._spawn(entry, message, [theirs.fileno(), *fds])
            loop = asyncio.get_running_loop()
            while True:
                try:
                    packet = await loop.sock_recv(ours, PACKET_BYTES)
                except ConnectionResetError:
                    packet = b""
                if not packet:
                    raise errors.SystemFailure(f"the {entry} worker ended without a result (killed, or out of memory)")
                said = json.loads(packet)
                if "ok" in said:
                    return dict(said["ok"])
                if "error" in said:
                    raise _KINDS.get(said["error"], errors.SystemFailure)(said["message"])
                if on_packet is not None:
                    on_packet(said)


async def _writable(pipe: int, worker: asyncio.Future[Any]) -> None:
    """Wait until the pipe takes bytes or the worker has ended."""
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()
    loop.add_writer(pipe, _set, ready)
    try:
        await asyncio.wait((ready, worker), return_when=asyncio.FIRST_COMPLETED)
    finally:
        loop.remove_writer(pipe)


def _set(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _widen(pipe: int) -> None:
    fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
