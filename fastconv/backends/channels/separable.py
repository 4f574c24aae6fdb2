"""Depthwise then 1x1, strip by strip: the filtered channels never exist whole."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from fastconv.backends.handoff import Now, few_parts, share
from fastconv.backends.sweeps.common import nones, token
from fastconv.core.channels import LEAST_BYTES
from fastconv.core.scratch import scratch
from fastconv.core.separable import SeparableProblem
from fastconv.loops import channels_depthwise, channels_polyphase, channels_separable
from fastconv.loops.channels_separable import BLOCK
from fastconv.loops.vec import lanes

from .depthwise import Shape, tables
from .lines import SLACK, address, work_ns

__all__ = ["SeparableExecutor"]

#: bytes of filtered rows worked on at a time: a part of the second-level cache; few channels stay in the first
STRIP_BYTES = 128 * 1024
#: products of one task, and how many are worth handing out at all
TASK_PRODUCTS = 64_000_000
SERIAL_PRODUCTS = 4_000_000


class SeparableExecutor:
    """A depthwise convolution and the 1x1 convolution of its result, fused over strips of rows."""

    name = "separable"

    def __init__(self, problem: SeparableProblem, depthwise: np.ndarray, pointwise: np.ndarray) -> None:
        d = problem.depthwise
        self.problem = problem
        if 0 in (d.batch, d.c_in, d.c_out, problem.c_out, *d.out_shape):
            return
        size = d.dtype.itemsize
        self.depthwise = np.ascontiguousarray(depthwise, d.dtype)
        self.tables = t = tables(Shape.of(d))
        self.rows, self.pitch = _strip(problem)
        self.job = t.job(d.c_in, d.c_out // d.c_in)
        # the strip stands in for the output planes
        self.job[channels_depthwise.FIELDS.index("plane_out")] = self.pitch * size
        self.zero = np.zeros(1, np.int64)
        self.no_bias = np.zeros(max(problem.c_out, d.c_out), d.dtype)
        self.full, self.tail = divmod(problem.c_out, BLOCK)
        w = np.asarray(pointwise, d.dtype).reshape(problem.c_out, d.c_out)
        parts = [w[a : a + BLOCK].T.reshape(-1) for a in range(0, problem.c_out, BLOCK)]
        self.pointwise = np.ascontiguousarray(np.concatenate(parts))

        def row(many: int) -> int:
            if many == 0:
                return 0
            return channels_polyphase.polyphase_row.address(
                ACC=token(d.dtype), PATTERN=((nones(1),),), BLOCK=nones(many), VECTORS=nones(2), LANES=lanes(size),
                SIZE=size,
            )  # fmt: skip

        self.functions = row(BLOCK if self.full else 0), row(self.tail)
        self.driver = channels_separable.pointwise_strip.compiled(*(0,) * 14)
        self.parts: dict[int, list[tuple[int, int, int]]] = {}

    @staticmethod
    def serves(problem: SeparableProblem) -> str:
        d = problem.depthwise
        if d.kind != "conv":
            return "it serves convolutions, not their adjoints"
        return "" if d.groups == d.c_in else "a filter of the first part reads more than one channel"

    @staticmethod
    def scratch_bytes(problem: SeparableProblem) -> int:
        d = problem.depthwise
        return SeparableExecutor.worker_bytes(problem) + d.c_out * problem.c_out * d.dtype.itemsize

    @staticmethod
    def worker_bytes(problem: SeparableProblem) -> int:
        """Of those, what each worker takes."""
        d = problem.depthwise
        inner = tables(Shape.of(d)).strip_samples
        return (inner + _strip(problem)[1] * d.c_out + SLACK) * d.dtype.itemsize

    def _tasks(self, workers: int) -> list[tuple[int, int, int]]:
        """(sample, first row, end) of each task; every one of several strips."""
        p, d = self.problem, self.problem.depthwise
        height = d.out_shape[0]
        wanted = few_parts(work_ns(p.products, d.dtype), workers)
        if not wanted:
            wanted = max(-(-p.products // TASK_PRODUCTS), min(4 * workers, p.products // SERIAL_PRODUCTS))
            wanted = max(wanted if workers > 1 else -(-p.products // TASK_PRODUCTS), 1)
        bands = min(-(-wanted // d.batch), -(-height // self.rows))
        strips = -(-height // self.rows)
        cuts = [min(height, strips * i // bands * self.rows) for i in range(bands)] + [height]
        return [(n, a, b) for n in range(d.batch) for a, b in pairwise(cuts) if b > a]

    def execute(self, x: np.ndarray, out: np.ndarray, bias: np.ndarray | None, workers: int) -> None:
        if out.size == 0:
            return
        p, d, t = self.problem, self.problem.depthwise, self.tables
        if d.c_out == 0:
            out[...] = 0 if bias is None else bias[:, None, None]
            return
        parts = self.parts.get(workers)
        if parts is None:
            parts = self.parts[workers] = self._tasks(workers)
        size = d.dtype.itemsize
        row = d.out_shape[1] * size
        plane = d.out_shape[0] * row
        source, target, start = address(x), address(out), address(self.no_bias if bias is None else bias)
        taps, mixing, nothing, zero = map(address, (self.depthwise, self.pointwise, self.no_bias, self.zero))
        pitch = self.pitch * size

        def part(i: int, call: Now) -> None:
            n, a, b = parts[i]
            inner = address(scratch("depthwise_strip", t.strip_samples, d.dtype)) if t.strip_samples else 0
            strip = address(scratch("separable_strip", self.pitch * d.c_out + SLACK, d.dtype))
            for ya in range(a, b, self.rows):
                yb = min(b, ya + self.rows)
                y0 = max(0, min(ya, yb - t.rows * t.group))  # at least a block of rows
                # planes and rows are counted from where the whole result would begin
                base = strip - n * d.c_out * pitch - y0 * row
                call(t.driver, self.job, source, base, taps, nothing, inner, n * d.c_in, (n + 1) * d.c_in, y0, yb)
                to = target + n * p.c_out * plane + ya * row
                call(
                    self.driver, strip + (ya - y0) * row, d.c_out, pitch, zero, mixing, start, to, plane, size,
                    (yb - ya) * d.out_shape[1], self.full, self.tail, *self.functions,
                )  # fmt: skip

        share(part, len(parts), workers, work_ns(p.products, d.dtype))


def _strip(problem: SeparableProblem) -> tuple[int, int]:
    """Output rows of a strip, and samples from one of its channels to the next."""
    d = problem.depthwise
    t = tables(Shape.of(d))
    height, width = d.out_shape
    block = t.rows * t.group
    size = d.dtype.itemsize
    # of what a call may take: the rest of it goes to padded rows and to the weights in the order of their use
    room = max(problem.memory_limit, LEAST_BYTES) * 3 // 4 - (t.strip_samples + d.c_out * problem.c_out) * size
    rows = min(STRIP_BYTES // (d.c_out * width * size), room // (d.c_out * width * size) - block - 1)
    rows = min(height, max(block, rows // block * block))
    samples = (rows + block) * width
    pitch = -(-samples // 16) * 16 + 16
    return rows, pitch if pitch % 1024 else pitch + 16
