"""Names in archives as clean paths."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiffin.store.archive_path import clean, display, follow
from tiffin.wire.tar.layout import TarError


@pytest.mark.parametrize(
    ("name", "path"),
    [
        (b"a/b", b"a/b"),
        (b"./a/b/", b"a/b"),
        (b"/etc/passwd", b"etc/passwd"),
        (b"//a//b", b"a/b"),
        (b"a/./b/.", b"a/b"),
        (b"a/../b", b"b"),
        (b"/../../b", b"b"),
        (b".", b""),
        (b"./", b""),
        (b"", b""),
        (b"/", b""),
        (b"a/..", b""),
        (b".hidden", b".hidden"),
        (b"./.hidden/..x", b".hidden/..x"),
        (b"...", b"..."),
    ],
)
def test_a_name_is_cleaned_by_its_text(name: bytes, path: bytes) -> None:
    assert clean(name) == path


@pytest.mark.parametrize("name", [b"..", b"../x", b"a/../../x", b"./../x", b"a/b/../../../x"])
def test_a_relative_name_that_climbs_out_is_refused(name: bytes) -> None:
    with pytest.raises(TarError, match="outside of the archive's root"):
        clean(name)


@given(st.lists(st.sampled_from([b"a", b"b", b".", b"..", b"", b".wh.x"])).map(b"/".join))
def test_a_clean_path_has_no_special_component(name: bytes) -> None:
    path = clean(b"/" + name)
    assert not path or not {b"", b".", b".."} & set(path.split(b"/"))
    assert clean(path) == path


def test_a_symlink_is_followed_inside_the_root() -> None:
    assert follow(b"var", b"/run") == b"run"
    assert follow(b"var/lib", b"../run") == b"var/run"
    assert follow(b"var", b"../../../run") == b"run"


def test_a_name_in_a_message_is_quoted_and_bounded() -> None:
    assert display(b"a\xff") == '"a\\xff"'
    assert len(display(b"x" * 100_000)) < 250
