"""Weights that are outer products: plain convolutions over channels as shorter ones that follow each other.

A weight w[o, i, y, x] of a group is looked at as matrices, one for each channel on one side, all of which must be outer
products (rank 1, each coefficient within a few roundings).  With one kernel for each input channel, say, they are
a[o, i] k[i, y, x]: depthwise, then 1 x 1.  Which forms save anything follows from shapes alone (`promising`); only
those are tried, and what does not begin like one is given up after the first matrix.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from fastconv.core.channels import ChannelProblem
from fastconv.core.ir import Offer
from fastconv.core.stages import Stage, Step, stage_problems

from .bounds import gamma, unit
from .channels import estimate, multiplications

__all__ = ["Factored", "begins_factored", "find_stages", "promising"]

#: a product of factors may miss a coefficient by this many roundings of it
ROUNDINGS = 16
#: nanoseconds for each sample that is gathered or put where it belongs, for each stage of a piece of so many bytes, and
#: for each coefficient that is looked at
MOVED_NS, STAGE_NS, PIECE_BYTES, LOOKED_NS = 0.35, 4_000.0, 512 * 1024, 2.0
WHY = "its slices are outer products: {}"

#: coefficients looked at together
CHUNK = 1 << 13

Pair = tuple[np.ndarray, np.ndarray]
Forms = tuple[tuple[float, str, tuple[Step, ...]], ...]


@dataclass(frozen=True, eq=False)
class Factored:
    """Stages that take a convolution's place, with what they cost and how far they may err."""

    stages: tuple[Stage, ...]
    offer: Offer
    error_bound: float
    words: str


