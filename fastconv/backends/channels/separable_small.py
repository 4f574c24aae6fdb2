"""Depthwise then 1x1 for small images: all filtered channels in cache at once, mixed by weights as they lie."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from fastconv.backends.handoff import Now, share
from fastconv.core.channels import LEAST_BYTES, ChannelProblem
from fastconv.core.scratch import scratch
from fastconv.core.separable import SeparableProblem
from fastconv.loops import channels_depthwise, channels_patches

from .depthwise import Shape, tables
from .lines import SLACK, address, work_ns
from .patches import PIXELS, parts_of, settled
from .separable import SeparableExecutor

__all__ = ["SmallSeparableExecutor", "small"]

#: bytes of filtered channels, at most: they share the second-level cache with the weights
FILTERED_BYTES = 320 * 1024
#: fewer products than these of an image are as quick strip by strip
LEAST_PRODUCTS = 1_000_000


def _mixing(p: SeparableProblem) -> ChannelProblem:
    """The second part, of one sample."""
    d, one, zero = p.depthwise, (1, 1), (0, 0)
    return ChannelProblem(
        "conv", 1, d.c_out, p.c_out, 1, d.out_shape, d.out_shape, one, one, one, zero, zero, d.mode, d.dtype
    )


class _Small:
    """Tables of both parts; pitch: samples from a filtered channel to the next."""

    def __init__(self, p: SeparableProblem) -> None:
        d = p.depthwise
        size = d.dtype.itemsize
        self.pitch = _pitch(d)
        self.tables = tables(Shape.of(d))
        self.first = self.tables.job(d.c_in, d.c_out // d.c_in)
        self.first[channels_depthwise.FIELDS.index("plane_out")] = self.pitch * size
        self.patches = settled(_mixing(p))
        self.second = self.patches.job.copy()
        self.second[channels_patches.FIELDS.index("pitch")] = self.pitch * size
        self.no_bias = np.zeros(max(p.c_out, d.c_out), d.dtype)


_small = lru_cache(maxsize=64)(_Small)


def _pitch(d: ChannelProblem) -> int:
    samples = -(-d.out_shape[0] * d.out_shape[1] // 16) * 16 + 16
    return samples if samples % 1024 else samples + 16


def small(problem: SeparableProblem) -> bool:
    """Whether the filtered channels of a sample stay in cache, and within the memory that a call may take."""
    d = problem.depthwise
    pixels = d.out_shape[0] * d.out_shape[1]
    if 0 in (d.batch, d.c_in, d.c_out, problem.c_out, pixels) or pixels > PIXELS:
        return False
    filtered = _pitch(d) * d.c_out * d.dtype.itemsize
    if filtered > FILTERED_BYTES or pixels * d.c_out * problem.c_out < LEAST_PRODUCTS:
        return False
    return SmallSeparableExecutor.scratch_bytes(problem) <= max(problem.memory_limit, LEAST_BYTES) * 3 // 4


class SmallSeparableExecutor:
    """See `fastconv.backends.channels.separable`."""

    name = "separable"
    #: nothing is made of the weights: see `fastconv.engine.executors`
    in_place = True

    def __init__(self, problem: SeparableProblem, depthwise: np.ndarray, pointwise: np.ndarray) -> None:
        self.problem = problem
        self.weights = depthwise, pointwise
        self.job = _small(problem)

    serves = staticmethod(SeparableExecutor.serves)

    def execute(self, x: np.ndarray, out: np.ndarray, bias: np.ndarray | None, workers: int) -> None:
        p, d, job = self.problem, self.problem.depthwise, self.job
        size = d.dtype.itemsize
        t, second = job.tables, job.patches
        filtered = address(scratch("separable_filtered", job.pitch * d.c_out + SLACK, d.dtype))
        last = 0
        if second.last:
            room = scratch("patches_last", second.last_samples, d.dtype)
            room[:] = 0
            last = address(room)
        source, target, start = address(x), address(out), address(job.no_bias if bias is None else bias)
        taps, mixing, nothing = address(self.weights[0]), address(self.weights[1]), address(job.no_bias)
        height = d.out_shape[0]
        products = p.products // d.batch
        parts, ns = parts_of(products, d.dtype, workers), work_ns(products, d.dtype)
        for n in range(d.batch):
            base = filtered - n * d.c_out * job.pitch * size  # planes are counted from the first sample's

            def planes(i: int, call: Now, n: int = n, base: int = base) -> None:
                strip = address(scratch("depthwise_strip", t.strip_samples, d.dtype)) if t.strip_samples else 0
                a, b = (d.c_in * (n * parts + k) // parts for k in (i, i + 1))
                call(t.driver, job.first, source, base, taps, nothing, strip, a, b, 0, height)

            share(planes, parts, workers, ns)
            second.call(
                0, second.gather_last, 0, 0, 0, 0, 0, filtered, 0, job.pitch * size, second.pixels - second.last,
                second.k, second.last, last, second.last_row * size, size,
            )  # fmt: skip
            fixed = job.second, filtered, last, mixing, start, target + n * p.c_out * second.pixels * size

            def part(i: int, call: Now, fixed: Any = fixed) -> None:
                cuts = [total * k // parts for total in (second.blocks, second.last_blocks) for k in (i, i + 1)]
                call(second.rows, *fixed, *cuts)

            share(part, parts, workers, ns)

    @staticmethod
    def scratch_bytes(problem: SeparableProblem) -> int:
        d = problem.depthwise
        rest = 8 * (-(-d.c_out // 16) * 16 + 16)  # last pixels
        return SmallSeparableExecutor.worker_bytes(problem) + ((_pitch(d) * d.c_out + SLACK + rest) * d.dtype.itemsize)

    @staticmethod
    def worker_bytes(problem: SeparableProblem) -> int:
        """Of those, what each worker takes."""
        return tables(Shape.of(problem.depthwise)).strip_samples * problem.depthwise.dtype.itemsize
