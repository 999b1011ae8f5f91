"""The table of endpoints, and the way from a request to its handler's answer.

A pattern is a path with names in braces: `{id}` is one segment, `{name:.*}` any number of them (an image's name). As
with dockerd, a known path with another method is 404 "page not found".
"""

from __future__ import annotations

import errno
import logging
import os
import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

from tiffin.api import versions
from tiffin.api.http.head import BadRequest
from tiffin.api.http.request import Request
from tiffin.api.http.response import Response, json_response
from tiffin.api.http.stream import ClientGone
from tiffin.api.status import status_of
from tiffin.errors import NotFound, SystemFailure, TiffinError

log = logging.getLogger("tiffin.api")
_ANY = "{"  # patterns that begin with a variable; no path's first segment is this
# What the machine has no more of is no bug: it is said in the words of the kernel, and without a stack.
_EXHAUSTED = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EMFILE, errno.ENFILE)
Handler = Callable[[Request], Awaitable[Response | None]]


@dataclass(frozen=True, slots=True)
class Route:
    """One endpoint; `since` and `until` are the API versions that have it."""

    method: str
    path: str
    handler: Handler
    since: versions.Version = versions.OLDEST
    until: versions.Version = versions.NEWEST


def standard_headers(server: str) -> dict[str, str]:
    """The headers that every answer of a Docker API carries; `server` like "tiffin/1.0 (linux)"."""
    return {
        "Api-Version": versions.text(versions.NEWEST),
        "Docker-Experimental": "false",
        "Ostype": "linux",
        "Server": server,
    }


class Router:
    """Finds a request's route and turns errors into Docker's answers. The `handler` of an HttpServer."""

    def __init__(self, routes: Iterable[Route] = ()) -> None:
        self.routes: list[Route] = []
        self._exact: dict[tuple[str, str], Route] = {}
        self._patterns: dict[tuple[str, str], list[tuple[re.Pattern[str], Route]]] = {}
        for route in routes:
            self._insert(route)

    def add(
        self,
        method: str,
        path: str,
        handler: Handler,
        since: versions.Version = versions.OLDEST,
        until: versions.Version = versions.NEWEST,
    ) -> None:
        self._insert(Route(method, path, handler, since, until))

    def include(self, routes: Iterable[Route]) -> None:
        for route in routes:
            self._insert(route)

    def _insert(self, route: Route) -> None:
        self.routes.append(route)
        if "{" not in route.path:
            self._exact[route.method, route.path] = route
            return
        pattern = re.compile(_regex(route.path))
        first = _first(route.path)
        key = (route.method, _ANY if first.startswith("{") else first)
        self._patterns.setdefault(key, []).append((pattern, route))

    async def __call__(self, request: Request) -> Response | None:
        """Answer `request`. An error after the answer began is raised: the connection has to be cut."""
        try:
            return await self._resolve(request)(request)
        except TiffinError as error:
            if status_of(error) >= 500:
                log.warning("%s %s: %s", request.method, request.path, error.message)
            else:
                log.debug("%s %s: %s", request.method, request.path, error.message)
            return self._failure(request, status_of(error), error)
        except (ClientGone, BadRequest):
            raise
        except OSError as error:
            if error.errno not in _EXHAUSTED:
                log.exception("%s %s failed", request.method, request.path)
                return self._failure(request, 500, error)
            full = SystemFailure(f"{error.filename or 'write'}: {os.strerror(error.errno).lower()}")
            log.error("%s %s: %s", request.method, request.path, full.message)
            return self._failure(request, 500, full)
        except Exception as error:
            log.exception("%s %s failed", request.method, request.path)
            return self._failure(request, 500, error)

    def _resolve(self, request: Request) -> Handler:
        version, path = versions.split(request.path)
        request.version = versions.NEWEST if version is None else version
        request.path = path
        if log.isEnabledFor(logging.DEBUG):
            log.debug("Calling %s %s", request.method, path)
        route = self._exact.get((request.method, path))
        if route is None:
            route = self._match(request, path)
        if route is None or not route.since <= request.version <= route.until:
            raise NotFound("page not found")
        return route.handler

    def _match(self, request: Request, path: str) -> Route | None:
        for first in (_first(path), _ANY):
            for pattern, route in self._patterns.get((request.method, first), ()):
                if found := pattern.fullmatch(path):
                    request.vars = found.groupdict()
                    return route
        return None

    def _failure(self, request: Request, status: int, error: Exception) -> Response | None:
        if request.answered:
            raise ClientGone from error
        if status == 304:
            return Response(304)
        message = getattr(error, "message", None) or f"{type(error).__name__}: {error}"
        return json_response({"message": message}, status)


def _first(path: str) -> str:
    return path[1:].partition("/")[0]


def _regex(path: str) -> str:
    parts = re.split(r"\{(\w+)(:\.\*)?\}", path)
    text = re.escape(parts[0])
    for index in range(1, len(parts), 3):
        name, greedy, literal = parts[index], parts[index + 1], parts[index + 2]
        text += f"(?P<{name}>{'.*' if greedy else '[^/]+'})" + re.escape(literal)
    return text