def _outer(matrices: np.ndarray, u: float) -> Pair | None:
    """Columns and rows whose outer products are the matrices [b, m, n], or None where one is not of rank 1."""
    count, m, n = matrices.shape
    columns, rows = np.empty((count, m)), np.empty((count, n))
    some = max(1, CHUNK // (m * n))
    for k in range(0, count, some):
        part = matrices[k : k + some].astype(np.float64)
        b = np.arange(len(part))
        i, j = np.divmod(np.abs(part).reshape(len(part), -1).argmax(axis=1), n)
        pivot = part[b, i, j]
        columns[k : k + some] = part[b, :, j] / np.where(pivot == 0, 1, pivot)[:, None]
        rows[k : k + some] = part[b, i, :]
        miss = columns[k : k + some, :, None] * rows[k : k + some, None, :]
        miss -= part
        if not (np.abs(miss, out=miss) <= ROUNDINGS * u * np.abs(part)).all():
            return None
    return columns, rows


# forms: what w[g, o, i, y, x] is made of --------------------------------------------------------------------------
def _slices(w: np.ndarray, u: float) -> list[np.ndarray] | None:
    y, x = w.shape[3:]
    found = _outer(w.reshape(-1, y, x), u)
    return found and [found[0].reshape(-1, 1, y, 1), found[1].reshape(-1, 1, 1, x)]


def _kernel_of_input(w: np.ndarray, u: float) -> list[np.ndarray] | None:
    g, o, i, y, x = w.shape
    found = _outer(w.transpose(0, 2, 1, 3, 4).reshape(g * i, o, y * x), u)
    if found is None:
        return None
    mixing = found[0].reshape(g, i, o).transpose(0, 2, 1).reshape(g * o, i, 1, 1)
    return [found[1].reshape(g * i, 1, y, x), mixing]


def _kernel_of_output(w: np.ndarray, u: float) -> list[np.ndarray] | None:
    g, o, i, y, x = w.shape
    found = _outer(w.reshape(g * o, i, y * x), u)
    return found and [found[0].reshape(g * o, i, 1, 1), found[1].reshape(g * o, 1, y, x)]


def _row_of_output(w: np.ndarray, u: float) -> list[np.ndarray] | None:
    g, o, i, y, x = w.shape
    found = _outer(w.reshape(g * o, i * y, x), u)
    return found and [found[0].reshape(g * o, i, y, 1), found[1].reshape(g * o, 1, 1, x)]


def _column_of_output(w: np.ndarray, u: float) -> list[np.ndarray] | None:
    g, o, i, y, x = w.shape
    found = _outer(w.transpose(0, 1, 2, 4, 3).reshape(g * o, i * x, y), u)
    return found and [found[0].reshape(g * o, i, 1, x), found[1].reshape(g * o, 1, y, 1)]


def _column_of_input(w: np.ndarray, u: float) -> list[np.ndarray] | None:
    g, o, i, y, x = w.shape
    found = _outer(w.transpose(0, 2, 3, 1, 4).reshape(g * i, y, o * x), u)
    if found is None:
        return None
    return [
        found[0].reshape(g * i, 1, y, 1),
        found[1].reshape(g, i, o, x).transpose(0, 2, 1, 3).reshape(g * o, i, 1, x),
    ]


def _row_of_input(w: np.ndarray, u: float) -> list[np.ndarray] | None:
    g, o, i, y, x = w.shape
    found = _outer(w.transpose(0, 2, 4, 1, 3).reshape(g * i, x, o * y), u)
    if found is None:
        return None
    return [
        found[0].reshape(g * i, 1, 1, x),
        found[1].reshape(g, i, o, y).transpose(0, 2, 1, 3).reshape(g * o, i, y, 1),
    ]


_DEPTHWISE_AND_MIXING = "one kernel for each input channel, then a sum over the channels"
_MIXING_AND_DEPTHWISE = "a sum over the channels, then one kernel for each output channel"
#: name -> (words, finder, steps without the split of a depthwise kernel: axes and whether each is depthwise)
FORMS: dict[str, tuple[str, Callable[[np.ndarray, float], list[np.ndarray] | None], tuple[tuple[str, str], ...]]] = {
    "slices": ("a column, then a row for each channel", _slices, (("y", "many"), ("x", "out"))),
    "kernel of input": (_DEPTHWISE_AND_MIXING, _kernel_of_input, (("yx", "in"), ("", "plain"))),
    "kernel of output": (_MIXING_AND_DEPTHWISE, _kernel_of_output, (("", "plain"), ("yx", "out"))),
    "row of output": ("columns over all channels, then a row for each", _row_of_output, (("y", "plain"), ("x", "out"))),
    "column of output": ("rows over all channels, then a column for each", _column_of_output,
                         (("x", "plain"), ("y", "out"))),
    "column of input": ("a column for each channel, then rows over all", _column_of_input,
                        (("y", "in"), ("x", "plain"))),
    "row of input": ("a row for each channel, then columns over all", _row_of_input, (("x", "in"), ("y", "plain"))),
}  # fmt: skip


def _steps(p: ChannelProblem, form: str) -> tuple[Step, ...]:
    made = {
        "many": (p.c_out, p.c_in),
        "in": (p.c_in, p.c_in),
        "out": (p.c_out, p.c_out),
        "plain": (p.c_out, p.groups),
    }
    return tuple(Step(axes, *made[kind]) for axes, kind in FORMS[form][2])


def _methods(p: ChannelProblem, steps: tuple[Step, ...]) -> tuple[float, tuple[str, ...]]:
    """What the steps cost, one after the other, and the algorithm of each."""
    problems = stage_problems(p, steps, p.out_shape[0])
    moved = problems[0].input_bytes + problems[-1].output_bytes
    pieces = -(-(problems[0].input_bytes + sum(q.output_bytes for q in problems)) // PIECE_BYTES)
    size = p.dtype.itemsize
    total = p.batch * (MOVED_NS * moved / size + STAGE_NS * len(steps) * pieces) + LOOKED_NS * p.weight_bytes / size
    methods = []
    for made in problems:
        if made.groups == made.c_in:
            names = ["depthwise"]
        elif made.taps == 1 and made.stride == (1, 1):
            names = ["pointwise"]
        else:
            names = ["wide", "deep"]
        best = min(names, key=lambda name: estimate(made, name))
        total += estimate(made, best) * p.batch
        methods.append(best)
    return total, tuple(methods)


@lru_cache(maxsize=256)
def promising(p: ChannelProblem, limit: float) -> Forms:
    """The forms that would cost less than ``limit`` nanoseconds, cheapest first: cost, name, steps."""
    if p.kind != "conv" or p.taps == 1:
        return ()
    found = []
    for form in FORMS:
        if (form == "slices") != (p.groups == p.c_in) or (1 in p.size and "kernel" not in form):
            continue
        steps = _steps(p, form)
        cost, _ = _methods(p, steps)
        if cost < limit:
            found.append((cost, form, steps))
    return tuple(sorted(found, key=lambda each: each[0]))


def _begins(p: ChannelProblem, weight: np.ndarray, form: str) -> np.ndarray | None:
    """The weights as one form looks at them, or None where the first matrix is no outer product: most of them."""
    w = weight.reshape(p.groups, p.group_out, p.group_in, *p.size)
    first = w[:1, :, :1] if "input" in form else w[:1, :1]
    return w if np.isfinite(first).all() and FORMS[form][1](first, unit(p.dtype)) is not None else None


def begins_factored(problem: ChannelProblem, weight: np.ndarray, forms: Forms) -> bool:
    """Whether `find_stages` would have to look at more than the beginning of the weights; forms: see `promising`."""
    return any(_begins(problem, weight, form) is not None for _, form, _ in forms)


def find_stages(problem: ChannelProblem, weight: np.ndarray, limit: float) -> Factored | None:
    """Stages that together are the convolution and cost less than ``limit`` nanoseconds; None where there are not any.

    >>> pairs = ((64, 64), (64, 64), (7, 7), (1, 1), (1, 1), (3, 3), (3, 3))
    >>> problem = ChannelProblem("conv", 1, 16, 16, 16, *pairs, "constant", np.dtype("float32"))
    >>> bell = np.array([1, 6, 15, 20, 15, 6, 1], np.float32)
    >>> weight = np.broadcast_to(np.outer(bell, bell), (16, 1, 7, 7))
    >>> [stage.step.axes for stage in find_stages(problem, weight, 1e9).stages]
    ['y', 'x']
    """
    p, u = problem, unit(problem.dtype)
    for cost, form, steps in promising(p, limit):
        words, find, _ = FORMS[form]
        w = _begins(p, weight, form)
        if w is None:
            continue
        with np.errstate(all="ignore"):
            factors = find(w, u)
        if factors is None:
            continue
        _, methods = _methods(p, steps)
        stages: list[Stage] = []
        problems = stage_problems(p, steps, p.out_shape[0])
        for step, method, part, made in zip(steps, methods, factors, problems, strict=True):
            stage = Stage(step, method, np.ascontiguousarray(part, p.dtype))
            # a kernel for each channel may be an outer product itself
            split = find_stages(made, stage.weight, estimate(made, method)) if step.axes == "yx" else None
            if split is not None:
                cost -= estimate(made, method) - split.offer.cost_ns
                words = f"{words}; {split.words}"
            stages += split.stages if split is not None else [stage]
        return _factored(p, tuple(stages), cost, words)
    return None


def _factored(p: ChannelProblem, stages: tuple[Stage, ...], cost: float, words: str) -> Factored:
    problems = stage_problems(p, [stage.step for stage in stages], p.out_shape[0])
    products = sum(multiplications(q, stage.method) for q, stage in zip(problems, stages, strict=True))
    each = products * p.batch / max(1, p.pixels * p.c_out)
    u = unit(p.dtype)
    # the roundings of all stages' sums and weights, and what the factors miss of w
    bound = gamma(sum(q.group_in * q.taps + 1 for q in problems), u) * (1 + ROUNDINGS * u) + ROUNDINGS * u
    return Factored(stages, Offer("separable", cost, each, WHY.format(words)), bound, words)
