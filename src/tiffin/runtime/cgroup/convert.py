"""Arithmetic between Docker's units, which are those of cgroup v1, and those of cgroup v2. Pure functions."""

from __future__ import annotations

from math import ceil, log2

from tiffin.errors import InvalidParameter

DEFAULT_PERIOD_US = 100_000


def cpu_weight(shares: int) -> int:
    """cpu.weight (1..10000) for cpu.shares (2..262144).

    A curve through (2, 1), (1024, 100) and (262144, 10000), as the newer OCI runtimes have it: a container with default
    shares then weighs as much as any other default group, which the older straight line (1024 → 39) got wrong.
    """
    if shares <= 2:
        return 1
    if shares >= 262_144:
        return 10_000
    power = log2(shares)
    # Rounded before ceil: 1024 must give 100, not 101, whatever the last bit of the power is.
    weight: float = 10.0 ** ((power * power + 125 * power) / 612.0 - 7.0 / 34.0)
    return ceil(round(weight, 6))


def io_weight(blkio_weight: int) -> int:
    """io.weight (1..10000) for blkio.weight (10..1000)."""
    return 1 + (blkio_weight - 10) * 9_999 // 990


def swap_max(memory: int | None, memory_and_swap: int) -> int:
    """memory.swap.max (swap alone) for Docker's --memory-swap (memory and swap together); -1 is no limit."""
    if memory_and_swap < 0:
        return -1
    if memory is None or memory <= 0:
        raise InvalidParameter("You should always set the Memory limit when using Memoryswap limit, see usage")
    if memory_and_swap < memory:
        raise InvalidParameter("Minimum memoryswap limit should be larger than memory limit, see usage")
    return memory_and_swap - memory


def cpu_max(quota: int | None, period: int | None) -> str:
    """The text of cpu.max for a CFS quota and period in microseconds; a quota that is not positive is no limit."""
    return f"{quota if quota and quota > 0 else 'max'} {period or DEFAULT_PERIOD_US}"


def limit(value: int) -> bytes:
    """A v2 limit: negative is "max"."""
    return b"max" if value < 0 else b"%d" % value
