"""tiffin system df: what uses the disk."""

from __future__ import annotations

from tiffin.cli import human
from tiffin.cli.command import Command, Context
from tiffin.cli.flags import Flag, Options
from tiffin.cli.listing import Row, show

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

TITLES = {"Type": "TYPE", "TotalCount": "TOTAL", "Active": "ACTIVE", "Size": "SIZE", "Reclaimable": "RECLAIMABLE"}


def _reclaimable(row: Row) -> str:
    size, free = row.data["size"], row.data["free"]
    return human.size(free, 4) + (f" ({free * 100 // size}%)" if size > 0 else "")


FIELDS = {
    "Type": lambda row: row.data["type"],
    "TotalCount": lambda row: str(row.data["total"]),
    "Active": lambda row: str(row.data["active"]),
    "Size": lambda row: human.size(row.data["size"], 4),
    "Reclaimable": _reclaimable,
}


def _images(usage: dict[str, Any]) -> dict[str, Any]:
    images, size = usage.get("Images") or [], usage.get("LayersSize") or 0
    active = [image for image in images if (image.get("Containers") or 0) > 0]
    used = sum((image.get("Size") or 0) - max(0, image.get("SharedSize") or 0) for image in active)
    return {"type": "Images", "total": len(images), "active": len(active), "size": size, "free": max(0, size - used)}


def _containers(usage: dict[str, Any]) -> dict[str, Any]:
    containers = usage.get("Containers") or []
    busy = [c for c in containers if c.get("State") in ("running", "paused", "restarting")]
    size, used = (sum(c.get("SizeRw") or 0 for c in some) for some in (containers, busy))
    return {"type": "Containers", "total": len(containers), "active": len(busy), "size": size, "free": size - used}


def _volumes(usage: dict[str, Any]) -> dict[str, Any]:
    volumes = usage.get("Volumes") or []
    data = [volume.get("UsageData") or {} for volume in volumes]
    size = sum(max(0, d.get("Size") or 0) for d in data)
    used = sum(max(0, d.get("Size") or 0) for d in data if (d.get("RefCount") or 0) > 0)
    active = sum((d.get("RefCount") or 0) > 0 for d in data)
    return {"type": "Local Volumes", "total": len(volumes), "active": active, "size": size, "free": size - used}


def _cache(usage: dict[str, Any]) -> dict[str, Any]:
    records = usage.get("BuildCache") or []
    size = sum(r.get("Size") or 0 for r in records if not r.get("Shared"))
    used = sum(r.get("Size") or 0 for r in records if r.get("InUse") and not r.get("Shared"))
    active = sum(bool(r.get("InUse")) for r in records)
    return {"type": "Build Cache", "total": len(records), "active": active, "size": size, "free": size - used}


def _df(context: Context, options: Options, arguments: list[str]) -> int:
    usage = context.client.get("/system/df")
    rows = [Row(part(usage), FIELDS, kind="diskUsageContext") for part in (_images, _containers, _volumes, _cache)]
    show(rows, tuple(TITLES), TITLES, options["format"])
    return 0


DF = Command(
    _df,
    "Show what uses the disk",
    flags=(Flag("format", "", "string", 'How to print: "table", "table TEMPLATE", "json" or a Go template'),),
    most=0,
)
