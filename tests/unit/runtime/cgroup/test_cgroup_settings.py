"""What an OCI spec's resources come to in the kernel's files."""

from __future__ import annotations

import pytest

from tiffin.errors import InvalidParameter
from tiffin.runtime.cgroup import settings
from tiffin.runtime.cgroup.convert import cpu_max, cpu_weight, io_weight, swap_max
from tiffin.runtime.cgroup.features import adapt

MIB = 1 << 20


def files(plan: list[settings.Setting]) -> dict[str, str]:
    return {choices[-1][0].decode(): choices[-1][1].decode() for _, choices in plan}


@pytest.mark.parametrize("plan", [settings.v1, settings.v2])
def test_a_container_without_limits_costs_no_write(plan: object) -> None:
    assert plan({}) == []  # type: ignore[operator]
    unset = {"limit": 0, "swap": 0, "swappiness": -1}
    nothing = {"memory": unset, "cpu": {"shares": 0, "cpus": ""}, "pids": {"limit": 0}}
    assert plan(nothing) == []  # type: ignore[operator]


def test_v1_gets_dockers_numbers_as_they_are() -> None:
    resources = {
        "memory": {"limit": 64 * MIB, "swap": 128 * MIB, "reservation": MIB, "swappiness": 0, "disableOOMKiller": True},
        "cpu": {"shares": 512, "period": 50000, "quota": 25000, "cpus": "0-1", "mems": "0"},
        "pids": {"limit": -1},
        "blockIO": {"weight": 300, "throttleReadBpsDevice": [{"major": 8, "minor": 0, "rate": MIB}]},
    }
    assert files(settings.v1(resources)) == {
        "memory.limit_in_bytes": str(64 * MIB),
        "memory.memsw.limit_in_bytes": str(128 * MIB),
        "memory.soft_limit_in_bytes": str(MIB),
        "memory.swappiness": "0",
        "memory.oom_control": "1",
        "cpu.shares": "512",
        "cpu.cfs_period_us": "50000",
        "cpu.cfs_quota_us": "25000",
        "cpuset.cpus": "0-1",
        "cpuset.mems": "0",
        "pids.max": "max",
        "blkio.bfq.weight": "300",
        "blkio.throttle.read_bps_device": f"8:0 {MIB}",
    }


def test_v2_counts_swap_alone_and_takes_limits_in_its_own_words() -> None:
    resources = {
        "memory": {"limit": 64 * MIB, "swap": 96 * MIB, "reservation": MIB, "swappiness": 10},
        "cpu": {"shares": 1024, "quota": 25000, "cpus": "1"},
        "pids": {"limit": 100},
        "blockIO": {
            "weight": 10,
            "throttleReadBpsDevice": [{"major": 8, "minor": 0, "rate": 1000}],
            "throttleWriteIOPSDevice": [{"major": 8, "minor": 0, "rate": 20}],
        },
        "unified": {"memory.high": "1000"},
    }
    assert files(settings.v2(resources)) == {
        "memory.max": str(64 * MIB),
        "memory.swap.max": str(32 * MIB),
        "memory.low": str(MIB),
        "cpu.weight": "100",
        "cpu.max": "25000 100000",
        "cpuset.cpus": "1",
        "pids.max": "100",
        "io.weight": "1",
        "io.max": "8:0 rbps=1000 wiops=20",
        "memory.high": "1000",
    }


def test_taking_limits_away_is_max_on_v2_and_minus_one_on_v1() -> None:
    resources = {"memory": {"limit": -1, "swap": -1}, "cpu": {"quota": -1}}
    assert files(settings.v2(resources)) == {"memory.max": "max", "memory.swap.max": "max", "cpu.max": "max 100000"}
    assert files(settings.v1(resources)) == {
        "memory.limit_in_bytes": "-1",
        "memory.memsw.limit_in_bytes": "-1",
        "cpu.cfs_quota_us": "-1",
    }


@pytest.mark.parametrize("name", ["../memory.max", "cgroup", "a/b.c"])
def test_a_unified_key_is_a_file_name(name: str) -> None:
    with pytest.raises(InvalidParameter):
        settings.v2({"unified": {name: "1"}})


@pytest.mark.parametrize(("shares", "weight"), [(0, 1), (2, 1), (1024, 100), (262_144, 10_000), (1 << 20, 10_000)])
def test_cpu_shares_become_a_weight_with_the_defaults_on_each_other(shares: int, weight: int) -> None:
    assert cpu_weight(shares) == weight


def test_more_shares_are_never_less_weight() -> None:
    weights = [cpu_weight(shares) for shares in range(2, 5000)]
    assert weights == sorted(weights)


@pytest.mark.parametrize(("blkio", "weight"), [(10, 1), (500, 4950), (1000, 10_000)])
def test_blkio_weights_span_the_whole_of_io_weight(blkio: int, weight: int) -> None:
    assert io_weight(blkio) == weight


def test_swap_smaller_than_memory_or_without_memory_is_refused() -> None:
    assert swap_max(10, 10) == 0
    assert swap_max(None, -1) == -1
    for memory, both in ((10, 9), (None, 10), (-1, 10)):
        with pytest.raises(InvalidParameter):
            swap_max(memory, both)


@pytest.mark.parametrize(
    ("quota", "period", "text"), [(None, 5000, "max 5000"), (-1, None, "max 100000"), (7, 9, "7 9")]
)
def test_quota_and_period_share_a_file(quota: int | None, period: int | None, text: str) -> None:
    assert cpu_max(quota, period) == text


def test_what_the_machine_cannot_enforce_is_dropped_with_dockers_warning() -> None:
    memory = {"limit": 64 * MIB, "swap": 128 * MIB}
    resources = {"memory": memory, "cpu": {"quota": 1000, "period": 1000}, "pids": {"limit": 5}}
    adapted, warnings = adapt(resources, {"memory": True, "pids": True})
    assert adapted == {"memory": {"limit": 64 * MIB}, "cpu": {}, "pids": {"limit": 5}}
    assert warnings == [
        "Your kernel does not support swap limit capabilities or the cgroup is not mounted. "
        "Memory limited without swap.",
        "Your kernel does not support CPU CFS scheduler. CPU period/quota discarded.",
    ]
    assert resources["memory"] == {"limit": 64 * MIB, "swap": 128 * MIB}
