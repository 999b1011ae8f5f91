"""A NETLINK_ROUTE socket: requests go out in one batch, answers come back in order, refusals become OSError.

Blocking, with a bounded wait; one thread at a time uses one socket. The codec is wire/rtnetlink; this file is only I/O.
A socket belongs for ever to the network namespace it was made in, which is how a container's links are configured
from outside: its socket is made inside and passed out as a descriptor.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Iterable, Sequence

from tiffin.wire.rtnetlink import message as nl
from tiffin.wire.rtnetlink.link import Link, dump_links, get_link, parse_link
from tiffin.wire.rtnetlink.message import Message
from tiffin.wire.rtnetlink.route import Address, Route, dump_addresses, dump_routes, parse_address, parse_route

SOL_NETLINK = 270
NETLINK_CAP_ACK = 10
NETLINK_EXT_ACK = 11
WAIT_SECONDS = 10  # the kernel answers while it handles the send; longer than this is a stuck rtnl lock
RECEIVE_SIZE = 1 << 16  # dumps come in pieces of at most 32 KiB
DUMP_TRIES = 5  # a dump that raced with a change says so, and is asked again


class RouteSocket:
    """Use as a context manager, or close()."""

    def __init__(self, fd: int | None = None) -> None:
        """A socket of the calling thread's namespace, or one around the descriptor `fd`, which stays the caller's."""
        self._borrowed = fd is not None
        if fd is None:
            kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC
            self._socket = socket.socket(socket.AF_NETLINK, kind, socket.NETLINK_ROUTE)
        else:
            self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE, fileno=fd)
        try:
            # not settimeout(): O_NONBLOCK would be shared with whoever passed the descriptor
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("@ll", WAIT_SECONDS, 0))
            self._socket.setsockopt(SOL_NETLINK, NETLINK_EXT_ACK, 1)
            self._socket.setsockopt(SOL_NETLINK, NETLINK_CAP_ACK, 1)
        except OSError:
            self.close()
            raise
        self._sequence = 0

    def close(self) -> None:
        """A borrowed descriptor stays open."""
        if self._borrowed:
            self._socket.detach()
        else:
            self._socket.close()

    def __enter__(self) -> RouteSocket:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def request(self, messages: Sequence[Message], what: str) -> None:
        """Send all in one go and wait for every acknowledgement; the first refusal is raised, after all were read.

        The kernel goes on with a batch after a refusal: the caller undoes. `what` names the object in the error.
        """
        first = self._send(messages)
        refusal: nl.Ack | None = None
        pending = len(messages)
        while pending:
            for answer in self._receive(what):
                if answer.kind != nl.NLMSG_ERROR or not first <= answer.sequence <= self._sequence:
                    continue  # an answer to an earlier request that timed out
                pending -= 1
                ack = nl.parse_ack(answer)
                if ack.errno and refusal is None:
                    refusal = ack
        if refusal is not None:
            raise _error(refusal, what)

    def link(self, name: str) -> Link | None:
        """The link called `name`; None where there is none."""
        sequence = self._send([get_link(name=name)])
        while True:
            for answer in self._receive(name):
                if answer.sequence != sequence:
                    continue
                if answer.kind == nl.NLMSG_ERROR:
                    ack = nl.parse_ack(answer)
                    if ack.errno == errno.ENODEV:
                        return None
                    raise _error(ack, name)
                return parse_link(answer)

    def links(self) -> list[Link]:
        return [parse_link(answer) for answer in self._dump(dump_links(), "links")]

    def addresses(self, family: int = socket.AF_INET) -> list[Address]:
        return [parse_address(answer) for answer in self._dump(dump_addresses(family), "addresses")]

    def routes(self, family: int = socket.AF_INET) -> list[Route]:
        return [parse_route(answer) for answer in self._dump(dump_routes(family), "routes")]

    def _dump(self, message: Message, what: str) -> list[Message]:
        for _try in range(DUMP_TRIES):
            answers, interrupted = self._dump_once(message, what)
            if not interrupted:
                break
        return answers

    def _dump_once(self, message: Message, what: str) -> tuple[list[Message], bool]:
        sequence = self._send([message])
        answers: list[Message] = []
        interrupted = False
        while True:
            for answer in self._receive(what):
                if answer.sequence != sequence:
                    continue
                interrupted |= bool(answer.flags & nl.NLM_F_DUMP_INTR)
                if answer.kind in (nl.NLMSG_DONE, nl.NLMSG_ERROR):
                    ack = nl.parse_ack(answer)
                    if ack.errno:
                        raise _error(ack, what)
                    return answers, interrupted
                answers.append(answer)

    def _send(self, messages: Iterable[Message]) -> int:
        """Number and send; returns the first number."""
        first = self._sequence + 1
        parts = []
        for message in messages:
            self._sequence += 1
            message.sequence = self._sequence
            parts.append(message.encode())
        self._socket.send(b"".join(parts))
        return first

    def _receive(self, what: str) -> list[Message]:
        try:
            return nl.split(self._socket.recv(RECEIVE_SIZE))
        except BlockingIOError:
            raise TimeoutError(errno.ETIMEDOUT, f"netlink: no answer in {WAIT_SECONDS} s", what) from None


def _error(ack: nl.Ack, what: str) -> OSError:
    reason = f": {ack.text}" if ack.text else ""
    return OSError(ack.errno, f"netlink: {os.strerror(ack.errno)}{reason}", what)
