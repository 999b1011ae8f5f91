"""`--change`: Dockerfile instructions applied to an image's `config` object (import, commit).

Only the instructions that change a configuration. Words are split as the Dockerfile reference says: quotes, backslash,
and $VARIABLES from the configuration's own environment. Not a Dockerfile parser: one instruction, one line.
"""

from __future__ import annotations

import json
import posixpath
import re
import shlex
from collections.abc import Callable, Sequence
from typing import Any

from tiffin.errors import InvalidParameter

Config = dict[str, Any]
_VARIABLE = re.compile(r"\\\$|\$(?:([A-Za-z_][A-Za-z0-9_]*)|\{([A-Za-z_][A-Za-z0-9_]*)(?::([-+])([^}]*))?\})")
_PORT = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?(?:/(tcp|udp|sctp))?", re.IGNORECASE | re.ASCII)
_DURATION_UNITS = {"ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)(ns|us|ms|s|m|h)")


def apply(config: Config, changes: Sequence[str]) -> Config:
    """A new configuration with the instructions applied. Raises InvalidParameter naming the bad one."""
    config = dict(config)
    for line in changes:
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        name, _, rest = text.partition(" ")
        handler = _INSTRUCTIONS.get(name.upper())
        if handler is None:
            raise InvalidParameter(f"{name.upper()} is not a valid change command")
        rest = rest.strip()
        if not rest:
            raise InvalidParameter(f"{name.upper()} requires at least one argument")
        handler(config, rest)
    return config


def _expand(config: Config, text: str) -> str:
    environment: dict[str, str] = dict(entry.partition("=")[::2] for entry in config.get("Env") or [])

    def value(match: re.Match[str]) -> str:
        if match[0] == "\\$":
            return "$"
        found = environment.get(match[1] or match[2], "")
        if match[3] == "-":
            return found or match[4]
        if match[3] == "+":
            return match[4] if found else ""
        return found

    return _VARIABLE.sub(value, text)


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        raise InvalidParameter(f"failed to process {text!r}: {error}") from None


def _json_words(text: str) -> list[str] | None:
    """The exec form: a JSON array of strings, else None."""
    if not text.startswith("["):
        return None
    try:
        words = json.loads(text)
    except ValueError:
        return None
    return words if isinstance(words, list) and all(isinstance(word, str) for word in words) else None


def _command(config: Config, text: str) -> list[str]:
    words = _json_words(text)
    return words if words is not None else [*(config.get("Shell") or ["/bin/sh", "-c"]), text]


def _cmd(config: Config, text: str) -> None:
    config["Cmd"] = _command(config, text)


def _entrypoint(config: Config, text: str) -> None:
    config["Entrypoint"] = _command(config, text)


def _pairs(instruction: str, config: Config, text: str) -> list[tuple[str, str]]:
    """`k=v k2="v 2"`, or the old form `k the rest`."""
    if "=" not in text.split(None, 1)[0]:
        name, _, value = text.partition(" ")
        if not value:
            raise InvalidParameter(f"{instruction} must have two arguments")
        return [(name, _expand(config, value.strip()))]
    pairs = []
    for word in _words(_expand(config, text)):
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise InvalidParameter(f"Syntax error - can't find = in {word!r}. Must be of the form: name=value")
        pairs.append((name, value))
    return pairs


def _env(config: Config, text: str) -> None:
    environment = list(config.get("Env") or [])
    for name, value in _pairs("ENV", config, text):
        entry = f"{name}={value}"
        for position, old in enumerate(environment):
            if old.partition("=")[0] == name:
                environment[position] = entry
                break
        else:
            environment.append(entry)
    config["Env"] = environment


def _label(config: Config, text: str) -> None:
    config["Labels"] = {**(config.get("Labels") or {}), **dict(_pairs("LABEL", config, text))}


