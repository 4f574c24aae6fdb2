"""A 2-D kernel as the sum of a few outer products: two passes for each, while that is fewer taps than the window.

The smallest number of terms that reproduces the kernel within rounding (plan/factor.py says what that is).  A
Laplacian of Gaussian takes two.  A kernel that takes one is left to `separable`, unless this method is asked for.
"""

from __future__ import annotations

import numpy as np

from fastconv.core.ir import Caps, Pass, Problem, Term, Weights
from fastconv.plan.bounds import factors_bound, unit
from fastconv.plan.candidate import Candidate, Refusal, candidate
from fastconv.plan.cost import line_counts
from fastconv.plan.factor import Factors, low_rank_factors

from .separable import one_product

__all__ = ["offer"]

#: taps on the shorter side beyond which the factors take longer than the image is worth
LARGEST = 256


def offer(problem: Problem, weights: Weights, caps: Caps) -> Candidate | Refusal:
    """Possible for two filtered axes, where k (kh + kw) < kh kw for the k terms that are needed."""
    asked = problem.method == "low_rank"
    if weights.taps is not None and not asked:
        return Refusal("one outer product is 'separable'")
    kernel = weights.dense
    if kernel.ndim != 2:
        return Refusal(f"only for two filtered axes, not {kernel.ndim}")
    if min(kernel.shape) > LARGEST:
        return Refusal(f"only for kernels of at most {LARGEST} taps on the shorter side")
    if not np.any(kernel):
        return Refusal("its rank is 0")
    most = (kernel.size - 1) // sum(kernel.shape)
    if most < 1:
        return Refusal("too small: two passes take as many taps as the window")
    precision = unit(problem.accumulate)
    if not asked and not isinstance(one_product(weights, precision), Refusal):
        return Refusal("one outer product is 'separable'")
    key = "few products", precision
    if key not in weights.found:
        weights.found[key] = low_rank_factors(kernel, precision, most)
    factors: Factors | None = weights.found[key]
    if factors is None:
        return Refusal(f"it takes more than {most} {'term' if most == 1 else 'terms'}: more taps than the window")
    k = len(factors.terms)
    together = "one outer product makes" if k == 1 else f"{k} outer products make"
    return candidate(
        problem,
        caps,
        "low_rank",
        tuple(Term((Pass("line", (0, 1), taps=taps),)) for taps in factors.terms),
        line_counts(problem, factors.terms),
        multiplications=float(sum(np.count_nonzero(t) for taps in factors.terms for t in taps)),
        error_bound=factors_bound(problem, factors),
        rank=k,
        note=f"{together} it up within rounding",
    )
