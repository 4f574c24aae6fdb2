"""A product of spectra, tile by tile: the same work for every kernel size.

The pass carries the kernel as it is, without dilation; the executor spreads its taps.  The error of a
transform spreads over its tile: it is relative to the tile's values, not to the window's, and grows with
log2 of the tile's samples.  The bound is 6 u log2 N of sum |w| times the tile's largest |x|: the transforms'
root-mean-square bound (N. J. Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., SIAM 2002,
section 24.1), with room for the largest of a tile's errors.
"""

from __future__ import annotations

import math

import numpy as np

from fastconv.core.ir import Caps, Pass, Problem, Term, Weights
from fastconv.plan.bounds import gamma, output_rounding, unit
from fastconv.plan.candidate import Candidate, Refusal, candidate
from fastconv.plan.cost import spectrum_counts

__all__ = ["offer", "tile_shape"]

#: tile edge for 1, 2, 3 and more transformed axes where the kernel is small
EDGE = (4096, 256, 64, 32)


def tile_shape(problem: Problem) -> tuple[int, ...]:
    """Samples of one tile along each filtered axis: about four times the kernel, and no more than there is."""
    edge = EDGE[min(len(problem.axes), len(EDGE)) - 1]
    tile = []
    for axis, r in zip(problem.axes, problem.reach, strict=True):
        wanted = max(edge, 2 ** math.ceil(math.log2(4 * (r + 1))))
        tile.append(min(wanted, max(1, problem.shape[axis]) + r))
    return tuple(tile)


def offer(problem: Problem, weights: Weights, caps: Caps) -> Candidate | Refusal:
    """Always possible, and worth it where the kernel has hundreds of taps and no structure."""
    kernel = weights.dense
    tile = tile_shape(problem)
    samples = math.prod(tile)
    levels = math.log2(max(2, samples))
    kept = samples / max(1, math.prod(t - r for t, r in zip(tile, problem.reach, strict=True)))
    kept *= math.prod(problem.stride)
    return candidate(
        problem,
        caps,
        "fft",
        (Term((Pass("spectrum", tuple(range(kernel.ndim)), kernel=np.asarray(kernel)),)),),
        spectrum_counts(problem, tile),
        multiplications=kept * (levels + 2),  # two real transforms of N/2 log2 N each, and the product
        error_bound=gamma(math.ceil(6 * levels), unit(problem.accumulate)) + output_rounding(problem),
        note="the same work for every kernel size; a NaN or infinity spreads over its tile",
    )
