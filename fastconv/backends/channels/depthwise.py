"""Depthwise convolution: each channel with filters of its own, read in place where that can be."""

from __future__ import annotations

from functools import lru_cache
from math import gcd
from typing import NamedTuple

import numpy as np

from fastconv.backends.sweeps.common import nones, token
from fastconv.core.channels import ChannelProblem
from fastconv.core.threads import run, scratch
from fastconv.loops import channels_depthwise as loops
from fastconv.loops import channels_strip
from fastconv.loops.vec import lanes

from .lines import SLACK, Lines, address, lines

__all__ = ["DepthwiseExecutor"]

#: taps up to which a block is written out for their number
UNROLLED = 49
#: output rows of a block, the most that there are enough of
BLOCKS = (8, 4, 2, 1)
#: bytes of padded rows worked on at a time
STRIP_BYTES = 64 * 1024
#: work of one task, in products; less than that in all runs on the caller's thread
TASK_PRODUCTS = 8_000_000
SERIAL_PRODUCTS = 2_000_000
_NO_SHIFT = np.zeros(1, np.int64)


class _Shape(NamedTuple):
    """What a problem's tables and functions are made from: channels and batch do not matter."""

    shape: tuple[int, int]
    out_shape: tuple[int, int]
    size: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    before: tuple[int, int]
    after: tuple[int, int]
    mode: str
    dtype: np.dtype


