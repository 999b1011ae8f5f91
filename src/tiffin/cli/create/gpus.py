"""--gpus to a DeviceRequest: `all`, `2`, `device=0`, `"device=0,1",capabilities=utility`."""

from __future__ import annotations

from tiffin.cli.create.csv import fields

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def request(word: str) -> dict[str, Any]:
    """One request; ValueError in Docker's words."""
    found: dict[str, Any] = {"Driver": "", "Count": 0, "DeviceIDs": None, "Capabilities": None, "Options": None}
    seen = set()
    for item in fields(word):
        key, equals, value = item.partition("=")
        if key in seen:
            raise ValueError(f"gpu request key '{key}' can be specified only once")
        seen.add(key)
        if not equals:
            seen.add("count")
            found["Count"] = _count(key)
        elif key == "driver":
            found["Driver"] = value
        elif key == "count":
            found["Count"] = _count(value)
        elif key == "device":
            found["DeviceIDs"] = value.split(",")
        elif key == "capabilities":
            found["Capabilities"] = [[*value.split(","), "gpu"]]
        elif key == "options":
            found["Options"] = dict(_option(part) for part in fields(value))
        else:
            raise ValueError(f"unexpected key '{key}' in '{item}'")
    if "count" not in seen and found["DeviceIDs"] is None:
        found["Count"] = 1
    if found["Options"] is None:
        found["Options"] = {}
    if found["Capabilities"] is None:
        found["Capabilities"] = [["gpu"]]
    return found


def _option(text: str) -> tuple[str, str]:
    key, _, value = text.partition("=")
    return key, value


def _count(text: str) -> int:
    if text == "all":
        return -1
    try:
        return int(text)
    except ValueError:
        raise ValueError(f'invalid count ({text}): value must be either "all" or an integer: invalid syntax') from None
