"""What cannot be done is refused with Docker's status code and words, and leaves nothing behind."""

from __future__ import annotations

import io
import json
import os
import socket
import tarfile
from collections.abc import Callable, Iterator

import pytest

from daemon_house import DaemonHouse, until

CREATE = "/containers/create"


def traces(house: DaemonHouse) -> dict[str, list[str]]:
    """What a request that failed could have left."""
    root = house.data_root
    return {
        "containers": house.api("GET", "/containers/json?all=1")[1],
        "images": sorted(image["Id"] for image in house.api("GET", "/images/json?all=1")[1]),
        "directories": os.listdir(f"{root}/containers"),
        "temporary": os.listdir(f"{root}/tmp"),
        "layers": sorted(os.listdir(f"{root}/layers")),
        "run": sorted(name for name in os.listdir(house.exec_root) if len(name) == 64),
    }


@pytest.fixture
def nothing_is_left(house: DaemonHouse) -> Iterator[DaemonHouse]:
    before = traces(house)
    yield house
    assert traces(house) == before


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "words"),
    [
        ("POST", CREATE, {"Image": "no-such-image"}, 404, "No such image: no-such-image:latest"),
        ("POST", CREATE, {"Image": "BAD//name"}, 400, "invalid reference format"),
        ("POST", CREATE, {"Image": ""}, 400, ""),
        ("POST", CREATE, b'{"Image": "busybox", ', 400, ""),
        ("POST", CREATE, b"", 400, ""),
        ("POST", CREATE, b"null", 400, ""),
        ("POST", CREATE, b"[1, 2]", 400, ""),
        ("POST", CREATE, {"Image": "busybox", "Cmd": 7}, 400, ""),
        ("POST", CREATE, {"Image": "busybox", "HostConfig": {"Memory": "lots"}}, 400, ""),
        ("POST", CREATE, {"Image": "busybox", "HostConfig": {"Memory": 1}}, 400, "Minimum memory limit allowed is 6MB"),
        ("POST", CREATE, b'{"Image": "busybox"}{"Image": "busybox"}', 400, ""),
        ("POST", f"{CREATE}?name=a%20b", {"Image": "busybox"}, 400, "Invalid container name (a b)"),
        ("POST", f"{CREATE}?name=..%2F..%2Fetc", {"Image": "busybox"}, 400, "Invalid container name"),
        ("GET", "/containers/nothing/json", None, 404, "No such container: nothing"),
        ("POST", "/containers/nothing/start", None, 404, "No such container: nothing"),
        ("DELETE", "/containers/nothing", None, 404, "No such container: nothing"),
        ("GET", "/containers/json?filters=%7B", None, 400, ""),
        ("GET", "/containers/json?filters=%7B%22nonsense%22:%5B%22x%22%5D%7D", None, 400, "invalid filter 'nonsense'"),
        ("GET", "/images/nothing/json", None, 404, "No such image: nothing:latest"),
        ("DELETE", "/images/nothing", None, 404, "No such image: nothing:latest"),
        ("GET", "/v9.99/info", None, 400, "client version 9.99 is too new. Maximum supported API version is 1.51"),
        ("GET", "/v1.10/info", None, 400, "client version 1.10 is too old. Minimum supported API version is 1.24"),
        ("GET", "/no/such/page", None, 404, "page not found"),
        ("POST", "/exec/nothing/start", {}, 404, "No such exec instance: nothing"),
        ("GET", "/swarm", None, 503, "This node is not a swarm manager"),
    ],
)
def test_requests_that_make_no_sense(
    nothing_is_left: DaemonHouse, method: str, path: str, body: object, status: int, words: str
) -> None:
    got, answer = nothing_is_left.api(method, path, body)
    assert got == status, answer
    assert list(answer) == ["message"]
    assert answer["message"] and words in answer["message"]


def test_a_body_that_is_no_json_by_its_header(nothing_is_left: DaemonHouse) -> None:
    status, answer = nothing_is_left.api("POST", CREATE, b'{"Image": "busybox"}', kind="text/plain")
    assert status in (400, 415)
    assert "message" in answer


@pytest.mark.parametrize("raw", [b"nonsense\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\0" * 4096, b"a" * 200_000])
def test_what_is_no_http(nothing_is_left: DaemonHouse, raw: bytes) -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(10)
        sock.connect(nothing_is_left.socket_path)
        try:
            sock.sendall(raw)
            sock.shutdown(socket.SHUT_WR)
            answer = sock.recv(65536)
        except (BrokenPipeError, ConnectionResetError):
            answer = b""
    assert answer == b"" or answer.startswith(b"HTTP/1.1 4")
    assert nothing_is_left.api("GET", "/_ping")[0] == 200


