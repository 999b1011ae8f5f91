"""Flags and daemon.json become one Config: at start, and again on SIGHUP for what may change while running."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from typing import Any

from tiffin.daemon import flags
from tiffin.daemon.config import Config, ConfigError, check
from tiffin.daemon.options import BY_KEY, OPTIONS, PROXY_KEYS

_LIVE = tuple(option.field for option in OPTIONS if option.live)
_KEYS = {option.field: option.key for option in OPTIONS}
_MERGED = frozenset(("runtimes",))  # the two sources add up; elsewhere naming a thing twice is an error


def configure(arguments: Sequence[str]) -> Config:
    """The configuration that the command line and its file give. Raises ConfigError (and flags.HelpWanted, …)."""
    given = flags.parse(arguments)
    path = given.get("config_file", Config.__dataclass_fields__["config_file"].default)
    try:
        found = read_file(path, required="config_file" in given)
        merged = _merge(given, found)
    except ConfigError as error:
        raise ConfigError(f"unable to configure the daemon with file {path}: {error}") from None
    config = Config(**merged)
    check(config)
    return config


def reload(config: Config, arguments: Sequence[str]) -> tuple[Config, dict[str, Any]]:
    """(the configuration with what may change taken over, key → new value of what did change)."""
    fresh = configure(arguments)
    changed = {name: getattr(fresh, name) for name in _LIVE if getattr(fresh, name) != getattr(config, name)}
    return dataclasses.replace(config, **changed), {_KEYS[name]: value for name, value in changed.items()}


def read_file(path: str, *, required: bool) -> dict[str, Any]:
    """Config field → value of daemon.json; {} where there is no file."""
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except FileNotFoundError:
        if required:
            raise ConfigError(f"open {path}: no such file or directory") from None
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(str(error)) from None
    if not text.strip():
        return {}
    try:
        document = json.loads(text, object_pairs_hook=_without_duplicates)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"invalid JSON: {error}") from None
    if not isinstance(document, dict):
        raise ConfigError("invalid JSON: the file must hold an object")
    return _fields(document)


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        twice = sorted({key for key, _ in pairs if [name for name, _ in pairs].count(key) > 1})
        raise ValueError(f"keys given twice: {', '.join(twice)}")
    return document


def _fields(document: dict[str, Any]) -> dict[str, Any]:
    proxies = document.pop("proxies", None)
    unknown = [key for key in document if key not in BY_KEY or key in PROXY_KEYS]
    if isinstance(proxies, dict):
        unknown += [f"proxies.{key}" for key in proxies if key not in PROXY_KEYS]
        document = {**document, **proxies}
    elif proxies is not None:
        raise ConfigError("proxies: must be an object")
    if unknown:
        raise ConfigError(f"the following directives don't match any configuration option: {', '.join(unknown)}")
    values = {}
    for key, value in document.items():
        try:
            values[BY_KEY[key].field] = BY_KEY[key].kind.from_json(value)
        except ValueError as error:
            raise ConfigError(f"{key}: {error}") from None
    return values


def _merge(given: dict[str, Any], found: dict[str, Any]) -> dict[str, Any]:
    both = [name for name in found if name in given and name not in _MERGED]
    if both:
        shown = ", ".join(
            f"{_KEYS[name]}: (from flag: {_shown(given[name])}, from file: {_shown(found[name])})" for name in both
        )
        twice = "the following directives are specified both as a flag and in the configuration file"
        raise ConfigError(f"{twice}: {shown}")
    merged = {**found, **given}
    for name in _MERGED:
        if name in found and name in given:
            merged[name] = {**found[name], **given[name]}
    return merged


def _shown(value: Any) -> str:
    """A value as Go's %v prints it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return f"[{' '.join(map(str, value))}]"
    if isinstance(value, dict):
        return f"map[{' '.join(f'{key}:{item}' for key, item in value.items())}]"
    return str(value)
