"""Images come in, go out and come in elsewhere with the same digests."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import os
import tarfile
from io import BytesIO
from typing import Any

import image_archives as archives
import pytest
import zstandard
from image_house import House

from tiffin.engine.images.use import ContainerUse
from tiffin.errors import Conflict, InvalidParameter, NotFound
from tiffin.spec import manifest as manifests
from tiffin.store.records import ContainerRecords

pytestmark = pytest.mark.root


def test_an_imported_root_file_system_is_saved_and_loaded_elsewhere_with_the_same_id(run: Any, elsewhere: Any) -> None:
    async def import_and_save(house: House) -> tuple[str, bytes]:
        image_id = await house.import_(archives.busybox(), "busybox", changes=["CMD sh", "ENV A=b"])
        view = house.images.resolve_for_create("busybox")
        assert view.id == image_id and view.run["Env"] == ["A=b"]
        assert os.readlink(os.path.join(view.lowerdirs[0], "bin/sh")) == "busybox"
        shown = house.images.inspect(image_id[7:19])
        assert shown["RepoTags"] == ["busybox:latest"] and shown["Config"]["Cmd"] == ["/bin/sh", "-c", "sh"]
        assert [action for action, _ in house.events] == ["tag", "import"]
        saved = await house.save("busybox")
        assert saved == await house.save("busybox")
        return image_id, saved

    image_id, saved = run(import_and_save)
    with tarfile.open(fileobj=BytesIO(saved)) as archive:
        names = archive.getnames()
    assert {"oci-layout", "index.json", "manifest.json", "repositories"} <= set(names)

    async def load(house: House) -> None:
        assert await house.load(saved) == [{"stream": "Loaded image: busybox:latest\n"}]
        assert house.images.inspect("busybox")["Id"] == image_id
        assert await house.save("busybox:latest") == saved

    elsewhere(load)


def test_a_store_is_the_same_after_a_restart(run: Any) -> None:
    async def first(house: House) -> Any:
        await house.import_(archives.busybox(), "me/busybox:1")
        return house.images.summaries({}), house.files()

    async def second(house: House) -> Any:
        return house.images.summaries({}), house.files()

    assert run(first) == run(second)


@pytest.mark.parametrize(
    "compress", [gzip.compress, lzma.compress, bz2.compress, zstandard.ZstdCompressor().compress, bytes]
)
def test_every_compression_is_imported_and_loaded(run: Any, compress: Any) -> None:
    layer = archives.tar({"hello": b"hello"})

    async def scenario(house: House) -> None:
        await house.import_(compress(layer), "imported")
        assert house.images.inspect("imported")["RootFS"]["Layers"] == [archives.sha256(layer)]
        raw = archives.config([layer])
        inner = archives.docker_archive(raw, [compress(layer)], ["loaded:1"])
        await house.load(compress(inner))
        assert house.images.inspect("loaded:1")["Id"] == archives.sha256(raw)
        saved = await house.save("imported", "loaded:1")
        await house.images.delete("loaded:1")
        assert await house.load(saved) == [
            {"stream": "Loaded image: imported:latest\n"},
            {"stream": "Loaded image: loaded:1\n"},
        ]

    run(scenario)


def test_an_image_of_300_layers_is_loaded_and_its_layers_listed_top_first(run: Any) -> None:
    layers = [archives.tar({f"file-{number}": b"x" * 10}) for number in range(300)]
    raw = archives.config(layers)

    async def scenario(house: House) -> None:
        await house.load(archives.docker_archive(raw, layers, ["deep:1"]))
        view = house.images.resolve_for_create("deep:1")
        assert len(view.lowerdirs) == 300
        assert os.listdir(view.lowerdirs[0]) == ["file-299"] and os.listdir(view.lowerdirs[-1]) == ["file-0"]
        assert len({os.path.basename(each) for each in view.lowerdirs}) == 300
        assert house.images.inspect("deep:1")["Size"] == 3000
        history = house.images.history("deep:1")
        assert history[0]["CreatedBy"] == "step 299" and history[0]["Size"] == 10
        lines = await house.images.delete("deep:1")
        assert len(lines) == 302
        assert house.files() == {}

    run(scenario)


def test_the_same_layer_twice_in_an_image_and_in_two_images(run: Any) -> None:
    layer, other = archives.tar({"a": b"1"}), archives.tar({"b": b"2"})

    async def scenario(house: House) -> None:
        for name, layers in (("x:latest", [layer, other, layer]), ("y:latest", [layer, other])):
            await house.load(archives.docker_archive(archives.config(layers), layers, [name]))
        summaries = house.images.summaries({}, shared_size=True)
        assert sorted(each["SharedSize"] for each in summaries) == [2, 2]
        await house.images.delete("x")
        assert os.listdir(house.images.resolve_for_create("y").lowerdirs[0]) == ["b"]
        await house.images.delete("y")
        assert house.files() == {}

    run(scenario)


def _layout_image(text: bytes, architecture: str) -> tuple[list[bytes], dict[str, Any]]:
    layer = archives.tar({"text": text})
    packed = gzip.compress(layer)
    raw = archives.config([layer], architecture=architecture)
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": manifests.OCI_MANIFEST,
            "config": archives.descriptor(raw, manifests.OCI_CONFIG),
            "layers": [archives.descriptor(packed, manifests.OCI_LAYER + "+gzip")],
            "annotations": {"kept": "as it is"},
        },
        indent=3,
    ).encode()
    platform = {"os": "linux", "architecture": architecture}
    return [packed, raw, manifest], archives.descriptor(manifest, manifests.OCI_MANIFEST, platform=platform)


def test_an_oci_layout_of_several_platforms_gives_the_one_asked_for_and_keeps_its_manifest(run: Any) -> None:
    blobs_a, one = _layout_image(b"amd", "amd64")
    blobs_b, two = _layout_image(b"arm", "arm64")
    nested = json.dumps({"schemaVersion": 2, "mediaType": manifests.OCI_INDEX, "manifests": [one, two]}).encode()
    name = {"annotations": {"org.opencontainers.image.ref.name": "example.com:5000/multi:3"}}
    top = archives.descriptor(nested, manifests.OCI_INDEX, **name)
    archive = archives.layout([*blobs_a, *blobs_b, nested], {"schemaVersion": 2, "manifests": [top]})

    async def scenario(house: House) -> None:
        await house.load(archive, platform='{"os":"linux","architecture":"arm64"}')
        assert house.images.inspect("example.com:5000/multi:3")["Architecture"] == "arm64"
        with tarfile.open(fileobj=BytesIO(await house.save("example.com:5000/multi:3"))) as saved:
            kept = saved.extractfile(f"blobs/sha256/{two['digest'][7:]}")
            assert kept is not None and kept.read() == blobs_b[2]
        await house.load(archive, platform='{"os":"linux","architecture":"amd64"}')
        assert house.images.inspect("example.com:5000/multi:3")["Architecture"] == "amd64"
        assert len(house.images.summaries({"dangling": ["true"]})) == 1
        with pytest.raises(NotFound):
            await house.load(archive, platform="linux/riscv64")
        await house.images.prune({})
        await house.images.delete("example.com:5000/multi:3")
        assert house.files() == {}

    run(scenario)


def test_removing_follows_docker_rules(run: Any) -> None:
    layer = archives.tar({"a": b"1"})
    archive = archives.docker_archive(archives.config([layer]), [layer], ["one:1", "two:2"])

    async def scenario(house: House) -> None:
        await house.load(archive)
        image_id = house.images.inspect("one:1")["Id"]
        short = image_id[7:19]
        with pytest.raises(Conflict, match=r"must be forced\) - image is referenced in multiple repositories"):
            await house.images.delete(short)
        assert await house.images.delete("two:2") == [{"Untagged": "two:2"}]
        house.users[image_id] = [ContainerUse("c" * 64, running=False)]
        with pytest.raises(Conflict) as refused:
            await house.images.delete("one:1")
        assert refused.value.message == (
            'conflict: unable to remove repository reference "one:1" (must force) - container cccccccccccc is using its'
            f" referenced image {short}"
        )
        with pytest.raises(Conflict, match=r"must be forced\) - image is being used by stopped container c{12}"):
            await house.images.delete(short)
        house.users[image_id] = [ContainerUse("c" * 64, running=True)]
        with pytest.raises(Conflict, match=r"cannot be forced\) - image is being used by running container c{12}"):
            await house.images.delete(short, force=True)
        chain_id = house.images.resolve_for_create(short).chain_id
        house.users[image_id] = [ContainerUse("c" * 64, running=False)]
        deleted = await house.images.delete(short, force=True)
        assert deleted == [{"Untagged": "one:1"}, {"Deleted": image_id}]
        assert os.listdir(house.images.lowerdirs(chain_id)[0]) == ["a"]
        assert [action for action, _ in house.events] == ["load", "untag", "untag", "delete"]

    run(scenario)

    async def container_gone(house: House) -> None:
        assert len(house.store.layers.rows) == 1
        await ContainerRecords(house.database).delete("c" * 64)
        await house.images.prune({})
        assert house.files() == {}

    run(container_gone)


def test_loading_over_a_name_leaves_the_old_image_dangling(run: Any) -> None:
    old, new = archives.tar({"a": b"old"}), archives.tar({"a": b"new"})

    async def scenario(house: House) -> None:
        await house.load(archives.docker_archive(archives.config([old]), [old], ["app:1"]))
        old_id = house.images.inspect("app:1")["Id"]
        said = await house.load(archives.docker_archive(archives.config([new]), [new], ["app:1"]))
        assert said[0]["stream"] == (
            f"The image app:1 already exists, renaming the old one with ID {old_id} to empty string\n"
        )
        pruned = await house.images.prune({})
        assert pruned["ImagesDeleted"][0] == {"Deleted": old_id} and pruned["SpaceReclaimed"] > 0

    run(scenario)


def test_a_bad_change_or_name_is_refused_and_leaves_nothing(run: Any) -> None:
    async def scenario(house: House) -> None:
        with pytest.raises(InvalidParameter, match="RUN is not a valid change command"):
            await house.import_(archives.busybox(), changes=["RUN true"])
        with pytest.raises(InvalidParameter, match=r"repository name \(library/Foo\) must be lowercase"):
            await house.import_(archives.busybox(), "Foo")
        with pytest.raises(NotFound, match="No such image: nothing:latest"):
            house.images.save(["nothing"])
        assert house.files() == {}

    run(scenario)
