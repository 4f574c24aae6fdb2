"""Where four output rows march in registers, and the functions that do so (`loops.march_blocks`)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fastconv.backends.layout import Layout
from fastconv.loops import cpu_march, march_blocks
from fastconv.loops.vec import lanes, vector_bytes

from .common import fold, nones, token

__all__ = ["MOST", "NO_MARCH", "DenseShape", "March", "dense_shape", "separable_march"]

#: taps along one axis, and samples between taps, that march; vectors of columns that then lie in registers
MOST, STEPS, AHEAD = 9, 4, 3
#: rows of a dense kernel whose march beats `window_rows`: of 7 x 7 it is a tenth faster, of 9 x 9 no more
DENSE = 7
#: the largest kernel with taps in its middle row and column only
CROSS = 5


@dataclass(frozen=True)
class March:
    """A function's address (0: none), samples of its vectors, and outputs at either end of a row that it leaves out."""

    function: int = 0
    vector: int = 1
    edge: int = 0


NO_MARCH = March()


def _fits(taps: int, step: int, acc: np.dtype) -> bool:
    """The columns that lie ahead have registers: with 16 of them there is no room."""
    fits = 2 <= taps <= MOST and 1 <= step <= STEPS and vector_bytes() == 64
    return fits and (taps - 1) * step <= AHEAD * lanes(acc.itemsize)


def separable_march(
    layout: Layout, row_taps: np.ndarray, column_taps: np.ndarray, source: np.dtype, sums: np.dtype, target: np.dtype
) -> March:
    """Both passes of a separable kernel, for rows whose padding draws on its own end of the row."""
    size = lanes(sums.itemsize)
    step = layout.column.dilation * layout.channels
    left, right = layout.left, layout.right
    if not _fits(len(column_taps), step, sums) or not 2 <= len(row_taps) <= MOST or layout.before < 0:
        return NO_MARCH
    edge = -(-max(1, layout.before, right.size) // size) * size
    inside = min(layout.n_full, layout.n_in + layout.before - layout.reach) - layout.before
    room = march_blocks.least_samples(len(column_taps), step, size)
    if inside < room or layout.n_full < 2 * edge + room:
        return NO_MARCH
    near = left.max(initial=-1) < edge + layout.reach - layout.before
    if not (near and np.all((right < 0) | (right >= layout.n_full - edge - layout.before))):
        return NO_MARCH
    function = cpu_march.march_separable_rows.address(
        SRC=token(source),
        ACC=token(sums),
        OUT=token(target),
        DOWN=nones(len(row_taps)),
        DOWN_FOLD=nones(fold(row_taps)),
        ALONG=nones(len(column_taps)),
        ALONG_FOLD=nones(fold(column_taps)),
        STEP=nones(step),
    )
    return March(function, size, edge)


@dataclass(frozen=True)
class DenseShape:
    """A small kernel over rows and columns: taps, samples between columns, whether only its middle ones have taps."""

    rows: int
    columns: int
    step: int
    cross: bool

    @property
    def vectors(self) -> int:
        """Of each row, summed at once: two where the weights are read again for each."""
        return 1 if self.rows * self.columns <= march_blocks.KEPT else 2

    def least(self, itemsize: int) -> int:
        """Outputs of a row that it has room in, in sums of ``itemsize`` bytes."""
        return self.vectors * march_blocks.least_samples(self.columns, self.step, lanes(itemsize))

    def march(self, source: np.dtype, sums: np.dtype, target: np.dtype) -> March:
        function = cpu_march.march_dense_rows.address(
            SRC=token(source),
            ACC=token(sums),
            OUT=token(target),
            DOWN=nones(self.rows),
            ALONG=nones(self.columns),
            STEP=nones(self.step),
            CROSS=nones(int(self.cross)),
            VECTORS=nones(self.vectors),
        )
        return March(function, lanes(sums.itemsize))


def dense_shape(layout: Layout, kernel: np.ndarray, axes: tuple[int, ...]) -> DenseShape | None:
    """What marches of a kernel over ``axes``: without zeros, or with taps in its middle row and column only."""
    last = layout.row_axes[-1] if layout.row_axes else None
    if last is None or last.filtered < 0 or layout.column.filtered < 0 or last.stride != 1:
        return None
    rows, columns = (kernel.shape[axes.index(a.filtered)] for a in (last, layout.column))
    step = layout.column.dilation * layout.channels
    fits = _fits(columns, step, layout.problem.accumulate)
    if not fits or not 2 <= rows <= DENSE or columns > DENSE or kernel.size != rows * columns:
        return None
    on = kernel.reshape(rows, columns) != 0
    if on.all():
        return DenseShape(rows, columns, step, False)
    middle = np.zeros(on.shape, bool)
    middle[rows // 2], middle[:, columns // 2] = True, True
    odd = rows % 2 == 1 and columns % 2 == 1 and max(rows, columns) <= CROSS
    return DenseShape(rows, columns, step, True) if odd and np.array_equal(on, middle) else None
