"""One sweep for each kind of pass: prepared once for a problem, run on any band of output rows.

A sweep's ``run(rows, target, y0, y1)`` fills output rows y0..y1 before columns are dropped by a stride; everything
that does not depend on the data is worked out when it is made.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ..core.ir import Pass
from ..core.threads import scratch
from ..loops import cpu_separable, cpu_sums, cpu_window
from ..loops.vec import lanes
from .layout import Layout
from .source import SLACK, Rows, address

__all__ = ["LineSweep", "SumSweep", "Sweep", "Target", "WindowSweep"]

#: taps up to which the vertical and horizontal row functions are unrolled for their number
UNROLLED = 9
#: output samples that one tile of the fused sweep computes, small enough for four lines in the nearest cache
TILE = 512
#: rows after which the running sums of floats start afresh
RESTART = 64


@dataclass
class Target:
    """Rows that a sweep writes: row y lies at ``base + offsets[y]``."""

    base: int
    offsets: np.ndarray
    dtype: np.dtype
    streaming: bool = False


class Sweep(Protocol):
    """What every kind of pass offers the executor."""

    def rows_needed(self, y0: int, y1: int) -> tuple[int, int]: ...
    def prepare(self, source: np.dtype, target: np.dtype, streaming: bool) -> object: ...
    def run(self, ready: object, rows: Rows, target: Target, y0: int, y1: int) -> None: ...


def nones(n: int) -> tuple[None, ...]:
    """The tuple of Nones that stands for a count where it shapes compiled code."""
    return (None,) * n


def token(dtype: np.dtype) -> type:
    """The dtype as loops are told it (bool is read as uint8)."""
    return np.uint8 if dtype.kind == "b" else dtype.type


def fold(taps: np.ndarray) -> int:
    """1 for symmetric taps of odd number, 2 for antisymmetric ones, else 0: which pairs share a multiplication."""
    if len(taps) % 2 == 0 or len(taps) < 3:
        return 0
    if np.array_equal(taps, taps[::-1]):
        return 1
    return 2 if np.array_equal(taps, -taps[::-1]) else 0


def unrolled(taps: np.ndarray) -> tuple[None, ...]:
    return nones(len(taps)) if len(taps) <= UNROLLED else ()


def table_rows(n: int, pitch_bytes: int) -> np.ndarray:
    """Offsets of n rows of scratch."""
    return np.arange(n, dtype=np.int64) * pitch_bytes


class _RowStages:
    """Sums along row axes before the last one: what volumes need before the fused sweep of their planes."""

    def __init__(self, layout: Layout, taps: dict[int, np.ndarray]) -> None:
        self.layout = layout
        self.taps = taps  # row axis -> taps
        self.accumulate = layout.problem.accumulate

    def prepare(self, source: np.dtype) -> dict[str, int]:
        acc = token(self.accumulate)
        both = {}
        for axis, taps in self.taps.items():
            for name, dtype in (("source", source), ("scratch", self.accumulate)):
                both[f"{name}{axis}"] = _vertical(dtype, acc, taps, 1)
        return both

    def sums(self, ready: dict[str, int], rows: Rows, base: int, n: int, axes: tuple[int, ...]) -> Rows:
        """Rows base .. base + n of the table, each summed along ``axes``; the result's rows are numbered from 0."""
        axis = axes[-1]
        taps = self.taps[axis]
        step = self.layout.steps[axis] * self.layout.row_axes[axis].dilation
        width = self.layout.n_in
        if len(axes) == 1:
            first = np.arange(base - rows.start, base - rows.start + n, dtype=np.int64)
            source, offsets, constant, row_step = rows.base, rows.offsets, rows.constant, step
            function = ready[f"source{axis}"]
        else:
            pieces = scratch(f"pieces{axis}", len(taps) * n * width + SLACK, self.accumulate)
            for k in range(len(taps)):
                part = self.sums(ready, rows, base + k * step, n, axes[:-1])
                pieces[k * n * width : (k + 1) * n * width] = part.keep[: n * width]
            first = np.arange(n, dtype=np.int64)
            source, constant, row_step = address(pieces), 0, n
            offsets = table_rows(len(taps) * n, width * pieces.itemsize)
            function = ready[f"scratch{axis}"]
        out = scratch(f"stage{axis}", n * width + SLACK, self.accumulate)
        out_offsets = table_rows(n, width * out.itemsize)
        _vertical_only(function, source, offsets, constant, first, row_step, taps, out, out_offsets, width, n)
        return Rows(address(out), out_offsets, 0, self.accumulate, 0, out)


