"""wire/jsontext says what the standard library says."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiffin.wire import jsontext

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(VALUES)
def test_a_value_survives_a_round_trip(value: object) -> None:
    assert jsontext.decode(jsontext.encode(value)) == value
    assert json.loads(jsontext.encode(value)) == value
    assert jsontext.decode(jsontext.indented(value)) == value


@given(VALUES)
def test_indenting_is_the_standard_librarys(value: object) -> None:
    assert jsontext.indented(value) == json.dumps(value, indent=4, ensure_ascii=False)


@pytest.mark.parametrize("text", ["", "{", '{"a" 1}', "[1,]", "nul", "1 2", '"abc', "NaN", "{]"])
def test_bad_text_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError):
        jsontext.decode(text)


@given(st.lists(VALUES.filter(lambda value: value is not None), max_size=5), st.integers(1, 7))
def test_documents_come_out_whole_however_they_are_cut(values: list[object], size: int) -> None:
    data = "".join(jsontext.encode(value) + "\r\n" for value in values).encode("utf-8", "surrogatepass")
    try:
        data.decode()
    except UnicodeDecodeError:
        return
    decoder = jsontext.Documents()
    found = [value for at in range(0, len(data), size) for value in decoder.feed(data[at : at + size])]
    assert [*found, *decoder.finish()] == values


def test_documents_back_to_back_need_no_newline() -> None:
    decoder = jsontext.Documents()
    assert [*decoder.feed(b'{"a":1}{"a":2}'), *decoder.finish()] == [{"a": 1}, {"a": 2}]