class _Tables:
    """Row tables, column masks and compiled functions of one shape."""

    def __init__(self, shape: _Shape) -> None:
        self.shape = shape
        dtype, (tall, wide) = shape.dtype, shape.size
        size = dtype.itemsize
        n = lanes(size)
        stride, dilation = shape.stride, shape.dilation
        columns = shape.out_shape[1]
        every = stride[1]
        self.lines: Lines = lines(shape.shape, shape.before, shape.after, shape.mode, size, every)
        zeros = bool((self.lines.left < 0).all() and (self.lines.right < 0).all())
        self.unrolled = tall * wide <= UNROLLED
        self.in_place = zeros and every == 1 and self.unrolled
        common = gcd(stride[0], dilation[0])
        self.group, self.step = dilation[0] // common, stride[0] // common
        if not self.unrolled:
            self.group, self.step = 1, 1
        rows = max(1, shape.out_shape[0] // self.group)
        self.rows = next(b for b in BLOCKS if b <= rows) if self.unrolled else 1
        taps = np.arange(wide) * dilation[1]
        self.shifts = (taps if self.in_place else taps % every * self.lines.pitch + taps // every) * size
        self.first, self.last, self.edges = self._columns(columns, n, taps)
        vectors = 2 if self.last - self.first >= 2 * n and self.rows <= 4 else 1
        strip_rows = (self.rows * self.group - 1) * stride[0] + (tall - 1) * dilation[0] + 1
        fit = (STRIP_BYTES // (self.lines.row * size) - (tall - 1) * dilation[0]) // stride[0]
        block = self.rows * self.group
        self.chunk = max(block, fit // block * block)
        last_chunk = self.chunk + block  # the last one takes what would be less than a block
        strip_rows = (last_chunk - 1) * stride[0] + (tall - 1) * dilation[0] + 1
        strip_rows = min(strip_rows, (shape.out_shape[0] - 1) * stride[0] + (tall - 1) * dilation[0] + 1)
        self.strip_samples = 0 if self.in_place else strip_rows * self.lines.row + SLACK
        self.work = (self.rows - 1) * self.step + tall + self.rows
        self.zeros = np.zeros(shape.shape[1] + SLACK, dtype)
        constants = {"ACC": token(dtype), "TALL": nones(tall), "WIDE": nones(wide), "ROWS": nones(self.rows)}
        if self.unrolled:
            constants["STEP"] = nones(self.step)
            self.block = loops.block_rows.address(**constants, VECTORS=nones(vectors)) if self.last > self.first else 0
            self.edge = loops.edge_rows.address(**constants) if len(self.edges) else 0
        else:
            some = {"ACC": token(dtype), "LANES": n}
            self.block = loops.any_rows.address(**some) if self.last > self.first else 0
            self.edge = loops.any_edge.address(**some) if len(self.edges) else 0
        self.driver = loops.depthwise_planes.compiled(*(0,) * 42)

    def _columns(self, columns: int, n: int, taps: np.ndarray) -> tuple[int, int, np.ndarray]:
        """The columns of whole blocks, and of each other vector: where it begins, the lanes of each tap and to store."""
        everything = (1 << n) - 1
        if not self.in_place:
            if columns >= n:
                return 0, columns, np.zeros((0, 1), np.int64)
            return 0, 0, np.array([[0, *[everything] * len(taps), (1 << columns) - 1]], np.int64)
        before, width = self.shape.before[1], self.shape.shape[1]
        first = -(-before // n) * n
        behind = max(0, columns - (width - (int(taps[-1]) - before)))
        last = columns - -(-behind // n) * n
        if last - first < n:
            first = last = columns
        starts = {min(x, max(0, columns - n)) for x in range(0, first, n)} if columns else set()
        starts |= {columns - x for x in range(n, columns - last + n, n) if last < columns}
        edges = []
        for x in sorted(starts):
            row = [x]
            for tap in taps:
                low, high = x + int(tap) - before, width - x - int(tap) + before
                mask = everything if high >= n else (1 << max(high, 0)) - 1
                row.append(mask & ~((1 << min(n, max(0, -low))) - 1))
            edges.append([*row, everything if columns - x >= n else (1 << (columns - x)) - 1])
        return first, last, _signed(edges, len(taps) + 2)


def _signed(rows: list[list[int]], width: int) -> np.ndarray:
    return np.array(rows, np.int64).reshape(-1, width)


_tables = lru_cache(maxsize=64)(_Tables)


class DepthwiseExecutor:
    """Filters over single channels: ``groups == c_in``, any number of filters to a channel."""

    name = "depthwise"

    def __init__(self, problem: ChannelProblem, weight: np.ndarray) -> None:
        p = self.problem = problem
        self.weight = np.ascontiguousarray(weight)
        self.tables = _tables(
            _Shape(p.shape, p.out_shape, p.size, p.stride, p.dilation, p.before, p.after, p.mode, p.dtype)
        )
        self.multiplier = p.c_out // p.c_in if p.c_in else 0
        self.no_bias = np.zeros(p.c_out, p.dtype)

    @staticmethod
    def serves(problem: ChannelProblem) -> str:
        if problem.kind != "conv":
            return "it serves convolutions, not their adjoints"
        return "" if problem.groups == problem.c_in else "a filter reads more than one channel"

    @staticmethod
    def scratch_bytes(problem: ChannelProblem) -> int:
        p = problem
        shape = _Shape(p.shape, p.out_shape, p.size, p.stride, p.dilation, p.before, p.after, p.mode, p.dtype)
        return _tables(shape).strip_samples * p.dtype.itemsize

    def execute(self, x: np.ndarray, out: np.ndarray, bias: np.ndarray | None, workers: int) -> None:
        if out.size == 0:
            return
        p, t = self.problem, self.tables
        planes = p.batch * p.c_in
        height = p.out_shape[0]
        if p.products <= SERIAL_PRODUCTS or workers == 1 and p.products <= TASK_PRODUCTS:
            self._run(x, out, bias, 0, planes, 0, height)
            return
        wanted = max(workers, min(4 * workers, p.products // SERIAL_PRODUCTS), -(-p.products // TASK_PRODUCTS))
        tasks = []
        if wanted <= planes:
            cuts = [planes * i // wanted for i in range(wanted + 1)]
            tasks = [(a, b, 0, height) for a, b in zip(cuts, cuts[1:], strict=False) if b > a]
        else:
            step = t.rows * t.group
            bands = min(-(-wanted // planes), max(1, height // step))
            cuts = [height * i // bands // step * step for i in range(bands)] + [height]
            tasks = [(a, a + 1, *band) for a in range(planes) for band in zip(cuts, cuts[1:], strict=False)]
        run(lambda i: self._run(x, out, bias, *tasks[i]), len(tasks), workers)

    def _run(
        self, x: np.ndarray, out: np.ndarray, bias: np.ndarray | None, p0: int, p1: int, y0: int, y1: int
    ) -> None:
        p, t = self.problem, self.tables
        size = p.dtype.itemsize
        li = t.lines
        strip = 0
        if not t.in_place:
            strip = address(scratch("depthwise_strip", t.strip_samples, p.dtype))
        work = scratch("depthwise_rows", t.work, np.int64)
        before = p.before[1]
        t.driver(
            address(x), address(out), address(self.weight), address(self.no_bias if bias is None else bias),
            p0, p1, p.c_in, self.multiplier, li.plane, p.out_shape[0] * p.out_shape[1] * size, p.taps * size, size,
            y0, y1, t.chunk if strip else max(1, y1 - y0), t.rows, t.group, t.step, p.size[0], p.size[1], p.stride[0],
            p.dilation[0], p.out_shape[1] * size, t.first, t.last, address(t.edges), len(t.edges), address(t.shifts),
            address(li.rows), address(t.zeros) - before * size, address(work), strip, li.row * size, li.pitch * size,
            len(li.left), li.n, address(li.left), address(li.right), len(li.right), li.function, t.block, t.edge,
        )  # fmt: skip
