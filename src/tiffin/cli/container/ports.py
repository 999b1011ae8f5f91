"""Published ports as the PORTS column shows them: `0.0.0.0:8080->80/tcp`, runs of ports as ranges."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def displayed(ports: list[dict[str, Any]]) -> str:
    """The column's text for the API's list of ports."""
    groups: dict[str, list[int]] = {}  # address and protocol → first and last port of the run
    result: list[str] = []
    mapped: list[str] = []
    order: list[str] = []
    for port in sorted(ports, key=_order):
        private, public = port.get("PrivatePort", 0), port.get("PublicPort", 0)
        protocol, key = port.get("Type", ""), port.get("Type", "")
        address = port.get("IP", "")
        if address:
            if public != private:
                mapped.append(f"{_bracketed(address)}:{public}->{private}/{protocol}")
                continue
            key = f"{address}/{protocol}"
        run = groups.get(key)
        if run is None:
            groups[key] = [private, private]
            order.append(key)
        elif private == run[1] + 1:
            run[1] = private
        else:
            result.append(_run(key, run))
            groups[key] = [private, private]
    result += [_run(key, groups[key]) for key in order]
    return ", ".join(result + mapped)


def _order(port: dict[str, Any]) -> tuple[int, str, int, str]:
    return (port.get("PrivatePort", 0), port.get("IP", ""), port.get("PublicPort", 0), port.get("Type", ""))


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def _run(key: str, run: list[int]) -> str:
    address, slash, protocol = key.rpartition("/")
    text = str(run[0]) if run[0] == run[1] else f"{run[0]}-{run[1]}"
    if slash:
        text = f"{_bracketed(address)}:{text}->{text}"
    return f"{text}/{protocol}"
