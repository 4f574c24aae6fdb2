"""The direct sum of column stride 2: rows read where they lie, samples dealt out in registers."""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise

import numpy as np

from fastconv.backends.handoff import Now, few_parts, share
from fastconv.core.border import CONSTANT, canonical_mode, source_index
from fastconv.core.channels import ChannelProblem
from fastconv.loops import channels_strided as loops
from fastconv.loops.channels_strip import ZERO_ROW
from fastconv.loops.vec import lanes, vector_bytes

from .deep import nones
from .lines import SLACK, address, work_ns

__all__ = ["StridedExecutor"]

#: output channels of a block, and columns of a kernel, at most
BLOCK = 28 if vector_bytes() == 64 else 12
WIDE = 11
#: products of the longest task, and of two of the shortest
TASK_PRODUCTS = 64_000_000
SHORT_PRODUCTS = 5_000_000


class _Strided:
    """Tables and functions of one problem."""

    def __init__(self, p: ChannelProblem) -> None:
        size = p.dtype.itemsize
        n = lanes(size)
        (h, w), (ho, wo) = p.shape, p.out_shape
        index = source_index(h, p.before[0], p.after[0], p.mode)
        self.rows = np.ascontiguousarray(np.where(index < 0, ZERO_ROW, index * (w * size)), np.int64)
        self.tiles = -(-wo // n)
        self.edges = self._edges(p, n)
        self.zeros = np.zeros(w + SLACK, p.dtype)
        self.front = p.before[1] * size
        self.blocks = -(-p.group_out // BLOCK)
        self.block, self.taller = divmod(p.group_out, self.blocks)
        values: dict[str, int] = {
            "plane": h * w * size, "rows": address(self.rows), "pace": 8 * p.dilation[0], "tall": p.size[0],
            "channels": p.group_in, "zero": address(self.zeros) - self.front, "plane_out": ho * wo * size,
            "stride": p.stride[0], "row_out": wo * size, "size": size, "tiles": self.tiles, "lanes": n,
            "edges": address(self.edges), "edge_step": 8 * self.edges.shape[1], "blocks": self.blocks,
            "block": self.block, "taller": self.taller, "each": p.group_in * p.taps * size,
        }  # fmt: skip
        parts = self.edges[:, 0] != 0
        for name, part, there in (("", 0, not parts.all()), ("_part", 1, parts.any())):
            for word, height, some in (
                ("high", self.block + 1, self.taller > 0),
                ("low", self.block, self.taller < self.blocks),
            ):
                values[word + name] = 0
                if there and some:
                    values[word + name] = loops.strided_part.address(
                        ACC=np.dtype(p.dtype).type, BLOCK=nones(height), WIDE=nones(p.size[1]), PART=nones(part)
                    )
        self.job = np.array([values[name] for name in loops.FIELDS], np.int64)
        self.driver = loops.strided_rows.compiled(self.job, *(0,) * 6)

    def _edges(self, p: ChannelProblem, n: int) -> np.ndarray:
        """For each tile whether it needs masks, the lanes to store, and of each vector those inside the row."""
        w, wo, loads = p.shape[1], p.out_shape[1], 2 * -(-p.size[1] // 2)

        def mask(low: int, high: int) -> int:
            """Lanes low..high."""
            low, high = max(0, low), min(n, high)
            return (1 << high) - (1 << low) if high > low else 0

        found = []
        for x in range(0, self.tiles * n, n):
            row = [mask(0, wo - x)]
            for i in range(loads):
                first = 2 * x - p.before[1] + i // 2 * 2 + i % 2 * n
                row.append(mask(-first, w - first))
            found.append([int(any(m != (1 << n) - 1 for m in row)), *row])
        return np.array(found, np.int64)

    def packed(self, p: ChannelProblem, weight: np.ndarray) -> np.ndarray:
        """Weights [group][block][channel][tap][output channel]."""
        parts = []
        for g in range(p.groups):
            o = g * p.group_out
            for b in range(self.blocks):
                height = self.block + (b < self.taller)
                parts.append(weight[o : o + height].reshape(height, -1).T.reshape(-1))
                o += height
        return np.ascontiguousarray(np.concatenate(parts), p.dtype)


_settled = lru_cache(maxsize=256)(_Strided)


class StridedExecutor:
    """See `fastconv.backends.channels`."""

    name = "strided"

    def __init__(self, problem: ChannelProblem, weight: np.ndarray) -> None:
        self.problem = problem
        self.job = _settled(problem)
        self.packed = self.job.packed(problem, weight)
        self.no_bias = np.zeros(problem.c_out, problem.dtype)

    def execute(self, x: np.ndarray, out: np.ndarray, bias: np.ndarray | None, workers: int) -> None:
        p, job = self.problem, self.job
        size = p.dtype.itemsize
        source, target, weight = address(x) - job.front, address(out), address(self.packed)
        start = address(self.no_bias if bias is None else bias)
        (h, w), (ho, wo) = p.shape, p.out_shape
        pairs = [(n, g) for n in range(p.batch) for g in range(p.groups)]
        ns = work_ns(p.products, p.dtype)
        wanted = few_parts(ns, workers)
        if not wanted:
            wanted = max(1, p.products // TASK_PRODUCTS, min(4 * workers, 2 * p.products // SHORT_PRODUCTS))
        bands = min(ho, -(-wanted // len(pairs)))
        cuts = list(pairwise(ho * i // bands for i in range(bands + 1)))
        tasks = [(*pair, *cut) for pair in pairs for cut in cuts]

        def part(i: int, call: Now) -> None:
            n, g, y0, y1 = tasks[i]
            o = g * p.group_out
            call(
                job.driver, job.job, source + (n * p.c_in + g * p.group_in) * h * w * size,
                weight + o * p.group_in * p.taps * size, start + o * size,
                target + (n * p.c_out + o) * ho * wo * size, y0, y1,
            )  # fmt: skip

        share(part, len(tasks), workers, ns)

    @staticmethod
    def serves(problem: ChannelProblem) -> str:
        p = problem
        if p.kind != "conv" or p.stride[1] != 2 or p.dilation[1] != 1:
            return "only for convolutions whose columns have a stride of 2 and no dilation"
        if p.size[1] > WIDE:
            return f"only for kernels of at most {WIDE} columns"
        padded = any((*p.before, *p.after))
        return "only zeros may stand around the image" if padded and p.mode != canonical_mode(CONSTANT) else ""

    @staticmethod
    def scratch_bytes(problem: ChannelProblem) -> int:
        p = problem
        rows = 8 * (p.shape[0] + sum((p.before[0], p.after[0])))
        masks = 8 * (p.size[1] + 3) * -(-p.out_shape[1] // lanes(p.dtype.itemsize))
        return p.weight_bytes + (p.shape[1] + SLACK) * p.dtype.itemsize + rows + masks

    @staticmethod
    def worker_bytes(problem: ChannelProblem) -> int:
        """Of those, what each worker takes: they share everything."""
        return 0
