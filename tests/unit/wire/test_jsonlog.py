from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tiffin.wire import jsonlog

TIME = 1_714_979_289_000_000_001
TAIL = jsonlog.tail("stdout", TIME)

chunks = st.one_of(
    st.binary(max_size=300),
    st.text(max_size=200).map(str.encode),
    st.lists(st.sampled_from([b"\n", b"a?", b"\\", b'"', b"<", b"\xc3\xa4", b"\xe2\x80\xa8", b"\xff"])).map(b"".join),
)


def as_go_reads_it(data: bytes) -> str:
    """UTF-8 with one U+FFFD for each byte that does not belong to a character."""
    return "".join("\ufffd" if "\udc80" <= c <= "\udcff" else c for c in data.decode("utf-8", "surrogateescape"))


@given(chunks)
@example(b"\xe2\x82\n?\0\xed\xa0\x80\xc0\x80")
def test_every_record_is_json_and_together_they_are_the_text(data: bytes) -> None:
    records = [json.loads(line) for line in jsonlog.encode(data, TAIL).splitlines()]
    assert "".join(record["log"] for record in records) == as_go_reads_it(data)
    assert all(record["stream"] == "stdout" and "\n" not in record["log"][:-1] for record in records)


@given(chunks)
def test_decoding_gives_what_the_standard_json_module_gives(data: bytes) -> None:
    block = jsonlog.encode(data, TAIL)
    expected = [("stdout", TIME, json.loads(line)["log"].encode(), None) for line in block.splitlines()]
    assert jsonlog.decode_block(block) == expected


@given(st.lists(chunks, max_size=6))
def test_the_output_may_be_cut_anywhere(pieces: list[bytes]) -> None:
    rest = b""
    segments: list[bytes] = []
    for piece in pieces:
        done, rest = jsonlog.split(rest + piece)
        segments += done
    assert b"".join(segments) + rest == b"".join(pieces)
    assert b"\n" not in rest


def test_escapes_are_those_of_dockers_writer() -> None:
    text = '<a> & "b" \\ \t\r\x00\x1b\x7f \u2028\u2029 é'.encode() + b"\xff\n"
    assert jsonlog.encode(text, TAIL) == (
        b'{"log":"\\u003ca\\u003e \\u0026 \\"b\\" \\\\ \\u0009\\r\\u0000\\u001b\x7f \\u2028\\u2029 \xc3\xa9\\ufffd\\n",'
        b'"stream":"stdout","time":"2024-05-06T07:08:09.000000001Z"}\n'
    )


@pytest.mark.parametrize(
    ("length", "sizes"),
    [(16383, [16384]), (16384, [16384, 1]), (16385, [16384, 2]), (40000, [16384, 16384, 7233])],
)
def test_long_lines_are_split_where_docker_splits_them(length: int, sizes: list[int]) -> None:
    segments, rest = jsonlog.split(b"before\n" + b"x" * length + b"\nafter\nun")
    records = jsonlog.decode_block(b"".join(jsonlog.encode(segment, TAIL) for segment in segments))
    assert [len(data) for _, _, data, _ in records] == [7, *sizes, 6]
    assert rest == b"un"


def test_a_long_line_is_not_split_inside_a_character() -> None:
    line = b"x" + "€".encode() * 10000 + b"\n"
    segments, _ = jsonlog.split(line)
    records = jsonlog.decode_block(b"".join(jsonlog.encode(segment, TAIL) for segment in segments))
    assert b"".join(data for _, _, data, _ in records) == line


def test_attributes_stand_in_every_record() -> None:
    tail = jsonlog.tail("stderr", TIME, jsonlog.attributes({"b": '"', "a": "1", "stream": "x"}))
    block = jsonlog.encode(b"one\ntwo\n", tail)
    assert json.loads(block.splitlines()[1]) == {
        "log": "two\n",
        "stream": "stderr",
        "attrs": {"a": "1", "b": '"', "stream": "x"},
        "time": "2024-05-06T07:08:09.000000001Z",
    }
    attrs = {"a": "1", "b": '"', "stream": "x"}
    assert jsonlog.decode_block(block) == [("stderr", TIME, b"one\n", attrs), ("stderr", TIME, b"two\n", attrs)]


@pytest.mark.parametrize(
    "line",
    [
        b'{"log":"a\\n","stream":"stdout","time":"2024-05-06T07:08:09.5Z"}',
        b'{"stream":"stdout","log":"a\\n","time":"2024-05-06T07:08:09.5Z"}',
        b'{ "log": "a\\n", "stream": "stdout", "time": "2024-05-06T09:08:09.5+02:00" }',
        b'{"log":"\\u0061\\n","stream":"stdout","time":"2024-05-06T07:08:09.500Z"}\n',
    ],
)
def test_other_writers_records_are_read(line: bytes) -> None:
    assert jsonlog.decode(line) == ("stdout", 1_714_980_489_500_000_000 - 1_200_000_000_000, b"a\n", None)


def test_torn_lines_are_left_out_and_the_rest_is_read() -> None:
    good = jsonlog.encode(b"good\n", TAIL)
    torn = [good[:length] for length in range(1, len(good) - 1)]
    for line in [*torn, good[20:-1], b"\0" * 40, b"{}", b"[]", b'{"log":"\\q","stream":"stdout","time":"x"}']:
        records = jsonlog.decode_block(good + line + b"\n" + good)
        assert [data for _, _, data, _ in records] == [b"good\n", b"good\n"], line
        with pytest.raises(ValueError):
            jsonlog.decode(line)
