"""The paths that Docker hides or makes read-only."""

from __future__ import annotations

import os
from typing import Any

from tiffin.spec import masked_paths


def test_dockers_masked_and_readonly_paths_are_all_there() -> None:
    assert {"/proc/kcore", "/proc/keys", "/proc/interrupts", "/sys/firmware", "/sys/devices/virtual/powercap"} <= set(
        masked_paths.masked_paths()
    )
    assert masked_paths.readonly_paths() == ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]


def test_thermal_counters_are_masked_per_processor_in_order(tmp_path: Any) -> None:
    for name in ("cpu10/thermal_throttle", "cpu2/thermal_throttle", "cpu3", "cpufreq/thermal_throttle"):
        os.makedirs(f"{tmp_path}/{name}")
    found = masked_paths._thermal_throttle(str(tmp_path))
    assert found == [f"{tmp_path}/cpu2/thermal_throttle", f"{tmp_path}/cpu10/thermal_throttle"]
    assert masked_paths._thermal_throttle(f"{tmp_path}/nothing") == []
