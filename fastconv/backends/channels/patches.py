"""The direct sum over small images: patches laid out once, then a matrix product with weights that lie as they are."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from fastconv.backends.handoff import Now, few_parts, share
from fastconv.core.border import CONSTANT, canonical_mode
from fastconv.core.channels import ChannelProblem
from fastconv.core.scratch import scratch
from fastconv.loops import channels_patches as loops
from fastconv.loops.vec import lanes, vector_bytes

from .deep import nones
from .lines import SLACK, address, driver, work_ns

__all__ = ["PIXELS", "PatchesExecutor", "settled"]

#: output pixels of an image, at most
PIXELS = 1024
#: products that are not worth handing out, and of a task at least
TASK_PRODUCTS = 8_000_000


def _sums(vectors: int) -> int:
    """Output channels of a register tile of so many vectors of pixels."""
    return {1: 28, 2: 14, 3: 9}[vectors] if vector_bytes() == 64 else {1: 12, 2: 6, 3: 4}[vectors]


def _cut(n: int, most: int) -> tuple[int, int, int]:
    """Blocks of at most ``most``: how many, the size of one, and how many of them (the first) have one more."""
    blocks = -(-n // most)
    return (blocks, *divmod(n, blocks))


class _Sizes:
    """What is known without compiling: pixels, those of them that get vectors of their own (last), and scratch.

    k: coefficients of a filter; pitch, last_row: samples from a row of pixels to the next, and of a last pixel's row.
    """

    def __init__(self, p: ChannelProblem) -> None:
        n = lanes(p.dtype.itemsize)
        self.in_place = p.taps == 1 and p.stride == (1, 1) and p.shape == p.out_shape
        self.pixels = p.out_shape[0] * p.out_shape[1]
        self.k = p.group_in * p.taps
        left = self.pixels % n
        # so few pixels are cheaper with coefficients in the lanes
        self.last = left if left <= n // 2 else 0
        self.pitch = self.pixels if self.in_place else -(-self.pixels // n) * n
        self.last_row = -(-self.k // n) * n + 16
        self.samples = 0 if self.in_place else self.k * self.pitch + SLACK
        self.last_samples = self.last * self.last_row
        entries = 0 if self.in_place else p.taps * p.out_shape[0]
        self.bytes = (self.samples + self.last_samples) * p.dtype.itemsize + 32 * entries


class _Patches(_Sizes):
    """Tables and functions of one problem."""

    def __init__(self, p: ChannelProblem) -> None:
        super().__init__(p)
        size = p.dtype.itemsize
        n = lanes(size)
        token = np.dtype(p.dtype).type
        whole, left = divmod(self.pixels, n)
        needed = whole + (left > self.last)
        values: dict[str, int] = dict.fromkeys(loops.FIELDS, 0)
        plane = self.pixels * size
        values.update(
            k=self.k, w_pitch=self.k * size, pitch=self.pitch * size, last_pitch=self.last_row * size, plane=plane,
            size=size, lanes=n, pixels=self.pixels, last_pixel=whole * n,
        )  # fmt: skip
        self.blocks = self.last_blocks = 0
        if needed:
            wide = 3 if needed % 3 == 0 and needed % 2 else min(2, needed)
            tiles = -(-needed // wide)
            vectors, wider = divmod(needed, tiles)
            self.blocks, block, taller = _cut(p.group_out, _sums(wide))
            values.update(tiles=tiles, vectors=vectors, wider=wider, block=block, taller=taller)
            masked = left > self.last
            kinds = {"wide": (vectors + 1, 0, wider > 0), "narrow": (vectors, 0, tiles - wider > masked),
                     "part": (vectors, 1, masked)}  # fmt: skip
            for name, (v, part, there) in kinds.items():
                for height, some, word in ((block + 1, taller > 0, "high"), (block, taller < self.blocks, "low")):
                    if there and some:
                        values[f"{name}_{word}"] = loops.patch_part.address(
                            ACC=token, BLOCK=nones(height), VECTORS=nones(v), PART=nones(part)
                        )
        if self.last:
            most = min(14, (24 if vector_bytes() == 64 else 10) // self.last)
            self.last_blocks, block, taller = _cut(p.group_out, max(1, most))
            values.update(last_block=block, last_taller=taller)
            for height, some, word in ((block + 1, taller > 0, "high"), (block, taller < self.last_blocks, "low")):
                if some:
                    values[f"last_{word}"] = loops.lane_part.address(
                        ACC=token, BLOCK=nones(height), LAST=nones(self.last)
                    )
        self.job = np.array([values[name] for name in loops.FIELDS], np.int64)
        self.rows = loops.patch_rows.compiled(self.job, *(0,) * 9)
        self.gather_last = loops.gather_last.address(ACC=token, SIZE=size)
        self.call = driver(loops.run_gather)
        self.table = np.zeros((0, 4), np.int64) if self.in_place else _table(p, self.pitch, n)
        self.gather = 0
        if not self.in_place:
            pair = nones(int(self.table[:, 2].any()))
            self.gather = loops.gather_patches.address(ACC=token, APART=nones(p.stride[1]), PAIR=pair)


def _table(p: ChannelProblem, pitch: int, n: int) -> np.ndarray:
    """See `fastconv.loops.channels_patches.gather_patches`."""
    size, (h, w), (ho, wo) = p.dtype.itemsize, p.shape, p.out_shape
    entries = []

    def mask(first: int, count: int) -> int:
        """Lanes of a vector from column ``first`` on that lie in a row, and before its ``count``-th sample."""
        low, high = max(0, -first), max(0, min(n, w - first, count))
        found = (1 << high) - (1 << min(low, high))
        return found - (1 << 64) if found >> 63 else found

    for ty in range(p.size[0]):
        for tx in range(p.size[1]):
            for oy in range(ho):
                y = oy * p.stride[0] + ty * p.dilation[0] - p.before[0]
                x = tx * p.dilation[1] - p.before[1]
                to = ((ty * p.size[1] + tx) * pitch + oy * wo) * size
                reach = (wo - 1) * p.stride[1] + 1
                masks = [mask(x + n * i, reach - n * i) if 0 <= y < h else 0 for i in range(2)]
                entries.append(((y * w + x) * size if any(masks) else 0, *masks, to))
    return np.array(entries, np.int64)


settled = lru_cache(maxsize=256)(_Patches)


def parts_of(products: int, dtype: np.dtype, workers: int) -> int:
    """Parts that so many products are cut into."""
    few = few_parts(work_ns(products, dtype), workers)
    wanted = few or min(4 * workers, products // TASK_PRODUCTS + 1)
    return max(wanted, products // (8 * TASK_PRODUCTS))


class PatchesExecutor:
    """See `fastconv.backends.channels`."""

    name = "patches"
    #: nothing is made of the weights, and what it takes is known without compiling: see `fastconv.engine.executors`
    in_place = True
    fixed_scratch = True

    def __init__(self, problem: ChannelProblem, weight: np.ndarray) -> None:
        self.problem = problem
        self.weight = weight
        self.no_bias = np.zeros(problem.c_out, problem.dtype)
        self.job = settled(problem)

    def execute(self, x: np.ndarray, out: np.ndarray, bias: np.ndarray | None, workers: int) -> None:
        p, job = self.problem, self.job
        size = p.dtype.itemsize
        source, target, weight = address(x), address(out), address(self.weight)
        start = address(self.no_bias if bias is None else bias)
        plane = p.shape[0] * p.shape[1] * size
        patches = address(scratch("patches", job.samples, p.dtype)) if job.samples else 0
        last = 0
        if job.last:
            room = scratch("patches_last", job.last_samples, p.dtype)
            if job.k % lanes(size):  # what a vector has behind the coefficients
                room[:] = 0
            last = address(room)
        products = p.products // (p.batch * p.groups)
        parts = parts_of(products, p.dtype, workers)
        table, entries = (address(job.table), len(job.table)) if job.gather else (0, 0)
        for n in range(p.batch):
            for g in range(p.groups):
                at = source + (n * p.c_in + g * p.group_in) * plane
                job.call(
                    job.gather, job.gather_last, at, plane, p.group_in, table, entries, patches or at,
                    p.taps * job.pitch * size, job.pitch * size, job.pixels - job.last, job.k, job.last, last,
                    job.last_row * size, size,
                )  # fmt: skip
                o = g * p.group_out
                fixed = (
                    job.job, patches or at, last, weight + o * job.k * size, start + o * size,
                    target + (n * p.c_out + o) * job.pixels * size,
                )  # fmt: skip

                def part(i: int, call: Now, fixed: Any = fixed) -> None:
                    cuts = [total * k // parts for total in (job.blocks, job.last_blocks) for k in (i, i + 1)]
                    call(job.rows, *fixed, *cuts)

                share(part, parts, workers, work_ns(products, p.dtype))

    @staticmethod
    def serves(problem: ChannelProblem) -> str:
        p = problem
        if p.kind != "conv":
            return "a transposed convolution is no direct sum over its image"
        if p.pixels // p.batch > PIXELS:
            return f"only for images of at most {PIXELS} output pixels"
        if p.taps == 1 and p.stride == (1, 1) and p.shape == p.out_shape:
            return ""
        if p.out_shape[1] > lanes(p.dtype.itemsize) or p.stride[1] > 2:
            return "only for rows of outputs that one vector holds, of stride 1 or 2"
        padded = any((*p.before, *p.after))
        return "only zeros may stand around the image" if padded and p.mode != canonical_mode(CONSTANT) else ""

    @staticmethod
    def scratch_bytes(problem: ChannelProblem) -> int:
        return _Sizes(problem).bytes
