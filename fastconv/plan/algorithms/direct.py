"""The sum as it is written: one window pass over the kernel's non-zero taps."""

from __future__ import annotations

import numpy as np

from fastconv.core.ir import Caps, Pass, Problem, Term, Weights
from fastconv.plan.bounds import sums_bound
from fastconv.plan.candidate import Candidate, Refusal, candidate
from fastconv.plan.cost import window_counts

__all__ = ["offer"]


def offer(problem: Problem, weights: Weights, caps: Caps) -> Candidate | Refusal:
    """Always possible; each output takes one multiplication for each tap that is not zero."""
    kernel = weights.dense
    taps = int(np.count_nonzero(kernel))
    zeros = kernel.size - taps
    sweep = Pass("window", tuple(range(kernel.ndim)), kernel=kernel)
    return candidate(
        problem,
        caps,
        "direct",
        (Term((sweep,)),),
        window_counts(problem, kernel),
        multiplications=float(taps),
        error_bound=sums_bound(problem, taps + 1),  # one product and the sums, and the tap's own rounding
        note=f"every tap in turn, {zeros} zeros skipped" if zeros else "every tap in turn",
    )