def _expose(config: Config, text: str) -> None:
    ports = dict(config.get("ExposedPorts") or {})
    for word in _words(_expand(config, text)):
        match = _PORT.fullmatch(word)
        if match is None or not 0 < int(match[1]) <= int(match[2] or match[1]) <= 65535:
            raise InvalidParameter(f"invalid containerPort: {word}")
        for port in range(int(match[1]), int(match[2] or match[1]) + 1):
            ports[f"{port}/{(match[3] or 'tcp').lower()}"] = {}
    config["ExposedPorts"] = ports


def _user(config: Config, text: str) -> None:
    config["User"] = _expand(config, text)


def _volume(config: Config, text: str) -> None:
    words = _json_words(text)
    volumes = dict(config.get("Volumes") or {})
    for word in words if words is not None else _words(_expand(config, text)):
        if not word.strip():
            raise InvalidParameter("VOLUME specified can not be an empty string")
        volumes[word.strip()] = {}
    config["Volumes"] = volumes


def _workdir(config: Config, text: str) -> None:
    path = posixpath.join("/", config.get("WorkingDir") or "", _expand(config, text))
    config["WorkingDir"] = posixpath.normpath(path).replace("//", "/")


def _stopsignal(config: Config, text: str) -> None:
    signal = _expand(config, text)
    if not re.fullmatch(r"(?:SIG)?[A-Z0-9+-]+|\d+", signal):
        raise InvalidParameter(f"Invalid signal: {signal}")
    config["StopSignal"] = signal


def _onbuild(config: Config, text: str) -> None:
    trigger = text.split(None, 1)[0].upper()
    if trigger in ("ONBUILD", "MAINTAINER", "FROM"):
        raise InvalidParameter(
            "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed"
            if trigger == "ONBUILD"
            else f"{trigger} isn't allowed as an ONBUILD trigger"
        )
    config["OnBuild"] = [*(config.get("OnBuild") or []), text]


def _shell(config: Config, text: str) -> None:
    words = _json_words(text)
    if not words:
        raise InvalidParameter("SHELL requires the arguments to be in JSON form")
    config["Shell"] = words


def _healthcheck(config: Config, text: str) -> None:
    check: dict[str, Any] = {}
    rest = text
    while match := re.match(r"--([a-z-]+)=(\S+)\s+", rest):
        check.update(_health_option(match[1], match[2]))
        rest = rest[match.end() :]
    kind, _, command = rest.partition(" ")
    if kind.upper() == "NONE" and not command.strip():
        config["Healthcheck"] = {"Test": ["NONE"]}
        return
    if kind.upper() != "CMD" or not command.strip():
        raise InvalidParameter(f"Unknown type {kind!r} in HEALTHCHECK (try CMD)")
    words = _json_words(command.strip())
    check["Test"] = ["CMD", *words] if words is not None else ["CMD-SHELL", command.strip()]
    config["Healthcheck"] = check


def _health_option(name: str, value: str) -> dict[str, int]:
    if name == "retries" and value.isdigit():
        return {"Retries": int(value)}
    fields = {"interval": "Interval", "timeout": "Timeout", "start-period": "StartPeriod"}
    fields["start-interval"] = "StartInterval"
    parts = _DURATION_PART.findall(value)
    if name not in fields or not parts or "".join(number + unit for number, unit in parts) != value:
        raise InvalidParameter(f"invalid HEALTHCHECK option --{name}={value}")
    return {fields[name]: sum(int(float(number) * _DURATION_UNITS[unit]) for number, unit in parts)}


_INSTRUCTIONS: dict[str, Callable[[Config, str], None]] = {
    "CMD": _cmd,
    "ENTRYPOINT": _entrypoint,
    "ENV": _env,
    "EXPOSE": _expose,
    "HEALTHCHECK": _healthcheck,
    "LABEL": _label,
    "ONBUILD": _onbuild,
    "SHELL": _shell,
    "STOPSIGNAL": _stopsignal,
    "USER": _user,
    "VOLUME": _volume,
    "WORKDIR": _workdir,
}
