"""Correlations with N-D kernels made ready once for arrays of given strides and dtypes, and run on the workers."""

from __future__ import annotations

from functools import lru_cache
from math import prod
from typing import Any

import numpy as np

from fastconv.backends.sweeps.common import token
from fastconv.core.address import address
from fastconv.core.border import source_index
from fastconv.core.threads import run as run_tasks
from fastconv.core.threads import scratch, worker_count
from fastconv.loops import exact_windows as windows
from fastconv.loops.exact_rows import CONSTANT_ROW, cast_row
from fastconv.loops.vec import lanes

from .sweeps import NATIVE, Task, loader, ranges

__all__ = ["WindowJob"]

#: work that is not worth handing out, and the longest task (Ctrl-C is heard between tasks), in nanoseconds
SERIAL_NS = 150_000
TASK_NS = 4_000_000
_LANES = lanes(8)
#: samples a row may be read behind its end, in whole vectors
_SLACK = 4 * _LANES
#: bytes of the rings that the second-level cache holds beside other things
_RING_BYTES = 256 * 1024


@lru_cache(maxsize=64)
def _sum(out: np.dtype) -> int:
    return windows.window_row.address(OUT=token(out), OUT_SIZE=out.itemsize, LANES=_LANES)


class WindowJob:
    """A kernel (float64, an axis for each of the image's) on images of one shape, dtype and strides.

    before: samples of the kernel before the output's, along each axis; modes: the border table's words; outputs are
    C-contiguous, of one native dtype.  Taps that are zero are skipped: what they would have met may be NaN.
    """

    def __init__(
        self, weights: np.ndarray, before: tuple[int, ...], modes: tuple[str, ...], shape: tuple[int, ...],
        strides: tuple[int, ...], source: np.dtype, out: np.dtype, cval: float,
    ) -> None:  # fmt: skip
        if len(shape) == 1:  # a plane of one row
            weights, before, modes = weights[None], (0, *before), (modes[0], *modes)
            shape, strides = (1, *shape), (0, *strides)
        self._keep: list[np.ndarray] = []
        self.n_rows, self.n_line = shape[-2:]
        used = np.argwhere(weights)
        leading, index = np.unique(used[:, :-2], axis=0, return_inverse=True)
        rows = weights.shape[-2]
        reach = weights.shape[-1] - 1
        tables = [
            source_index(n, b, k - 1 - b, mode)
            for n, b, k, mode in zip(shape, before, weights.shape, modes, strict=True)
        ]
        row_offset = np.where(tables[-2] < 0, CONSTANT_ROW, tables[-2] * strides[-2])
        planes = self._planes(shape, strides, tables, leading)
        self.n_units = len(planes)
        itemsize = out.itemsize
        self.pitch = self.tile = 0
        count = max(1, len(leading))
        room = _RING_BYTES // (8 * (count * rows + 2))
        tile = max(8 * _LANES, 2 * reach, room // _LANES * _LANES)
        self.tile = min(self.n_line, tile)
        self.pitch = (self.tile + reach + _SLACK + 7) // 8 * 8 + 8
        self.size = self.pitch * (count * rows + 2) + len(used) + 8
        rare = out not in NATIVE and out.kind != "b"
        native = np.dtype(np.uint8) if out.kind == "b" else np.dtype(np.float64) if rare else out
        p = np.zeros(windows.W_COUNT, np.int64)
        p[windows.W_UNIT_PLANE] = self._address(planes)
        p[windows.W_UNIT_OUT] = self._address(np.arange(self.n_units, dtype=np.int64) * (prod(shape[-2:]) * itemsize))
        p[windows.W_PLANES], p[windows.W_ROWS] = len(leading), rows
        p[windows.W_ROW_OFFSET], p[windows.W_COLUMN] = self._address(row_offset), self._address(tables[-1])
        p[windows.W_SRC_STEP], p[windows.W_OUT_ROW], p[windows.W_OUT_SIZE] = (
            strides[-1],
            self.n_line * itemsize,
            itemsize,
        )
        p[windows.W_BEFORE], p[windows.W_N_LINE], p[windows.W_REACH] = before[-1], self.n_line, reach
        p[windows.W_TAPS], p[windows.W_WEIGHT] = len(used), self._address(weights[tuple(used.T)].astype(np.float64))
        p[windows.W_TAP_PLANE] = self._address(index.reshape(-1).astype(np.int64))
        p[windows.W_TAP_ROW] = self._address(used[:, -2].astype(np.int64))
        p[windows.W_TAP_COLUMN] = self._address(used[:, -1].astype(np.int64))
        p[windows.W_TILE], p[windows.W_PITCH] = self.tile, self.pitch * 8
        p[windows.W_CVAL] = self._address(np.array([cval], np.float64))
        p[windows.W_LOAD], p[windows.W_SUM] = loader(source), _sum(native)
        if rare:
            wide = out == np.uint64
            p[windows.W_CAST] = (
                windows.point_row.address() if wide else cast_row.address(OUT=token(out), OUT_SIZE=itemsize)
            )
        self.parameters = p
        #: nanoseconds for the whole, roughly
        self.cost = prod(shape) * (0.5 + 0.1 * len(used))
        self.whole: Task = (0, self.n_units, 0, self.n_rows, 0, self.n_line)
        self.shared: dict[int, list[Task]] = {}
        self.warm = False

    def _address(self, array: np.ndarray) -> int:
        array = np.ascontiguousarray(array)
        self._keep.append(array)
        return address(array) if array.size else 0

    def _planes(
        self, shape: tuple[int, ...], strides: tuple[int, ...], tables: list[np.ndarray], leading: np.ndarray
    ) -> np.ndarray:
        """Byte offset of each plane of the kernel for each unit, CONSTANT_ROW where it lies outside."""
        units = np.indices(shape[:-2]).reshape(len(shape) - 2, prod(shape[:-2]))
        offset = np.zeros((units.shape[1], len(leading)), np.int64)
        outside = np.zeros(offset.shape, bool)
        for axis in range(len(shape) - 2):
            at = tables[axis][units[axis][:, None] + leading[:, axis]]
            offset += at * strides[axis]
            outside |= at < 0
        offset[outside] = CONSTANT_ROW
        return offset

    def execute(self, image: np.ndarray, out: np.ndarray, workers: int | None = None) -> None:
        """Fill ``out``, which shares no memory with the image."""
        source, target = address(image), address(out)
        if self.cost <= SERIAL_NS:
            self._run(source, target, self.whole)
            return
        count = worker_count(workers)
        tasks = self.shared.get(count)
        if tasks is None:
            wanted = max(-(-int(self.cost) // TASK_NS), min(4 * count, int(self.cost) // SERIAL_NS + 1))
            tasks = self.shared[count] = self._tasks(wanted)
        if not self.warm:  # the driver is compiled on the caller's thread
            self._run(source, target, tasks[0])
            self.warm, tasks = True, tasks[1:]
        run_tasks(lambda k: self._run(source, target, tasks[k]), len(tasks), count)

    def _tasks(self, wanted: int) -> list[Task]:
        units = min(self.n_units, wanted)
        parts = -(-wanted // units)
        bands = max(1, min(parts, self.n_rows // 8))
        pieces = max(1, min(-(-parts // bands), -(-self.n_line // self.tile)))
        return [
            (*u, *y, *x)
            for u in ranges(self.n_units, units, 1)
            for y in ranges(self.n_rows, bands, 1)
            for x in ranges(self.n_line, pieces, self.tile)
        ]

    def _run(self, source: int, target: int, task: Task) -> None:
        room = scratch("exact_window", self.size, np.float64)
        _sweep(self.parameters, source, target, *task, address(room))


def _sweep(*arguments: Any) -> None:
    """`exact_windows.window_sweep`, its compiled function looked up once."""
    global _compiled
    if _compiled is None:
        _compiled = windows.window_sweep.compiled(*arguments)
    _compiled(*arguments)


_compiled: Any = None
