"""A step made ready for arrays of given strides: its tables, its compiled rows, and the tasks it is shared out in."""

from __future__ import annotations

import threading
from functools import lru_cache
from math import prod
from typing import Any

import numpy as np

from fastconv.backends.sweeps.common import nones, token
from fastconv.core.address import address
from fastconv.core.border import source_index
from fastconv.core.scratch import scratch
from fastconv.loops import exact_rows as rows
from fastconv.loops.vec import lanes

from .steps import Finish, Step, fold
from .tables import Keeper, Task, c_strides, offsets, ranges, spread

__all__ = ["NATIVE", "SweepStep", "loader"]

#: dtypes that the summing rows store themselves; the others go through rows that cast
NATIVE = tuple(np.dtype(t) for t in ("u1", "u2", "i2", "f4", "f8"))

_LANES = lanes(8)
#: samples a row may be read behind its end, in whole vectors
_SLACK = 4 * _LANES
#: bytes of a ring of rows and the lines below it that the nearest cache holds beside other things
_NEAR_BYTES = 36 * 1024
#: bytes of it that the second-level cache holds
_FAR_BYTES = 768 * 1024
#: bytes of scratch that a step remembers
_KEPT_BYTES = 64 * 1024
#: taps up to which rows are unrolled for their number
_UNROLLED = 3


def loader(dtype: np.dtype) -> int:
    """The compiled function that brings a row of a dtype into double."""
    return rows.load_row.address(SRC=token(dtype), SRC_SIZE=dtype.itemsize, LANES=_LANES)


@lru_cache(maxsize=256)
def _down(out: np.dtype, line: bool, finish: int, taps: int, folds: int, many: int) -> int:
    return rows.down_row.address(
        OUT=token(out),
        OUT_SIZE=8 if line else out.itemsize,
        LINE=nones(line),
        FINISH=nones(finish),
        TAPS=nones(taps),
        FOLD=nones(folds),
        ROWS=nones(many),
        LANES=_LANES,
    )


@lru_cache(maxsize=256)
def _along(out: np.dtype, line: bool, finish: int, taps: int, folds: int, near: bool) -> int:
    return rows.along_row.address(
        OUT=token(out),
        OUT_SIZE=8 if line else out.itemsize,
        LINE=nones(line),
        FINISH=nones(finish),
        TAPS=nones(taps),
        FOLD=nones(folds),
        NEAR=nones(near),
        LANES=_LANES,
    )


def _unrolled(n: int) -> int:
    return n if n <= _UNROLLED else 0


def samples_behind(shape: tuple[int, ...], strides: tuple[int, ...], least: int) -> int:
    """The first axis, at least ``least``, from which on the axes are one run of samples a fixed step apart."""
    axis = len(shape) - 1
    while axis > least and (shape[axis - 1] == 1 or strides[axis - 1] == strides[axis] * shape[axis]):
        axis -= 1
    return axis


class _Kept(threading.local):
    """The scratch memory of a small step, and where it lies: asking for it costs as much as a small image."""

    memory: np.ndarray | None = None
    at = 0


