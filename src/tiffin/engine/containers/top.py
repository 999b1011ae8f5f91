"""`top`: the processes of a container, from /proc; the columns of `ps -ef`.

No program is run (the daemon forks nothing), so other ps formats are refused. A process belongs to the container when
it is in the cgroup of the first process, or below it.
"""

from __future__ import annotations

import os
import time
from typing import Any

from tiffin.errors import InvalidParameter

TITLES = ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"]
_TICKS = os.sysconf("SC_CLK_TCK")


def top(pid: int, arguments: str) -> dict[str, Any]:
    """Blocks on /proc: call it in a thread."""
    if arguments.strip() not in ("", "-ef", "ef", "-e -f"):
        raise InvalidParameter(f"ps arguments other than -ef are not supported: {arguments}")
    group = _cgroup(pid)
    booted = _boot_time()
    rows = []
    for name in os.listdir("/proc"):
        if name.isdigit() and group and (_cgroup(int(name)) + "/").startswith(group + "/"):
            row = _row(int(name), booted)
            if row:
                rows.append(row)
    return {"Titles": TITLES, "Processes": rows}


def _cgroup(pid: int) -> str:
    """The deepest path of any hierarchy: on v1 every controller's is the same for a container."""
    try:
        with open(f"/proc/{pid}/cgroup", encoding="utf-8") as file:
            paths = [line.rstrip("\n").split(":", 2)[2] for line in file]
    except OSError:
        return ""
    return max(paths, key=len, default="")


def _boot_time() -> float:
    with open("/proc/uptime", encoding="ascii") as file:
        return time.time() - float(file.read().split()[0])


def _row(pid: int, booted: float) -> list[str] | None:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            stat = file.read().decode("utf-8", "replace")
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            command = file.read().rstrip(b"\0").replace(b"\0", b" ").decode("utf-8", "replace")
        uid = os.stat(f"/proc/{pid}").st_uid
    except OSError:
        return None
    name = stat[stat.index("(") + 1 : stat.rindex(")")]
    fields = stat[stat.rindex(")") + 2 :].split()
    ticks, started = int(fields[11]) + int(fields[12]), booted + int(fields[19]) / _TICKS
    seconds = ticks // _TICKS
    age = max(1.0, time.time() - started)
    when = time.localtime(started)
    return [
        "root" if uid == 0 else str(uid),
        str(pid),
        fields[1],
        str(min(99, int(100 * ticks / _TICKS / age))),
        time.strftime("%H:%M" if age < 86400 else "%b%d", when),
        _tty(int(fields[4])),
        f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}",
        command or f"[{name}]",
    ]


def _tty(number: int) -> str:
    major, minor = os.major(number), os.minor(number)
    return "?" if not number else f"pts/{minor}" if 136 <= major <= 143 else f"tty{minor}"
