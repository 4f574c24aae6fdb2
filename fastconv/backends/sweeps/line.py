"""The fused separable sweep: 1-D taps along every filtered axis, without a full-size temporary."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import gcd
from typing import Any

import numpy as np

from fastconv.backends.layout import Layout
from fastconv.backends.source import SLACK, Rows
from fastconv.core.byte_means import byte_divisor, is_byte_mean
from fastconv.core.ir import Pass
from fastconv.core.scratch import scratch
from fastconv.loops import box_bytes, cpu_separable, cpu_transposed
from fastconv.loops.vec import lanes

from .common import Call, Target, fold, nones, rows_needed_by, sums_dtype, token, unrolled
from .march import NO_MARCH, March, mean_march, separable_march
from .planes import Planes
from .stages import RowStages, runs, vertical
from .transposed import LONG, NOT_TURNED, WIDE, Transposed, stretches, transposed
from .transposed import TILE as TURNED_TILE

__all__ = ["LineSweep"]

#: (reach, output samples of a tile of the fused sweep): four lines and the rows above them stay in the nearest cache,
#: and the samples that neighbouring tiles compute twice stay few.  Measured at 2048 x 2048 and 1080 x 1920.
TILES = ((8, 256), (63, 512), (2**62, 2048))
#: columns of a tile where there are no horizontal taps
TILE = 512
#: bytes of the nearest cache's ways, rows that meet in one place of it before they are copied into a ring instead,
#: and the bytes of such a ring that the second-level cache holds.  Measured with 25 taps at 2048 x 2048: twice as fast
WAY_BYTES = 4096
MEETING = 12
#: rows that are copied wherever they lie: so many pages are slow to find
MANY = 64
RING_BYTES = 800 * 1024
#: of which a sweep of many rows takes this much, column by column of the image
SLAB_BYTES = 400 * 1024
_NO_RING = np.zeros(1, np.uint8)
_NO_OFFSETS = np.zeros(0, np.int64)
#: vertical taps beyond which a sweep without horizontal ones goes tile by tile too
TALL = 12


@dataclass
class _Ready:
    """What a source and a target dtype make of the sweep: dtype of the sums, taps in it, row functions, the driver."""

    sums: np.dtype
    row_taps: np.ndarray
    column_taps: np.ndarray
    outside: Any
    vertical4: int
    vertical1: int
    horizontal: int
    stages: dict[str, int]
    march: March = NO_MARCH
    turned: Transposed = NOT_TURNED
    driver: Callable[..., None] | None = None


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
        self.stages = RowStages(layout, {a: row_taps[a] for a in self.outer})
        self.planes = Planes(layout, self.outer[0]) if len(self.outer) == 1 and self.inner >= 0 else None
        self.outside = problem.cval * float(np.prod([np.sum(t, dtype=np.float64) for t in row_taps.values()]))
        #: source samples that the padding in front draws on, outputs that stop short of them notwithstanding
        self.least = int(layout.left.max(initial=-1)) + 1
        #: samples of a tile and from one line to the next, for sums of at least 4 bytes and for those of 2
        self.tiles = {4: self._tile(1), 2: self._tile(4)}
        self._turned_tile = min(TURNED_TILE, layout.n_full)
        self._near = _near(layout, self._turned_tile) and self.least <= self._turned_tile + layout.reach - layout.before
        self._turns = self._shared and self._near and layout.n_full >= WIDE
        self.align = lanes(problem.accumulate.itemsize) if self._turns and len(self.column_taps) >= LONG else 1

    def _tile(self, wider: int) -> tuple[int, int]:
        tile, pitch = _tile(self.layout, wider)
        return tile, pitch + max(0, self.least + self.layout.before - tile - self.layout.reach)

    def rows_needed(self, y0: int, y1: int) -> tuple[int, int]:
        return rows_needed_by(self.layout, y0, y1)

    def prepare(self, source: np.dtype, target: np.dtype) -> _Ready:
        stages = self.stages.prepare(source, planes=self.planes is not None)
        if self.outer:
            source = self.layout.problem.accumulate
        if not self.outer and source == target and is_byte_mean(self.layout.problem, (self.row_taps, self.column_taps)):
            return self._means_of_bytes(stages)
        sums = sums_dtype(self.layout.problem, source, target, self.row_taps, self.column_taps)
        acc, size = token(sums), sums.itemsize
        vertical1 = vertical(source, acc, self.row_taps, 1)
        vertical4 = vertical(source, acc, self.row_taps, 4) if self._shared else vertical1
        horizontal = 0
        if not self._plain or target != sums:
            horizontal = cpu_separable.horizontal_row.address(
                ACC=acc,
                OUT=token(target),
                ACC_SIZE=size,
                OUT_SIZE=target.itemsize,
                LANES=lanes(size),
                TAPS=unrolled(self.column_taps),
                FOLD=nones(fold(self.column_taps)),
                UNIT=nones(int(self._step == 1)),
            )
        taps = self.row_taps.astype(sums), self.column_taps.astype(sums)
        outside = sums.type(self.outside)
        march = NO_MARCH
        if self._shared and horizontal:
            march = separable_march(self.layout, *taps, source, sums, target, outside)
        turned = transposed(*taps, source, sums, target) if self._turns else NOT_TURNED
        return _Ready(sums, *taps, outside, vertical4, vertical1, horizontal, stages, march, turned)

    def _means_of_bytes(self, stages: dict[str, int]) -> _Ready:
        """Sums of bytes in 16 bits; the numbers that divide them lie behind the column's taps."""
        nv, nh = len(self.row_taps), len(self.column_taps)
        ones = np.ones(nv, np.int16)
        numbers = np.array([*[1] * nh, *(byte_divisor(nv * nh) or ())], np.uint16).view(np.int16)
        word = np.int16
        vertical1 = box_bytes.box_columns.address(LANES=lanes(2), ROWS=nones(1))
        vertical4 = box_bytes.box_columns.address(LANES=lanes(2), ROWS=nones(4)) if self._shared else vertical1
        outside = word(self.layout.problem.cval * nv if self.layout.problem.reads_constant else 0)
        row = box_bytes.box_row.address(LANES=lanes(2))
        march = mean_march(self.layout, nv, nh, outside) if self._shared else NO_MARCH
        return _Ready(np.dtype(word), ones, numbers[:nh], outside, vertical4, vertical1, row, stages, march)

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

    def run(self, ready: _Ready, rows: Rows, target: Target, y0: int, y1: int) -> None:
        if not self.outer:
            first = self._first(rows, y0, y1)
            self._rows(ready, rows, first, target, target.rows(y0, y1))
            return
        if self.planes and (call := self.call(ready, rows, target, y0, y1)):
            call(0, 0)
            return
        for a, b, base, n in runs(self.layout, self.inner, y0, y1):
            plane = self.stages.sums(ready.stages, rows, base, n)
            inner = self.layout.first_row[a:b] - base
            self._rows(ready, plane, inner, target, target.rows(a, b))

    def _rows(self, ready: _Ready, rows: Rows, first: np.ndarray, target: Target, offsets: np.ndarray) -> None:
        """All rows ``first``: in groups where their lines are turned over, else column tile by column tile."""
        parts = stretches(first, ready.turned.square) if ready.turned.square else [(0, len(first), False)]
        for a, b, whole in parts:
            if whole:
                self._transposed(ready, rows, first[a:b], target, offsets[a:b])
                continue
            for x in range(0, self.layout.n_full, self._width(ready)):
                self._fused(ready, rows, first[a:b], target, offsets[a:b], x)(0, 0)

    def _transposed(self, ready: _Ready, rows: Rows, first: np.ndarray, target: Target, offsets: np.ndarray) -> None:
        layout, turned, tile = self.layout, ready.turned, self._turned_tile
        pitch, lines, columns, sums = turned.room(tile, layout.reach, self._step, ready.sums)
        n = len(self.row_taps) + turned.square
        table = scratch("table", n, np.int64)[:n]
        unit = np.ones(1, ready.sums)
        slab = self._slab(rows, turned.square, tile)
        ring = self._ring(rows, turned.square, slab)
        for x in range(0, layout.n_full, slab):
            cpu_transposed.transposed(
                rows.base, rows.offsets, rows.constant, first, self._row_step, ready.row_taps, ready.column_taps,
                self._step, layout.before, layout.left, layout.right, self.least, layout.n_in,
                target.base, offsets, rows.dtype.itemsize, target.dtype.itemsize, len(first), turned.square,
                tile, lines, pitch, columns, sums, table, *ring, ready.outside, unit, turned.many, turned.vertical,
                turned.horizontal, turned.row, x, min(x + slab, layout.n_full),
            )  # fmt: skip

    def call(self, ready: _Ready, rows: Rows, target: Target, y0: int, y1: int) -> Call | None:
        if self._width(ready) < self.layout.n_full or ready.turned.square:
            return None
        if self.planes:
            room, axis = self.planes.room(), self.outer[0]
            plane = self._fused(ready, room, self.planes.relative, Target(0, _NO_OFFSETS, target.dtype), _NO_OFFSETS)
            taps, functions = self.stages.taps[axis], (ready.stages[f"four{axis}"], ready.stages[f"source{axis}"])
            return self.planes.call(rows, target, y0, y1, taps, functions, plane)
        if self.outer:
            return None
        return self._fused(ready, rows, self._first(rows, y0, y1), target, target.rows(y0, y1))

    def _first(self, rows: Rows, y0: int, y1: int) -> np.ndarray:
        first = self.layout.first_row[y0:y1]
        return first - rows.start if rows.start else first

    def _width(self, ready: _Ready) -> int:
        """Columns summed at a time: the rows under many taps are more than a cache holds."""
        tall = ready.horizontal == 0 and len(self.row_taps) > TALL
        return TILE if tall else max(1, self.layout.n_full)

    def _fused(
        self, ready: _Ready, rows: Rows, first: np.ndarray, target: Target, offsets: np.ndarray, x: int = 0
    ) -> Call:
        """The driver's call for all rows ``first``, from column x on as far as `_width` goes."""
        layout = self.layout
        width = self._width(ready)
        tile, pitch = self.tiles[min(4, ready.sums.itemsize)]
        lines = scratch("lines", 4 * pitch, ready.sums)[: 4 * pitch]
        n = len(self.row_taps) + 7
        table = scratch("table", n, np.int64)[:n]
        before = (
            rows.offsets, rows.constant, first, self._row_step, int(self._shared), ready.row_taps,
            ready.column_taps, self._step, layout.before, layout.left, layout.right, self.least, layout.n_in,
        )  # fmt: skip
        # after groups of rows few are left, for which a ring does not pay; nor does it for rows that are read once
        ring = (_NO_RING, 0, 0) if ready.turned.square or ready.march.function else self._ring(rows, 4, layout.n_full)
        after = (
            offsets, min(width, layout.n_full - x), rows.dtype.itemsize, target.dtype.itemsize, 0, len(first),
            tile, lines, pitch, table, *ring, ready.outside,
            ready.vertical4, ready.vertical1, ready.horizontal,
            ready.march.function, ready.march.plan,
        )  # fmt: skip
        source, out = rows.base + x * rows.dtype.itemsize, target.base + x * target.dtype.itemsize
        if ready.driver is None:
            ready.driver = cpu_separable.fused.compiled(source, *before, out, *after)
        return Call(ready.driver, source, before, out, after)

    def _slab(self, rows: Rows, many: int, tile: int) -> int:
        """Columns whose rows under ``many`` outputs the second-level cache holds, in whole tiles."""
        bytes_each = (len(self.row_taps) + many - 1) * rows.dtype.itemsize
        columns = SLAB_BYTES // bytes_each - self.layout.reach - SLACK
        return self.layout.n_full if columns >= self.layout.n_full else max(1, columns // tile) * tile

    def _ring(self, rows: Rows, many: int, width: int) -> tuple[np.ndarray, int, int]:
        """Memory, rows and bytes of a row of the ring that the source rows of ``many`` outputs are copied into.

        Zeros where they are not.  Rows a large power of two bytes apart meet in few places of the nearest cache, and
        push each other out; so do more rows than it has room for.  width: output columns that are summed at a time.
        """
        slots = len(self.row_taps) + many - 1
        if not self._shared or slots <= MEETING or len(rows.offsets) < 2:
            return _NO_RING, 0, 0
        middle = len(rows.offsets) // 2
        stride = int(rows.offsets[middle]) - int(rows.offsets[middle - 1])
        columns = min(self.layout.n_in, max(self.least, width + self.layout.reach))
        pitch = ((columns + SLACK) * rows.dtype.itemsize // 64 + 1) * 64
        few = slots <= MANY and slots * gcd(stride, WAY_BYTES) <= MEETING * WAY_BYTES
        if (few and width >= self.layout.n_full) or slots * pitch > RING_BYTES:
            return _NO_RING, 0, 0
        if pitch % 1024 < 128:
            pitch += 192
        return scratch("ring", slots * pitch, np.uint8), slots, pitch


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


def _tile(layout: Layout, wider: int) -> tuple[int, int]:
    """Output samples a tile of the fused sweep computes, and samples from one line to the next.

    A tile fills its padding from its own line, so the padding's sources must lie in it; else the row is one tile.
    """
    n, reach = layout.n_full, layout.reach
    tile = wider * next(tile for most, tile in TILES if reach <= most)
    if not _near(layout, tile):
        tile = n
    tile = min(tile, n)
    return tile, (tile + reach + SLACK + 15) // 16 * 16 + 16


def _near(layout: Layout, tile: int) -> bool:
    """Whether each tile of a row finds what its padding repeats in its own line."""
    n, before, left, right = layout.n_full, layout.before, layout.left, layout.right
    if tile >= n:
        return True
    last = (n - 1) // tile * tile - before
    near = before <= tile and right.size <= tile
    near = near and (left.size == 0 or bool(left.max() < tile + layout.reach - before))
    return near and (right.size == 0 or bool(np.all((right >= last) | (right < 0))))
