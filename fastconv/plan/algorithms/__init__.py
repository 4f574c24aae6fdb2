"""The table of algorithms.  A new one is a file with ``offer(problem, weights, caps)`` and a row here.

The row's name is the word of ``method=`` (core/ir.py, METHODS); where two cost the same, the upper row wins.
"""

from __future__ import annotations

from collections.abc import Callable

from fastconv.core.ir import Caps, Problem, Weights
from fastconv.plan.candidate import Candidate, Refusal

from . import direct, fft, low_rank, running_sum, separable

__all__ = ["ALGORITHMS"]

ALGORITHMS: dict[str, Callable[[Problem, Weights, Caps], Candidate | Refusal]] = {
    "direct": direct.offer,
    "separable": separable.offer,
    "low_rank": low_rank.offer,
    "running_sum": running_sum.offer,
    "fft": fft.offer,
}
