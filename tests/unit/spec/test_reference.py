"""References: Docker's normalisation and words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiffin.spec import reference as references
from tiffin.spec.reference import Reference

HEX = "a" * 64
DIGEST = "sha256:" + HEX


@pytest.mark.parametrize(
    ("text", "canonical", "familiar"),
    [
        ("busybox", "docker.io/library/busybox", "busybox"),
        ("busybox:1.36", "docker.io/library/busybox:1.36", "busybox:1.36"),
        ("docker.io/busybox", "docker.io/library/busybox", "busybox"),
        ("index.docker.io/library/busybox", "docker.io/library/busybox", "busybox"),
        ("docker.io/library/busybox:x", "docker.io/library/busybox:x", "busybox:x"),
        ("me/app", "docker.io/me/app", "me/app"),
        ("library/a/b", "docker.io/library/a/b", "library/a/b"),
        ("localhost/app", "localhost/app", "localhost/app"),
        ("localhost:5000/app:1", "localhost:5000/app:1", "localhost:5000/app:1"),
        ("app:5000", "docker.io/library/app:5000", "app:5000"),
        ("example.com/a/b/c", "example.com/a/b/c", "example.com/a/b/c"),
        ("EXAMPLE/app", "EXAMPLE/app", "EXAMPLE/app"),
        ("[2001:db8::1]:5000/app", "[2001:db8::1]:5000/app", "[2001:db8::1]:5000/app"),
        ("a__b.c--d", "docker.io/library/a__b.c--d", "a__b.c--d"),
        (f"app@{DIGEST}", f"docker.io/library/app@{DIGEST}", f"app@{DIGEST}"),
        (f"x.y/app:t@{DIGEST}", f"x.y/app:t@{DIGEST}", f"x.y/app:t@{DIGEST}"),
        ("a" * 63, "docker.io/library/" + "a" * 63, "a" * 63),
    ],
)
def test_a_name_is_normalised_as_docker_does(text: str, canonical: str, familiar: str) -> None:
    parsed = references.parse(text)
    assert (str(parsed), parsed.familiar) == (canonical, familiar)
    assert references.parse(canonical) == parsed == references.parse(familiar)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Foo", "invalid reference format: repository name (library/Foo) must be lowercase"),
        ("me/Foo:1", "invalid reference format: repository name (me/Foo) must be lowercase"),
        (HEX, f"invalid repository name ({HEX}), cannot specify 64-byte hexadecimal strings"),
        ("", "invalid reference format"),
        (":tag", "invalid reference format"),
        ("a//b", "invalid reference format"),
        ("a..b", "invalid reference format"),
        ("-a", "invalid reference format"),
        ("a:", "invalid reference format"),
        ("a:b:c", "invalid reference format"),
        ("a:" + "t" * 129, "invalid reference format"),
        ("../etc/passwd", "invalid reference format"),
        ("a\n", "invalid reference format"),
        ("ä", "invalid reference format"),
        ("a@sha256:abc", "invalid reference format"),
        ("a@sha256:" + "a" * 63, "invalid checksum digest length"),
        ("a@md5:" + "a" * 32, "unsupported digest algorithm"),
        ("x.y/" + "a" * 252, "repository name must not be more than 255 characters"),
    ],
)
def test_what_is_no_name_is_refused_in_dockers_words(text: str, message: str) -> None:
    with pytest.raises(references.BadReference) as refused:
        references.parse(text)
    assert str(refused.value) == message


component = st.from_regex(r"[a-z0-9]{1,5}([._-][a-z0-9]{1,5})?", fullmatch=True)
names = st.builds(
    Reference,
    st.sampled_from(["docker.io", "localhost", "localhost:5000", "registry.example.com", "[::1]:80"]),
    st.lists(component, min_size=2, max_size=4).map("/".join),
    st.none() | st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}", fullmatch=True),
    st.none() | st.just(DIGEST),
)


@given(names)
def test_every_reference_survives_both_of_its_forms(reference: Reference) -> None:
    assert references.parse(str(reference)) == reference
    assert references.parse(reference.familiar) == reference


@given(st.text(max_size=80) | st.text("aA0:/@.-_[]sha256", max_size=100))
def test_any_text_is_a_reference_that_is_stable_or_refused(text: str) -> None:
    try:
        parsed = references.parse(text)
    except references.BadReference:
        return
    assert references.parse(str(parsed)) == parsed
    assert ".." not in str(parsed).split("/")


def test_ids_and_their_beginnings_are_told_from_names() -> None:
    assert references.full_id(HEX) == references.full_id(DIGEST) == DIGEST
    assert references.full_id("abc") is None
    assert references.id_prefix("abc123") == references.id_prefix("sha256:abc123") == "abc123"
    assert references.id_prefix("xyz") is None and references.id_prefix("ABC") is None
