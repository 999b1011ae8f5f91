"""Run a command below a child subreaper: orphans of the test-suite end up here and are reaped at once.

Without it they go to the machine's PID 1, which in a container may reap late or never, and a test that waits for the
end of a shim would wait for its zombie. After the command has ended, whatever it left running is named and killed.

    python3 tests/subreaper.py COMMAND [ARGUMENT...]
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from time import monotonic, sleep

PR_SET_CHILD_SUBREAPER = 36
ENVIRONMENT = "TIFFIN_TEST_REAPER"
PATIENCE_S = 5.0


def children(parent: int) -> list[int]:
    """The pids of a process's children that are not zombies."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as file:
                state, ppid = file.read().rpartition(")")[2].split()[:2]
        except OSError:
            continue
        if int(ppid) == parent and state != "Z":
            found.append(int(name))
    return found


def descendants(parent: int) -> list[int]:
    """Children, their children, and so on."""
    return [pid for child in children(parent) for pid in (child, *descendants(child))]


def command_line(pid: int) -> str:
    """What a process was started as, for a message."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            words = file.read().replace(b"\0", b" ").decode(errors="replace").strip()
        with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:
            return f"{pid} {file.read().strip()}: {words[:120]}"
    except OSError:
        return f"{pid} (gone)"


def _reap_until(pid: int) -> int:
    while True:
        ended, status = os.waitpid(-1, 0)
        if ended == pid:
            return os.waitstatus_to_exitcode(status)


def _reap_all() -> None:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def _end_what_is_left() -> bool:
    """Wait for stragglers, then name and kill them; whether there were any."""
    deadline = monotonic() + PATIENCE_S
    while children(os.getpid()) and monotonic() < deadline:
        _reap_all()
        sleep(0.05)
    left = descendants(os.getpid())
    for pid in left:
        print(f"subreaper: left running: {command_line(pid)}", file=sys.stderr)
    for pid in left:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    _reap_all()
    return bool(left)


def main() -> int:
    """Run the command; its exit status, or 1 when it left processes behind."""
    if ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        print("subreaper: prctl failed", file=sys.stderr)
    process = subprocess.Popen(sys.argv[1:], env={**os.environ, ENVIRONMENT: str(os.getpid())})
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda got, _frame: process.send_signal(got))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to the command as well
    status = _reap_until(process.pid)
    process.returncode = status
    left = _end_what_is_left()
    return 128 - status if status < 0 else status or int(left)


if __name__ == "__main__":
    sys.exit(main())
