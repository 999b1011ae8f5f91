"""docker-py, the library that most Python programs speak to Docker with."""

from __future__ import annotations

import gc
import io
import socket
import tarfile
import threading
import warnings
from collections.abc import Iterator

import docker
import docker.errors
import pytest
from docker.models.containers import Container

from daemon_house import DaemonHouse, until

# The library leaves the sockets of exec and events to the garbage collector.
pytestmark = pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)


@pytest.fixture(scope="module", autouse=True)
def abandoned_sockets_are_collected() -> Iterator[None]:
    yield
    with warnings.catch_warnings(action="ignore", category=ResourceWarning):
        gc.collect()


@pytest.fixture
def client(house: DaemonHouse) -> Iterator[docker.DockerClient]:
    made = docker.DockerClient(base_url=house.host, version="auto", timeout=60)
    yield made
    made.close()


def test_the_system_answers(client: docker.DockerClient) -> None:
    assert client.ping()
    assert client.version()["ApiVersion"] == "1.51"
    assert client.info()["Driver"] == "overlay2"
    assert client.df()["Containers"] == []


def test_run_returns_output_and_raises_statuses(client: docker.DockerClient) -> None:
    assert client.containers.run("busybox", ["echo", "out"], remove=True) == b"out\n"
    with pytest.raises(docker.errors.ContainerError) as raised:
        client.containers.run("busybox", ["sh", "-c", "echo out; echo err >&2; exit 7"], remove=True)
    assert raised.value.exit_status == 7
    assert raised.value.stderr == b"err\n"
    assert client.containers.list(all=True) == []


def background(client: docker.DockerClient, **options: object) -> Container:
    return client.containers.run("busybox", ["sleep", "1000"], detach=True, **options)


def test_the_life_of_a_container(client: docker.DockerClient) -> None:
    container = background(client, name="py", labels={"a": "b"}, mem_limit="64m", environment={"X": "1"})
    assert container.status == "created"
    container.reload()
    assert container.status == "running"
    assert container.attrs["HostConfig"]["Memory"] == 64 << 20
    assert [found.id for found in client.containers.list(filters={"label": "a=b"})] == [container.id]
    container.pause()
    container.reload()
    assert container.status == "paused"
    container.unpause()
    container.rename("renamed")
    assert client.containers.get("renamed").id == container.id
    assert "sleep 1000" in str(container.top()["Processes"])
    container.restart(timeout=0)
    container.stop(timeout=0)
    assert container.wait()["StatusCode"] == 137
    container.start()
    container.kill("KILL")
    assert container.wait(timeout=10) == {"StatusCode": 137}
    container.remove()
    with pytest.raises(docker.errors.NotFound, match="No such container: renamed"):
        client.containers.get("renamed")


def test_logs_whole_and_streamed(client: docker.DockerClient) -> None:
    script = "echo one; echo two >&2; echo three"  # two pipes: their order in the log is not told
    container = client.containers.run("busybox", ["sh", "-c", script], detach=True)
    assert len(b"".join(container.logs(stream=True, follow=True)).splitlines()) == 3
    container.wait()
    assert container.logs(stdout=True, stderr=False) == b"one\nthree\n"
    assert container.logs(stdout=False, stderr=True) == b"two\n"
    assert container.logs(tail=3) == container.logs()
    assert len(container.logs(tail=1).splitlines()) == 1
    assert b"Z one\n" in container.logs(timestamps=True)


def test_exec_gives_code_output_and_streams(client: docker.DockerClient) -> None:
    container = background(client)
    assert container.exec_run(["sh", "-c", "echo hi; exit 3"]) == (3, b"hi\n")
    code, streams = container.exec_run(["sh", "-c", "echo out; echo err >&2"], demux=True)
    assert (code, streams) == (0, (b"out\n", b"err\n"))
    assert container.exec_run(["id", "-u"], user="nobody").output == b"65534\n"
    assert container.exec_run(["pwd"], workdir="/tmp", environment={"A": "1"}).output == b"/tmp\n"
    assert b"".join(container.exec_run(["echo", "streamed"], stream=True).output) == b"streamed\n"
    for _ in range(30):  # the code is there as soon as the stream has ended
        assert container.exec_run(["sh", "-c", "exit 9"]).exit_code == 9
    assert container.exec_run(["no-such-program"]).exit_code == 127


