"""In which dtype running sums are taken."""

from __future__ import annotations

import math

import numpy as np

from fastconv.core.ir import Problem

__all__ = ["running_dtype"]


def running_dtype(problem: Problem, samples: int) -> np.dtype:
    """float32 where every sum of so many of the image's integers is exact in it, else float64."""
    if problem.accumulate != np.float32:
        return np.dtype(np.float64)
    dtype = problem.image_dtype
    largest = 1 if dtype.kind == "b" else np.iinfo(dtype).max + 1 if dtype.kind in "iu" else 0
    if problem.reads_constant and not (math.isfinite(problem.cval) and problem.cval == int(problem.cval)):
        largest = 0
    elif problem.reads_constant:
        largest = max(largest, abs(int(problem.cval))) if largest else 0
    return np.dtype(np.float32 if 0 < largest * samples < 2**24 else np.float64)