def _vertical(source: np.dtype, acc: type, taps: np.ndarray, rows: int) -> int:
    size = np.dtype(acc).itemsize
    return cpu_separable.vertical_row.address(
        SRC=token(source),
        ACC=acc,
        SRC_SIZE=source.itemsize,
        ACC_SIZE=size,
        LANES=lanes(size),
        TAPS=unrolled(taps),
        FOLD=nones(fold(taps)),
        ROWS=nones(rows),
    )


_NONE = np.zeros(0, np.int64)


def _vertical_only(
    function: int,
    source: int,
    offsets: np.ndarray,
    constant: int,
    first: np.ndarray,
    row_step: int,
    taps: np.ndarray,
    out: np.ndarray,
    out_offsets: np.ndarray,
    width: int,
    n: int,
) -> None:
    acc = out.dtype
    lines = scratch("lines", 4, acc)[:4]
    table = scratch("table", len(taps) + 4, np.int64)[: len(taps) + 4]
    cpu_separable.fused(
        source, offsets, constant, first, row_step, 0, taps, np.ones(1, acc), 0, 0, _NONE, _NONE, width,
        address(out), out_offsets, width, acc.itemsize, 0, n, width, lines, 0, table, acc.type(0),
        function, function, 0,
    )  # fmt: skip


class LineSweep:
    """Fused 1-D passes: taps along every filtered axis."""

    def __init__(self, layout: Layout, sweep: Pass) -> None:
        self.layout = layout
        problem = layout.problem
        acc = problem.accumulate
        taps = {i: np.ascontiguousarray(t, acc) for i, t in zip(sweep.axes, sweep.taps, strict=True)}
        one = np.ones(1, acc)
        row_taps = {i: taps[a.filtered] for i, a in enumerate(layout.row_axes) if a.filtered >= 0}
        self.column_taps = taps[layout.column.filtered] if layout.column.filtered >= 0 else one
        self.inner, self.outer = _split(layout, row_taps)
        self.row_taps = row_taps.get(self.inner, one)
        self.stages = _RowStages(layout, {a: row_taps[a] for a in self.outer})
        self.outside = acc.type(problem.cval * np.prod([np.sum(t, dtype=np.float64) for t in row_taps.values()]))
        self.tile, self.pitch = _tile(layout)

    def rows_needed(self, y0: int, y1: int) -> tuple[int, int]:
        return _rows_needed(self.layout, y0, y1)

    def prepare(self, source: np.dtype, target: np.dtype, streaming: bool) -> dict[str, int]:
        acc = token(self.layout.problem.accumulate)
        size = np.dtype(acc).itemsize
        ready = self.stages.prepare(source)
        if self.outer:
            source = self.layout.problem.accumulate
        ready["vertical1"] = _vertical(source, acc, self.row_taps, 1)
        ready["vertical4"] = _vertical(source, acc, self.row_taps, 4) if self._shared else ready["vertical1"]
        if self._plain and target == self.layout.problem.accumulate:
            ready["horizontal"] = 0
            return ready
        ready["horizontal"] = cpu_separable.horizontal_row.address(
            ACC=acc,
            OUT=token(target),
            ACC_SIZE=size,
            OUT_SIZE=target.itemsize,
            LANES=lanes(size),
            TAPS=unrolled(self.column_taps),
            FOLD=nones(fold(self.column_taps)),
            UNIT=nones(int(self._step == 1)),
            STREAM=nones(int(streaming)),
        )
        return ready

    @property
    def _plain(self) -> bool:
        """Nothing to do along the row."""
        return len(self.column_taps) == 1 and self.column_taps[0] == 1 and self.layout.before == 0

    @property
    def _step(self) -> int:
        return self.layout.column.dilation * self.layout.channels

    @property
    def _row_step(self) -> int:
        return self.layout.steps[self.inner] * self.layout.row_axes[self.inner].dilation if self.inner >= 0 else 0

    @property
    def _shared(self) -> bool:
        """Four neighbouring outputs may read common rows: unit stride and unit steps in the table."""
        axes = self.layout.row_axes
        return self.inner == len(axes) - 1 and self.inner >= 0 and axes[-1].stride == 1 and axes[-1].dilation == 1

    def run(self, ready: dict[str, int], rows: Rows, target: Target, y0: int, y1: int) -> None:
        first = self.layout.first_row[y0:y1] - rows.start if rows.start else self.layout.first_row[y0:y1]
        if not self.outer:
            self._fused(ready, rows, first, self._row_step, target, target.offsets[y0:y1])
            return
        for a, b, base, n in _runs(self.layout, self.inner, y0, y1):
            plane = self.stages.sums(ready, rows, base, n, self.outer)
            inner = self.layout.first_row[a:b] - base
            self._fused(ready, plane, inner, self._row_step, target, target.offsets[a:b])

    def _fused(
        self, ready: dict[str, int], rows: Rows, first: np.ndarray, row_step: int, target: Target, offsets: np.ndarray
    ) -> None:
        layout = self.layout
        acc = layout.problem.accumulate
        lines = scratch("lines", 4 * self.pitch, acc)[: 4 * self.pitch]
        n = len(self.row_taps) + 4
        table = scratch("table", n, np.int64)[:n]
        cpu_separable.fused(
            rows.base, rows.offsets, rows.constant, first, row_step, int(self._shared), self.row_taps,
            self.column_taps, self._step, layout.before, layout.left, layout.right, layout.n_in,
            target.base, offsets, layout.n_full, target.dtype.itemsize, 0, len(first), self.tile, lines, self.pitch,
            table, self.outside, ready["vertical4"], ready["vertical1"], ready["horizontal"],
        )  # fmt: skip


