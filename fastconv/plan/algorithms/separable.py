"""A kernel that is an outer product of taps: one pass along each axis instead of one over the window."""

from __future__ import annotations

import numpy as np

from fastconv.core.ir import Caps, Pass, Problem, Term, Weights
from fastconv.plan.bounds import factors_bound, unit
from fastconv.plan.candidate import Candidate, Refusal, candidate
from fastconv.plan.cost import line_counts
from fastconv.plan.factor import Factors, kernel_unit, rank, rank_one_factors

__all__ = ["offer", "one_product"]

#: the rank of a larger kernel is not worth an explanation's time
RANK_SHOWN = 48


def offer(problem: Problem, weights: Weights, caps: Caps) -> Candidate | Refusal:
    """Possible for taps given as taps, and for a kernel that is an outer product within its own rounding."""
    if weights.taps is not None:
        factors = Factors((tuple(np.asarray(t, np.float64) for t in weights.taps),))
        note = "the taps were given axis by axis"
    else:
        found = one_product(weights, unit(problem.accumulate))
        if isinstance(found, Refusal):
            return found
        factors = found
        note = "its rank is 1: one pass along each axis does the work of the full kernel"
        if weights.dense.ndim == 1:
            note = "one axis, one pass along it"
    (taps,) = factors.terms
    sweep = Pass("line", tuple(range(len(taps))), taps=taps)
    return candidate(
        problem,
        caps,
        "separable",
        (Term((sweep,)),),
        line_counts(problem, factors.terms),
        multiplications=float(sum(np.count_nonzero(t) for t in taps if not (len(t) == 1 and t[0] == 1))),
        error_bound=factors_bound(problem, factors),
        rank=1 if all(np.any(t) for t in taps) else 0,
        note=note,
    )


def one_product(weights: Weights, precision: float) -> Factors | Refusal:
    """The outer product that a kernel is, in sums of so precise a dtype; looked for once."""
    key = "one product", precision
    found = weights.found.get(key)
    if found is None:
        kernel = weights.dense
        kernel_precision = kernel_unit(kernel, precision)
        found = rank_one_factors(kernel, kernel_precision) or Refusal(_why_not(kernel, kernel_precision))
        weights.found[key] = found
    return found


def _why_not(kernel: np.ndarray, precision: float) -> str:
    if min(kernel.shape) > RANK_SHOWN:
        return "its rank is not 1"
    found = rank(kernel, precision)
    if found > 1:
        return f"its rank is {found}, not 1"
    return "it misses an outer product by more than rounding"
