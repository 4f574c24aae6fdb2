"""Boxes by running sums, pass after pass, made ready once for arrays of given strides and dtypes."""

from __future__ import annotations

import itertools
from functools import lru_cache
from math import prod
from typing import Any, NamedTuple

import numpy as np

from fastconv.backends.sweeps.common import nones, token
from fastconv.core.address import address
from fastconv.core.border import reads_constant, source_index
from fastconv.core.scratch import scratch
from fastconv.loops import exact_running as loops
from fastconv.loops.vec import lanes

from .job import Job
from .sweeps import NATIVE, loader
from .tables import Keeper, c_strides, offsets, ranges

__all__ = ["Box", "RunningJob"]

_LANES = lanes(8)
#: output rows that one turn down a tile of columns fills
_AT_ONCE = 4
#: bytes of a tile's rows between the one that enters and the one that leaves, and of a plane of doubles
_WINDOW_BYTES, _PLANE_BYTES = 192 * 1024, 512 * 1024
#: magnitudes of a constant for which sums over it are far from what overflows or is subnormal
_TAME = (2.0**-200, 2.0**200)
#: (units, samples) or (groups, nothing) of a task
_Task = tuple[int, ...]


class Box(NamedTuple):
    """A mean of ``size`` samples along ``axis``; before: padding in front; mode: the border table's word."""

    axis: int
    size: int
    before: int
    mode: str


class RunningJob(Job):
    """`scipy.ndimage.uniform_filter1d` for each box in turn, into C-contiguous outputs of one dtype.

    The first box reads the image, each further one what the one before has left in the output.  Every pass keeps
    SciPy's running total in double, so NaN and infinity stay until the end of their line.  cval: what lies outside, a
    double.
    """

    def __init__(
        self, boxes: tuple[Box, ...], shape: tuple[int, ...], strides: tuple[int, ...], source: np.dtype,
        out: np.dtype, cval: float,
    ) -> None:  # fmt: skip
        out_strides = c_strides(shape, out.itemsize)
        passes: list[_Down | _Along] = []
        for i, box in enumerate(boxes if prod(shape) else ()):
            reads, dtype = (out_strides, out) if i else (strides, source)
            maker = _Down if _runs_down(box, shape, reads, dtype, out, in_place=i > 0) else _Along
            passes.append(maker(box, shape, reads, out_strides, dtype, out, cval, in_place=i > 0))
        super().__init__(passes)


def _sample_step(axis: int, shape: tuple[int, ...], strides: tuple[int, ...]) -> int:
    """Bytes between samples behind an axis, where they are one run a fixed step apart; else 0."""
    long = [a for a in range(axis + 1, len(shape)) if shape[a] > 1]
    if not long or any(strides[a] != strides[b] * shape[b] for a, b in itertools.pairwise(long)):
        return 0
    return strides[long[-1]]


def _straight(source: np.dtype, out: np.dtype) -> bool:
    """Whether rows of one dtype are summed straight into rows of another."""
    return all(dtype in NATIVE or dtype.kind == "b" for dtype in (source, out))


def _runs_down(
    box: Box, shape: tuple[int, ...], strides: tuple[int, ...], source: np.dtype, out: np.dtype, *, in_place: bool
) -> bool:
    """Whether a pass goes down tiles of columns: what is behind the axis is long, and a plane of a tile not too big."""
    inner = prod(shape[box.axis + 1 :])
    step = _sample_step(box.axis, shape, strides)
    if inner < _LANES or step == 0:
        return False
    plane = _needs_plane(box, step, source, out, in_place)
    return not plane or 8 * _LANES * (shape[box.axis] + 1) <= _PLANE_BYTES


def _needs_plane(box: Box, step: int, source: np.dtype, out: np.dtype, in_place: bool) -> bool:
    return in_place or not _straight(source, out) or step != source.itemsize or reads_constant((box.mode,))