def _split(layout: Layout, row_taps: dict[int, np.ndarray]) -> tuple[int, tuple[int, ...]]:
    """The row axis summed in the fused sweep (-1: none) and those summed before it.

    One filtered row axis is fused wherever it lies; of several only the last row axis can be.
    """
    filtered = tuple(sorted(row_taps))
    if len(filtered) <= 1:
        return (filtered[0] if filtered else -1), ()
    if filtered[-1] == len(layout.row_axes) - 1:
        return filtered[-1], filtered[:-1]
    return -1, filtered


def _runs(layout: Layout, inner: int, y0: int, y1: int):
    """Stretches a..b of output rows that differ in the last row axis only, their first padded row, and how many."""
    last = layout.row_axes[-1]
    reach = (last.size - 1) * last.dilation if inner >= 0 else 0
    y = y0
    while y < y1:
        end = min(y1, (y // last.n_out + 1) * last.n_out)
        base = int(layout.first_row[y])
        yield y, end, base, int(layout.first_row[end - 1]) + reach + 1 - base
        y = end


def _rows_needed(layout: Layout, y0: int, y1: int) -> tuple[int, int]:
    """Range of padded rows that output rows y0..y1 read (with what lies between them)."""
    reach = sum((a.size - 1) * a.dilation * s for a, s in zip(layout.row_axes, layout.steps, strict=True))
    return int(layout.first_row[y0]), int(layout.first_row[y1 - 1]) + reach + 1


def _tile(layout: Layout) -> tuple[int, int]:
    """Output samples a tile of the fused sweep computes, and samples from one line to the next.

    A tile fills its padding from its own line, so the padding's sources must lie in it; else the row is one tile.
    """
    n, before, reach = layout.n_full, layout.before, layout.reach
    tile = TILE if reach < TILE // 8 else 4 * TILE
    if tile < n:
        last = (n - 1) // tile * tile - before
        left, right = layout.left, layout.right
        near = before <= tile and right.size <= tile
        near = near and (left.size == 0 or left.max() < tile + reach - before)
        if not (near and (right.size == 0 or np.all((right >= last) | (right < 0)))):
            tile = n
    tile = min(tile, n)
    return tile, (tile + reach + SLACK + 15) // 16 * 16 + 16


class WindowSweep:
    """The direct sum over the non-zero taps of an N-D kernel."""

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
        low = min(layout.before, layout.n_full)
        high = max(low, min(layout.n_full, layout.n_in + layout.before - layout.reach))
        if high - low < 2 * lanes(acc.itemsize):
            low = high = layout.n_full
        #: outputs whose taps all lie inside a row; the others read a padded copy of their strip
        self.inside = (low, high)
        spans = ((0, low), (high, layout.n_full))
        self.strips = [(a, b, layout.columns[a : b + layout.reach].copy()) for a, b in spans if b > a]
        self.outside = acc.type(layout.problem.cval)

    def rows_needed(self, y0: int, y1: int) -> tuple[int, int]:
        return _rows_needed(self.layout, y0, y1)

    def prepare(self, source: np.dtype, target: np.dtype, streaming: bool) -> tuple[int, int]:
        acc = self.layout.problem.accumulate

        def row(dtype: np.dtype, streams: bool) -> int:
            return cpu_window.window_row.address(
                SRC=token(dtype),
                ACC=token(acc),
                OUT=token(target),
                SRC_SIZE=dtype.itemsize,
                OUT_SIZE=target.itemsize,
                LANES=lanes(acc.itemsize),
                STREAM=nones(int(streams)),
            )

        low, high = self.inside
        return (row(source, False) if high > low else 0), (row(acc, False) if self.strips else 0)

    def run(self, ready: tuple[int, int], rows: Rows, target: Target, y0: int, y1: int) -> None:
        layout = self.layout
        acc = layout.problem.accumulate
        n = len(self.weights) or 1
        table = scratch("table", n, np.int64)[:n]
        low, high = self.inside
        size, width = rows.dtype.itemsize, target.dtype.itemsize
        offsets = target.offsets[y0:y1]
        first = layout.first_row[y0:y1]
        if high > low:
            cpu_window.window_rows(
                rows.base + (low - layout.before) * size, rows.offsets, rows.constant,
                first - rows.start if rows.start else first, self.tap_row, self.tap_column * size, self.weights, table,
                target.base + low * width, offsets, high - low, 0, y1 - y0, ready[0],
            )  # fmt: skip
        if not self.strips:
            return
        p0, p1 = self.rows_needed(y0, y1)
        first = first - p0
        for a, b, columns in self.strips:
            pitch = len(columns) + SLACK
            strip = scratch("strip", (p1 - p0) * pitch, acc)
            cpu_window.gather(
                rows.base, rows.offsets, p0 - rows.start, p1 - rows.start, columns, strip, pitch, self.outside, size,
                token(rows.dtype),
            )  # fmt: skip
            cpu_window.window_rows(
                address(strip), table_rows(p1 - p0, pitch * acc.itemsize), 0, first, self.tap_row,
                self.tap_column * acc.itemsize, self.weights, table,
                target.base + a * width, offsets, b - a, 0, y1 - y0, ready[1],
            )  # fmt: skip


class SumSweep:
    """Running sums along every filtered axis, times a scale."""

    def __init__(self, layout: Layout, sweep: Pass) -> None:
        self.layout = layout
        problem = layout.problem
        size = dict(zip(sweep.axes, sweep.size, strict=True))
        row_taps = {
            i: np.ones(size[a.filtered], problem.accumulate)
            for i, a in enumerate(layout.row_axes)
            if a.filtered >= 0
        }
        last = len(layout.row_axes) - 1
        self.outer = tuple(i for i in sorted(row_taps) if i != last)
        self.inner = last if last in row_taps else -1
        self.rows_in_sum = len(row_taps[last]) if last in row_taps else 1
        self.stages = _RowStages(layout, {i: row_taps[i] for i in self.outer})
        self.columns_in_sum = size.get(layout.column.filtered, 1) if layout.column.filtered >= 0 else 1
        count = np.prod([len(t) for t in row_taps.values()], dtype=np.float64)
        self.numbers = np.array([sweep.scale, 0.0, problem.cval * count])
        self.restart = 0 if problem.image_dtype.kind in "biu" else RESTART * max(1, self.rows_in_sum // 16)

    def rows_needed(self, y0: int, y1: int) -> tuple[int, int]:
        return _rows_needed(self.layout, y0, y1)

    def prepare(self, source: np.dtype, target: np.dtype, streaming: bool) -> dict[str, int]:
        ready = self.stages.prepare(source)
        if self.outer:
            source = self.layout.problem.accumulate
        ready["slide"] = cpu_sums.slide_row.address(SRC=token(source), SRC_SIZE=source.itemsize)
        ready["sums"] = cpu_sums.sums_row.address(OUT=token(target), OUT_SIZE=target.itemsize)
        ready["plain"] = cpu_sums.plain_row.address(OUT=token(target), OUT_SIZE=target.itemsize)
        return ready

    def run(self, ready: dict[str, int], rows: Rows, target: Target, y0: int, y1: int) -> None:
        first = self.layout.first_row
        if not self.outer:
            self._sums(ready, rows, first[y0:y1] - rows.start, target, y0, y1)
            return
        for a, b, base, n in _runs(self.layout, self.inner, y0, y1):
            plane = self.stages.sums(ready, rows, base, n, self.outer)
            self._sums(ready, plane, first[a:b] - base, target, a, b)

    def _sums(self, ready: dict[str, int], rows: Rows, first: np.ndarray, target: Target, y0: int, y1: int) -> None:
        layout = self.layout
        n = len(layout.columns) + layout.n_in + SLACK
        line = scratch("sums", n, np.float64)[:n]
        cpu_sums.sum_rows(
            rows.base, rows.offsets, rows.constant, first, self.rows_in_sum, self.columns_in_sum,
            layout.channels, layout.before, layout.left, layout.right, layout.n_in,
            target.base, target.offsets[y0:y1], layout.n_full, 0, y1 - y0, y0, self.restart, line, self.numbers.copy(),
            ready["slide"], ready["sums"], ready["plain"],
        )  # fmt: skip
