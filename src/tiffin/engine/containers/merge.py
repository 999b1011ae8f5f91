"""What the image says and what the user says become one configuration, with Docker's precedence. Pure; no I/O."""

from __future__ import annotations

from typing import Any

import msgspec

from tiffin.errors import InvalidParameter
from tiffin.spec.container import ContainerConfig, HealthConfig

_NO_HEALTH = HealthConfig()


def merge(config: ContainerConfig, image: dict[str, Any]) -> None:
    """Fill `config` from an image's `config` object, in place."""
    config.user = config.user or image.get("User") or ""
    config.working_dir = config.working_dir or image.get("WorkingDir") or ""
    config.stop_signal = config.stop_signal or image.get("StopSignal") or ""
    config.shell = config.shell or image.get("Shell") or None
    config.on_build = None
    if ports := image.get("ExposedPorts"):
        config.exposed_ports = {**{port: {} for port in ports}, **(config.exposed_ports or {})}
    if volumes := image.get("Volumes"):
        config.volumes = {**{path: {} for path in volumes}, **(config.volumes or {})}
    if labels := image.get("Labels"):
        config.labels = {**labels, **(config.labels or {})}
    config.env = merge_env(config.env or [], image.get("Env") or [])
    _merge_command(config, image)
    if image.get("Healthcheck"):
        config.healthcheck = _merge_health(config.healthcheck, msgspec.convert(image["Healthcheck"], HealthConfig))


def merge_env(mine: list[str], under: list[str]) -> list[str]:
    """Mine first, then what is below it and not named by me. A name without `=` hides the one below."""
    if not mine:
        return list(under)
    names = {item.split("=", 1)[0] for item in mine}
    return mine + [item for item in under if item.split("=", 1)[0] not in names]


def _merge_command(config: ContainerConfig, image: dict[str, Any]) -> None:
    """A new entry point drops the image's command; an entry point of one empty string drops the image's entry point."""
    cmd = config.command if config.cmd is not None else None
    entry = config.entry if config.entrypoint is not None else None
    if not entry:
        if not cmd:
            cmd = image.get("Cmd") or cmd
        if entry is None:
            entry = image.get("Entrypoint") or None
    if entry == [""]:
        entry = None
    config.cmd, config.entrypoint = cmd, entry


def _merge_health(mine: HealthConfig | None, image: HealthConfig) -> HealthConfig:
    mine = mine or _NO_HEALTH
    return HealthConfig(
        test=mine.test or image.test,
        interval=mine.interval or image.interval,
        timeout=mine.timeout or image.timeout,
        start_period=mine.start_period or image.start_period,
        start_interval=mine.start_interval or image.start_interval,
        retries=mine.retries or image.retries,
    )


def command_line(config: ContainerConfig) -> tuple[str, list[str]]:
    """The program and its arguments; InvalidParameter when there is neither entry point nor command."""
    words = config.entry + config.command
    if not words:
        raise InvalidParameter("no command specified")
    return words[0], words[1:]
