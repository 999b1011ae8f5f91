"""Framing of rtnetlink: messages, attributes, acknowledgements. Bytes in, objects out; no socket.

    nlmsghdr   u32 length | u16 type | u16 flags | u32 sequence | u32 port          body, padded to 4
    rtattr     u16 length | u16 type | payload, padded to 4                         length counts the header, no pad
    nlmsgerr   i32 -errno | the request's nlmsghdr (| its body) | attributes (with NLM_F_ACK_TLVS)

What the kernel sends is trusted to be whole, but never read beyond its end: a short buffer raises ValueError.
Source: include/uapi/linux/{netlink,rtnetlink}.h.
"""

from __future__ import annotations

from struct import Struct

NLMSG_NOOP = 1
NLMSG_ERROR = 2
NLMSG_DONE = 3

NLM_F_REQUEST = 0x001
NLM_F_MULTI = 0x002
NLM_F_ACK = 0x004
NLM_F_DUMP_INTR = 0x010
NLM_F_DUMP = 0x300
NLM_F_REPLACE = 0x100
NLM_F_EXCL = 0x200
NLM_F_CREATE = 0x400
NLM_F_CAPPED = 0x100  # in an acknowledgement: the request's body is left out
NLM_F_ACK_TLVS = 0x200

NLA_F_NESTED = 0x8000
NLA_TYPE_MASK = 0x3FFF

NLMSGERR_ATTR_MSG = 1
NLMSGERR_ATTR_OFFS = 2

_HEADER = Struct("=IHHII")
_ATTRIBUTE = Struct("=HH")
_ERROR = Struct("=iIHHII")
_ERROR_NUMBER = Struct("=i")
_U32 = Struct("=I")
_PAD = (b"", b"\0\0\0", b"\0\0", b"\0")  # by length modulo 4


class Message:
    """One netlink message, without its padding."""

    __slots__ = ("body", "flags", "kind", "sequence")

    def __init__(self, kind: int, flags: int, sequence: int, body: bytes) -> None:
        self.kind = kind
        self.flags = flags
        self.sequence = sequence
        self.body = body

    def encode(self) -> bytes:
        """Port 0: the kernel fills it in."""
        size = _HEADER.size + len(self.body)
        return _HEADER.pack(size, self.kind, self.flags, self.sequence, 0) + self.body + _PAD[size & 3]


class Ack:
    """The kernel's answer to one request: errno (0 is success) and, where it gave one, its reason in words."""

    __slots__ = ("errno", "offset", "sequence", "text")

    def __init__(self, errno: int, sequence: int, text: str, offset: int | None) -> None:
        self.errno = errno
        self.sequence = sequence
        self.text = text
        self.offset = offset


def attribute(kind: int, payload: bytes) -> bytes:
    """One attribute with its padding."""
    size = _ATTRIBUTE.size + len(payload)
    return _ATTRIBUTE.pack(size, kind) + payload + _PAD[size & 3]


def nested(kind: int, *attributes: bytes) -> bytes:
    """An attribute that holds attributes (the flag is what a strict kernel expects)."""
    return attribute(kind | NLA_F_NESTED, b"".join(attributes))


def attribute_u32(kind: int, value: int) -> bytes:
    """An attribute of one 32-bit number in the host's byte order."""
    return attribute(kind, _U32.pack(value))


def attribute_text(kind: int, value: str) -> bytes:
    """An attribute of NUL-terminated text."""
    return attribute(kind, value.encode() + b"\0")


def split(data: bytes) -> list[Message]:
    """All messages of one datagram."""
    messages = []
    offset, end = 0, len(data)
    while offset < end:
        if end - offset < _HEADER.size:
            raise ValueError(f"netlink: {end - offset} stray bytes after a message")
        size, kind, flags, sequence, _port = _HEADER.unpack_from(data, offset)
        if size < _HEADER.size or size > end - offset:
            raise ValueError(f"netlink: a message of {size} bytes in {end - offset}")
        messages.append(Message(kind, flags, sequence, data[offset + _HEADER.size : offset + size]))
        offset += (size + 3) & ~3
    return messages


def attributes(data: bytes, offset: int = 0) -> dict[int, bytes]:
    """Attributes by type; of a repeated type the last one, as the kernel itself reads them."""
    found: dict[int, bytes] = {}
    end = len(data)
    while end - offset >= _ATTRIBUTE.size:
        size, kind = _ATTRIBUTE.unpack_from(data, offset)
        if size < _ATTRIBUTE.size or size > end - offset:
            raise ValueError(f"netlink: an attribute of {size} bytes in {end - offset}")
        found[kind & NLA_TYPE_MASK] = data[offset + _ATTRIBUTE.size : offset + size]
        offset += (size + 3) & ~3
    return found


def u32(payload: bytes | None) -> int | None:
    """The number in an attribute that may be absent."""
    return None if payload is None else int(_U32.unpack_from(payload)[0])


def text(payload: bytes | None) -> str:
    """The text in an attribute; "" when absent."""
    return "" if payload is None else payload.split(b"\0", 1)[0].decode(errors="replace")


def parse_ack(message: Message) -> Ack:
    """Read NLMSG_ERROR, or the NLMSG_DONE that ends a dump (which carries an errno too)."""
    body = message.body
    if message.kind == NLMSG_DONE:
        number = _ERROR_NUMBER.unpack_from(body)[0] if len(body) >= 4 else 0
        found = attributes(body, 4) if message.flags & NLM_F_ACK_TLVS else {}
    else:
        if len(body) < _ERROR.size:
            raise ValueError(f"netlink: an acknowledgement of {len(body)} bytes")
        number, request_size, *_rest = _ERROR.unpack_from(body)
        start = _ERROR.size if message.flags & NLM_F_CAPPED else 4 + ((request_size + 3) & ~3)
        found = attributes(body, start) if message.flags & NLM_F_ACK_TLVS else {}
    return Ack(-number, message.sequence, text(found.get(NLMSGERR_ATTR_MSG)), u32(found.get(NLMSGERR_ATTR_OFFS)))

