"""Calls timed in turn: a drift of the machine's clock or load falls on all of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from fastconv.core.errors import bad_value

__all__ = ["in_turn", "time_in_turn"]

#: calls stop being repeated after this long (never before the second round)
BUDGET_S = 10.0
#: short calls are timed in groups that take at least this long
GROUP_NS = 500_000

Timed = Callable[[], object]


def in_turn(calls: Sequence[Timed], repeat: int, alike: bool = False) -> tuple[list[float], ...]:
    """Milliseconds a call, ``repeat`` times for each of the calls, the one after the other.

    Short calls are timed in groups; with ``alike`` all of them in groups of as many as the slowest needs, so that
    the caches are as warm for the one as for the other.  All must have been called once before.

    Raises
    ------
    ValueError
        ``repeat`` is less than 1.
    """
    if repeat < 1:
        raise bad_value("repeat", repeat, "a positive integer")
    counts = [_group(call) for call in calls]
    if alike:
        counts = [min(counts)] * len(counts)
    times: tuple[list[float], ...] = tuple([] for _ in calls)
    started = time.perf_counter()
    for done in range(repeat):
        if done >= 2 and time.perf_counter() - started > BUDGET_S:
            break
        for call, count, into in zip(calls, counts, times, strict=True):
            begin = time.perf_counter_ns()
            for _ in range(count):
                call()
            into.append((time.perf_counter_ns() - begin) / count / 1e6)
    return times


def time_in_turn(first: Timed, second: Timed, repeat: int) -> tuple[list[float], list[float]]:
    """`in_turn` of two calls."""
    ours, theirs = in_turn((first, second), repeat)
    return ours, theirs


def _group(call: Timed) -> int:
    begin = time.perf_counter_ns()
    call()
    return max(1, GROUP_NS // max(1, time.perf_counter_ns() - begin))
