"""System endpoints and absent ones, over a real `System` and requests without sockets."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace
from typing import Any

import pytest

from tiffin.api.http.query import Query
from tiffin.api.router import Router
from tiffin.api.routers import absent, system
from tiffin.engine.events import Events
from tiffin.engine.system import Counts, Providers, Settings, System


class FakeRequest:
    """A request that gathers what is streamed."""

    answered = False

    def __init__(self, method: str, target: str) -> None:
        self.method = method
        self.path, _, query = target.partition("?")
        self.query = Query(query)
        self.vars: dict[str, str] = {}
        self.version = (0, 0)
        self.disconnected = asyncio.Event()
        self.closing = asyncio.Event()
        self.written: list[bytes] = []

    def stream(self) -> Any:
        request = self

        class Out:
            async def __aenter__(self) -> Any:
                return self

            async def __aexit__(self, *failure: object) -> None: ...

            async def write(self, data: bytes) -> None:
                request.written.append(data)

        return Out()


@pytest.fixture
def engine(tmp_path: Any) -> System:
    settings = Settings(
        version="9.9",
        data_root=str(tmp_path),
        registry_mirrors=["https://mirror.example/"],
        insecure_registries=["10.0.0.0/8", "reg.example:5000"],
        address_pools=[("10.10.0.0/16", 24)],
        http_proxy="http://me:secret@proxy.example:8080",
        insecure_listeners=[("0.0.0.0:2375", False)],
    )
    providers = Providers(counts=lambda: Counts(running=1, paused=2, stopped=3, images=4))
    features = {"memory": True, "pids": True}
    return System(settings, SimpleNamespace(version="hybrid"), features, True, Events(), providers)


def ask(engine: System, method: str, target: str) -> Any:
    async def run() -> Any:
        router = Router(system.routes(engine))
        router.include(absent.routes())
        request: Any = FakeRequest(method, target)
        return await router(request)

    return asyncio.run(run())


def test_ping_has_dockers_headers(engine: System) -> None:
    get, head = ask(engine, "GET", "/_ping"), ask(engine, "HEAD", "/v1.30/_ping")
    assert (get.body, head.body) == (b"OK", b"")
    assert get.content_type == "text/plain; charset=utf-8"
    assert get.headers["Swarm"] == "inactive" and get.headers["Builder-Version"] == "1"


def test_version_has_the_fields_that_clients_read(engine: System) -> None:
    document = json.loads(ask(engine, "GET", "/version").body)
    assert (document["Version"], document["ApiVersion"], document["MinAPIVersion"]) == ("9.9", "1.51", "1.24")
    assert document["Components"][0]["Name"] == "Engine"
    assert all(isinstance(value, str) for value in document["Components"][0]["Details"].values())


def test_info_counts_and_tells_the_truth_about_limits(engine: System) -> None:
    document = json.loads(ask(engine, "GET", "/info").body)
    assert (document["Containers"], document["ContainersRunning"], document["Images"]) == (6, 1, 4)
    assert document["MemoryLimit"] is True and document["CPUSet"] is False
    assert "WARNING: No cpuset support" in document["Warnings"]
    assert any("http://0.0.0.0:2375 without encryption" in warning for warning in document["Warnings"])
    assert document["HttpProxy"] == "http://xxxxx:xxxxx@proxy.example:8080"
    assert document["RegistryConfig"]["InsecureRegistryCIDRs"] == ["::1/128", "127.0.0.0/8", "10.0.0.0/8"]
    assert document["NCPU"] >= 1 and document["MemTotal"] > 1 << 20
    assert document["SecurityOptions"] == ["name=apparmor", "name=seccomp,profile=builtin"]


@pytest.mark.parametrize(
    ("version", "present", "absent_fields"),
    [
        ("1.51", {"FirewallBackend"}, {"BridgeNfIptables"}),
        ("1.49", {"FirewallBackend", "BridgeNfIptables"}, set()),
        ("1.48", {"BridgeNfIptables"}, {"FirewallBackend"}),
    ],
)
def test_info_has_the_shape_of_the_version_asked_for(
    engine: System, version: str, present: set[str], absent_fields: set[str]
) -> None:
    document = json.loads(ask(engine, "GET", f"/v{version}/info").body)
    assert present <= set(document)
    assert not absent_fields & set(document)


def test_the_engines_id_stays(engine: System, tmp_path: Any) -> None:
    again = System(
        engine.settings, SimpleNamespace(version="v2"), {}, False, Events(), Providers(counts=lambda: Counts())
    )
    assert again.id == engine.id


def test_disk_usage_refuses_unknown_kinds(engine: System) -> None:
    answer = ask(engine, "GET", "/system/df?type=container&type=spoon")
    assert (answer.status, json.loads(answer.body)["message"]) == (400, "unknown object type: spoon")


def test_events_replay_then_follow_until_the_client_goes() -> None:
    async def run() -> list[Any]:
        events = Events(clock=iter(range(10**18, 2 * 10**18, 10**9)).__next__)
        backend: Any = SimpleNamespace(events=lambda filters, since, until: events.subscribe(filters, since, until))
        events.publish("container", "create", "c1", {"image": "busybox"})
        events.publish("image", "create", "i1", {})
        router = Router(system.routes(backend))
        request: Any = FakeRequest("GET", "/v1.45/events?since=1")
        serving = asyncio.create_task(router(request))
        while len(request.written) < 1:
            await asyncio.sleep(0)
        events.publish("container", "start", "c1", {})
        while len(request.written) < 2:
            await asyncio.sleep(0)
        request.disconnected.set()
        assert await serving is None
        return [json.loads(line) for line in request.written]

    lines = asyncio.run(run())
    assert [(line["Type"], line["Action"]) for line in lines] == [("container", "create"), ("container", "start")]


def test_events_refuse_bounds_the_wrong_way_round(engine: System) -> None:
    answer = ask(engine, "GET", "/events?since=20&until=10")
    assert json.loads(answer.body)["message"] == "`since` time (20) cannot be after `until` time (10)"


@pytest.mark.parametrize(
    ("method", "path", "status", "words"),
    [
        ("GET", "/swarm", 503, "This node is not a swarm manager. Use"),
        ("GET", "/nodes", 503, "This node is not a swarm manager."),
        ("POST", "/services/create", 503, "This node is not a swarm manager."),
        ("POST", "/swarm/leave", 503, "This node is not part of a swarm"),
        ("POST", "/swarm/init", 501, "swarm mode is not supported"),
        ("GET", "/plugins/a/b:c/json", 404, 'plugin "a/b:c" not found'),
        ("POST", "/plugins/pull", 501, "plugins are not supported"),
        ("GET", "/containers/x/checkpoints", 501, "This experimental feature is disabled by default."),
        ("POST", "/session", 404, "page not found"),
        ("POST", "/commit", 501, "committing containers is not supported yet"),
        ("GET", "/containers/x/changes", 501, "showing changes"),
        ("GET", "/v1.40/volumes", 501, "managing volumes is not supported yet"),
        ("POST", "/build", 501, "building images"),
    ],
)
def test_what_is_absent_answers_in_dockers_words(
    engine: System, method: str, path: str, status: int, words: str
) -> None:
    answer = ask(engine, method, path)
    assert answer.status == status
    assert json.loads(answer.body)["message"].startswith(words)


def test_there_is_nothing_to_prune_where_nothing_is_built(engine: System) -> None:
    answer = ask(engine, "POST", "/v1.40/build/prune")
    assert answer.status == 200
    assert json.loads(answer.body) == {"CachesDeleted": None, "SpaceReclaimed": 0}


def test_there_are_no_plugins(engine: System) -> None:
    assert ask(engine, "GET", "/v1.30/plugins").body == b"[]\n"

