"""Where four output rows march in registers, and the functions that do so (`loops.march_blocks`)."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fastconv.backends.layout import Layout
from fastconv.loops import cpu_march, march_blocks, march_means
from fastconv.loops.vec import lanes, vector_bytes

from .common import fold, nones, token

__all__ = ["MOST", "NO_MARCH", "DenseShape", "March", "dense_shape", "mean_march", "separable_march"]

#: taps along one axis, and samples between taps, that march; vectors of columns that then lie in registers
MOST, STEPS, AHEAD = 9, 4, 3
#: rows of a dense kernel whose march beats `window_rows`: of 7 x 7 it is a tenth faster, of 9 x 9 no more
DENSE = 7
#: bytes of image and result from which on results pass the caches by: as many as the cores of a socket share, or more.
#: Measured on 3 x 3 taps of float32, one thread: 1024 x 1024 takes twice as long that way, 2048 x 2048 a fifth less,
#: 3000 x 4000 a quarter less, and likewise where the result is summed at once; into fresh memory as long either way
STREAM_BYTES = 2**25
#: the largest kernel with taps in its middle row and column only
CROSS = 5


@dataclass(frozen=True, eq=False)
class March:
    """A function's address (0: none), and the plan of the rows that it makes (`march_blocks.PLAN_WORDS`)."""

    function: int = 0
    plan: np.ndarray = field(default_factory=lambda: np.zeros(1, np.int64))


NO_MARCH = March()


def _fits(taps: int, step: int, acc: np.dtype) -> bool:
    """The columns that lie ahead have registers: with 16 of them there is no room."""
    fits = 2 <= taps <= MOST and 1 <= step <= STEPS and vector_bytes() == 64
    return fits and (taps - 1) * step <= AHEAD * lanes(acc.itemsize)


def _plan(layout: Layout, sums: np.dtype, step: int, beyond: int, outside: Any) -> np.ndarray | None:
    """The plan of rows that march ``step`` outputs at a time.

    None where they are too short, or begin inside the image, or where a vector of padding draws on samples too far
    apart for one vector: those at the other end.  beyond: samples read behind the one under an output's first tap.
    """
    size = lanes(sums.itemsize)
    n, before, reach = layout.n_full, layout.before, layout.reach
    ahead = -(-reach // size)
    stop = min(n, layout.n_in + before - beyond)
    left = -(-(before + size - 1) // size)  # wherever vectors lie, the first is no later
    right = -(-(n - (stop - step + 1)) // size)
    if before < 0 or left * size + step > stop or layout.n_in < size:
        return None
    near = []
    for first in (*range(0, left * size, size), *range(n - right * size, n, size)):
        starts = np.zeros(1 + ahead, np.int64)
        lane = np.zeros((1 + ahead, size), np.dtype(f"i{sums.itemsize}"))
        for k in range(1 + ahead):
            under = layout.columns[first + k * size : min(first + (k + 1) * size, first + size + reach)]
            low = min(int(under[under >= 0].min(initial=layout.n_in)), layout.n_in - size)
            if under.max(initial=-1) - low >= size:
                return None
            starts[k] = low + before
            lane[k, : len(under)] = np.where(under < 0, -1, under - low)
        near.append(np.concatenate([[first], starts, lane.reshape(-1).view(np.int64)]))
    value = np.zeros(8 // sums.itemsize, sums)
    value[0] = outside
    head = np.array([len(near), value.view(np.int64)[0], before, left * size, stop])
    assert len(head) == march_blocks.PLAN_WORDS
    return np.concatenate([head, *near])


def _sizes(source: np.dtype, sums: np.dtype, target: np.dtype) -> dict[str, int]:
    return {"LANES": lanes(sums.itemsize), "SRC_SIZE": source.itemsize, "OUT_SIZE": target.itemsize}


def _streams(layout: Layout, sums: np.dtype, target: np.dtype) -> bool:
    """Whether outputs are stored past the caches: those of rows of whole cache lines, of more than a cache holds."""
    row = layout.n_full * target.itemsize
    image = math.prod(layout.problem.shape) * layout.problem.image_dtype.itemsize
    whole = target.itemsize == sums.itemsize and row % vector_bytes() == 0
    return whole and image + layout.rows_out * row >= STREAM_BYTES


def separable_march(
    layout: Layout,
    row_taps: np.ndarray,
    column_taps: np.ndarray,
    source: np.dtype,
    sums: np.dtype,
    target: np.dtype,
    outside: Any,
) -> March:
    """Both passes of a separable kernel, for rows whose padding draws on its own end of the row.

    outside: the sum over rows of what lies outside the image.
    """
    step = layout.column.dilation * layout.channels
    if not _fits(len(column_taps), step, sums) or not 2 <= len(row_taps) <= MOST:
        return NO_MARCH
    size = lanes(sums.itemsize)
    plan = _plan(layout, sums, size, -(-layout.reach // size) * size, outside)
    if plan is None:
        return NO_MARCH
    streams = _streams(layout, sums, target)
    rows = cpu_march.march_separable_stream if streams else cpu_march.march_separable_rows
    function = rows.address(
        SRC=token(source),
        ACC=token(sums),
        OUT=token(target),
        DOWN=nones(len(row_taps)),
        DOWN_FOLD=nones(fold(row_taps)),
        ALONG=nones(len(column_taps)),
        ALONG_FOLD=nones(fold(column_taps)),
        STEP=nones(step),
        **_sizes(source, sums, target),
    )
    return March(function, plan)


def mean_march(layout: Layout, down: int, along: int, outside: Any) -> March:
    """Means of ``down`` x ``along`` bytes in 16 bits; outside: ``down`` times what lies outside the image."""
    step, sums = layout.column.dilation * layout.channels, np.dtype(np.int16)
    if not _fits(along, step, sums) or not 2 <= down <= MOST:
        return NO_MARCH
    size = lanes(2)
    plan = _plan(layout, sums, size, -(-layout.reach // size) * size, outside)
    if plan is None:
        return NO_MARCH
    function = march_means.march_mean_rows.address(DOWN=nones(down), ALONG=nones(along), STEP=nones(step), LANES=size)
    return March(function, plan)


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

    def march(self, layout: Layout, source: np.dtype, sums: np.dtype, target: np.dtype, outside: Any) -> March:
        size = lanes(sums.itemsize)
        beyond = layout.reach if source == sums else -(-layout.reach // size) * size
        plan = _plan(layout, sums, self.vectors * size, beyond, outside)
        if plan is None:
            return NO_MARCH
        streams = _streams(layout, sums, target)
        rows = cpu_march.march_dense_stream if streams else cpu_march.march_dense_rows
        function = rows.address(
            SRC=token(source),
            ACC=token(sums),
            OUT=token(target),
            DOWN=nones(self.rows),
            ALONG=nones(self.columns),
            STEP=nones(self.step),
            CROSS=nones(int(self.cross)),
            VECTORS=nones(self.vectors),
            **_sizes(source, sums, target),
        )
        return March(function, plan)


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
