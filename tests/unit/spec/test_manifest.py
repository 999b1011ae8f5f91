"""Manifests and indexes: one meaning or none."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiffin.spec import image as images
from tiffin.spec import manifest as manifests
from tiffin.spec import platform as platforms

DIGEST = "sha256:" + "a" * 64
LAYER = {"mediaType": manifests.OCI_LAYER, "digest": DIGEST, "size": 1}
GOOD: dict[str, Any] = {
    "schemaVersion": 2,
    "mediaType": manifests.OCI_MANIFEST,
    "config": {"mediaType": manifests.OCI_CONFIG, "digest": DIGEST, "size": 2},
    "layers": [LAYER],
}
INDEX: dict[str, Any] = {"schemaVersion": 2, "manifests": [{**LAYER, "mediaType": manifests.OCI_MANIFEST}]}


def test_a_manifest_and_an_index_are_told_apart() -> None:
    parsed = manifests.parse(json.dumps(GOOD).encode())
    assert isinstance(parsed, manifests.Manifest) and parsed.is_image and parsed.layers[0].digest == DIGEST
    assert isinstance(manifests.parse(json.dumps(INDEX).encode()), manifests.Index)


@pytest.mark.parametrize(
    "document",
    [
        {**GOOD, "manifests": []},
        {**INDEX, "config": GOOD["config"]},
        {**GOOD, "schemaVersion": 1},
        {**GOOD, "mediaType": manifests.OCI_INDEX},
        {**GOOD, "mediaType": 7},
        {**GOOD, "Layers": []},
        {**GOOD, "layers": [LAYER] * 1001},
        {**GOOD, "layers": [{**LAYER, "digest": "sha256:../x"}]},
        {**GOOD, "layers": [{**LAYER, "size": -1}]},
        {**GOOD, "layers": [{**LAYER, "size": True}]},
        {**GOOD, "layers": ["x"]},
        {**GOOD, "config": None},
        [],
        "text",
    ],
)
def test_what_is_ambiguous_or_malformed_is_refused(document: Any) -> None:
    with pytest.raises(manifests.ManifestError):
        manifests.parse(json.dumps(document).encode())


def test_a_repeated_key_and_another_announced_type_are_refused() -> None:
    raw = json.dumps(GOOD).encode()
    with pytest.raises(manifests.ManifestError, match="repeated"):
        manifests.parse(raw[:-1] + b',"layers":[]}')
    with pytest.raises(manifests.ManifestError, match="announced"):
        manifests.parse(raw, manifests.DOCKER_MANIFEST)
    with pytest.raises(manifests.ManifestError, match="larger"):
        manifests.parse(b" " * (manifests.DOCUMENT_BYTES_LIMIT + 1))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8) | st.just(DIGEST),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*GOOD, *LAYER, "manifests", "rootfs",
        "diff_ids", "config", "history", "Env", "Labels", "platform", "annotations"]), inner, max_size=5),
    max_leaves=12,
)


@given(json_values, st.sampled_from(["", *sorted(manifests.MANIFESTS | manifests.INDEXES)]))
def test_any_json_is_a_manifest_a_config_or_refused_cleanly(document: Any, announced: str) -> None:
    raw = json.dumps(document).encode()
    try:
        parsed = manifests.parse(raw, announced)
    except manifests.ManifestError:
        pass
    else:
        assert parsed.raw == raw
    try:
        config = images.parse(raw)
    except images.ConfigError:
        return
    _ = (config.diff_ids, config.history, config.created, str(config.platform), config.run.labels, config.run.env)


@given(st.dictionaries(st.sampled_from(sorted(GOOD)), json_values, min_size=1))
def test_a_mutated_manifest_parses_or_is_refused_cleanly(change: dict[str, Any]) -> None:
    try:
        parsed = manifests.parse(json.dumps({**GOOD, **change}).encode())
    except manifests.ManifestError:
        return
    if isinstance(parsed, manifests.Manifest):
        _ = [(layer.digest, layer.annotations, layer.platform) for layer in parsed.layers]


@pytest.mark.parametrize(
    ("text", "normal"),
    [("linux/x86_64", "linux/amd64"), ("arm64", "linux/arm64"), ("linux/arm64/v8", "linux/arm64"),
     ("linux/arm", "linux/arm/v7"), ("linux/amd64/v1", "linux/amd64"), ("windows/amd64", "windows/amd64")],
)
def test_platforms_are_normalised(text: str, normal: str) -> None:
    assert str(platforms.parse(text)) == normal


def test_a_platform_may_be_json_and_must_be_whole() -> None:
    assert str(platforms.parse_json('{"os":"linux","architecture":"arm","variant":"v6"}')) == "linux/arm/v6"
    for bad in ("{}", "[]", "x", '{"os":"linux"}', '{"os":1,"architecture":"a"}'):
        with pytest.raises(platforms.PlatformError):
            platforms.parse_json(bad)
    for bad in ("", "a/b/c/d", "linux/", "li nux/amd64"):
        with pytest.raises(platforms.PlatformError):
            platforms.parse(bad)
