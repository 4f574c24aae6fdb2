"""Correlations in any dimensions made ready once for arrays of given strides and dtypes, and run on the workers."""

from __future__ import annotations

from functools import lru_cache
from math import prod
from typing import Any

import numpy as np

from fastconv.backends.sweeps.common import nones, token
from fastconv.core.address import address
from fastconv.core.border import source_index
from fastconv.core.scratch import scratch
from fastconv.loops import exact_windows as loops
from fastconv.loops.vec import lanes

from .job import Job
from .sweeps import loader
from .tables import NEAR, Keeper, Task, c_strides, offsets, ranges, spread

__all__ = ["WindowJob"]

_LANES = lanes(8)
#: samples a row may be read behind its end, in whole vectors
_SLACK = 4 * _LANES
#: vectors and output rows summed together: what the registers hold
_VECTORS, _MANY = (4, 4) if _LANES == 8 else (2, 4)
#: share of a kernel's weights that are not zero, from which on whole slabs are summed where a zero does no harm
_FULL = 0.7
#: bytes of rings up to which tiles are made wide, and those that the second-level cache holds
_WIDE_BYTES, _FAR_BYTES = 200 * 1024, 512 * 1024


@lru_cache(maxsize=64)
def _sum(out: np.dtype) -> int:
    return loops.window_row.address(OUT=token(out), OUT_SIZE=out.itemsize, LANES=_LANES)


@lru_cache(maxsize=64)
def _sum_many(out: np.dtype, many: int) -> int:
    return loops.window_rows.address(
        OUT=token(out), OUT_SIZE=out.itemsize, LANES=_LANES, ROWS=nones(many), VECTORS=nones(_VECTORS)
    )


