"""Archives that lie: a clear refusal, and nothing left behind."""

from __future__ import annotations

import gzip
import json
from typing import Any

import image_archives as archives
import pytest
from image_house import House

from tiffin.errors import InvalidParameter
from tiffin.spec import manifest as manifests

pytestmark = pytest.mark.root

LAYER = archives.tar({"a": b"1"})
CONFIG = archives.config([LAYER])
GOOD = archives.docker_archive(CONFIG, [LAYER], ["ok:1"])


def _manifest_json(**entry: Any) -> bytes:
    document = [{"Config": "config.json", "RepoTags": ["x:1"], "Layers": ["layer.tar"], **entry}]
    return archives.tar({"config.json": CONFIG, "layer.tar": LAYER, "manifest.json": json.dumps(document).encode()})


def _layout(entry: dict[str, Any], *blobs: bytes) -> bytes:
    return archives.layout(blobs, {"schemaVersion": 2, "manifests": [entry]})


def _manifest(**fields: Any) -> bytes:
    return json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": manifests.OCI_MANIFEST,
            "config": archives.descriptor(CONFIG, manifests.OCI_CONFIG),
            "layers": [archives.descriptor(LAYER, manifests.OCI_LAYER)],
            **fields,
        }
    ).encode()


BOTH = _manifest(manifests=[])
DEEP: list[bytes] = [_manifest()]
for _ in range(6):
    kind = manifests.OCI_INDEX if len(DEEP) > 1 else manifests.OCI_MANIFEST
    DEEP.append(json.dumps({"schemaVersion": 2, "manifests": [archives.descriptor(DEEP[-1], kind)]}).encode())
WIDE = json.dumps(
    {"schemaVersion": 2, "manifests": [archives.descriptor(_manifest(), manifests.OCI_MANIFEST)] * 1001}
).encode()

HOSTILE: dict[str, bytes] = {
    "nothing in it": archives.tar({}),
    "no manifest": archives.tar({"a": b"b"}),
    "not a tar": b"this is no archive at all" * 100,
    "empty": b"",
    "a truncated tar": GOOD[: len(GOOD) // 2],
    "a truncated gzip": gzip.compress(GOOD)[:-20],
    "a damaged gzip": gzip.compress(GOOD)[:60] + b"\0" * 50 + gzip.compress(GOOD)[110:],
    "an absolute path": _manifest_json(Layers=["/etc/passwd"]),
    "a path upwards": _manifest_json(Config="../../../../etc/passwd"),
    "a layer that is a link out": archives.tar(
        {
            "config.json": CONFIG,
            "layer.tar": archives.symlink("layer.tar", "/etc/passwd"),
            "manifest.json": b'[{"Config":"config.json","Layers":["layer.tar"]}]',
        }
    ),
    "a link to itself": archives.tar(
        {"manifest.json": archives.symlink("manifest.json", "manifest.json"), "index.json": b"{}"}
    ),
    "a wrong diff id": archives.docker_archive(archives.config([b"other"]), [LAYER], ["x:1"]),
    "too few layers": _manifest_json(Layers=[]),
    "layers that are no list": _manifest_json(Layers={"a": 1}),
    "a number as a name": _manifest_json(RepoTags=[7]),
    "an upper-case name": _manifest_json(RepoTags=["Foo:1"]),
    "a digest as a name": _manifest_json(RepoTags=["x@sha256:" + "0" * 64]),
    "a manifest.json that is no list": archives.tar({"manifest.json": b"{}"}),
    "json that is deep": archives.tar({"manifest.json": b"[" * 100_000}),
    "a config without rootfs": archives.docker_archive(b"{}", [LAYER], ["x:1"]),
    "a layer that is no tar": archives.docker_archive(archives.config([b"x" * 600]), [b"x" * 600], ["x:1"]),
    "both manifest and index": _layout(archives.descriptor(BOTH, manifests.OCI_MANIFEST), BOTH, CONFIG, LAYER),
    "announced as something else": _layout(
        archives.descriptor(_manifest(), manifests.OCI_INDEX), _manifest(), CONFIG, LAYER
    ),
    "a digest that is a path": _layout(
        {**archives.descriptor(b"", manifests.OCI_MANIFEST), "digest": "sha256:../../../../../etc/passwd"}
    ),
    "a wrong size": _layout(
        {**archives.descriptor(_manifest(), manifests.OCI_MANIFEST), "size": 3}, _manifest(), CONFIG, LAYER
    ),
    "indexes in indexes": _layout(archives.descriptor(DEEP[-1], manifests.OCI_INDEX), *DEEP, CONFIG, LAYER),
    "an index too wide": _layout(archives.descriptor(WIDE, manifests.OCI_INDEX), WIDE),
    "a missing layer": _layout(archives.descriptor(_manifest(), manifests.OCI_MANIFEST), _manifest(), CONFIG),
    "a blob under another's name": archives.tar(
        {
            "oci-layout": b'{"imageLayoutVersion":"1.0.0"}',
            "index.json": json.dumps(
                {"schemaVersion": 2, "manifests": [archives.descriptor(_manifest(), manifests.OCI_MANIFEST)]}
            ).encode(),
            "blobs/sha256/" + archives.sha256(_manifest())[7:]: _manifest(config=None),
        }
    ),
    "a good image and a bad one": archives.tar(
        {
            "config.json": CONFIG,
            "layer.tar": LAYER,
            "bad.json": archives.config([LAYER, b"other"]),
            "bad.tar": archives.tar({"b": b"2"}),
            "manifest.json": json.dumps(
                [
                    {"Config": "config.json", "RepoTags": ["good:1"], "Layers": ["layer.tar"]},
                    {"Config": "bad.json", "RepoTags": ["bad:1"], "Layers": ["layer.tar", "bad.tar"]},
                ]
            ).encode(),
        }
    ),
}


def test_hostile_archives_are_refused_and_leave_nothing(run: Any) -> None:
    async def scenario(house: House) -> None:
        for name, archive in HOSTILE.items():
            try:
                said = await house.load(archive)
            except InvalidParameter as error:
                assert error.message, name
            except Exception as error:
                raise AssertionError(f"{name}: {type(error).__name__}: {error}") from error
            else:
                raise AssertionError(f"{name} was loaded: {said}")
            assert house.files() == {}, name
            assert house.store.layers.rows == {} and house.images.summaries({}) == [], name
        await house.load(GOOD)
        assert house.images.inspect("ok:1")["Id"] == archives.sha256(CONFIG)

    run(scenario)


def test_a_client_that_goes_away_in_the_middle_leaves_nothing(run: Any) -> None:
    async def scenario(house: House) -> None:
        async def cut() -> Any:
            yield GOOD[:2000]
            raise ConnectionResetError

        async def progress(message: dict[str, Any]) -> None:
            raise AssertionError(message)

        with pytest.raises(ConnectionResetError):
            await house.images.load(cut(), progress, quiet=True)
        with pytest.raises(ConnectionResetError):
            await house.images.import_(cut(), progress)
        assert house.files() == {}

    run(scenario)
