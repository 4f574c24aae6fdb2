"""Calls timed in turn, so that whatever else the machine does falls on all of them alike."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

__all__ = ["least"]

#: short calls are timed in groups of at least this long
GROUP_NS = 1_000_000
#: a call slower than this is timed in two rounds only
SLOW_NS = 300_000_000


def least(calls: dict[str, Callable[[], Any]], rounds: int, rest: float = 0.0) -> dict[str, float]:
    """Least nanoseconds of each call, all of them timed in turn.

    rest: seconds before each turn: the other side's idle threads spin for a while, on the core that ours would use.
    """
    counts, ns = {}, dict.fromkeys(calls, math.inf)
    for name, call in calls.items():
        call()
        begin = time.perf_counter_ns()
        call()
        counts[name] = max(1, min(2000, GROUP_NS // max(1, time.perf_counter_ns() - begin)))
    for done in range(rounds):
        for name, call in calls.items():
            if done >= 2 and ns[name] > SLOW_NS:
                continue
            if rest:
                time.sleep(rest)
                call()
            for _ in range(2 if counts[name] == 1 else 1):
                begin = time.perf_counter_ns()
                for _ in range(counts[name]):
                    call()
                ns[name] = min(ns[name], (time.perf_counter_ns() - begin) / counts[name])
    return ns
