r"""Docker's json-file log: one JSON object per line, one line per record. Codec without I/O.

    {"log":"hello\n","stream":"stdout","attrs":{"k":"v"},"time":"2024-05-06T07:08:09.000000000Z"}

A record is a line of output with its newline. A line longer than LINE_MAX is several records, of which only the last
ends with a newline; so does the last record of a stream whose output ends in the middle of a line. Escapes are those of
Docker's own writer: <, >, & and control characters as \u00XX, U+2028 and U+2029, each byte that is not UTF-8 as U+FFFD.

A whole chunk is encoded at once: a handful of bytes.replace calls, not one call per line (700 MB/s against 20).
"""

from __future__ import annotations

from tiffin.wire import jsontext, rfc3339

try:
    from _json import scanstring
except ImportError:  # pragma: no cover - another interpreter than CPython
    from json.decoder import py_scanstring as scanstring  # type: ignore[no-redef, attr-defined]

TYPE_CHECKING = False
if TYPE_CHECKING:
    Record = tuple[str, int, bytes, dict[str, str] | None]  # stream, nanoseconds, data, attrs

LINE_MAX = 16384  # longer lines are split here, as Docker does

_HEAD = b'{"log":"'
_NEWLINE = b"\\n"
_UNTOUCHED = bytes(byte for byte in range(0x20, 0x80) if byte not in b'"\\<>&') + b"\n"
_SHORT = {ord('"'): b'\\"', ord("\\"): b"\\\\", ord("\r"): b"\\r"}
# The backslash comes first: the other escapes contain it.
_ESCAPES = [
    (bytes([byte]), _SHORT.get(byte, b"\\u%04x" % byte))
    for byte in (ord("\\"), *(byte for byte in range(0x80) if byte not in _UNTOUCHED and byte != ord("\\")))
]


def tail(stream: str, time_ns: int, attrs: bytes = b"") -> bytes:
    """What follows the text in every record of one chunk."""
    time = rfc3339.fixed(time_ns)
    return b'","stream":"%b",%b"time":"%b"}\n' % (stream.encode(), attrs, time.encode())


def attributes(attrs: dict[str, str] | None) -> bytes:
    """The `attrs` member (labels and environment that --log-opt names), keys sorted, as `tail` takes it."""
    if not attrs:
        return b""
    members = [b'"%b":"%b"' % (_string(key), _string(attrs[key])) for key in sorted(attrs)]
    return b'"attrs":{%b},' % b",".join(members)


def encode(data: bytes, ending: bytes) -> bytes:
    """One record per line of `data`, and one for what follows the last newline. `ending` is from `tail`."""
    if not data:
        return b""
    text = escape(data).replace(b"\n", b"\\n" + ending + _HEAD)
    if data[-1] == 10:
        return _HEAD + text[: -len(_HEAD)]
    return _HEAD + text + ending


def escape(data: bytes) -> bytes:
    """The inside of a JSON string, but newlines stay newlines."""
    special = data.translate(None, _UNTOUCHED)
    if not special:
        return data
    for byte, escaped in _ESCAPES:
        if byte in special:
            data = data.replace(byte, escaped)
    if special.isascii():
        return data
    try:
        data.decode()
    except UnicodeDecodeError:
        data = _mend(data)
    if b"\xe2\x80" in data:
        data = data.replace(b"\xe2\x80\xa8", b"\\u2028").replace(b"\xe2\x80\xa9", b"\\u2029")
    return data


def split(data: bytes) -> tuple[list[bytes], bytes]:
    """(segments to encode, rest): whole lines together, pieces of overlong lines apart, and the unfinished line."""
    segments: list[bytes] = []
    start = position = 0
    while True:
        newline = data.rfind(b"\n", position, position + LINE_MAX)
        if newline >= 0:
            position = newline + 1
        elif len(data) - position < LINE_MAX:
            break
        else:
            if start < position:
                segments.append(data[start:position])
            start, position = position, _character_boundary(data, position + LINE_MAX)
            segments.append(data[start:position])
            start = position
    if start < position:
        segments.append(data[start:position])
    return segments, data[position:]