def test_exec_over_a_socket_takes_input(client: docker.DockerClient) -> None:
    container = background(client)
    api = client.api
    exec_id = api.exec_create(container.id, ["cat"], stdin=True, tty=True)["Id"]
    stream = api.exec_start(exec_id, socket=True, tty=True)
    stream._sock.sendall(b"hello\n")
    seen = b""
    while seen.count(b"hello") < 2:
        seen += stream._sock.recv(4096)
    api.exec_resize(exec_id, height=30, width=90)
    stream._sock.sendall(b"\x04")
    while stream._sock.recv(4096):
        pass
    stream.close()
    assert api.exec_inspect(exec_id)["ExitCode"] == 0


def test_attach_socket_with_half_close(client: docker.DockerClient) -> None:
    container = client.containers.create("busybox", ["sh", "-c", "cat; echo end"], stdin_open=True)
    stream = container.attach_socket(params={"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1})
    container.start()
    stream._sock.sendall(b"some input\n")
    stream._sock.shutdown(socket.SHUT_WR)
    frames = b""
    while chunk := stream._sock.recv(65536):
        frames += chunk
    stream.close()
    output = b""
    while frames:
        header, size = frames[:4], int.from_bytes(frames[4:8])
        assert header == b"\x01\0\0\0"
        output, frames = output + frames[8 : 8 + size], frames[8 + size :]
    assert output == b"some input\nend\n"
    assert container.wait()["StatusCode"] == 0


def test_attach_streams_output(client: docker.DockerClient) -> None:
    container = client.containers.create("busybox", ["sh", "-c", "echo one; echo two"])
    stream = container.attach(stream=True, logs=False)
    container.start()
    assert b"".join(stream) == b"one\ntwo\n"


def test_events_are_streamed(client: docker.DockerClient) -> None:
    events = client.events(decode=True, filters={"type": "container"})
    seen: list[str] = []

    def read() -> None:
        for event in events:
            seen.append(event["Action"])
            if event["Action"] == "destroy":
                return

    reader = threading.Thread(target=read)
    reader.start()
    container = client.containers.run("busybox", ["true"], detach=True)
    container.wait()
    container.remove()
    reader.join(20)
    events.close()
    wanted = ("start", "die", "destroy")
    assert tuple(action for action in seen if action in wanted) == wanted


def test_images(client: docker.DockerClient) -> None:
    image = client.images.get("busybox")
    assert image.tags == ["busybox:latest"]
    assert image.tag("other", "v1")
    assert sorted(client.images.get("other:v1").tags) == ["busybox:latest", "other:v1"]
    saved = b"".join(client.images.get("other:v1").save(named="other:v1"))
    client.images.remove("other:v1")
    with pytest.raises(docker.errors.ImageNotFound):
        client.images.get("other:v1")
    (loaded,) = client.images.load(saved)
    assert loaded.id == image.id
    assert "other:v1" in loaded.tags
    assert image.history()[0]["Id"] == image.id
    client.images.remove("other:v1")
    with pytest.raises(docker.errors.APIError) as raised:
        client.images.load(b"not a tar archive" * 100)
    assert raised.value.status_code in (400, 500)


def test_import_an_image(client: docker.DockerClient) -> None:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        entry = tarfile.TarInfo("file")
        entry.size = 3
        tar.addfile(entry, io.BytesIO(b"abc"))
    client.api.import_image_from_data(archive.getvalue(), repository="small", tag="1")
    assert client.images.get("small:1").attrs["RootFS"]["Type"] == "layers"
    client.images.remove("small:1")


def test_errors_have_dockers_kinds(client: docker.DockerClient) -> None:
    with pytest.raises(docker.errors.ImageNotFound, match="No such image: no-such-image:latest"):
        client.api.create_container("no-such-image", ["true"])
    container = background(client, name="taken")
    with pytest.raises(docker.errors.APIError) as conflict:
        background(client, name="taken")
    assert conflict.value.status_code == 409
    with pytest.raises(docker.errors.APIError) as running:
        container.remove()
    assert running.value.status_code == 409
    with pytest.raises(docker.errors.APIError) as missing:
        client.containers.run("busybox", ["no-such-program"])
    assert missing.value.status_code == 400
    assert "executable file not found in $PATH" in missing.value.explanation


def test_many_at_once(client: docker.DockerClient, house: DaemonHouse) -> None:
    results: list[bytes] = []

    def one(number: int) -> None:
        own = docker.DockerClient(base_url=house.host, timeout=60)
        results.append(own.containers.run("busybox", ["echo", str(number)], remove=True))
        own.close()

    threads = [threading.Thread(target=one, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(int(result) for result in results) == list(range(12))
    until(lambda: client.containers.list(all=True) == [])
