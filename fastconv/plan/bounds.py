"""How far a result may be from the exact sum: gamma_n = n u / (1 - n u) for n roundings of size u.

The rule is the standard one for sums and products in floating point (N. J. Higham, Accuracy and Stability of
Numerical Algorithms, 2nd ed., SIAM 2002, lemma 3.1): a product that meets n roundings on its way into the
result errs by at most gamma_n of itself, so the sum errs by at most gamma_n sum |w| |x|.
"""

from __future__ import annotations

import numpy as np

from fastconv.core.ir import Problem

from .factor import UNIT32, UNIT64, Factors

__all__ = ["factors_bound", "gamma", "output_rounding", "sums_bound", "unit"]

UNITS = {2: 2.0**-11, 4: UNIT32, 8: UNIT64}


def unit(dtype: np.dtype) -> float:
    """Unit roundoff of a float dtype: half the distance from 1 to the next number.

    >>> unit(np.dtype("float32")) == 2.0**-24
    True
    """
    return UNITS[dtype.itemsize]


def gamma(n: int, u: float) -> float:
    """Largest relative error of a product after n roundings; infinite where n u reaches 1.

    >>> gamma(3, 2.0**-53) / 2.0**-53
    3.000000000000001
    """
    return n * u / (1 - n * u) if n * u < 1 else float("inf")


def output_rounding(problem: Problem) -> float:
    """One rounding to a float output narrower than the sums, else 0 (integers: half a grey level, said in words)."""
    out = problem.out_dtype
    return unit(out) if out.kind == "f" and out.itemsize < problem.accumulate.itemsize else 0.0


def sums_bound(problem: Problem, roundings: int) -> float:
    """Bound for a sum with ``roundings`` roundings in the accumulate dtype on its longest path.

    Added here: one for 64-bit integers, which float64 cannot all hold, and the output's own.
    """
    wide = problem.image_dtype.kind in "iu" and problem.image_dtype.itemsize == 8
    return gamma(roundings + wide, unit(problem.accumulate)) + output_rounding(problem)


def factors_bound(problem: Problem, factors: Factors) -> float:
    """Bound for a sum of products of line passes, with what the factors themselves miss of the kernel.

    Each pass rounds its taps once, and once for each product or sum; adding a term rounds once more.
    """
    longest = max(sum(int(np.count_nonzero(t)) + 1 for t in taps) for taps in factors.terms)
    return sums_bound(problem, longest + len(factors.terms) - 1) * factors.growth + factors.residual