def decode_block(block: bytes) -> list[Record]:
    """The records of a block of whole lines. Lines that are no records (torn by a crash) are left out."""
    records: list[Record] = []
    add = records.append
    known_tail, length = b"?", 1
    stream, time_ns, attrs = "", 0, None
    for line in block.split(b"\n"):
        if line[-length:] != known_tail:
            if not line:
                continue
            try:
                at = line.index(b'","stream":"')  # text has no bare quote, so the first is it
                stream, time_ns, attrs = _parse_tail(line[at + 1 :])
            except ValueError:
                record = _decode_slowly(line)
                if record is not None:
                    add(record)
                continue
            known_tail, length = line[at:], len(line) - at
        text = line[8:-length]
        if line[:8] != _HEAD:
            record = _decode_slowly(line)
            if record is not None:
                add(record)
        elif b"\\" not in text:
            add((stream, time_ns, text, attrs))
        elif text.find(b"\\") == len(text) - 2 and text[-1] == 110:  # ends in \n and has no other escape
            add((stream, time_ns, text[:-2] + b"\n", attrs))
        else:
            try:
                add((stream, time_ns, _unescape(text), attrs))
            except ValueError:
                continue
    return records


def decode(line: bytes) -> Record:
    """One record; ValueError if the line is none."""
    records = decode_block(line.rstrip(b"\n"))
    if len(records) != 1:
        raise ValueError(f"not a log record: {line[:80]!r}")
    return records[0]


def _unescape(text: bytes) -> bytes:
    # The strict mode of the scanner refuses raw control characters, which a record never has.
    value, end = scanstring(text.decode("utf-8", "replace") + '"', 0, True)
    if not isinstance(value, str) or end < 1:
        raise ValueError("unterminated text")
    return value.encode("utf-8", "replace")


def _parse_tail(text: bytes) -> tuple[str, int, dict[str, str] | None]:
    """`,"stream":"stdout","time":"…"}` → (stream, time, attrs)."""
    if text[1:].startswith(b'"stream":"std') and text[17:27] == b'","time":"' and text[-2:] == b'"}':
        return text[11:17].decode(), rfc3339.parse(text[27:-2].decode()), None
    members = jsontext.decode(b"{" + text[1:])
    if not isinstance(members, dict) or "log" in members:
        raise ValueError("not a tail")
    return str(members["stream"]), rfc3339.parse(str(members.get("time"))), members.get("attrs")


def _decode_slowly(line: bytes) -> Record | None:
    """A record of another writer, with its members in any order."""
    try:
        record = jsontext.decode(line)
        if not isinstance(record, dict):
            return None
        data = str(record.get("log", "")).encode("utf-8", "replace")
        return str(record["stream"]), rfc3339.parse(str(record["time"])), data, record.get("attrs")
    except (ValueError, KeyError):
        return None


def _mend(data: bytes) -> bytes:
    r"""Each byte that is not UTF-8 becomes \ufffd, as Go does it, by C loops alone.

    Undecodable bytes become lone surrogates and those "?". A NUL stands for the true question marks meanwhile: control
    characters were escaped before.
    """
    text = data.replace(b"?", b"\0").decode("utf-8", "surrogateescape")
    return text.encode("utf-8", "replace").replace(b"?", b"\\ufffd").replace(b"\0", b"?")


def _character_boundary(data: bytes, cut: int) -> int:
    """`cut`, or up to 3 bytes before it where it would split a UTF-8 character, which would be lost in both halves."""
    for back in (1, 2, 3):
        byte = data[cut - back]
        if byte < 0x80:
            break
        if byte >= 0xC0:
            length = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return cut - back if length > back else cut
    return cut


def _string(text: str) -> bytes:
    return escape(text.encode("utf-8", "replace")).replace(b"\n", _NEWLINE)
