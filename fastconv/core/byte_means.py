"""Means of bytes that whole numbers in 16 bits give exactly: which they are, and what divides their sums."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from .ir import Problem

__all__ = ["byte_divisor", "is_byte_mean"]

#: samples of a box whose sum of bytes, with half of them added, fits 16 bits
_MOST = 257


def is_byte_mean(problem: Problem, taps: Sequence[np.ndarray]) -> bool:
    """Whether factors of a kernel are the mean of an odd number of bytes, wanted as bytes (there are no ties then)."""
    n = int(np.prod([len(t) for t in taps]))
    if problem.image_dtype != np.uint8 or problem.out_dtype != np.uint8 or n % 2 == 0 or not 1 < n <= _MOST:
        return False
    if any(np.ptp(t) for t in taps) or abs(float(np.prod([float(t[0]) for t in taps])) * n - 1) > 1e-5:
        return False
    if problem.reads_constant and problem.cval not in range(256):
        return False
    return byte_divisor(n) is not None


@lru_cache(maxsize=64)
def byte_divisor(n: int) -> tuple[int, int, int] | None:
    """h = n // 2, m and k with (s + h) // n == ((s + h) * m >> 16) >> k for all sums s of n bytes, or None.

    >>> byte_divisor(9)
    (4, 7282, 0)
    """
    sums = np.arange(255 * n + n // 2 + 1, dtype=np.int64)
    for shift in range(16):
        multiplier = -(-(1 << (16 + shift)) // n)
        if multiplier < 1 << 16 and np.array_equal((sums * multiplier >> 16) >> shift, sums // n):
            return n // 2, multiplier, shift
    return None
