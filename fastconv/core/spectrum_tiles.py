"""Which problems are filtered by tiles of spectra in the lanes of vectors, and the tiles that there are.

The planner picks a tile and the backend works it; both ask here.
"""

from __future__ import annotations

import math

from .geometry import MOST_CHANNELS
from .ir import Problem

__all__ = ["EDGES", "flat_reach", "in_tiles", "rows_kept", "tiles_needed"]

#: edges of a tile, in samples, and the radices of their transforms
EDGES: dict[int, tuple[int, ...]] = {32: (4, 8), 64: (8, 8), 128: (4, 4, 8), 256: (4, 8, 8), 512: (8, 8, 8)}
#: rows that are stored together: a tile's are a multiple
_BLOCK = 4


def flat_reach(problem: Problem) -> tuple[int, int]:
    """Rows between the first and the last tap, and samples of a row with its channels."""
    behind = math.prod(problem.shape[problem.axes[-1] + 1 :])
    return problem.reach[0], problem.reach[1] * behind


def rows_kept(problem: Problem, height: int) -> int:
    """Output rows of a tile of ``height`` rows: a multiple of 4, 0 where there is no room for so many."""
    return max(0, (height - problem.reach[0] - 1) // problem.stride[0] + 1) // _BLOCK * _BLOCK


def tiles_needed(problem: Problem, tile: tuple[int, int]) -> int:
    """Tiles of all planes; a row of tiles has an even number of them, which are worked two at a time.

    A tile that is too small for the kernel keeps nothing: 0.
    """
    rows, columns = rows_kept(problem, tile[0]), tile[1] - flat_reach(problem)[1]
    if rows <= 0 or columns <= 0:
        return 0
    first, last = problem.axes
    planes = math.prod(problem.shape[:first])
    width = math.prod(problem.shape[last:])
    return planes * -(-problem.out_shape[first] // rows) * 2 * -(-width // (2 * columns))


def in_tiles(problem: Problem) -> bool:
    """Whether two neighbouring axes are filtered, with no more than channels behind them, by taps that a tile holds.

    >>> import numpy as np
    >>> rest = (1, 1), (1, 1), ("reflect", "reflect"), 0.0, *[np.dtype("float32")] * 3
    >>> in_tiles(Problem((480, 640), (0, 1), (31, 31), (15, 15), *rest))
    True
    >>> in_tiles(Problem((480, 640), (0, 1), (31, 301), (15, 150), *rest))
    False
    """
    axes = problem.axes
    if len(axes) != 2 or axes[1] != axes[0] + 1:
        return False
    if math.prod(problem.shape[axes[1] + 1 :]) > MOST_CHANNELS:
        return False
    most = max(EDGES)
    return rows_kept(problem, most) > 0 and 2 * flat_reach(problem)[1] < most
