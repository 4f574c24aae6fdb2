"""Minimum and maximum over boxes, and over sets of taps."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import numpy as np

from fastconv.core.scratch import scratch
from fastconv.core.threads import SERIAL_NS, worker_count
from fastconv.core.threads import run as run_tasks
from fastconv.loops import rank_extremes
from fastconv.loops.vec import lanes

from .common import Bands, address, nones, token
from .geometry import Geometry, Spec

__all__ = ["BoxExtremes"]

#: bytes of one tile of a row that is not filtered along
TILE_BYTES = 16 * 1024
#: rows worked on at a time
CHUNK = 32
#: integers beyond this are not exact in float64, in which SciPy compares
EXACT = 2**53
_SLACK = rank_extremes.SLACK


class _Kept(threading.local):
    """What a thread keeps for a small image: the driver's arguments, and the memory whose addresses are among them."""

    arguments: tuple[tuple, tuple] | None = None
    flag: np.ndarray
    memory: tuple[np.ndarray, ...]


class BoxExtremes:
    """Running extremes of C-contiguous samples of one dtype, ready for any array of one shape."""

    def __init__(self, spec: Spec, dtype: np.dtype, cval: np.generic, largest: bool) -> None:
        self.geometry = g = Geometry(spec, dtype.itemsize)
        self.dtype = dtype
        wide = dtype.kind in "iu" and dtype.itemsize == 8
        self.scans = dtype.kind == "f" or wide
        kind = {"DTYPE": token(dtype), "SIZE": dtype.itemsize, "LANES": lanes(dtype.itemsize)}
        self.vector = kind["LANES"]
        self.row = rank_extremes.extreme_row.address(LARGEST=nones(int(largest)), FIRST=(), **kind)
        self.scan = rank_extremes.scan_row.address(LIMIT=EXACT, **kind) if self.scans else 0
        self.ends = rank_extremes.fill_ends.address(DTYPE=token(dtype), SIZE=dtype.itemsize)
        self.outer = g.planes()
        self.blocks = g.ky > rank_extremes.DIRECT
        self.chunk = g.ky if self.blocks else min(CHUNK, g.plane)
        self.constant = np.full(g.n, cval, dtype)
        passes = len(self.outer) + min(g.ky, 6) + min(g.kx, 10)
        self.bands = Bands(g.rows, g.pitch * (0.06 + 0.006 * passes), self.chunk if self.blocks else 1)
        self.tile = g.n
        if g.kx == 1 and g.pitch > 2 * TILE_BYTES:
            self.tile = TILE_BYTES // dtype.itemsize
        self.driver: Any = None
        self.small = self.bands.cost <= SERIAL_NS and self.tile == g.n
        self.kept = _Kept()

    def execute(self, image: np.ndarray, out: np.ndarray, workers: int | None) -> bool:
        """Fill ``out``; False where the image holds NaN or integers beyond 2**53, for which it is not right."""
        if self.small:
            return self._again(image, out)
        flag = np.zeros(1, np.int64)
        tasks = list(self._tasks(workers))
        self._run(image, out, flag, tasks[0])
        if len(tasks) > 1:
            rest = tasks[1:]
            run_tasks(lambda i: self._run(image, out, flag, rest[i]), len(rest), worker_count(workers))
        return not flag[0]

    def _again(self, image: np.ndarray, out: np.ndarray) -> bool:
        """One call of the driver, all of its arguments but the arrays kept by this thread: they cost more than it."""
        if self.kept.arguments is None:
            self.kept.flag = np.zeros(1, np.int64)
            self.kept.arguments = self._arguments(self.kept.flag, 0, self.geometry.rows, 0, self.geometry.n)
        flag = self.kept.flag
        flag[0] = 0
        self._call(address(image), address(out), self.kept.arguments)
        return not flag[0]

    def _tasks(self, workers: int | None) -> Iterator[tuple[int, int, int, int]]:
        n = self.geometry.n
        for y0, y1 in self.bands.cut(workers):
            for x in range(0, n, self.tile):
                yield y0, y1, x, min(n, x + self.tile)

    def _run(self, image: np.ndarray, out: np.ndarray, flag: np.ndarray, task: tuple[int, int, int, int]) -> None:
        shift = task[2] * self.geometry.itemsize
        self._call(address(image) + shift, address(out) + shift, self._arguments(flag, *task))

    def _arguments(self, flag: np.ndarray, y0: int, y1: int, x0: int, x1: int) -> tuple[tuple, tuple]:
        """What the driver takes between the image's address and the output's, and behind that."""
        g = self.geometry
        size = g.itemsize
        n = x1 - x0
        pitch = -(-n * size // 64) * 64 + _SLACK
        planes = len(self.outer) > 1
        rows = (self.chunk + g.ky if planes else 0) + (g.ky + 1 if self.blocks else 0)
        strip = scratch("extremes_strip", rows * pitch + 1, np.uint8)
        reach = (len(g.left) + len(g.right)) * size
        line = scratch("extremes_line", n * size + reach + _SLACK + 64, np.uint8)
        room = scratch("extremes_room", self.chunk + g.ky, np.int64)
        table = scratch("extremes_table", max(len(self.outer), g.ky + g.kx + 2), np.int64)
        if self.small:
            self.kept.memory = (strip, line)
        before = (
            g.row_offset, address(self.constant), g.first_row, self.outer, g.ky, g.kx, g.step, g.left, g.right, n, size,
            self.vector,
        )  # fmt: skip
        after = (
            g.pitch, y0, y1, g.plane, self.chunk, address(line) + len(g.left) * size, address(strip), pitch, room,
            table, self.scan, address(flag), self.row, self.ends,
        )  # fmt: skip
        return before, after

    def _call(self, source: int, target: int, arguments: tuple[tuple, tuple]) -> None:
        before, after = arguments
        if self.driver is None:
            self.driver = rank_extremes.extremes.compiled(source, *before, target, *after)
        self.driver(source, *before, target, *after)
