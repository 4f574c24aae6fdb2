"""The direct sweep: every tap that is not zero, in any number of dimensions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastconv.backends.layout import Layout
from fastconv.backends.source import SLACK, Rows
from fastconv.core.ir import Pass
from fastconv.core.scratch import scratch
from fastconv.loops import cpu_window
from fastconv.loops.vec import lanes, vector_bytes

from .common import Call, Target, nones, rows_needed_by, sums_dtype, token
from .march import MOST, NO_MARCH, March, dense_shape

__all__ = ["WindowSweep"]

#: rows of a block -> vectors of sums for each of them: with 32 registers there is room for more
BLOCKS = {4: 4, 2: 8} if vector_bytes() == 64 else {4: 2, 2: 4}


@dataclass
class _Ready:
    """What a source and a target dtype make of the sweep: dtype of the sums, weights in it, functions, the driver."""

    sums: np.dtype
    weights: np.ndarray
    outside: Any
    functions: tuple[int, int, int, int, int]
    march: March = NO_MARCH
    driver: Callable[..., None] | None = None


class WindowSweep:
    """The sum over the non-zero taps of an N-D kernel."""

    align = 1

    def __init__(self, layout: Layout, sweep: Pass) -> None:
        self.layout = layout
        assert sweep.kernel is not None
        acc = layout.problem.accumulate
        index = np.nonzero(sweep.kernel)
        self.weights = np.ascontiguousarray(sweep.kernel[index], acc)
        rows = np.zeros(len(self.weights), np.int64)
        columns = np.zeros(len(self.weights), np.int64)
        for i, k in zip(sweep.axes, index, strict=True):
            if i == layout.column.filtered:
                columns += k * (layout.column.dilation * layout.channels)
                continue
            for axis, step in zip(layout.row_axes, layout.steps, strict=True):
                if axis.filtered == i:
                    rows += k * (axis.dilation * step)
        self.tap_row, self.tap_column = rows, columns
        self.columns, self.taps, self.block = _blocked(layout, sweep)
        self.spread = layout.row_axes[-1].dilation if layout.row_axes else 1
        low = min(layout.before, layout.n_full)
        high = max(low, min(layout.n_full, layout.n_in + layout.before - layout.reach))
        # bytes may be summed in int16, whose vectors hold the most lanes
        narrowest = 2 if layout.problem.image_dtype.itemsize == 1 else acc.itemsize
        self.shape = dense_shape(layout, sweep.kernel, sweep.axes)
        if high - low < 2 * lanes(narrowest):
            low = high = layout.n_full
        #: outputs whose taps all lie inside a row; the others read a padded copy of their strip
        self.inside = (low, high)
        self.left = layout.columns[: low + layout.reach].copy() if low else _NOTHING
        self.right = layout.columns[high : layout.n_full + layout.reach].copy() if high < layout.n_full else _NOTHING
        #: columns that a strip reads, and columns of sums behind them
        self.strip_columns = max(len(self.left), len(self.right))
        self.edge_columns = max(low, layout.n_full - high)
        self.outside = layout.problem.cval

    def rows_needed(self, y0: int, y1: int) -> tuple[int, int]:
        return rows_needed_by(self.layout, y0, y1)

    def prepare(self, source: np.dtype, target: np.dtype) -> _Ready:
        acc = sums_dtype(self.layout.problem, source, target, self.weights)
        size = lanes(acc.itemsize)

        def kinds(read: np.dtype, written: np.dtype) -> dict[str, Any]:
            return {
                "SRC": token(read),
                "ACC": token(acc),
                "OUT": token(written),
                "SRC_SIZE": read.itemsize,
                "OUT_SIZE": written.itemsize,
            }

        low, high = self.inside
        inside = block = strip = gather = scatter = 0
        march = NO_MARCH
        if high > low:
            inside = cpu_window.window_row.address(LANES=size, **kinds(source, target))
            if self.shape:
                march = self.shape.march(self.layout, source, acc, target, self.outside)
            vectors = 0 if march.function else BLOCKS.get(self.block, 0)
            if vectors and high - low >= vectors * size:
                block = cpu_window.window_rows.address(
                    TILE=vectors * size, ROWS=nones(self.block), VECTORS=nones(vectors), **kinds(source, target)
                )
        if self.strip_columns:
            strip = cpu_window.window_row.address(LANES=size, **kinds(acc, acc))
            sizes = {"ACC_SIZE": acc.itemsize}
            gather = cpu_window.gather_columns.address(
                SRC=token(source), ACC=token(acc), SRC_SIZE=source.itemsize, **sizes
            )
            scatter = cpu_window.scatter_columns.address(
                ACC=token(acc), OUT=token(target), OUT_SIZE=target.itemsize, **sizes
            )
        functions = (inside, block, strip, gather, scatter)
        return _Ready(acc, self.weights.astype(acc), acc.type(self.outside), functions, march)

    def run(self, ready: _Ready, rows: Rows, target: Target, y0: int, y1: int) -> None:
        self.call(ready, rows, target, y0, y1)(0, 0)

    def call(self, ready: _Ready, rows: Rows, target: Target, y0: int, y1: int) -> Call:
        layout = self.layout
        acc = ready.sums
        slices = len(self.weights) // self.taps if self.taps else 0
        n = len(self.weights) + (self.block - 1) * self.columns * slices + self.block + 1 + MOST + 7
        low, high = self.inside
        first = layout.first_row[y0:y1] - rows.start if rows.start else layout.first_row[y0:y1]
        p0, p1 = self.rows_needed(y0, y1)
        # an odd number of cache lines a column, so that neighbouring columns do not compete for one set
        pitch = ((p1 - p0 + SLACK) // 16 | 1) * 16
        columns = self.strip_columns + self.edge_columns
        strip = scratch("strip", columns * pitch + SLACK, acc) if self.strip_columns else _nothing(acc)
        before = (
            rows.offsets, rows.constant, rows.dtype.itemsize, first, self.tap_row, self.tap_column,
            ready.weights, scratch("table", n, np.int64)[:n],
        )  # fmt: skip
        after = (
            target.rows(y0, y1), target.dtype.itemsize,
            low, high, layout.n_full, layout.before, self.left, self.right, strip, pitch, ready.outside,
            y1 - y0, p1 - 1 - layout.first_row[y1 - 1], self.columns, self.taps, self.spread, self.block,
            *ready.functions, ready.march.function, self.shape.rows if self.shape else 0, ready.march.plan,
        )  # fmt: skip
        if ready.driver is None:
            ready.driver = cpu_window.direct.compiled(rows.base, *before, target.base, *after)
        return Call(ready.driver, rows.base, before, target.base, after)


def _blocked(layout: Layout, sweep: Pass) -> tuple[int, int, int]:
    """Taps of one row and of one slice of a kernel without zeros, and rows of a block of outputs that share its rows.

    0, 0, 0 where they cannot: kernels with zeros, of one row, strided along the last row axis.
    """
    kernel = sweep.kernel
    assert kernel is not None
    last = layout.row_axes[-1] if layout.row_axes else None
    if last is None or last.filtered < 0 or last.stride != 1 or not kernel.all():
        return 0, 0, 0
    block = next((rows for rows in BLOCKS if rows <= last.size), 0)
    columns = kernel.shape[-1] if layout.column.filtered >= 0 else 1
    return (columns, last.size * columns, block) if block else (0, 0, 0)


_NOTHING = np.zeros(0, np.int64)


def _nothing(dtype: np.dtype) -> np.ndarray:
    return np.zeros(1, dtype)
