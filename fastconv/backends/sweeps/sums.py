"""The running-sum sweep: boxes, at the same cost whatever their size."""

from __future__ import annotations

import numpy as np

from fastconv.backends.layout import Layout
from fastconv.backends.running import running_dtype
from fastconv.backends.source import SLACK, Rows
from fastconv.core.ir import Pass
from fastconv.core.scratch import scratch
from fastconv.loops import cpu_sums
from fastconv.loops.vec import lanes

from .common import Call, Target, rows_needed_by, token
from .stages import RowStages, runs

__all__ = ["SumSweep"]

#: rows after which the running sums of floats start afresh (at least; large boxes go further)
RESTART = 64


class SumSweep:
    """Running sums along every filtered axis, times a scale."""

    def __init__(self, layout: Layout, sweep: Pass) -> None:
        self.layout = layout
        problem = layout.problem
        size = dict(zip(sweep.axes, sweep.size, strict=True))
        row_taps = {
            i: np.ones(size[a.filtered], problem.accumulate) for i, a in enumerate(layout.row_axes) if a.filtered >= 0
        }
        last = len(layout.row_axes) - 1
        self.outer = tuple(i for i in sorted(row_taps) if i != last)
        self.inner = last if last in row_taps else -1
        self.rows_in_sum = len(row_taps[last]) if last in row_taps else 1
        self.stages = RowStages(layout, {i: row_taps[i] for i in self.outer})
        self.columns_in_sum = size.get(layout.column.filtered, 1) if layout.column.filtered >= 0 else 1
        count = int(np.prod([len(t) for t in row_taps.values()], dtype=np.int64))
        self.sums_dtype = running_dtype(problem, count * self.columns_in_sum)
        self.numbers = np.array([sweep.scale, 0.0, problem.cval * count, 0.0], self.sums_dtype)
        self.restart = 0 if problem.image_dtype.kind in "biu" else RESTART * max(1, self.rows_in_sum // 16)
        self.align = self.restart or 1

    def rows_needed(self, y0: int, y1: int) -> tuple[int, int]:
        return rows_needed_by(self.layout, y0, y1)

    def prepare(self, source: np.dtype, target: np.dtype) -> dict[str, int]:
        ready = self.stages.prepare(source, planes=False)
        if self.outer:
            source = self.layout.problem.accumulate
        size = self.sums_dtype.itemsize
        sums = {"ACC": token(self.sums_dtype), "ACC_SIZE": size, "LANES": lanes(size)}
        stored = {"OUT": token(target), "OUT_SIZE": target.itemsize}
        ready["slide"] = cpu_sums.slide_row.address(SRC=token(source), SRC_SIZE=source.itemsize, **sums)
        ready["plain"] = cpu_sums.plain_row.address(ACC=sums["ACC"], ACC_SIZE=size, **stored)
        # one sample is its own sum: running it would only add roundings
        alone = self.columns_in_sum == 1
        ready["sums"] = ready["plain"] if alone else cpu_sums.sums_row.address(**sums, **stored)
        return ready

    def run(self, ready: dict[str, int], rows: Rows, target: Target, y0: int, y1: int) -> None:
        if not self.outer:
            self.call(ready, rows, target, y0, y1)(0, 0)  # type: ignore[misc]
            return
        for a, b, base, n in runs(self.layout, self.inner, y0, y1):
            plane = self.stages.sums(ready, rows, base, n)
            self._sums(ready, plane, self.layout.first_row[a:b] - base, target, a, b)(0, 0)

    def call(self, ready: dict[str, int], rows: Rows, target: Target, y0: int, y1: int) -> Call | None:
        if self.outer:
            return None
        return self._sums(ready, rows, self.layout.first_row[y0:y1] - rows.start, target, y0, y1)

    def _sums(self, ready: dict[str, int], rows: Rows, first: np.ndarray, target: Target, y0: int, y1: int) -> Call:
        layout = self.layout
        n = len(layout.columns) + layout.n_in + SLACK
        line = scratch("sums", n, self.sums_dtype)[:n]
        before = (
            rows.offsets, rows.constant, first, self.rows_in_sum, self.columns_in_sum,
            layout.channels, layout.before, layout.left, layout.right, layout.n_in,
        )  # fmt: skip
        after = (
            target.rows(y0, y1), layout.n_full, 0, y1 - y0, y0, self.restart, line, self.numbers.copy(),
            ready["slide"], ready["sums"], ready["plain"],
        )  # fmt: skip
        driver = cpu_sums.sum_rows.compiled(rows.base, *before, target.base, *after)
        return Call(driver, rows.base, before, target.base, after)
