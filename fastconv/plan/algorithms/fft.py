"""A product of spectra, tile by tile: the same work for every kernel size.

The pass carries the kernel as it is, without dilation (the executor spreads its taps), and in ``size`` the samples of a
tile.  The error of a
transform spreads over its tile: it is relative to the tile's values, not to the window's, and grows with
log2 of the tile's samples.  The bound is 6 u log2 N of sum |w| times the tile's largest |x|: the transforms'
root-mean-square bound (N. J. Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., SIAM 2002,
section 24.1), with room for the largest of a tile's errors.
"""

from __future__ import annotations

import math

from fastconv.core.ir import Caps, Pass, Problem, Term, Weights
from fastconv.plan.bounds import gamma, output_rounding, unit
from fastconv.plan.candidate import Candidate, Refusal, candidate
from fastconv.plan.cost import spectrum_counts

__all__ = ["offer", "tile_shape"]

#: tile edge for 1, 2, 3 and more transformed axes where the kernel is small: tiles that stay in a core's own cache
EDGES = (4096, 256, 64, 32)
#: an edge is doubled while that saves this part of the work
WORTH = 1.05


def tile_shape(problem: Problem, edges: tuple[int, ...] = ()) -> tuple[int, ...]:
    """Samples of one tile along each filtered axis; never more than the image with its halo."""
    axes = len(problem.axes)
    edges = edges or EDGES
    tile = []
    for axis, r in zip(problem.axes, problem.reach, strict=True):
        edge = edges[min(axes, len(edges)) - 1]
        while edge <= r or _work(edge, r, axes) > WORTH * _work(2 * edge, r, axes):
            edge *= 2
        tile.append(min(edge, max(1, problem.shape[axis]) + r))
    return tuple(tile)


def _work(edge: int, r: int, axes: int) -> float:
    """What one axis of a tile adds to the work for each sample that is kept: its overlap, and the transform's depth."""
    return edge / (edge - r) * math.log2(edge) ** (1 / axes)


def offer(problem: Problem, weights: Weights, caps: Caps) -> Candidate | Refusal:
    """Always possible, and worth it where the kernel has hundreds of taps and no structure."""
    kernel = weights.dense
    tile = tile_shape(problem, caps.tile_edges)
    samples = math.prod(tile)
    levels = math.log2(max(2, samples))
    kept = samples / max(1, math.prod(t - r for t, r in zip(tile, problem.reach, strict=True)))
    kept *= math.prod(problem.stride)
    return candidate(
        problem,
        caps,
        "fft",
        (Term((Pass("spectrum", tuple(range(kernel.ndim)), kernel=kernel, size=tile),)),),
        spectrum_counts(problem, tile),
        multiplications=kept * (levels + 2),  # two real transforms of N/2 log2 N each, and the product
        error_bound=gamma(math.ceil(6 * levels), unit(problem.accumulate)) + output_rounding(problem),
        note="the same work for every kernel size; a NaN or infinity spreads over its tile",
    )
