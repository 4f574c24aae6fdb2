"""Calls that SciPy itself answers, and how many: ranks in one dimension of lines with NaN or -0.0.

SciPy keeps two heaps along the whole line; which of several zeros, or what beside a NaN, stands at their top depends
on everything before it.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

__all__ = ["by_scipy", "counts", "needs_scipy"]

_counts: Counter[str] = Counter()


def counts() -> dict[str, int]:
    """Calls of this process that were handed to SciPy: reason -> number."""
    return dict(_counts)


def needs_scipy(line: np.ndarray, cval: float) -> bool:
    """Whether a line of floats, or the value outside it, has a NaN or a negative zero."""
    if line.dtype.kind != "f":
        return False
    values = np.append(line, np.asarray(cval, line.dtype))
    return bool(np.isnan(values).any() or ((values == 0) & np.signbit(values)).any())


def by_scipy(line: np.ndarray, rank: int, footprint: np.ndarray, mode: Any, cval: float, origin: int) -> np.ndarray:
    """`scipy.ndimage.rank_filter` on one line, its dtype kept."""
    from scipy import ndimage

    _counts["rank of a line with NaN or -0.0"] += 1
    function = ndimage.rank_filter
    function = getattr(function, "__wrapped__", function)
    return function(np.ascontiguousarray(line), rank, footprint=footprint, mode=mode, cval=cval, origin=origin)
