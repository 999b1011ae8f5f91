"""A container's record → its OCI runtime spec (config.json), as a JSON document.

On the path of `run`: no validation here (create did it), constant parts are shared between specs and never changed, and
the seccomp profile is resolved once per (profile, capabilities).
"""

from __future__ import annotations

import json
from typing import Any

from tiffin.engine.containers.ocispec import mounts, namespaces, process, resources, security
from tiffin.engine.containers.ports import SeccompResolver
from tiffin.engine.containers.record import Record
from tiffin.engine.containers.settings import Settings
from tiffin.errors import SystemFailure
from tiffin.spec.container import ExecConfig

_UNPRIVILEGED = {"net.ipv4.ip_unprivileged_port_start": "0", "net.ipv4.ping_group_range": "0 2147483647"}


class SpecBuilder:
    """`resolve_seccomp` None: containers run without a filter (only for tests)."""

    def __init__(self, settings: Settings, resolve_seccomp: SeccompResolver | None) -> None:
        self._settings = settings
        self._resolve = resolve_seccomp
        self._seccomp: dict[tuple[str | None, tuple[str, ...]], dict[str, Any]] = {}

    def seccomp(self, record: Record, opts: security.Security, caps: list[str]) -> dict[str, Any] | None:
        """OCI `linux.seccomp`; None for no filter."""
        filtered, text = security.seccomp_profile(record.host_config, opts)
        if not filtered or self._resolve is None or (text is None and self._settings.seccomp_profile is None):
            return None
        key = (text, tuple(caps))
        if key not in self._seccomp:
            if len(self._seccomp) > 64:
                self._seccomp.clear()
            profile = json.loads(text) if text else self._settings.seccomp_profile
            self._seccomp[key] = self._resolve(profile, caps, self._settings.arch)
        return self._seccomp[key] or None

    def build(self, record: Record, pid_of: namespaces.PidOf) -> dict[str, Any]:
        host, settings = record.host_config, self._settings
        opts = security.parse(host.security_opt)
        caps = security.capability_names(host)
        with_init = self.wants_init(record)
        ipc = namespaces.joined(host.ipc_mode)
        spec: dict[str, Any] = {
            "ociVersion": "1.2.0",
            "process": process.process(
                record,
                settings,
                capabilities=caps,
                apparmor=security.apparmor_profile(host, opts, settings),
                no_new_privileges=self._no_new_privileges(opts),
                with_init=with_init,
            ),
            "root": {"path": "rootfs", "readonly": host.readonly_rootfs},
            "mounts": mounts.mounts(record, settings, with_init=with_init, ipc_pid=pid_of(ipc) if ipc else None),
            "linux": self._linux(record, opts, caps, pid_of),
        }
        if host.uts_mode != "host":
            spec["hostname"] = record.config.hostname
            if record.config.domainname:
                spec["domainname"] = record.config.domainname
        if host.annotations:
            spec["annotations"] = host.annotations
        return spec

    def _no_new_privileges(self, opts: security.Security) -> bool:
        asked = opts.no_new_privileges
        return self._settings.no_new_privileges if asked is None else asked

    def wants_init(self, record: Record) -> bool:
        """--init; not when PID 1 is somebody else's. Docker's error when there is none on the host."""
        host = record.host_config
        wanted = self._settings.init_default if host.init is None else host.init
        if not wanted or host.pid_mode not in ("", "private"):
            return False
        if self._settings.init_path is None:
            raise SystemFailure('exec: "docker-init": executable file not found in $PATH')
        return True

    def _linux(
        self, record: Record, opts: security.Security, caps: list[str], pid_of: namespaces.PidOf
    ) -> dict[str, Any]:
        host = record.host_config
        nodes, rules = resources.devices(host)
        masked, readonly = security.hidden_paths(host, opts)
        linux: dict[str, Any] = {
            "namespaces": namespaces.namespaces(host, pid_of),
            "resources": resources.resources(host, rules),
            "cgroupsPath": self.cgroup_path(record),
            "maskedPaths": masked,
            "readonlyPaths": readonly,
            "sysctl": self._sysctls(record),
            "rootfsPropagation": _propagation(record),
        }
        if nodes:
            linux["devices"] = nodes
        if seccomp := self.seccomp(record, opts, caps):
            linux["seccomp"] = seccomp
        return linux

    def cgroup_path(self, record: Record) -> str:
        parent = record.host_config.cgroup_parent or self._settings.cgroup_parent
        return f"/{parent.strip('/')}/{record.id}"

    def _sysctls(self, record: Record) -> dict[str, str]:
        host = record.host_config
        shared = host.network_mode == "host" or namespaces.joined(host.network_mode)
        return {**({} if shared else _UNPRIVILEGED), **(host.sysctls or {})}

    def exec_process(
        self, record: Record, asked: ExecConfig, *, tty: bool, console_size: list[int] | None
    ) -> tuple[dict[str, Any], dict[str, Any] | None]:
        """OCI process of an exec, and OCI `linux.seccomp` for it or None. A privileged exec has no filter."""
        host = record.host_config
        opts = security.parse(host.security_opt)
        privileged = asked.privileged or host.privileged
        caps = security.capability_names(host)
        if asked.privileged:
            caps = list(security.available())
        document = process.exec_process(
            record,
            asked,
            self._settings,
            tty=tty,
            console_size=console_size,
            capabilities=caps,
            apparmor="" if privileged else security.apparmor_profile(host, opts, self._settings),
            no_new_privileges=self._no_new_privileges(opts),
        )
        return document, None if privileged else self.seccomp(record, opts, caps)


def _propagation(record: Record) -> str:
    """A shared or slave bind needs a root that passes it on."""
    asked = {mount.propagation.removeprefix("r") for mount in record.mounts}
    return "rshared" if "shared" in asked else "rslave" if "slave" in asked else "rprivate"
