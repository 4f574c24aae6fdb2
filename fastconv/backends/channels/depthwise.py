"""Depthwise convolution: each channel with filters of its own, read in place where that can be."""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise
from math import gcd
from typing import NamedTuple

import numpy as np

from fastconv.backends.handoff import Now, few_parts, share
from fastconv.backends.sweeps.common import nones, token
from fastconv.core.channels import ChannelProblem
from fastconv.core.scratch import scratch
from fastconv.loops import channels_depthwise as loops
from fastconv.loops.vec import lanes

from .lines import SLACK, address, lines

__all__ = ["DepthwiseExecutor", "tasks"]

#: taps up to which a block is written out for their number
UNROLLED = 49
#: output rows of a block
BLOCKS = (8, 7, 4, 2, 1)
#: bytes of padded rows worked on at a time
STRIP_BYTES = 64 * 1024
#: products of the longest and of the shortest task, and how many are worth handing out at all (about 150 us)
TASK_PRODUCTS = 16_000_000
SHORT_PRODUCTS = 2_500_000
#: about what one takes, in nanoseconds
PRODUCT_NS = 0.03


class Shape(NamedTuple):
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

    @classmethod
    def of(cls, p: ChannelProblem) -> Shape:
        return cls(p.shape, p.out_shape, p.size, p.stride, p.dilation, p.before, p.after, p.mode, p.dtype)


