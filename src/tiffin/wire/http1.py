"""HTTP/1.1 as a client speaks it: requests to bytes, bytes to one response. No I/O, no sockets.

    request      METHOD target HTTP/1.1 CRLF headers CRLF [body | chunks]
    response     status line, headers, then one of
                   nothing       204, 304, HEAD, 101 (what follows belongs to the hijacked stream)
                   N bytes       Content-Length: N
                   chunks        size in hex CRLF data CRLF ... 0 CRLF trailers CRLF
                   until the end neither header given

Not a server's codec (api/http has that), no pipelining, no compression: the Docker API uses none of it.
"""

from __future__ import annotations

MAX_HEAD = 256 * 1024  # a head longer than this is not a Docker daemon's
MAX_LINE = 8 * 1024  # chunk-size and trailer lines

HEAD, LENGTH, CHUNK_SIZE, CHUNK_DATA, CHUNK_END, TRAILER, UNTIL_EOF, DONE, UPGRADED = range(9)


class ProtocolError(Exception):
    """The peer does not speak HTTP/1.1 as we know it."""


def request_head(method: str, target: str, headers: list[tuple[str, str]]) -> bytes:
    """The head of a request, with the blank line. Line breaks in any part are refused, not sent."""
    lines = [f"{method} {target} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in headers]
    for line in lines:
        if "\r" in line or "\n" in line:
            raise ValueError(f"line break in HTTP request: {line!r}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8")


def chunk(data: bytes | memoryview) -> bytes:
    """One chunk of a request body sent with Transfer-Encoding: chunked. Never empty: that would end the body."""
    if not len(data):
        raise ValueError("an empty chunk would end the body")
    return b"%x\r\n" % len(data) + data + b"\r\n"


LAST_CHUNK = b"0\r\n\r\n"

UNRESERVED = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.~")


def percent_encode(text: str, safe: str = "") -> str:
    """Escape for a path segment or query value."""
    keep = UNRESERVED | frozenset(safe.encode())
    return "".join(chr(b) if b in keep else f"%{b:02X}" for b in text.encode("utf-8", "surrogateescape"))


def query_string(pairs: list[tuple[str, str]]) -> str:
    """`a=1&b=2`, escaped; empty for no pairs."""
    return "&".join(f"{percent_encode(name)}={percent_encode(value)}" for name, value in pairs)


class Response:
    """Incremental decoder of one response.

    Feed bytes as they come; `status` is None until the head is complete. `feed` returns the body bytes that became
    available. When `done`, `tail` holds bytes beyond the response; after 101 (or a hijacked 200, see `hijack`)
    these are the first bytes of the raw stream.
    """

    __slots__ = ("_buffer", "_left", "_method", "_state", "headers", "reason", "status", "version")

    def __init__(self, method: str = "GET") -> None:
        self._method = method
        self._state = HEAD
        self._buffer = b""
        self._left = 0
        self.status: int | None = None
        self.reason = ""
        self.version = ""
        self.headers: dict[str, str] = {}

    @property
    def done(self) -> bool:
        return self._state in (DONE, UPGRADED)

    @property
    def upgraded(self) -> bool:
        return self._state == UPGRADED

    @property
    def tail(self) -> bytes:
        return self._buffer if self.done else b""

    def feed(self, data: bytes) -> bytes:
        """Take bytes off the wire; give the body bytes they bring."""
        if self._state == UNTIL_EOF:
            return data
        buffer = self._buffer + data if self._buffer else data
        if self._state == HEAD:
            end = buffer.find(b"\r\n\r\n")
            if end < 0:
                if len(buffer) > MAX_HEAD:
                    raise ProtocolError("response head too long")
                self._buffer = buffer
                return b""
            self._head(buffer[:end])
            buffer = buffer[end + 4 :]
            if self._state == HEAD:  # 1xx: the real head follows
                self._buffer = b""
                return self.feed(buffer)
        return self._body(buffer)

    def end(self) -> None:
        """The peer closed its side; ProtocolError if that cut the response short."""
        if self._state == UNTIL_EOF:
            self._state = DONE
        elif not self.done:
            raise ProtocolError("unexpected EOF" if self.status is not None else "EOF")

    def hijack(self) -> None:
        """Treat all that follows the head as a raw stream: a daemon that answers an attach with 200."""
        if self._state != UPGRADED:
            self._state = UPGRADED

    def _head(self, head: bytes) -> None:
        lines = head.decode("latin-1").split("\r\n")
        parts = lines[0].split(" ", 2)
        if len(parts) < 2 or not parts[0].startswith("HTTP/1.") or len(parts[1]) != 3 or not parts[1].isdigit():
            raise ProtocolError(f"malformed HTTP response {lines[0][:80]!r}")
        self.version, status = parts[0], int(parts[1])
        self.reason = parts[2] if len(parts) > 2 else ""
        headers: dict[str, str] = {}
        for line in lines[1:]:
            name, colon, value = line.partition(":")
            if not colon or not name or name != name.strip():
                raise ProtocolError(f"malformed HTTP header {line[:80]!r}")
            name, value = name.lower(), value.strip()
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        if 100 <= status < 200 and status != 101:
            return
        self.status, self.headers = status, headers
        self._state = self._framing(status, headers)

    def _framing(self, status: int, headers: dict[str, str]) -> int:
        if status == 101:
            return UPGRADED
        if self._method == "HEAD" or status in (204, 304):
            return DONE
        if headers.get("transfer-encoding", "").lower() == "chunked":
            return CHUNK_SIZE
        length = headers.get("content-length")
        if length is None:
            return UNTIL_EOF
        if not length.isdigit():
            raise ProtocolError(f"bad Content-Length {length!r}")
        self._left = int(length)
        return LENGTH if self._left else DONE

    def _body(self, buffer: bytes) -> bytes:
        out: list[bytes] = []
        at, size = 0, len(buffer)
        while True:
            state = self._state
            if state in (LENGTH, CHUNK_DATA):
                end = min(size, at + self._left)
                if end > at:
                    out.append(buffer[at:end])
                self._left -= end - at
                at = end
                if self._left:
                    break
                self._state = DONE if state == LENGTH else CHUNK_END
            elif state == UNTIL_EOF:
                out.append(buffer[at:])
                at = size
                break
            elif state in (DONE, UPGRADED):
                break
            else:
                end = buffer.find(b"\r\n", at)
                if end < 0:
                    if size - at > MAX_LINE:
                        raise ProtocolError("chunk line too long")
                    break
                self._line(buffer[at:end])
                at = end + 2
        self._buffer = buffer[at:]
        return out[0] if len(out) == 1 else b"".join(out)

    def _line(self, line: bytes) -> None:
        if self._state == CHUNK_END:
            if line:
                raise ProtocolError("chunk longer than it said")
            self._state = CHUNK_SIZE
        elif self._state == TRAILER:
            if not line:
                self._state = DONE
        else:
            size = line.partition(b";")[0].strip()
            if not size or len(size) > 15 or size.strip(b"0123456789abcdefABCDEF"):
                raise ProtocolError(f"bad chunk size {line[:40]!r}")
            self._left = int(size, 16)
            self._state = CHUNK_DATA if self._left else TRAILER
