"""Names of images: `[domain/]path[:tag][@digest]`, normalised as Docker does.

`docker.io/library/` is implied and left out of what people see (the familiar form). Error messages are Docker's:
clients and people know them. No I/O, no knowledge of what exists.
"""

from __future__ import annotations

import re

from tiffin.spec import digest as digests

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

DEFAULT_DOMAIN: Final = "docker.io"
LEGACY_DEFAULT_DOMAIN: Final = "index.docker.io"
OFFICIAL_PREFIX: Final = "library/"
DEFAULT_TAG: Final = "latest"
NAME_LIMIT: Final = 255

_DOMAIN_COMPONENT = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_DOMAIN = rf"(?:{_DOMAIN_COMPONENT}(?:\.{_DOMAIN_COMPONENT})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?"
_PATH_COMPONENT = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_PATH = rf"{_PATH_COMPONENT}(?:/{_PATH_COMPONENT})*"
_TAG = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"
_DIGEST = r"[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}"

_REFERENCE: Final = re.compile(rf"(?:({_DOMAIN})/)?({_PATH})(?::({_TAG}))?(?:@({_DIGEST}))?", re.ASCII)
_TAG_ONLY: Final = re.compile(_TAG, re.ASCII)
_IDENTIFIER: Final = re.compile(r"[a-f0-9]{64}", re.ASCII)
_ID_PREFIX: Final = re.compile(r"(?:sha256:)?[a-f0-9]{1,64}", re.ASCII)


class BadReference(ValueError):
    """The text is not a reference; the message is Docker's."""


class Reference:
    """A normalised, immutable reference. `domain` and `path` are always there; `tag` and `digest` may be None."""

    __slots__ = ("digest", "domain", "path", "tag")

    domain: str
    path: str
    tag: str | None
    digest: str | None

    def __init__(self, domain: str, path: str, tag: str | None = None, digest: str | None = None) -> None:
        object.__setattr__(self, "domain", domain)
        object.__setattr__(self, "path", path)
        object.__setattr__(self, "tag", tag)
        object.__setattr__(self, "digest", digest)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("a Reference is immutable")

    def _key(self) -> tuple[str, str, str | None, str | None]:
        return (self.domain, self.path, self.tag, self.digest)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Reference) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def __repr__(self) -> str:
        return f"Reference({str(self)!r})"

    def __str__(self) -> str:
        """The canonical form: `docker.io/library/busybox:latest`."""
        return self.name + self._suffix()

    def _suffix(self) -> str:
        return (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")

    @property
    def name(self) -> str:
        """Domain and path: what Docker calls the repository's name."""
        return f"{self.domain}/{self.path}"

    @property
    def familiar_name(self) -> str:
        """The repository as people write it: `busybox`, `me/app`, `localhost:5000/app`."""
        if self.domain != DEFAULT_DOMAIN:
            return self.name
        path = self.path.removeprefix(OFFICIAL_PREFIX)
        if "/" not in path:
            return path
        # A first part that looks like a host must keep the host in front of it (Docker drops it, and gets it wrong).
        return self.path if _split_domain(self.path)[0] == DEFAULT_DOMAIN else self.name

    @property
    def familiar(self) -> str:
        """The reference as people write it."""
        return self.familiar_name + self._suffix()

    def with_default_tag(self) -> Reference:
        """The same with `:latest` when it has neither tag nor digest."""
        if self.tag is None and self.digest is None:
            return Reference(self.domain, self.path, DEFAULT_TAG)
        return self

    def with_tag(self, tag: str) -> Reference:
        """The same repository with this tag (checked)."""
        return Reference(self.domain, self.path, check_tag(tag))

    def with_digest(self, digest: str) -> Reference:
        """The same repository and tag with this digest (checked)."""
        return Reference(self.domain, self.path, self.tag, digests.parse(digest))


def parse(text: str) -> Reference:
    """Parse and normalise a name. Raises BadReference in Docker's words."""
    if _IDENTIFIER.fullmatch(text):
        raise BadReference(f"invalid repository name ({text}), cannot specify 64-byte hexadecimal strings")
    domain, remainder = _split_domain(text)
    remote = remainder.partition("@")[0].partition(":")[0]
    if remote != remote.lower():
        raise BadReference(f"invalid reference format: repository name ({remote}) must be lowercase")
    match = _REFERENCE.fullmatch(f"{domain}/{remainder}")
    if match is None or match[1] is None:
        raise BadReference("invalid reference format")
    if len(match[1]) + 1 + len(match[2]) > NAME_LIMIT:
        raise BadReference(f"repository name must not be more than {NAME_LIMIT} characters")
    if match[4] is not None:
        try:
            digests.parse(match[4])
        except digests.DigestError as error:
            raise BadReference(str(error)) from None
    return Reference(match[1], match[2], match[3], match[4])


def _split_domain(text: str) -> tuple[str, str]:
    """Split off the registry. A first part without dot, colon or upper case is a path, not a host, save `localhost`."""
    head, slash, tail = text.partition("/")
    if not slash or not (set(head) & {".", ":"} or head == "localhost" or head != head.lower()):
        domain, remainder = DEFAULT_DOMAIN, text
    else:
        domain, remainder = head, tail
    if domain == LEGACY_DEFAULT_DOMAIN:
        domain = DEFAULT_DOMAIN
    if domain == DEFAULT_DOMAIN and "/" not in remainder:
        remainder = OFFICIAL_PREFIX + remainder
    return domain, remainder


def check_tag(tag: str) -> str:
    """Return `tag` when it is one."""
    if _TAG_ONLY.fullmatch(tag) is None:
        raise BadReference("invalid tag format")
    return tag


def full_id(text: str) -> str | None:
    """`sha256:<64 hex>` when `text` is a whole image id, with or without its algorithm; else None."""
    if _IDENTIFIER.fullmatch(text):
        return "sha256:" + text
    return text if digests.is_sha256(text) else None


def id_prefix(text: str) -> str | None:
    """The hexadecimal characters when `text` may be the beginning of an image id; else None."""
    return text.removeprefix("sha256:") if _ID_PREFIX.fullmatch(text) else None
