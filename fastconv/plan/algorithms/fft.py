"""A product of spectra, tile by tile: the same work for every kernel size.

The pass carries the kernel as it is, without dilation (the executor spreads its taps), and in ``size`` the samples of a
tile.  Two neighbouring axes are filtered in tiles that loops transform ("tiles", where the backend has them), two tiles
side by side as one of complex numbers; other axes by a library ("spectrum").  The error of a transform spreads over its
tile, or pair of tiles: it is relative to the tile's values, not to the window's, and grows with log2 of the tile's
samples.  The bound is 6 u log2 N of sum |w| times the tile's largest |x|: the transforms'
root-mean-square bound (N. J. Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., SIAM 2002,
section 24.1), with room for the largest of a tile's errors.
"""

from __future__ import annotations

import itertools
import math

from fastconv.core.ir import Caps, Pass, Problem, Term, Weights
from fastconv.core.spectrum_tiles import EDGES as TILES
from fastconv.core.spectrum_tiles import in_tiles, tiles_needed
from fastconv.plan.bounds import gamma, output_rounding, unit
from fastconv.plan.candidate import Candidate, Refusal, candidate
from fastconv.plan.cost import spectrum_counts, tile_counts

__all__ = ["offer", "tile_shape", "whole_tile"]

#: tile edge for 1, 2, 3 and more transformed axes where the kernel is small: tiles that stay in a core's own cache
EDGES = (4096, 256, 64, 32)
#: an edge is doubled while that saves this part of the work
WORTH = 1.05
#: levels of a transform that are as much work as bringing samples into a tile, turning it, and taking them out
MOVED = 8
#: a sample's work in a tile that leaves the second-level cache
LARGE = 1.15


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


def whole_tile(problem: Problem) -> tuple[int, int]:
    """The tile, of those there are, with the least work for the whole problem."""
    edges = list(itertools.product(TILES, TILES))
    return min((t for t in edges if tiles_needed(problem, t)), key=lambda t: _tile_work(problem, t))


def _tile_work(problem: Problem, tile: tuple[int, int]) -> float:
    """Measured: what does not grow with the transform's depth is as much as eight of its levels; above 2**16 samples
    a pair of tiles leaves the second-level cache."""
    samples = math.prod(tile)
    return tiles_needed(problem, tile) * samples * (math.log2(samples) + MOVED) * (LARGE if samples > 2**16 else 1)


def offer(problem: Problem, weights: Weights, caps: Caps) -> Candidate | Refusal:
    """Always possible, and worth it where the kernel has hundreds of taps and no structure."""
    kernel = weights.dense
    tile: tuple[int, ...]
    if "tiles" in caps.kinds and in_tiles(problem):
        kind, tile = "tiles", (whole := whole_tile(problem))
        counts = tile_counts(problem, whole)
        kept = tiles_needed(problem, whole) * math.prod(whole) / max(1, problem.pixels)
    else:
        kind, tile = "spectrum", tile_shape(problem, caps.tile_edges)
        counts = spectrum_counts(problem, tile)
        kept = math.prod(tile) / max(1, math.prod(t - r for t, r in zip(tile, problem.reach, strict=True)))
        kept *= math.prod(problem.stride)
    levels = math.log2(max(2, math.prod(tile)))
    return candidate(
        problem,
        caps,
        "fft",
        (Term((Pass(kind, tuple(range(kernel.ndim)), kernel=kernel, size=tile),)),),
        counts,
        multiplications=kept * (levels + 2),  # two real transforms of N/2 log2 N each, and the product
        error_bound=gamma(math.ceil(6 * levels), unit(problem.accumulate)) + output_rounding(problem),
        note="the same work for every kernel size; a NaN or infinity spreads over its tile",
    )
