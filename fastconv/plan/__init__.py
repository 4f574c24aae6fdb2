"""The deciding room: every algorithm makes an offer, the cheapest that is allowed becomes the plan.

Pure Python and NumPy.  What the backend can do comes in as a value (`Caps`); no array is touched but the kernel.
"""

from __future__ import annotations

import math

from fastconv.core.errors import bad_type, bad_value
from fastconv.core.ir import METHODS, Caps, Offer, Plan, Problem, Weights

from .algorithms import ALGORITHMS
from .candidate import Candidate, Refusal

__all__ = ["choose"]

#: "auto" compares costs times these.  A running sum's and a spectrum's errors are relative to a line and a tile instead
#: of the window: they must be clearly cheaper.
HANDICAP = {"running_sum": 1.02, "fft": 1.15}
#: a spectrum's against factors, whose errors are those of their own windows: a Gaussian of an image of stars keeps what
#: is dark between them
SPECTRUM_HANDICAP = 1.3
#: and a window's cost times this where two factors take no more multiplications: in a near tie they win.  All stay
#: below the 1.3 that bench/choice.py allows a choice to cost.
WINDOW_HANDICAP = 1.1


def choose(problem: Problem, weights: Weights, caps: Caps) -> Plan:
    """The plan for a problem: the cheapest offer, or the one that ``problem.method`` names.

    ValueError where the named method cannot serve this kernel; its text says why, and which can.

    >>> import numpy as np
    >>> from fastconv.core.ir import Caps, Problem, Weights
    >>> f32 = np.dtype("float32")
    >>> problem = Problem((480, 640), (0, 1), (3, 3), (1, 1), (1, 1), (1, 1), ("reflect",) * 2, 0.0, f32, f32, f32)
    >>> sobel = Weights(kernel=np.array([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]]))
    >>> plan = choose(problem, sobel, Caps("cpu", frozenset({"line", "window", "sum", "spectrum"})))
    >>> plan.method, [t.tolist() for t in plan.passes[0].taps]
    ('separable', [[1.0, 2.0, 1.0], [-1.0, 0.0, 1.0]])
    """
    method = problem.method
    if not isinstance(method, str):
        raise bad_type("method", method, f"a string: 'auto', {_listed(METHODS)}")
    if method != "auto" and method not in METHODS:
        raise bad_value("method", method, f"'auto', {_listed(METHODS)}")
    candidates: dict[str, Candidate] = {}
    refused: dict[str, str] = {}
    for name, offer in ALGORITHMS.items():
        answer = offer(problem, weights, caps)
        if name in caps.by_name and method != name and not isinstance(answer, Refusal):
            answer = Refusal(caps.by_name[name])
        if isinstance(answer, Refusal):
            refused[name] = answer.reason
        else:
            candidates[name] = answer
    if method == "auto":
        if not candidates:
            reasons = "; ".join(f"{name}: {reason}" for name, reason in refused.items())
            raise bad_value("backend", caps.backend, f"one that can compute this kernel ({reasons})")
        chosen = min(candidates.values(), key=lambda c: c.cost_ns * _handicap(c, candidates, problem))
    elif method in candidates:
        chosen = candidates[method]
    else:
        allowed = f"'auto', {_listed(tuple(candidates))}" if candidates else "'auto'"
        raise bad_value("method", method, f"{allowed} for this kernel ({method}: {refused[method]})")
    return _plan(problem, weights, chosen, candidates, refused)


def _handicap(c: Candidate, candidates: dict[str, Candidate], problem: Problem) -> float:
    if c.method == "fft" and "separable" in candidates:
        return SPECTRUM_HANDICAP
    if c.method != "direct":
        return HANDICAP.get(c.method, 1.0)
    if len(problem.axes) == 1 and problem.axes[0] < len(problem.shape) - 1:
        return 1.0  # down a single axis both do the same sums, and the window's rows share loads
    factors = candidates.get("separable")
    return WINDOW_HANDICAP if factors is not None and factors.multiplications <= c.multiplications else 1.0


def _plan(
    problem: Problem, weights: Weights, chosen: Candidate, candidates: dict[str, Candidate], refused: dict[str, str]
) -> Plan:
    offers = [Offer(c.method, c.cost_ns, c.multiplications, c.note) for c in candidates.values()]
    return Plan(
        problem=problem,
        weights=weights,
        method=chosen.method,
        terms=chosen.terms,
        offers=tuple(sorted(offers, key=lambda o: o.cost_ns)),
        multiplications=chosen.multiplications,
        bytes_read=math.prod(problem.shape) * problem.image_dtype.itemsize,
        bytes_written=problem.pixels * problem.out_dtype.itemsize,
        error_bound=chosen.error_bound,
        cost_ns=chosen.cost_ns,
        refused=refused,
        rank=chosen.rank,
        note=chosen.note,
    )


def _listed(names: tuple[str, ...]) -> str:
    """'a', 'b' or 'c'."""
    quoted = [repr(n) for n in names]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} or {quoted[-1]}"
