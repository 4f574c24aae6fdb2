"""Sums along row axes before the last one: what volumes need before the fused sweep of their planes."""

from __future__ import annotations

import numpy as np

from ...core.threads import scratch
from ...loops import cpu_separable
from ...loops.vec import lanes
from ..layout import Layout
from ..source import SLACK, Rows, address
from .common import fold, nones, table_rows, token, unrolled

__all__ = ["RowStages", "runs", "vertical"]


class RowStages:
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
                both[f"{name}{axis}"] = vertical(dtype, acc, taps, 1)
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


def vertical(source: np.dtype, acc: type, taps: np.ndarray, rows: int) -> int:
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


def runs(layout: Layout, inner: int, y0: int, y1: int):
    """Stretches a..b of output rows that differ in the last row axis only, their first padded row, and how many."""
    last = layout.row_axes[-1]
    reach = (last.size - 1) * last.dilation if inner >= 0 else 0
    y = y0
    while y < y1:
        end = min(y1, (y // last.n_out + 1) * last.n_out)
        base = int(layout.first_row[y])
        yield y, end, base, int(layout.first_row[end - 1]) + reach + 1 - base
        y = end
