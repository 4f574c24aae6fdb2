"""Which algorithm computes a convolution over channels, at what cost, within what error.

A cost is in nanoseconds of one core: counts that follow from the problem, times constants for each algorithm and dtype
that stand in ``channel_costs.json`` beside this file, fitted by ``bench/fit_channel_costs.py`` with weights that come
again at every call:

call      one call, whatever its size            product   one multiplication of the algorithm
in, out   one sample read, or written; of        weight    one coefficient, as it is multiplied
          tiles, transformed ones as well        tile      one tile of registers
group     one group of one sample                dealt     one sample whose neighbours are a stride apart
last      one multiplication of a last pixel, whose vector lies along the coefficients

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
from .channels_device import device_estimate

__all__ = ["METHODS", "choose_channels", "counts", "estimate", "multiplications"]

TABLE = Path(__file__).with_name("channel_costs.json")
#: what `method=` may say besides "auto"; the words that stand for several algorithms
FAMILIES = {
    "direct": ("deep", "wide", "pointwise", "strided", "patches", "gemm"),
    "winograd": ("winograd2", "winograd3", "winograd4"),
}
#: what F(outs, taps) adds along both axes, in pairs of unit roundoffs of sum |w| |x|: the tests hold it to that
TILE_ERROR = {(2, 3): 4.0, (2, 5): 16.0, (4, 3): 32.0, (2, 2): 4.0, (3, 2): 4.0, (4, 2): 16.0, (2, 4): 16.0}
#: algorithms whose products are made tile after tile, and added afterwards
SUMMED_TILES = ("gathered", "winograd2", "winograd3", "winograd4")
#: of a vector: products in its idle lanes cost as much as the others
VECTOR_BYTES = 64
WHY = {
    "deep": "register tiles with output channels in the lanes: nothing is multiplied but samples and weights",
    "wide": "register tiles with neighbouring pixels in the lanes: nothing is multiplied but samples and weights",
    "pointwise": "a matrix product over pixels that are read where they lie",
    "strided": "register tiles with neighbouring pixels in the lanes, dealt out as they are read",
    "patches": "a matrix product over what lies under each tap, laid out once for all output channels",
    "depthwise": "every filter reads one channel: rows are filtered where they lie",
    "polyphase": "each output phase is a small convolution: no zero is ever put between samples",
    "gemm": "a matrix product in shared memory, whose factors are gathered as they are needed",
    "gathered": "a matrix product for each tap over all samples, the sums added where they meet",
    "winograd2": "Winograd's tiles of 2 x 2 outputs take fewer multiplications, and err no more than a direct sum",
    "winograd3": "Winograd's tiles of 3 x 3 outputs of even and of odd samples take fewer multiplications",
    "winograd4": "Winograd's tiles of 4 x 4 outputs take fewest multiplications, within the bound on the error",
}
METHODS = (
    "direct",
    "deep",
    "wide",
    "pointwise",
    "strided",
    "patches",
    "gemm",
    "gathered",
    "winograd",
    "winograd2",
    "winograd3",
    "winograd4",
    "depthwise",
    "polyphase",
    "separable",
)


@lru_cache(maxsize=1)
def _table() -> Mapping[str, Mapping[str, Mapping[str, float]]]:
    return json.loads(TABLE.read_text(encoding="utf-8"))


def _parts(problem: ChannelProblem) -> list[int]:
    """Taps along one axis of each of Winograd's algorithms: a stride of 2, or its adjoint, halves them."""
    k = problem.size[0]
    return [k] if problem.stride == (1, 1) else [(k + 1) // 2, k // 2]


def _outs(method: str) -> int:
    """Outputs of a tile along an axis."""
    return 1 if method == "gathered" else int(method[-1])


def _points(problem: ChannelProblem, method: str) -> int:
    """Products of a tile and a pair of channels."""
    return sum(_outs(method) + k - 1 for k in _parts(problem)) ** 2


def _tiles(problem: ChannelProblem, method: str) -> int:
    made = _outs(method) * (2 if problem.kind == "transposed" else 1)
    return math.prod(-(-n // made) for n in problem.out_shape) * problem.batch


def multiplications(problem: ChannelProblem, method: str) -> float:
    """Multiplications of the products' sum; transforms, which add, are counted with samples and weights."""
    if method in SUMMED_TILES:
        return float(_tiles(problem, method) * _points(problem, method) * problem.c_in * problem.group_out)
    return float(problem.products)


def _up(n: int, step: int) -> int:
    return -(-n // step) * step


def counts(problem: ChannelProblem, method: str) -> dict[str, float]:
    """How often each piece of work happens; products include those in lanes of a vector that nothing needs."""
    p = problem
    n = VECTOR_BYTES // p.dtype.itemsize
    found = {
        "call": 1.0,
        "group": float(p.batch * p.groups),
        "in": float(p.batch * p.c_in * math.prod(p.shape)),
        "out": float(p.pixels * p.c_out),
        "weight": float(p.weight_bytes // p.dtype.itemsize),
    }
    if method in SUMMED_TILES:
        points = _points(p, method)
        tiles = _tiles(p, method)
        wide_in, wide_out = (p.groups * _up(c, n if c > n // 2 else n // 2) for c in (p.group_in, p.group_out))
        found["in"] += tiles * points * wide_in
        found["out"] += tiles * points * wide_out
        found["weight"] = float(points * wide_in * wide_out // p.groups)
        found["product"] = float(_up(tiles, 4) * points * wide_in * wide_out // p.groups)
    elif method == "deep":
        found["product"] = float(p.products * _up(p.group_out, n) // max(1, p.group_out))
    elif method == "patches":
        pixels = math.prod(p.out_shape)
        left = pixels % n if pixels % n <= n // 2 else 0
        whole = pixels - left if left else _up(pixels, n)
        each = p.batch * p.c_out * p.group_in * p.taps
        found["product"] = float(each * (whole + left))
        found["last"] = float(each * (left > 0))
        # what is laid out, by vectors; read in place where nothing moves
        moved = 0 if p.taps == 1 and p.shape == p.out_shape else p.out_shape[0] * n
        found["in"] = float(p.batch * p.c_in * p.taps * moved)
    else:  # pixels in the lanes
        height, width = p.shape if p.kind == "transposed" else p.out_shape
        rows = p.batch * p.c_out * height
        if method == "pointwise":
            rows, width = p.batch * p.c_out, height * width
        found["product"] = float(rows * _up(width, n) * p.group_in * p.taps)
        found["tile"] = rows * _up(width, 2 * n) / (2 * n) / 8
        if method == "depthwise" and p.stride[1] > 1:  # every row of a kernel deals the samples out again
            found["dealt"] = float(rows * _up(width, n) * p.size[0])
    return found


def estimate(problem: ChannelProblem, method: str, backend: str = "cpu") -> float:
    if backend == "cuda":
        return device_estimate(problem, method)
    constants = _table()[method][str(problem.dtype)]
    return sum(n * constants.get(piece, 0.0) for piece, n in counts(problem, method).items())


def error_bound(problem: ChannelProblem, method: str) -> float:
    """Relative to sum |w| |x|: the direct sum's gamma, or what Winograd's transforms add to that of their sums."""
    if problem.dtype.kind != "f":
        return 0.0
    u = unit(problem.dtype)
    sums = problem.group_in * problem.taps + 1
    if method.startswith("winograd"):
        parts = _parts(problem)
        return (
            gamma(problem.group_in * len(parts), u)
            + max(TILE_ERROR.get((int(method[-1]), k), 2) for k in parts) * 2 * u
        )
    return gamma(sums, u)


def choose_channels(problem: ChannelProblem, refusals: Mapping[str, str], backend: str = "cpu") -> ChannelPlan:
    """The cheapest algorithm that serves, or the one that ``problem.method`` names.

    refusals: for every algorithm of the backend "" or why it cannot serve.  "separable" serves for some weights only:
    here it stands for the cheapest other one, in whose place it is put when the weights are known.

    >>> import numpy as np
    >>> f32 = np.dtype("float32")
    >>> pairs = ((64, 64), (64, 64), (3, 3), (1, 1), (1, 1), (1, 1), (1, 1))
    >>> problem = ChannelProblem("conv", 1, 3, 8, 1, *pairs, "constant", f32)
    >>> choose_channels(problem, {"deep": "", "depthwise": "a filter reads more than one channel"}).method
    'deep'
    """
    served = [name for name, reason in refusals.items() if not reason]
    refused = {name: reason for name, reason in refusals.items() if reason}
    anyone = problem.method in ("auto", "separable")
    asked = FAMILIES.get(problem.method, (problem.method,))
    made = max(1, problem.pixels * problem.c_out)
    offers = sorted(
        (Offer(m, estimate(problem, m, backend), multiplications(problem, m) / made, WHY[m]) for m in served),
        key=lambda offer: offer.cost_ns,
    )  # fmt: skip
    allowed = [o for o in offers if anyone or o.method in asked]
    if not allowed:
        words = ", ".join(["auto", *served])
        why = "; ".join(refused[m] for m in asked if m in refused) or f"{backend} has no such algorithm"
        raise bad_value("method", problem.method, f"one of {words} for this convolution ({why})")
    best = allowed[0]
    return ChannelPlan(problem, best.method, tuple(offers), refused, error_bound(problem, best.method), best.note)
