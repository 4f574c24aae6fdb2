"""Running means made ready once for arrays of given strides and dtypes, and run on the package's workers."""

from __future__ import annotations

from math import prod
from typing import Any, NamedTuple

import numpy as np

from fastconv.backends.sweeps.common import token
from fastconv.core.address import address
from fastconv.core.border import source_index
from fastconv.core.threads import run as run_tasks
from fastconv.core.threads import scratch, worker_count
from fastconv.loops import exact_means as means
from fastconv.loops.exact_rows import CONSTANT_ROW
from fastconv.loops.vec import lanes

from .steps import NEAR, PLANE_BYTES
from .sweeps import loader, offsets, ranges, samples_behind

__all__ = ["Box", "RunningJob"]

#: work that is not worth handing out, and the longest task (Ctrl-C is heard between tasks), in nanoseconds
SERIAL_NS = 150_000
TASK_NS = 4_000_000
#: nanoseconds for a sample of one pass, roughly
SAMPLE_NS = 1.2
_LANES = lanes(8)
#: samples of a tile whose rows stay in the nearest cache
_TILE = 512


class Box(NamedTuple):
    """A running mean of ``size`` samples along ``axis``, ``before`` of them before the output's; a border word."""

    axis: int
    size: int
    before: int
    mode: str


#: (units, samples or rows) of a task, each as a range
Task = tuple[int, int, int, int]


