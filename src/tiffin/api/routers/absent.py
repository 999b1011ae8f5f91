"""Endpoints of things that this engine does not have, answered as a Docker that has none of them.

Clients ask for them in passing (`docker info`, `docker stack ls`, `docker system prune`), and match on the words.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from tiffin.api.http.request import Request
from tiffin.api.http.response import Response, json_response
from tiffin.api.router import Route
from tiffin.errors import NotFound, NotImplementedHere, Unavailable

Handler = Callable[[Request], Awaitable[Response | None]]

_NOT_MANAGER = (
    'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" '
    "to connect this node to swarm and try again."
)
_NOT_MEMBER = "This node is not part of a swarm"
_NO_SWARM = "swarm mode is not supported by this engine"
_NO_PLUGINS = "plugins are not supported by this engine"
_NO_BUILD = "building images is not supported yet"
_EXPERIMENTAL = (
    "This experimental feature is disabled by default. "
    "Start the Docker daemon in experimental mode in order to enable it."
)

_MANAGER = """
GET /swarm             POST /swarm/update       GET /swarm/unlockkey      POST /swarm/unlock
GET /nodes             GET /nodes/{id}          DELETE /nodes/{id}        POST /nodes/{id}/update
GET /services          POST /services/create    GET /services/{id}        DELETE /services/{id}
POST /services/{id}/update                      GET /services/{id}/logs
GET /tasks             GET /tasks/{id}          GET /tasks/{id}/logs
GET /secrets           POST /secrets/create     GET /secrets/{id}         DELETE /secrets/{id}
POST /secrets/{id}/update
GET /configs           POST /configs/create     GET /configs/{id}         DELETE /configs/{id}
POST /configs/{id}/update
"""
_PLUGIN_BY_NAME = """
GET /plugins/{name:.*}/json      POST /plugins/{name:.*}/enable    POST /plugins/{name:.*}/disable
POST /plugins/{name:.*}/push     POST /plugins/{name:.*}/upgrade   POST /plugins/{name:.*}/set
DELETE /plugins/{name:.*}
"""
_CHECKPOINTS = """
GET /containers/{name}/checkpoints                       POST /containers/{name}/checkpoints
DELETE /containers/{name}/checkpoints/{checkpoint}
"""
_NOT_YET = {
    "committing containers": "POST /commit",
    "showing changes of a file system": "GET /containers/{name}/changes",
    "copying files": "HEAD /containers/{name}/archive GET /containers/{name}/archive PUT /containers/{name}/archive",
    "exporting containers": "GET /containers/{name}/export",
    "showing resource usage": "GET /containers/{name}/stats",
    "changing resources": "POST /containers/{name}/update",
    "managing volumes": """
        GET /volumes       POST /volumes/create     POST /volumes/prune
        GET /volumes/{name}     PUT /volumes/{name}      DELETE /volumes/{name}
    """,
}
"""Endpoints that come later: their users read what is missing, not that a page is."""


def routes() -> list[Route]:
    """The endpoints; no engine behind them."""
    return [
        *_table(_MANAGER, _raising(Unavailable, _NOT_MANAGER)),
        Route("POST", "/swarm/leave", _raising(Unavailable, _NOT_MEMBER)),
        *_table("POST /swarm/init POST /swarm/join", _raising(NotImplementedHere, _NO_SWARM)),
        Route("GET", "/plugins", _no_plugins),
        *_table("GET /plugins/privileges POST /plugins/pull POST /plugins/create", _no_plugin_system()),
        *_table(_PLUGIN_BY_NAME, _no_such_plugin),
        *_table(_CHECKPOINTS, _raising(NotImplementedHere, _EXPERIMENTAL)),
        *_table("POST /build POST /build/cancel", _raising(NotImplementedHere, _NO_BUILD)),
        Route("POST", "/build/prune", _empty_build_cache),
        *(route for what, lines in _NOT_YET.items() for route in _table(lines, _later(what))),
        *_table("POST /session POST /grpc", _raising(NotFound, "page not found")),
    ]


def _table(lines: str, handler: Handler) -> list[Route]:
    words = lines.split()
    return [Route(method, path, handler) for method, path in zip(words[::2], words[1::2], strict=True)]


def _later(what: str) -> Handler:
    return _raising(NotImplementedHere, f"{what} is not supported yet")


def _raising(kind: type[NotFound | NotImplementedHere | Unavailable], message: str) -> Handler:
    async def handler(request: Request) -> Response:
        raise kind(message)

    return handler


def _no_plugin_system() -> Handler:
    return _raising(NotImplementedHere, _NO_PLUGINS)


async def _no_plugins(request: Request) -> Response:
    return json_response([])


async def _empty_build_cache(request: Request) -> Response:
    return json_response({"CachesDeleted": None, "SpaceReclaimed": 0})


async def _no_such_plugin(request: Request) -> Response:
    raise NotFound(f'plugin "{request.vars["name"]}" not found')