class SweepStep:
    """One step on an image and an output of given dtypes and strides; the output is C-contiguous."""

    def __init__(
        self, step: Step, shape: tuple[int, ...], strides: tuple[int, ...], source: np.dtype, out: np.dtype,
        cval: float, finish: Finish,
    ) -> None:  # fmt: skip
        self.step = step
        down, along = step.down, step.along
        itemsize = out.itemsize
        out_strides = c_strides(shape, itemsize)
        if along is not None:
            first = along.axis
        else:
            assert down is not None
            first = samples_behind(shape, strides, down.axis + 1)
        self.n_line = prod(shape[first:])
        self._keep = Keeper()
        put = self._keep.address
        row_axis = down.axis if down is not None else -1
        others = [i for i in range(first) if i != row_axis]
        src_units = offsets(tuple(shape[i] for i in others), tuple(strides[i] for i in others))
        out_units = offsets(tuple(shape[i] for i in others), tuple(out_strides[i] for i in others))
        if down is not None:
            self.n_rows = shape[row_axis]
            index = source_index(self.n_rows, down.before, down.size - 1 - down.before, down.mode)
            row_offset = np.where(index < 0, rows.CONSTANT_ROW, index * strides[row_axis])
            out_row = out_strides[row_axis]
        else:  # every row by its own offset, in one unit
            self.n_rows = len(src_units)
            row_offset = src_units
            src_units = out_units = np.zeros(1, np.int64)
            out_row = self.n_line * itemsize
        self.n_units = len(src_units)
        self.reach, inner, before = 0, 1, 0
        column = np.zeros(1, np.int64)
        constant_columns = False
        if along is not None:
            inner = prod(shape[first + 1 :])
            before, self.reach = along.before * inner, (along.size - 1) * inner
            index = source_index(shape[first], along.before, along.size - 1 - along.before, along.mode)
            column = index if inner == 1 else spread(index, inner)
            constant_columns = bool((index < 0).any())
        nv = down.size if down is not None else 1
        rare = out not in NATIVE and out.kind != "b"
        native = np.dtype(np.uint8) if out.kind == "b" else np.dtype(np.float64) if rare else out
        self.direct = (
            down is not None and along is None and source == np.float64 and strides[-1] == 8 and not step.in_place
        )
        self._shape_room(nv, down is not None)
        p = np.zeros(rows.P_COUNT, np.int64)
        p[rows.P_UNIT_SRC], p[rows.P_UNIT_OUT] = put(src_units), put(out_units)
        p[rows.P_ROW_OFFSET], p[rows.P_COLUMN] = put(row_offset), put(column)
        p[rows.P_SRC_STEP] = strides[-1]
        p[rows.P_OUT_ROW], p[rows.P_OUT_SIZE] = out_row, itemsize
        p[rows.P_BEFORE], p[rows.P_N_LINE], p[rows.P_REACH], p[rows.P_STEP] = before, self.n_line, self.reach, inner
        p[rows.P_NV] = nv
        p[rows.P_CVAL] = put(np.array([cval], np.float64))
        p[rows.P_LOAD] = loader(source)
        p[rows.P_CONSTANT_COLUMNS] = constant_columns
        p[rows.P_DIRECT], p[rows.P_ALL] = self.direct, step.in_place and down is not None
        if down is not None:
            taps = down.taps
            p[rows.P_WV] = put(taps)
            to_line = along is not None and not step.along_first
            last = Finish.STORE if to_line else finish
            kind = (native, to_line, int(last), _unrolled(nv), fold(taps))
            p[rows.P_DOWN_ONE] = _down(*kind, 1)
            p[rows.P_DOWN_MANY] = _down(*kind, self.many) if self.many > 1 else 0
        if along is not None:
            taps = along.taps
            p[rows.P_WH], p[rows.P_NH] = put(taps), along.size
            last = Finish.STORE if step.along_first else finish
            place = rows.P_FIRST if step.along_first else rows.P_ALONG
            p[place] = _along(native, step.along_first, int(last), _unrolled(along.size), fold(taps), inner == 1)
        if rare:
            cast = {"OUT": token(out), "OUT_SIZE": itemsize}
            p[rows.P_CAST_OUT] = rows.cast_row.address(**cast)
            p[rows.P_CAST_LINE] = rows.through_row.address(**cast)
        p[rows.P_TILE], p[rows.P_SLOTS] = self.tile, self.slots
        p[rows.P_PITCH], p[rows.P_MANY] = self.pitch, self.many
        self.parameters = p
        self.kept = _Kept()
        nh = along.size if along is not None else 0
        self.cost = prod(shape) * (0.5 + 0.06 * nh + 0.06 * (nv if down is not None else 0))
        self.whole: Task = (0, self.n_units, 0, self.n_rows, 0, self.n_line)

    def _shape_room(self, nv: int, down: bool) -> None:
        """Rows of the ring, outputs at a time, samples of a tile."""
        self.many = 4 if down and self.n_rows >= 4 else 1
        in_place = self.step.in_place
        self.slots = self.n_rows + nv - 1 if in_place and down else nv + self.many - 1
        height = 8 * (self.slots + self.many + 2)
        if in_place and self.reach:
            tile = self.n_line
        elif in_place:
            tile = max(_LANES, _FAR_BYTES // height)
        elif self.reach:
            tile = max(512, 4 * self.reach, _NEAR_BYTES // height)
        else:
            tile = max(64, _NEAR_BYTES // height)
        self.tile = max(1, min(self.n_line, tile // _LANES * _LANES if tile < self.n_line else tile))
        self.pitch = (self.tile + self.reach + _SLACK + 7) // 8 * 8 + 8
        self.size = self.pitch * (self.slots + self.many + 2) + nv + 2 * self.many + 8

    def tasks(self, wanted: int) -> list[Task]:
        """The step in about ``wanted`` parts: units first, then rows, then samples of a row."""
        units = min(self.n_units, wanted)
        parts = -(-wanted // units)
        whole_rows = self.step.in_place and self.step.down is not None
        bands = 1 if whole_rows else max(1, min(parts, self.n_rows // (4 * self.many)))
        whole_line = self.step.in_place and self.reach > 0
        tiles = -(-self.n_line // self.tile)
        pieces = 1 if whole_line else max(1, min(-(-parts // bands), tiles))
        return [
            (*u, *y, *x)
            for u in ranges(self.n_units, units, 1)
            for y in ranges(self.n_rows, bands, self.many)
            for x in ranges(self.n_line, pieces, self.tile)
        ]

    def run(self, source: int, target: int, task: Task) -> None:
        kept = self.kept
        if kept.memory is None:
            memory = scratch("exact", self.size, np.float64)
            at = address(memory)
            if memory.nbytes <= _KEPT_BYTES:
                kept.memory, kept.at = memory, at
        else:
            at = kept.at
        sweep(self.parameters, source, target, *task, at)


def sweep(*arguments: Any) -> None:
    """`exact_rows.sweep`, its compiled function looked up once."""
    global _compiled
    if _compiled is None:
        _compiled = rows.sweep.compiled(*arguments)
    _compiled(*arguments)


_compiled: Any = None