class _Pass:
    """One box on an image and an output of given dtypes and strides; the output is C-contiguous."""

    def __init__(
        self, box: Box, shape: tuple[int, ...], strides: tuple[int, ...], source: np.dtype, out: np.dtype, cval: float,
        in_place: bool,
    ) -> None:  # fmt: skip
        axis, size = box.axis, box.size
        out_strides = tuple(out.itemsize * prod(shape[i + 1 :]) for i in range(len(shape)))
        n = shape[axis]
        index = source_index(n, box.before, size - 1 - box.before, box.mode)
        first = samples_behind(shape, strides, axis + 1) if axis + 1 < len(shape) else len(shape)
        self.down = prod(shape[first:]) > NEAR
        self._keep: list[np.ndarray] = []
        p = np.zeros(means.M_COUNT, np.int64)
        p[means.M_SIZE], p[means.M_LANES] = size, _LANES
        p[means.M_DIVISOR] = self._address(np.array([float(size)]))
        p[means.M_CVAL] = self._address(np.array([cval]))
        p[means.M_LOAD] = loader(source)
        stored = np.dtype(np.uint8) if out.kind == "b" else out
        p[means.M_STORE] = means.store_row.address(OUT=token(stored), OUT_SIZE=out.itemsize, LANES=_LANES)
        if self.down:
            others = [i for i in range(first) if i != axis]
            self._driver, self.n_rest = means.means_down, prod(shape[first:])
            self.step = self._fill_down(p, index, strides[axis], n, size, in_place)
            p[means.M_SRC_STEP], p[means.M_OUT_STEP] = strides[-1], out.itemsize
            p[means.M_OUT_ROW] = out_strides[axis]
        else:
            others = [i for i in range(len(shape)) if i != axis]
            longest = max(others, key=lambda i: shape[i], default=-1)
            others = [i for i in others if i != longest]
            self._driver, self.n_rest, self.step = means.means_along, 1 if longest < 0 else shape[longest], _LANES
            pitch = (n + size + 2 * _LANES + 7) // 8 * 8 + 8
            self.size = pitch * 2 * _LANES + _LANES + 8
            p[means.M_COLUMN], p[means.M_BEFORE] = self._address(index), box.before
            p[means.M_N_LINE], p[means.M_PITCH] = n, pitch * 8
            p[means.M_SRC_STEP], p[means.M_OUT_STEP] = strides[axis], out_strides[axis]
            if longest >= 0:
                p[means.M_SRC_ROW], p[means.M_OUT_ROW] = strides[longest], out_strides[longest]
            p[means.M_ALONG] = means.along_means_row.address(LANES=_LANES)
        lengths = tuple(shape[i] for i in others)
        p[means.M_UNIT_SRC] = self._address(offsets(lengths, tuple(strides[i] for i in others)))
        p[means.M_UNIT_OUT] = self._address(offsets(lengths, tuple(out_strides[i] for i in others)))
        self.n_units = prod(lengths)
        self.parameters = p
        self.cost = prod(shape) * SAMPLE_NS
        self.whole: Task = (0, self.n_units, 0, self.n_rest)
        self._compiled: Any = None

    def _address(self, array: np.ndarray) -> int:
        array = np.ascontiguousarray(array)
        self._keep.append(array)
        return address(array)

    def _fill_down(self, p: np.ndarray, index: np.ndarray, row: int, n: int, size: int, in_place: bool) -> int:
        """The parts of the block that say how rows are read; the samples of a tile."""
        p[means.M_ROW_OFFSET] = self._address(np.where(index < 0, CONSTANT_ROW, index * row))
        p[means.M_COLUMN] = self._address(np.zeros(1, np.int64))
        kept = len(index) if in_place else 2
        tile = max(2 * _LANES, PLANE_BYTES // (16 * kept)) if in_place else _TILE
        tile = min(self.n_rest, tile // _LANES * _LANES)
        pitch = (tile + 4 * _LANES + 7) // 8 * 8 + 8
        self.size = pitch * (kept + 2) + 8
        p[means.M_N_ROWS], p[means.M_N_LINE], p[means.M_TILE] = n, self.n_rest, tile
        p[means.M_PITCH], p[means.M_ALL] = pitch * 8, in_place
        p[means.M_SUMS] = means.down_sums_row.address(LANES=_LANES)
        return tile

    def tasks(self, wanted: int) -> list[Task]:
        """The pass in about ``wanted`` parts: units first, then tiles or groups of rows."""
        units = min(self.n_units, wanted)
        parts = max(1, min(-(-wanted // units), -(-self.n_rest // self.step)))
        return [(*u, *x) for u in ranges(self.n_units, units, 1) for x in ranges(self.n_rest, parts, self.step)]

    def run(self, source: int, target: int, task: Task) -> None:
        room = address(scratch("exact_means", self.size, np.float64))
        if self._compiled is None:
            self._compiled = self._driver.compiled(self.parameters, source, target, *task, room)
        self._compiled(self.parameters, source, target, *task, room)


class RunningJob:
    """Boxes in their order on images of one shape, dtype and strides, into C-contiguous outputs of one dtype."""

    def __init__(
        self, boxes: tuple[Box, ...], shape: tuple[int, ...], strides: tuple[int, ...], source: np.dtype,
        out: np.dtype, cval: float,
    ) -> None:  # fmt: skip
        out_strides = tuple(out.itemsize * prod(shape[i + 1 :]) for i in range(len(shape)))
        self.passes = [
            _Pass(box, shape, out_strides if i else strides, out if i else source, out, cval, bool(i))
            for i, box in enumerate(boxes)
        ]
        self.shared: dict[int, list[list[Task]]] = {}
        self.warm = False

    def execute(self, image: np.ndarray, out: np.ndarray, workers: int | None = None) -> None:
        """Fill ``out``, which shares no memory with the image."""
        source, target = address(image), address(out)
        for i, each in enumerate(self.passes):
            if each.cost <= SERIAL_NS:
                each.run(source, target, each.whole)
            else:
                count = worker_count(workers)
                tasks = self._tasks(count)[i]
                if not self.warm:  # the driver is compiled on the caller's thread
                    each.run(source, target, tasks[0])
                    tasks = tasks[1:]
                at = source
                run_tasks(lambda k, at=at, each=each, tasks=tasks: each.run(at, target, tasks[k]), len(tasks), count)  # type: ignore[misc]
            source = target
        self.warm = True

    def _tasks(self, workers: int) -> list[list[Task]]:
        found = self.shared.get(workers)
        if found is None:
            found = self.shared[workers] = [
                each.tasks(max(-(-int(each.cost) // TASK_NS), min(4 * workers, int(each.cost) // SERIAL_NS + 1)))
                for each in self.passes
            ]
        return found
