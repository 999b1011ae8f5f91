"""Images to and from registries: pull, push; and the pull that `run` does for an image that is not here."""

from __future__ import annotations

import binascii
import os
import sys

from tiffin.cli.command import Command, Context
from tiffin.cli.flags import Flag, Options
from tiffin.cli.image.ls import split_tag
from tiffin.cli.image.progress import show
from tiffin.cli.image.rm import path
from tiffin.errors import InvalidParameter
from tiffin.wire import jsontext

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TextIO

    from tiffin.client.client import Client

DEFAULT_REGISTRY_KEY = "https://index.docker.io/v1/"


def platform_json(text: str) -> str:
    """`os/arch/variant` as the API's JSON."""
    parts = text.split("/")
    if not 1 <= len(parts) <= 3 or not all(parts):
        raise InvalidParameter(f'invalid platform: "{text}": must be of the form os[/arch[/variant]]')
    names = ("architecture", "os", "variant")
    found = dict(zip(("os", "architecture", "variant"), parts, strict=False))
    return jsontext.encode({name: found[name] for name in names if name in found})


def reference(text: str) -> tuple[str, str]:
    """Repository, and tag or digest, of an image to pull. `latest` where neither is given."""
    name, at, digest = text.partition("@")
    if at:
        return split_tag(name)[0], digest
    repository, tag = split_tag(text)
    return repository, tag or "latest"


def full_name(text: str) -> str:
    """A repository with the registry that it implies: `busybox` → `docker.io/library/busybox`."""
    first, slash, _ = text.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        return text
    return f"docker.io/{text}" if slash else f"docker.io/library/{text}"


def auth_header(repository: str) -> list[tuple[str, str]]:
    """X-Registry-Auth from the client's configuration; none for a registry without credentials."""
    registry = full_name(repository).partition("/")[0]
    key = DEFAULT_REGISTRY_KEY if registry == "docker.io" else registry
    auth: dict[str, str] = {}
    entry = _configuration().get("auths", {}).get(key) or {}
    if entry.get("auth"):
        user, _, password = binascii.a2b_base64(entry["auth"]).decode().partition(":")
        auth = {"username": user, "password": password, "serveraddress": key}
    if entry.get("identitytoken"):
        auth = {"identitytoken": entry["identitytoken"], "serveraddress": key}
    if not auth:
        return []
    encoded = binascii.b2a_base64(jsontext.encode(auth).encode(), newline=False).decode()
    return [("X-Registry-Auth", encoded.replace("+", "-").replace("/", "_"))]


def _configuration() -> dict[str, Any]:
    home = os.environ.get("DOCKER_CONFIG") or os.path.join(os.environ.get("HOME", "/"), ".docker")
    try:
        with open(os.path.join(home, "config.json"), encoding="utf-8") as file:
            document = jsontext.decode(file.read())
    except (OSError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}


def pull(client: Client, name: str, platform: str, out: TextIO, quiet: bool) -> None:
    """Fetch one image, telling of it on `out`."""
    repository, tag = reference(name)
    query = [("fromImage", repository), ("tag", tag)]
    if platform:
        query.append(("platform", platform))
    reply = client.request("POST", "/images/create", query, None, auth_header(repository))
    show(reply.documents(), out, quiet)


def _pull(context: Context, options: Options, names: list[str]) -> int:
    name, quiet = names[0], options["quiet"]
    repository, tag = reference(name)
    if options["all-tags"]:
        if "@" in name or split_tag(name)[1]:
            raise InvalidParameter("tag can't be used with --all-tags/-a")
        query = [("fromImage", repository), ("tag", "")]
        reply = context.client.request("POST", "/images/create", query, None, auth_header(repository))
        show(reply.documents(), sys.stdout, quiet)
        return 0
    separator = "@" if "@" in name else ":"
    if not quiet and "@" not in name and not split_tag(name)[1]:
        print("Using default tag: latest", flush=True)
    pull(context.client, name, options["platform"], sys.stdout, quiet)
    print(f"{full_name(repository)}{separator}{tag}")
    return 0


def _push(context: Context, options: Options, names: list[str]) -> int:
    repository, tag = split_tag(names[0])
    query = [] if options["all-tags"] else [("tag", tag or "latest")]
    if options["platform"]:
        query.append(("platform", platform_json(options["platform"])))
    header = auth_header(repository) or [("X-Registry-Auth", "e30=")]
    print(f"The push refers to repository [{full_name(repository)}]")
    reply = context.client.request("POST", path(repository, "/push"), query, None, header)
    show(reply.documents(), sys.stdout, options["quiet"])
    return 0


TRUST = Flag("disable-content-trust", "", "bool", "Accepted for compatibility", True, hidden=True)
PULL = Command(
    _pull,
    "Download an image from a registry",
    "NAME[:TAG|@DIGEST]",
    (
        Flag("all-tags", "a", "bool", "Download every tag of the repository"),
        TRUST,
        Flag("platform", "", "string", "The variant to fetch (os/arch[/variant])"),
        Flag("quiet", "q", "bool", "Show no progress"),
    ),
    least=1,
    most=1,
    aliases=("image pull", "pull"),
)
PUSH = Command(
    _push,
    "Upload an image to a registry",
    "NAME[:TAG]",
    (
        Flag("all-tags", "a", "bool", "Upload every tag of the repository"),
        TRUST,
        Flag("platform", "", "string", "Upload only this variant (os/arch[/variant])"),
        Flag("quiet", "q", "bool", "Show no progress"),
    ),
    least=1,
    most=1,
    aliases=("image push", "push"),
)