class _Windows:
    """The one pass of a `WindowJob`."""

    def __init__(
        self, weights: np.ndarray, before: tuple[int, ...], modes: tuple[str, ...], shape: tuple[int, ...],
        strides: tuple[int, ...], source: np.dtype, out: np.dtype, cval: float,
    ) -> None:  # fmt: skip
        # an axis in front gives every image rows and slabs
        weights = np.asarray(weights, np.float64)[None, None]
        before, modes = (0, 0, *before), ("nearest", "nearest", *modes)
        shape, strides = (1, 1, *shape), (0, 0, *strides)
        size = weights.shape
        line = _line_axis(size, shape, strides)
        filtered = size[line] > 1
        inner = prod(shape[line + 1 :])
        self.n_line = prod(shape[line:])
        row, outer = line - 1, range(line - 1)
        out_strides = c_strides(shape, out.itemsize)
        index = [source_index(n, b, k - 1 - b, mode) for n, b, k, mode in zip(shape, before, size, modes, strict=True)]
        self._keep = Keeper()
        address = self._keep.address

        taps = weights.reshape(prod(size[:row]), size[row], -1)
        slabs = np.flatnonzero((taps != 0).any(axis=(1, 2)))
        slab, y, x = np.nonzero(taps[slabs])
        high = size[row]
        self.n_rows = shape[row]
        row_offset = np.where(index[row] < 0, loops.CONSTANT_ROW, index[row] * strides[row])
        unit_src = _slab_offsets([index[a] for a in outer], [shape[a] for a in outer], [strides[a] for a in outer],
                                 [size[a] for a in outer])[:, slabs]  # fmt: skip
        unit_out = offsets(tuple(shape[a] for a in outer), tuple(out_strides[a] for a in outer))
        self.n_units = len(unit_out)
        self.reach = (size[line] - 1) * inner if filtered else 0
        column = spread(index[line], inner) if filtered else np.zeros(1, np.int64)

        harmless = source.kind in "biu" and np.isfinite(cval)
        full = len(x) >= len(slabs) * taps[0].size * (_FULL if harmless else 1)
        many = min(_MANY, high, self.n_rows) if full and len(slabs) else 1
        slots = high + many - 1
        height = max(1, len(slabs) * slots)
        tile = max(512, 2 * self.reach, _WIDE_BYTES // (8 * height) - self.reach)
        if 8 * height * (tile + self.reach) > _FAR_BYTES:
            tile = max(64, self.reach, _FAR_BYTES // (8 * height) - self.reach)
        tile = min(self.n_line, tile // _LANES * _LANES)
        self.tile = max(1, self.n_line if tile < _LANES else tile)
        pitch = (self.tile + self.reach + _SLACK + 7) // 8 * 8 + 8
        self.size = pitch * (height + 1) + height + many + max(len(x), height * taps.shape[2]) + 8

        p = np.zeros(loops.W_COUNT, np.int64)
        p[loops.W_UNIT_SRC], p[loops.W_UNIT_OUT] = address(unit_src), address(unit_out)
        p[loops.W_ROW_OFFSET], p[loops.W_COLUMN] = address(row_offset), address(column)
        p[loops.W_SRC_STEP] = strides[-1]
        p[loops.W_OUT_ROW], p[loops.W_OUT_SIZE] = out_strides[row], out.itemsize
        p[loops.W_BEFORE], p[loops.W_N_LINE] = before[line] * inner if filtered else 0, self.n_line
        p[loops.W_REACH], p[loops.W_SLABS], p[loops.W_HIGH], p[loops.W_TAPS] = self.reach, len(slabs), high, len(x)
        p[loops.W_WEIGHTS] = address(taps[slabs][slab, y, x])
        p[loops.W_TAP_ROW] = address(slab * high + y)
        p[loops.W_TAP_COLUMN] = address(x * (8 * inner))
        p[loops.W_TILE], p[loops.W_PITCH] = self.tile, pitch
        p[loops.W_CVAL] = address(np.array([cval], np.float64))
        p[loops.W_LOAD], p[loops.W_SUM] = loader(source), _sum(out)
        p[loops.W_SLOTS], p[loops.W_MANY], p[loops.W_LEAST] = slots, many, _LANES
        if many > 1:
            p[loops.W_SUM_MANY], p[loops.W_FULL] = _sum_many(out, many), address(taps[slabs])
            p[loops.W_COLUMNS], p[loops.W_FAR] = taps.shape[2], 8 * inner
        self.parameters = p
        #: nanoseconds, roughly
        self.cost = prod(shape) * (0.4 + 0.4 * len(slabs) + 0.08 * len(x))
        self.whole: Task = (0, self.n_units, 0, self.n_rows, 0, self.n_line)

    def tasks(self, wanted: int) -> list[Task]:
        """About ``wanted`` parts: units first, then rows, then samples of a row."""
        units = min(self.n_units, wanted)
        more = -(-wanted // units)
        high = int(self.parameters[loops.W_HIGH])
        bands = max(1, min(more, self.n_rows // (4 * high)))
        pieces = max(1, min(-(-more // bands), -(-self.n_line // self.tile)))
        return [
            (*u, *y, *x)
            for u in ranges(self.n_units, units, 1)
            for y in ranges(self.n_rows, bands, 1)
            for x in ranges(self.n_line, pieces, self.tile)
        ]

    def run(self, source: int, target: int, task: Task) -> None:
        room = scratch("exact_window", self.size, np.float64)
        _driver(self.parameters, source, target, *task, address(room))


class WindowJob(Job):
    """`scipy.ndimage.correlate` on images of one shape, dtype and strides, into C-contiguous outputs of one dtype.

    weights: float64, as many axes as the image; before: padding in front of each axis (size // 2 + origin); modes: the
    border table's word for each axis; cval: what lies outside, a double.  The sum starts at 0.0 and takes the weights
    that are not zero in C order: a product is rounded, then added.  The sum is cast once, as C casts it.
    """

    def __init__(
        self, weights: np.ndarray, before: tuple[int, ...], modes: tuple[str, ...], shape: tuple[int, ...],
        strides: tuple[int, ...], source: np.dtype, out: np.dtype, cval: float,
    ) -> None:  # fmt: skip
        super().__init__([_Windows(weights, before, modes, shape, strides, source, out, cval)])


def _driver(*arguments: Any) -> None:
    """`exact_windows.windows`, its compiled function looked up once."""
    global _compiled
    if _compiled is None:
        _compiled = loops.windows.compiled(*arguments)
    _compiled(*arguments)


_compiled: Any = None


def _line_axis(size: tuple[int, ...], shape: tuple[int, ...], strides: tuple[int, ...]) -> int:
    """The axis at which the line begins: the last one, with what is joined to it.

    Unfiltered axes at the end that are one run of samples join; the filtered axis before them does too where they are
    short.
    """
    line = len(shape) - 1
    while size[line] == 1 and line > 2 and strides[line - 1] == strides[line] * shape[line]:
        if size[line - 1] > 1 and prod(shape[line:]) > NEAR:
            break
        line -= 1
    return line


def _slab_offsets(index: list[np.ndarray], shape: list[int], strides: list[int], size: list[int]) -> np.ndarray:
    """(units, slabs): byte offset of the source slab of every tap of the outer axes, or CONSTANT_ROW."""
    total = np.zeros((1, 1), np.int64)
    outside = np.zeros((1, 1), bool)
    for i, n, stride, k in zip(index, shape, strides, size, strict=True):
        at = i[np.arange(n)[:, None] + np.arange(k)]
        total = (total[:, None, :, None] + (at * stride)[None, :, None, :]).reshape(len(total) * n, -1)
        outside = (outside[:, None, :, None] | (at < 0)[None, :, None, :]).reshape(len(outside) * n, -1)
    return np.where(outside, loops.CONSTANT_ROW, total)
