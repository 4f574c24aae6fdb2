"""A kernel of equal coefficients: a sum that slides, gaining one sample and losing one, whatever its size.

Running sums of integers are exact.  Those of floats are taken in float64, and err relative to the largest value
along the line, not in the window: what a large value's rounding leaves in the sum stays after it has left the window.
The bound leaves room for axes that are summed tap by tap (cost.py says which).
"""

from __future__ import annotations

import math

from fastconv.core.ir import Caps, Pass, Problem, Term, Weights
from fastconv.plan.bounds import gamma, sums_bound
from fastconv.plan.candidate import Candidate, Refusal, candidate
from fastconv.plan.cost import sum_counts
from fastconv.plan.factor import UNIT64, is_constant

__all__ = ["offer"]


def offer(problem: Problem, weights: Weights, caps: Caps) -> Candidate | Refusal:
    """Possible for at least two equal coefficients without gaps between them."""
    if weights.taps is None:
        same = is_constant(weights.dense)
        scale = float(weights.dense.flat[0])
    else:
        same = all(is_constant(t, at_least=1) for t in weights.taps) and math.prod(problem.size) > 1
        scale = math.prod(float(t[0]) for t in weights.taps)
    if not same:
        return Refusal("its coefficients are not all the same number")
    if any(d > 1 for d, k in zip(problem.dilation, problem.size, strict=True) if k > 1):
        return Refusal("dilation leaves gaps in the sum")
    exact = problem.image_dtype.kind in "biu" and problem.image_dtype.itemsize <= 4
    # each axis' sum tap by tap at the worst, brought to the accumulate dtype, the scale, their product
    bound = sums_bound(problem, sum(problem.size) + 3)
    if not exact:
        bound += sum(gamma(2 * (n + k), UNIT64) for n, k in _lines(problem))
    sweep = Pass("sum", tuple(range(len(problem.size))), size=problem.size, scale=scale)
    return candidate(
        problem,
        caps,
        "running_sum",
        (Term((sweep,)),),
        sum_counts(problem),
        multiplications=0.0 if scale == 1 else 1.0,
        error_bound=bound,
        rank=1,
        note="all coefficients are equal: a sliding sum, whatever the size",
    )


def _lines(problem: Problem) -> list[tuple[int, int]]:
    """Samples and size of each axis along which a sum really slides."""
    sizes = [(problem.shape[a], k) for a, k in zip(problem.axes, problem.size, strict=True)]
    return [(n, k) for n, k in sizes if k > 1]
