"""Which algorithm computes a convolution over channels, at what cost, within what error.

A cost is in nanoseconds of one core: counts that follow from the problem, times constants for each algorithm and dtype
that stand in ``channel_costs.json`` beside this file, estimates from single timings that no fit has replaced yet:

call      one call, whatever its size            product   one multiplication of the algorithm
in, out   one sample of the image, the output    weight    one coefficient that is transformed

Winograd's algorithms (A. Lavin and S. Gray, Fast Algorithms for Convolutional Neural Networks, 2016) sum transformed
samples: their error is relative to sum |w| |x| over a tile, with the factors stated below, and a NaN or an infinity
spreads over its tile.  For finite input they are equal to the direct sum within that bound.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from fastconv.core.channels import ChannelPlan, ChannelProblem
from fastconv.core.errors import bad_value
from fastconv.core.ir import Offer

from .bounds import gamma, unit

__all__ = ["METHODS", "choose_channels", "counts"]

TABLE = Path(__file__).with_name("channel_costs.json")
#: what `method=` may say besides "auto"; the words that stand for several algorithms
FAMILIES = {"direct": ("deep", "wide", "pointwise"), "winograd": ("winograd2", "winograd3", "winograd4")}
#: what F(outs, taps) adds along both axes, in pairs of unit roundoffs of sum |w| |x|: the tests hold it to that
TILE_ERROR = {(2, 3): 4.0, (2, 5): 16.0, (4, 3): 32.0, (2, 2): 4.0, (3, 2): 4.0, (4, 2): 16.0, (2, 4): 16.0}
WHY = {
    "deep": "register tiles with output channels in the lanes: nothing is multiplied but samples and weights",
    "wide": "register tiles with neighbouring pixels in the lanes: nothing is multiplied but samples and weights",
    "pointwise": "a matrix product over pixels that are read where they lie",
    "depthwise": "every filter reads one channel: rows are filtered where they lie",
    "polyphase": "each output phase is a small convolution: no zero is ever put between samples",
    "winograd2": "Winograd's tiles of 2 x 2 outputs take fewer multiplications, and err no more than a direct sum",
    "winograd3": "Winograd's tiles of 3 x 3 outputs of even and of odd samples take fewer multiplications",
    "winograd4": "Winograd's tiles of 4 x 4 outputs take fewest multiplications, within the bound on the error",
}
METHODS = (
    "direct",
    "deep",
    "wide",
    "pointwise",
    "winograd",
    "winograd2",
    "winograd3",
    "winograd4",
    "depthwise",
    "polyphase",
)


@lru_cache(maxsize=1)
def _table() -> Mapping[str, Mapping[str, Mapping[str, float]]]:
    return json.loads(TABLE.read_text(encoding="utf-8"))


def _parts(problem: ChannelProblem) -> list[int]:
    """Taps along one axis of each of Winograd's algorithms: a stride of 2, or its adjoint, halves them."""
    k = problem.size[0]
    return [k] if problem.stride == (1, 1) else [(k + 1) // 2, k // 2]


def multiplications(problem: ChannelProblem, method: str) -> float:
    """Multiplications of the products' sum; transforms, which add, are counted with samples and weights."""
    if method.startswith("winograd"):
        outs = int(method[-1])
        made = outs * 2 if problem.kind == "transposed" else outs
        tiles = math.prod(-(-n // made) for n in problem.out_shape) * problem.batch
        points = sum(outs + k - 1 for k in _parts(problem)) ** 2
        return float(tiles * points * problem.c_in * problem.group_out)
    return float(problem.products)


def counts(problem: ChannelProblem, method: str) -> dict[str, float]:
    """How often each piece of work happens."""
    return {
        "call": 1.0,
        "in": float(problem.batch * problem.c_in * math.prod(problem.shape)),
        "out": float(problem.pixels * problem.c_out),
        "product": multiplications(problem, method),
        "weight": float(problem.weight_bytes // problem.dtype.itemsize),
    }


def estimate(problem: ChannelProblem, method: str) -> float:
    constants = _table()[method][str(problem.dtype)]
    return sum(n * constants.get(piece, 0.0) for piece, n in counts(problem, method).items())


def error_bound(problem: ChannelProblem, method: str) -> float:
    """Relative to sum |w| |x|: the direct sum's gamma, or what Winograd's transforms add to that of their sums."""
    u = unit(problem.dtype)
    sums = problem.group_in * problem.taps + 1
    if method.startswith("winograd"):
        parts = _parts(problem)
        return (
            gamma(problem.group_in * len(parts), u)
            + max(TILE_ERROR.get((int(method[-1]), k), 2) for k in parts) * 2 * u
        )
    return gamma(sums, u)


def choose_channels(problem: ChannelProblem, refusals: Mapping[str, str]) -> ChannelPlan:
    """The cheapest algorithm that serves, or the one that ``problem.method`` names.

    refusals: for every algorithm of the backend "" or why it cannot serve.

    >>> import numpy as np
    >>> f32 = np.dtype("float32")
    >>> pairs = ((64, 64), (64, 64), (3, 3), (1, 1), (1, 1), (1, 1), (1, 1))
    >>> problem = ChannelProblem("conv", 1, 3, 8, 1, *pairs, "constant", f32)
    >>> choose_channels(problem, {"deep": "", "depthwise": "a filter reads more than one channel"}).method
    'deep'
    """
    served = [name for name, reason in refusals.items() if not reason]
    refused = {name: reason for name, reason in refusals.items() if reason}
    asked = FAMILIES.get(problem.method, (problem.method,))
    offers = sorted(
        (Offer(m, estimate(problem, m), multiplications(problem, m) / max(1, problem.pixels * problem.c_out), WHY[m])
         for m in served),
        key=lambda offer: offer.cost_ns,
    )  # fmt: skip
    allowed = [o for o in offers if problem.method == "auto" or o.method in asked]
    if not allowed:
        words = ", ".join(["auto", *served])
        why = "; ".join(refused[m] for m in asked if m in refused)
        raise bad_value("method", problem.method, f"one of {words} for this convolution ({why})")
    best = allowed[0]
    return ChannelPlan(problem, best.method, tuple(offers), refused, error_bound(problem, best.method), best.note)