def _divides(source: np.dtype, box: Box, cval: float) -> tuple[None, ...]:
    """Whether totals may be too small or too great for the quick division."""
    tame = cval == 0 or not reads_constant((box.mode,)) or _TAME[0] <= abs(cval) <= _TAME[1]
    return nones(int(source == np.float64 or not tame))


class _Down:
    """A pass down rows."""

    def __init__(
        self, box: Box, shape: tuple[int, ...], strides: tuple[int, ...], out_strides: tuple[int, ...],
        source: np.dtype, out: np.dtype, cval: float, *, in_place: bool,
    ) -> None:  # fmt: skip
        axis, n = box.axis, shape[box.axis]
        self.n_line = prod(shape[axis + 1 :])
        step = _sample_step(axis, shape, strides)
        plane = _needs_plane(box, step, source, out, in_place)
        reads = np.dtype(np.float64) if plane else source
        room, rows = (_PLANE_BYTES, n + 1) if plane else (_WINDOW_BYTES, box.size + 8)
        tile = room // (rows * reads.itemsize)
        tile = max(_LANES, min(tile, 4096) // _LANES * _LANES)
        self.tile = min(self.n_line, tile)
        pitch = (self.tile + 8) // 8 * 8 if plane else 0
        self.size = (self.tile + 8) // 8 * 8 + pitch * (n + 1)
        self._keep = Keeper()
        address = self._keep.address
        index = source_index(n, box.before, box.size - 1 - box.before, box.mode)
        offset = np.where(index < 0, n, index) * (8 * pitch) if plane else index * strides[axis]
        outer, out_outer = strides[:axis], out_strides[:axis]
        first, many, one = _down_functions(reads, out, _divides(source, box, cval))
        p = np.zeros(loops.D_COUNT, np.int64)
        p[loops.D_UNIT_SRC] = address(offsets(shape[:axis], outer))
        p[loops.D_UNIT_OUT] = address(offsets(shape[:axis], out_outer))
        p[loops.D_ROW_OFFSET], p[loops.D_N_ROWS], p[loops.D_SIZE] = address(offset), n, box.size
        p[loops.D_OUT_ROW], p[loops.D_OUT_SIZE] = out_strides[axis], out.itemsize
        p[loops.D_SRC_STEP], p[loops.D_SRC_ROW] = step, strides[axis]
        p[loops.D_N_LINE], p[loops.D_TILE], p[loops.D_PLANE_ROW] = self.n_line, self.tile, 8 * pitch
        p[loops.D_LOAD] = loader(source) if plane else 0
        p[loops.D_FIRST], p[loops.D_MANY], p[loops.D_SINGLE], p[loops.D_AT_ONCE] = first, many, one, _AT_ONCE
        p[loops.D_NUMBERS] = address(np.array([box.size, 1 / box.size]))
        p[loops.D_CVAL] = address(np.array([cval], np.float64))
        self.parameters = p
        self.cost = prod(shape) * (1.5 if plane else 0.8)
        self.n_units = prod(shape[:axis])
        self.whole: _Task = (0, self.n_units, 0, self.n_line)

    def tasks(self, wanted: int) -> list[_Task]:
        units = min(self.n_units, wanted)
        pieces = max(1, min(-(-wanted // units), -(-self.n_line // _LANES)))
        step = self.tile if -(-self.n_line // self.tile) >= pieces else _LANES
        return [(*u, *x) for u in ranges(self.n_units, units, 1) for x in ranges(self.n_line, pieces, step)]

    def run(self, source: int, target: int, task: _Task) -> None:
        room = scratch("exact_running", self.size, np.float64)
        _call("down", self.parameters, source, target, *task, address(room))


class _Along:
    """A pass along lines, as many at once as a vector has lanes."""

    def __init__(
        self, box: Box, shape: tuple[int, ...], strides: tuple[int, ...], out_strides: tuple[int, ...],
        source: np.dtype, out: np.dtype, cval: float, *, in_place: bool,
    ) -> None:  # fmt: skip
        axis, n = box.axis, shape[box.axis]
        others = [a for a in range(len(shape)) if a != axis]
        shape_of_lines = tuple(shape[a] for a in others)
        after = box.size - 1 - box.before
        self._keep = Keeper()
        address = self._keep.address
        n_lines = prod(shape_of_lines)
        divides = _divides(source, box, cval)
        p = np.zeros(loops.A_COUNT, np.int64)
        p[loops.A_LINE_SRC] = address(offsets(shape_of_lines, tuple(strides[a] for a in others)))
        p[loops.A_LINE_OUT] = address(offsets(shape_of_lines, tuple(out_strides[a] for a in others)))
        p[loops.A_N_LINES], p[loops.A_LANES] = n_lines, _LANES
        p[loops.A_COLUMN] = address(source_index(n, box.before, after, box.mode))
        p[loops.A_BEFORE], p[loops.A_AFTER], p[loops.A_N], p[loops.A_SIZE] = box.before, after, n, box.size
        p[loops.A_SRC_STEP], p[loops.A_OUT_STEP] = strides[axis], out_strides[axis]
        p[loops.A_NUMBERS] = address(np.array([box.size, 1 / box.size]))
        p[loops.A_CVAL] = address(np.array([cval], np.float64))
        if n_lines >= _LANES:
            p[loops.A_PAD_MANY], p[loops.A_LOAD_MANY] = _load_functions(source, _LANES)
            p[loops.A_RUN_MANY] = _run_function(out, _LANES, divides)
        if n_lines % _LANES:
            p[loops.A_PAD_ONE], p[loops.A_LOAD_ONE] = _load_functions(source, 1)
            p[loops.A_RUN_ONE] = _run_function(out, 1, divides)
        self.parameters = p
        self.size = _LANES * (3 + after + box.size + min(n, loops.CHUNK) + 2)
        packed = strides[axis] == source.itemsize and out_strides[axis] == out.itemsize
        self.cost = prod(shape) * (0.8 if packed else 2.0) + n * (n_lines % _LANES)
        self.n_groups = n_lines // _LANES + n_lines % _LANES
        self.whole: _Task = (0, self.n_groups)

    def tasks(self, wanted: int) -> list[_Task]:
        return list(ranges(self.n_groups, wanted, 1))

    def run(self, source: int, target: int, task: _Task) -> None:
        room = scratch("exact_running", self.size, np.float64)
        _call("along", self.parameters, source, target, *task, address(room))


@lru_cache(maxsize=256)
def _down_functions(source: np.dtype, out: np.dtype, divides: tuple[None, ...]) -> tuple[int, int, int]:
    """Addresses of the first row's function, of several rows', and of one row's."""
    constants = {
        "SRC": token(source), "SRC_SIZE": source.itemsize, "OUT": token(out), "OUT_SIZE": out.itemsize,
        "LANES": _LANES, "DIVIDE": divides,
    }  # fmt: skip
    many, one = (loops.down_rows.address(**constants, ROWS=nones(rows)) for rows in (_AT_ONCE, 1))
    return loops.down_first.address(**constants), many, one


@lru_cache(maxsize=256)
def _load_functions(source: np.dtype, lines: int) -> tuple[int, int]:
    """Addresses of the functions that bring padding and samples of lines into a buffer."""
    constants = {"SRC": token(source), "LINES": nones(lines), "WIDE": 8 * lines}
    more = {"SRC_SIZE": source.itemsize, "LANES": _LANES}
    return loops.pad_lines.address(**constants), loops.load_lines.address(**constants, **more)


@lru_cache(maxsize=256)
def _run_function(out: np.dtype, lines: int, divides: tuple[None, ...]) -> int:
    return loops.run_along.address(
        OUT=token(out), OUT_SIZE=out.itemsize, LINES=nones(lines), WIDE=8 * lines, LANES=_LANES, DIVIDE=divides
    )


def _call(name: str, *arguments: Any) -> None:
    """A driver of `exact_running`, its compiled function looked up once."""
    found = _compiled.get(name)
    if found is None:
        found = _compiled[name] = getattr(loops, name).compiled(*arguments)
    found(*arguments)


_compiled: dict[str, Any] = {}
