"""The running-sum sweep: boxes, at the same cost whatever their size."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv.backends.layout import Layout
from fastconv.backends.running import running_dtype
from fastconv.backends.source import SLACK, Rows, address
from fastconv.core.ir import Pass
from fastconv.core.scratch import scratch
from fastconv.loops import cpu_sums, turned_sums
from fastconv.loops.vec import lanes

from .common import Call, Target, nones, rows_needed_by, token
from .stages import RowStages, runs

__all__ = ["SumSweep"]

#: rows after which the running sums of floats start afresh (at least; large boxes go further)
RESTART = 64
#: bytes of a group of rows turned over, up to which it is kept near, and columns worked on at a time
NEAR, TILE = 512 * 1024, 128
#: output rows a multiple of these bytes apart are not written side by side: they would push each other out of the
#: nearest cache (2048 x 2048: sums of float32 a tenth, means of uint16 half as long again; else a fifth to a half less)
MEETING_BYTES = 4096
#: interleaved channels up to which their sums run side by side
MOST_CHAINS = 4


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
        #: rows summed side by side, as many as a vector has sums (0: rows are summed one by one)
        self.square = lanes(self.sums_dtype.itemsize)
        samples = len(layout.columns) + self.square + layout.channels
        if (
            min(self.rows_in_sum, self.columns_in_sum) == 1
            or min(layout.n_in, layout.n_full) < self.square
            or layout.channels > MOST_CHAINS
            or samples * self.square * self.sums_dtype.itemsize > NEAR
            or layout.n_full * problem.out_dtype.itemsize % MEETING_BYTES == 0
        ):
            self.square = 0
        self.align = self.restart or self.square or 1

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
        if self.square:
            ready |= self._group(source, target)
        return ready

    def _group(self, source: np.dtype, target: np.dtype) -> dict[str, int]:
        """What groups of rows need."""
        whole = source.kind in "biu" and self.sums_dtype == np.float32
        size = self.sums_dtype.itemsize
        acc = {"ACC": token(np.dtype(np.int32) if whole else self.sums_dtype), "ACC_SIZE": size, "LANES": self.square}
        read = {"SRC": token(source), "SRC_SIZE": source.itemsize}
        stored = {"OUT": token(target), "OUT_SIZE": target.itemsize, "SCALE": token(self.sums_dtype)}
        return {
            "size": source.itemsize,
            "whole": int(whole),
            "enter": cpu_sums.slide_row.address(**read, **acc),
            "starts": turned_sums.turned_starts.address(**acc),
            "columns": turned_sums.turned_columns.address(**read, **acc),
            "row": turned_sums.turned_row.address(STEP=nones(self.layout.channels), **stored, **acc),
        }

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
        before: tuple[Any, ...] = (
            rows.offsets, rows.constant, first, self.rows_in_sum, self.columns_in_sum,
            layout.channels, layout.before, layout.left, layout.right,
        )  # fmt: skip
        after: tuple[Any, ...] = (target.rows(y0, y1), layout.n_full, 0, y1 - y0, y0, self.restart)
        numbers = self.numbers.copy()
        alone = ready["slide"], ready["sums"], ready["plain"]
        keep = None
        if self.square:
            before += (int(layout.left.max(initial=-1)) + 1, layout.n_in)
            keep = self._zeros(ready["size"])
            after += (*self._room(ready, target.dtype.itemsize, keep), line, numbers, ready["enter"], alone[0])
            after += (ready["starts"], ready["columns"], ready["row"], *alone[1:])
            driver = turned_sums.sum_groups.compiled(rows.base, *before, target.base, *after)
        else:
            before += (layout.n_in,)
            after += (line, numbers, *alone)
            driver = cpu_sums.sum_rows.compiled(rows.base, *before, target.base, *after)
        return Call(driver, rows.base, before, target.base, after, keep)

    def _zeros(self, size: int) -> np.ndarray:
        """A row of zeros of ``size`` bytes a sample."""
        zeros = scratch("sums_zeros", (self.layout.n_in + SLACK) * size, np.uint8)
        zeros[:] = 0
        return zeros

    def _room(self, ready: dict[str, int], out_size: int, zeros: np.ndarray) -> tuple[Any, ...]:
        """Sizes and scratch of `turned_sums.sum_groups`."""
        layout, square = self.layout, self.square
        counts = {
            "columns": layout.n_in // square * square + square,
            "turned": (len(layout.columns) + square + layout.channels) * square,
            "state": layout.channels * square,
        }
        dtype = np.dtype(np.int32) if ready["whole"] else self.sums_dtype
        rooms = [scratch(f"sums_{name}", n, dtype)[:n] for name, n in counts.items()]
        table = scratch("sums_table", 3 * square, np.int64)[: 3 * square]
        spare = scratch("sums_spare", (square * square + layout.n_full + square) * out_size, np.uint8)
        return square, ready["size"], out_size, TILE, *rooms, table, address(zeros), spare