@pytest.mark.parametrize(
    ("command", "status", "words"),
    [
        (["no-such-program"], 400, 'exec: "no-such-program": executable file not found in $PATH'),
        (["/no/such/program"], 400, "no such file or directory"),
        (["/etc"], 400, "is a directory"),
        (["/etc/passwd"], 400, "permission denied"),
    ],
)
def test_programs_that_cannot_be_started(house: DaemonHouse, command: list[str], status: int, words: str) -> None:
    _, made = house.api("POST", CREATE, {"Image": "busybox", "Cmd": command})
    got, answer = house.api("POST", f"/containers/{made['Id']}/start")
    assert got == status, answer
    assert words in answer["message"]
    state = house.state(made["Id"])
    assert (state["Status"], state["Running"], state["Pid"]) == ("created", False, 0)
    assert state["ExitCode"] in (126, 127)
    assert words in state["Error"]
    assert not any(made["Id"] in path for path in house.cgroups())
    assert made["Id"] not in os.listdir(house.exec_root)
    assert not house.pids("tiffin-shim")
    until(lambda: os.listdir(f"/sys/class/net/{house.bridge}/brif") == [], what="no link is left")


def archive(fill: Callable[[tarfile.TarFile], None]) -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        fill(tar)
    return raw.getvalue()


def entry(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname = kind, target
    return made


OUTSIDE = "/var/tmp/escaped-from-an-image"


def climbing(tar: tarfile.TarFile) -> None:
    tar.addfile(entry("../../../../../../../../../../../.." + OUTSIDE))


def through_a_link(tar: tarfile.TarFile) -> None:
    tar.addfile(entry("link", tarfile.SYMTYPE, "/var/tmp"))
    tar.addfile(entry("link/escaped-from-an-image"))


def hard_link_outside(tar: tarfile.TarFile) -> None:
    tar.addfile(entry("stolen", tarfile.LNKTYPE, "../../../../../../../../../../etc/shadow"))


@pytest.mark.parametrize("fill", [climbing, through_a_link, hard_link_outside])
def test_a_hostile_root_file_system_stays_inside(house: DaemonHouse, fill: Callable[[tarfile.TarFile], None]) -> None:
    house.api("POST", "/images/create?fromSrc=-&repo=hostile&tag=1", archive(fill), kind="application/x-tar")
    assert not os.path.exists(OUTSIDE)
    found, image = house.api("GET", "/images/hostile:1/json")
    if found == 200:  # what Docker does: the path is taken as one inside of the image
        for directory, _, names in os.walk(f"{house.data_root}/layers"):
            for name in names:
                assert os.lstat(f"{directory}/{name}").st_ino != os.stat("/etc/shadow").st_ino
        house.api("DELETE", f"/images/{image['Id']}")


@pytest.mark.parametrize("raw", [b"no archive at all" * 100, b"\x1f\x8b\x08\0broken gzip", b"", b"\0" * 100])
def test_a_broken_archive_is_no_image(nothing_is_left: DaemonHouse, raw: bytes) -> None:
    for path in ("/images/load?quiet=1", "/images/create?fromSrc=-&repo=broken&tag=1"):
        status, answer = nothing_is_left.api("POST", path, raw, kind="application/x-tar")
        text = json.dumps(answer) if not isinstance(answer, bytes) else answer.decode()
        if path.startswith("/images/load") or raw[:1] not in (b"", b"\0"):  # an empty archive is an empty image
            assert status >= 400 or "error" in text, (path, status, answer)
    found, image = nothing_is_left.api("GET", "/images/broken:1/json")
    if found == 200:
        nothing_is_left.api("DELETE", f"/images/{image['Id']}")


def test_a_truncated_archive_is_no_image(nothing_is_left: DaemonHouse, busybox_archive: str) -> None:
    with open(busybox_archive, "rb") as file:
        half = file.read()[:1_000_000]
    status, answer = nothing_is_left.api("POST", "/images/create?fromSrc=-&repo=half&tag=1", half)
    assert status >= 400 or b"error" in (answer if isinstance(answer, bytes) else json.dumps(answer).encode())
    assert nothing_is_left.api("GET", "/images/half:1/json")[0] == 404


def test_a_loaded_image_must_be_what_its_digests_say(nothing_is_left: DaemonHouse) -> None:
    layer = archive(lambda tar: tar.addfile(entry("file")))
    rootfs = {"type": "layers", "diff_ids": ["sha256:" + "0" * 64]}
    config = json.dumps({"architecture": "amd64", "os": "linux", "rootfs": rootfs})
    manifest = json.dumps([{"Config": "config.json", "RepoTags": ["forged:1"], "Layers": ["layer.tar"]}])

    def fill(tar: tarfile.TarFile) -> None:
        files = {"config.json": config.encode(), "manifest.json": manifest.encode(), "layer.tar": layer}
        for name, data in files.items():
            made = entry(name)
            made.size = len(data)
            tar.addfile(made, io.BytesIO(data))

    done = nothing_is_left.docker("load", input=archive(fill))
    assert done.returncode == 1
    assert "sha256:" in done.stderr or "digest" in done.stderr or "diff" in done.stderr.lower()
    assert nothing_is_left.api("GET", "/images/forged:1/json")[0] == 404
