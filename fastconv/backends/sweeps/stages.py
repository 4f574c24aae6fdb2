"""Sums along row axes before the last one: what volumes need before the fused sweep of their planes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from fastconv.backends.layout import Layout
from fastconv.backends.source import SLACK, Rows, address
from fastconv.core.scratch import scratch
from fastconv.loops import cpu_separable
from fastconv.loops.vec import lanes

from .common import fold, nones, table_rows, token, unrolled

__all__ = ["RowStages", "runs", "vertical"]


class RowStages:
    """Sums along row axes before the last one: what volumes need before the fused sweep of their planes."""

    def __init__(self, layout: Layout, taps: dict[int, np.ndarray]) -> None:
        self.layout = layout
        self.taps = taps  # row axis -> taps
        self.accumulate = layout.problem.accumulate

    def prepare(self, source: np.dtype, planes: bool) -> dict[str, int]:
        """Functions for each axis, of the source and of what an earlier axis left; for `planes`, of four rows too."""
        acc = token(self.accumulate)
        both = {}
        for axis, taps in self.taps.items():
            for name, dtype in (("source", source), ("scratch", self.accumulate)):
                both[f"{name}{axis}"] = vertical(dtype, acc, taps, 1)
            if planes:
                both[f"four{axis}"] = vertical(source, acc, taps, 4)
        return both

    def sums(self, ready: dict[str, int], rows: Rows, base: int, n: int) -> Rows:
        """Rows base .. base + n of the table, each summed along every axis that has taps, numbered from 0."""
        room = self._summed(ready, rows, base, n, tuple(sorted(self.taps)))
        offsets = table_rows(n, self.layout.n_in * room.itemsize)
        return Rows(address(room), offsets, 0, self.accumulate, 0, room)

    def _summed(self, ready: dict[str, int], rows: Rows, base: int, n: int, axes: tuple[int, ...]) -> np.ndarray:
        """The sums along ``axes``, in scratch: n rows of a source row's length."""
        axis = axes[-1]
        taps = self.taps[axis]
        step = self.layout.steps[axis] * self.layout.row_axes[axis].dilation
        width = self.layout.n_in
        if len(axes) == 1:
            first = np.arange(base - rows.start, base - rows.start + n, dtype=np.int64)
            source, row_step, function = rows, step, ready[f"source{axis}"]
        else:
            pieces = scratch(f"pieces{axis}", len(taps) * n * width + SLACK, self.accumulate)
            for k in range(len(taps)):
                piece = self._summed(ready, rows, base + k * step, n, axes[:-1])
                pieces[k * n * width : (k + 1) * n * width] = piece[: n * width]
            first = np.arange(n, dtype=np.int64)
            offsets = table_rows(len(taps) * n, width * pieces.itemsize)
            source, row_step = Rows(address(pieces), offsets, 0, self.accumulate, 0, pieces), n
            function = ready[f"scratch{axis}"]
        room = scratch(f"stage{axis}", n * width + SLACK, self.accumulate)
        _vertical_only(function, source, first, row_step, taps, room, width)
        return room


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
    function: int, rows: Rows, first: np.ndarray, row_step: int, taps: np.ndarray, room: np.ndarray, width: int
) -> None:
    """Vertical sums straight into ``room``, one row after the other."""
    acc = room.dtype
    n = len(taps) + 4
    cpu_separable.fused(
        rows.base, rows.offsets, rows.constant, first, row_step, 0, taps, np.ones(1, acc), 0, 0, _NONE, _NONE, 0, width,
        address(room), table_rows(len(first), width * acc.itemsize), width, rows.dtype.itemsize, acc.itemsize, 0,
        len(first), width, scratch("lines", 4, acc)[:4], 0, scratch("table", n, np.int64)[:n], np.zeros(1, np.uint8),
        0, 0, acc.type(0), function, function, 0, 0, _NONE,
    )  # fmt: skip


def runs(layout: Layout, inner: int, y0: int, y1: int) -> Iterator[tuple[int, int, int, int]]:
    """Stretches a..b of output rows that differ in the last row axis only, their first padded row, and how many."""
    last = layout.row_axes[-1]
    reach = (last.size - 1) * last.dilation if inner >= 0 else 0
    y = y0
    while y < y1:
        end = min(y1, (y // last.n_out + 1) * last.n_out)
        base = int(layout.first_row[y])
        yield y, end, base, int(layout.first_row[end - 1]) + reach + 1 - base
        y = end