class Tables:
    """Row tables, column masks and compiled functions of one shape."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        dtype, (tall, wide) = shape.dtype, shape.size
        size, n = dtype.itemsize, lanes(dtype.itemsize)
        stride, dilation, columns = shape.stride, shape.dilation, shape.out_shape[1]
        li = lines(shape.shape, shape.before, shape.after, shape.mode, size, stride[1])
        zeros = bool((li.left < 0).all() and (li.right < 0).all())
        unrolled = tall * wide <= UNROLLED
        self.in_place = zeros and unrolled and (stride[1] == 1 or (stride[1] == 2 and dilation[1] == 1))
        self.apart = stride[1] if self.in_place else 1
        common = gcd(stride[0], dilation[0]) if unrolled else dilation[0]
        self.group, step = dilation[0] // common, stride[0] // common
        lead = max(1, shape.out_shape[0] // self.group)
        # the block that computes the fewest rows twice
        self.rows = min((b for b in BLOCKS if b <= lead), key=lambda b: (-(-lead // b) * b, -b)) if unrolled else 1
        taps = np.arange(wide) * dilation[1]
        self.shifts = (taps if self.in_place else taps % stride[1] * li.pitch + taps // stride[1]) * size
        self.first, self.last, self.edges = self._columns(columns, n, taps)
        vectors = 2 if self.last - self.first >= 2 * n and self.rows <= 4 else 1
        reach = (tall - 1) * dilation[0] + 1
        block = self.rows * self.group
        fit = max(0, STRIP_BYTES // (li.row * size) - reach) // stride[0] + 1
        self.chunk = shape.out_shape[0] if self.in_place else max(block, fit // block * block)
        # the last one takes what would be less than a block
        strip_rows = (min(self.chunk + block - 1, shape.out_shape[0]) - 1) * stride[0] + reach
        self.strip_samples = 0 if self.in_place else strip_rows * li.row + SLACK
        self.zeros = np.zeros(shape.shape[1] + SLACK, dtype)
        rows = li.rows if self.in_place else np.arange(strip_rows) * (li.row * size)
        constants = {"ACC": token(dtype), "TALL": nones(tall), "WIDE": nones(wide), "ROWS": nones(self.rows)}
        constants.update(STEP=nones(step), APART=nones(self.apart))
        functions = loops.block_rows, loops.edge_rows
        self.block = self.edge = 0
        if not unrolled:
            functions, constants = (loops.any_rows, loops.any_edge), {"ACC": token(dtype), "LANES": n}
        if self.last > self.first:
            more = {"VECTORS": nones(vectors)} if unrolled else {}
            self.block = functions[0].address(**constants, **more)
        if len(self.edges):
            self.edge = functions[1].address(**constants)
        self.kept = li, rows, self.zeros
        front = shape.before[1] * size if self.in_place else 0
        self.values = {
            "plane_in": li.plane, "plane_out": shape.out_shape[0] * columns * size, "taps": tall * wide * size,
            "size": size, "chunk": self.chunk, "rows": self.rows, "group": self.group, "tall": tall, "wide": wide,
            "stride": stride[0], "dilation": dilation[0], "row_out": columns * size, "first": self.first,
            "last": self.last, "edges": address(self.edges), "n_edges": len(self.edges),
            "edge_step": 8 * self.edges.shape[1], "shifts": address(self.shifts), "image_rows": address(li.rows),
            "work_rows": address(rows), "zero": address(self.zeros) - front, "row_strip": li.row * size,
            "pitch": li.pitch * size, "front": front, "before": len(li.left), "n_in": li.n, "left": address(li.left),
            "right": address(li.right), "after": len(li.right), "strip_row": li.function, "block": self.block,
            "edge": self.edge,
        }  # fmt: skip
        self.driver = loops.depthwise_planes.compiled(np.zeros(1, np.int64), *(0,) * 9)

    def job(self, channels: int, multiplier: int) -> np.ndarray:
        """The driver's table for a number of channels, and of filters to each."""
        values = {**self.values, "channels": channels, "multiplier": multiplier}
        return np.array([values[name] for name in loops.FIELDS], np.int64)

    def _columns(self, columns: int, n: int, taps: np.ndarray) -> tuple[int, int, np.ndarray]:
        """The columns of whole blocks, and where each other vector begins, with the lanes to store and to load."""
        everything = (1 << n) - 1
        every = self.apart
        loads = -(-len(taps) // every) * every
        if not self.in_place:
            if columns >= n:
                return 0, columns, np.zeros((0, loads + 2), np.int64)
            return 0, 0, np.array([[0, (1 << columns) - 1, *[everything] * loads]], np.int64)
        before, width = self.shape.before[1], self.shape.shape[1]
        # the first source sample of each load, from the one under an output's first tap
        firsts = [int(t) for t in taps] if every == 1 else [k // 2 * 2 + k % 2 * n for k in range(loads)]
        first = -(-before // every)
        first = -(-first // n) * n
        inside = (width + before - firsts[-1] - n) // every  # the last output whose loads end in the row
        last = min(columns, inside + n) if every == 1 else min(columns, inside // n * n + n)
        last = columns if last == columns else columns - -(-(columns - last) // n) * n
        if last - first < n:
            first = last = 0
        if last == 0:
            starts = {min(x, max(0, columns - n)) for x in range(0, columns, n)}
        else:
            starts = set(range(0, first, n)) | set(range(last, columns, n))
        edges = []
        for x in sorted(starts):
            row = [x, everything if columns - x >= n else (1 << (columns - x)) - 1]
            for tap in firsts:
                at = x * every + tap - before
                inner = everything if width - at >= n else (1 << max(width - at, 0)) - 1
                row.append(inner & ~((1 << min(n, max(0, -at))) - 1))
            edges.append(row)
        return first, last, np.array(edges, np.int64).reshape(-1, loads + 2)


tables = lru_cache(maxsize=64)(Tables)


def tasks(products: int, planes: int, height: int, step: int, workers: int) -> list[tuple[int, int, int, int]]:
    """Parts (planes p0..p1, output rows y0..y1) for the workers; row bands are multiples of ``step``."""
    few = few_parts(products * PRODUCT_NS, workers)
    if few == 1 or (workers == 1 and products <= TASK_PRODUCTS):
        return [(0, planes, 0, height)]
    wanted = few or max(workers, min(4 * workers, products // SHORT_PRODUCTS), -(-products // TASK_PRODUCTS))
    if wanted <= planes:
        cuts = [planes * i // wanted for i in range(wanted + 1)]
        return [(a, b, 0, height) for a, b in pairwise(cuts)]
    bands = min(-(-wanted // planes), max(1, height // step))
    cuts = [height * i // bands // step * step for i in range(bands)] + [height]
    return [(a, a + 1, *band) for a in range(planes) for band in pairwise(cuts)]


class DepthwiseExecutor:
    """Filters over single channels: ``groups == c_in``, any number of filters to a channel."""

    name = "depthwise"

    def __init__(self, problem: ChannelProblem, weight: np.ndarray) -> None:
        p = self.problem = problem
        if 0 in (p.batch, p.c_in, p.c_out, *p.out_shape):
            return
        self.weight = np.ascontiguousarray(weight, p.dtype)
        self.tables = tables(Shape.of(p))
        self.job = self.tables.job(p.c_in, p.c_out // p.c_in)
        self.no_bias = np.zeros(p.c_out, p.dtype)
        self.parts: dict[int, list[tuple[int, int, int, int]]] = {}

    @staticmethod
    def serves(problem: ChannelProblem) -> str:
        if problem.kind != "conv":
            return "it serves convolutions, not their adjoints"
        return "" if problem.groups == problem.c_in else "a filter reads more than one channel"

    @staticmethod
    def scratch_bytes(problem: ChannelProblem) -> int:
        return tables(Shape.of(problem)).strip_samples * problem.dtype.itemsize

    def execute(self, x: np.ndarray, out: np.ndarray, bias: np.ndarray | None, workers: int) -> None:
        if out.size == 0:
            return
        p, t = self.problem, self.tables
        parts = self.parts.get(workers)
        if parts is None:
            step = t.rows * t.group
            parts = self.parts[workers] = tasks(p.products, p.batch * p.c_in, p.out_shape[0], step, workers)
        where = (address(x), address(out), address(self.weight), address(self.no_bias if bias is None else bias))

        def part(i: int, call: Now) -> None:
            strip = address(scratch("depthwise_strip", t.strip_samples, p.dtype)) if t.strip_samples else 0
            call(t.driver, self.job, *where, strip, *parts[i])

        share(part, len(parts), workers, p.products * PRODUCT_NS)
