"""The direct sum with neighbouring pixels in the lanes: for few channels and long rows, and for 1 x 1 kernels."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from fastconv.backends.handoff import Now, few_parts, now, share
from fastconv.core.channels import ChannelProblem
from fastconv.core.scratch import scratch
from fastconv.core.threads import run
from fastconv.loops import channels_wide as loops
from fastconv.loops.vec import lanes, vector_bytes

from .deep import nones, tap_offsets
from .lines import SLACK, address, cuts, driver, lines, work_ns

__all__ = ["PointwiseExecutor", "WideExecutor"]

#: bytes of a strip of padded rows; bytes of the pixels that go through all output channels before the next ones do
STRIP_BYTES = 320 * 1024
TOGETHER_BYTES = 256 * 1024
#: input channels of a 1 x 1 kernel up to which storing takes longer than multiplying
FEW = 3
#: products of the longest task, and of two of the shortest
TASK_PRODUCTS = 64_000_000
SHORT_PRODUCTS = 5_000_000


class _Tiles:
    """How rows of outputs and output channels are cut into register tiles, and the functions of these."""

    def __init__(self, problem: ChannelProblem, columns: int, single: bool) -> None:
        size = problem.dtype.itemsize
        n = lanes(size)
        tall, wide = (14, 2) if vector_bytes() == 64 else (6, 2)
        if single and problem.group_in <= FEW:  # stores bound it: long runs of few planes
            tall, wide = (2, 8) if vector_bytes() == 64 else (2, 4)
        needed = -(-columns // n)
        self.columns = columns
        self.tiles = -(-needed // wide)
        self.vectors, self.wider = divmod(needed, self.tiles)
        self.blocks = -(-problem.group_out // tall)
        self.block, self.taller = divmod(problem.group_out, self.blocks)
        pixel = problem.group_in * n * size
        self.together = max(2, min(32, TOGETHER_BYTES // (pixel * max(self.vectors, 1))))

        def part(vectors: int, block: int, there: bool) -> int:
            if not there:
                return 0
            return loops.wide_part.address(
                ACC=np.dtype(problem.dtype).type, BLOCK=nones(block), VECTORS=nones(vectors), SINGLE=nones(int(single))
            )

        narrow = self.wider < self.tiles
        self.functions = (
            part(self.vectors + 1, self.block + 1, self.wider > 0 and self.taller > 0),
            part(self.vectors + 1, self.block, self.wider > 0 and self.taller < self.blocks),
            part(self.vectors, self.block + 1, narrow and self.taller > 0),
            part(self.vectors, self.block, narrow and self.taller < self.blocks),
        )
        self.driver = driver(loops.wide)

        self.lanes = n

    def channel(self, block: int) -> int:
        """The first output channel of a block."""
        return block * self.block + min(block, self.taller)

    def pixel(self, tile: int) -> int:
        """The first pixel of a tile."""
        return (tile * self.vectors + min(tile, self.wider)) * self.lanes


def _wanted(problem: ChannelProblem, workers: int) -> int:
    """Tasks that a problem is cut into."""
    few = few_parts(work_ns(problem.products, problem.dtype), workers)
    if few:
        return few
    least = -(-problem.products // TASK_PRODUCTS)
    return least if workers == 1 else max(least, min(4 * workers, -(-2 * problem.products // SHORT_PRODUCTS)))


class _Wide:
    """Tiles, and the strips that they read."""

    def __init__(self, problem: ChannelProblem) -> None:
        p = problem
        size = p.dtype.itemsize
        self.rows = lines(p.shape, p.before, p.after, p.mode, size, p.stride[1])
        self.taps = tap_offsets(p, self.rows)
        self.tiles = _Tiles(p, p.out_shape[1], p.taps == 1)
        one = p.group_in * self.rows.row * size
        fit = (min(STRIP_BYTES, max(p.memory_limit // 4, 1)) // max(one, 1) - p.reach[0] - 1) // p.stride[0] + 1
        self.band = max(1, min(p.out_shape[0], fit))
        line = 64 // size
        channel = ((self.band - 1) * p.stride[0] + p.reach[0] + 1) * self.rows.row
        self.channel = (-(-channel // line) | 1) * line  # an odd number of cache lines
        li, t, (height, width) = self.rows, self.tiles, p.out_shape
        functions = dict(
            zip(("wider_taller", "wider_lower", "narrow_taller", "narrow_lower"), t.functions, strict=True)
        )
        values = {
            "band": self.band, "stride": p.stride[0], "reach": p.reach[0], "table": address(li.rows),
            "plane_in": li.plane, "channels": p.group_in, "channel": self.channel * size,
            "strip_row_bytes": li.row * size, "pitch": li.pitch * size, "before": len(li.left), "n_in": li.n,
            "left": address(li.left), "right": address(li.right), "after": len(li.right), "strip_row": li.function,
            "taps": address(self.taps), "n_taps": p.taps, "w_pitch": p.group_in * p.taps * size,
            "plane": height * width * size, "out_row": width * size, "columns": width, "size": size,
            "lanes": lanes(size), "tiles": t.tiles, "vectors": t.vectors, "wider": t.wider, "together": t.together,
            "blocks": t.blocks, "block": t.block, "taller": t.taller, **functions,
        }  # fmt: skip
        self.job = np.array([values[name] for name in loops.FIELDS], np.int64)
        self.driver = loops.wide_bands.compiled(self.job, *(0,) * 7)


_settled = lru_cache(maxsize=256)(_Wide)


class _Base:
    """What both executors do with weights and bias."""

    name = ""
    #: nothing is made of the weights: see `fastconv.engine.executors`
    in_place = True

    def __init__(self, problem: ChannelProblem, weight: np.ndarray) -> None:
        self.problem = problem
        self.weight = weight
        self.no_bias = np.zeros(problem.c_out, problem.dtype)

    def _places(self, x: np.ndarray, out: np.ndarray, bias: np.ndarray | None) -> tuple[int, int, int, int]:
        return address(x), address(out), address(self.weight), address(self.no_bias if bias is None else bias)


class WideExecutor(_Base):
    """See `fastconv.backends.channels`."""

    name = "wide"

    def __init__(self, problem: ChannelProblem, weight: np.ndarray) -> None:
        super().__init__(problem, weight)
        self.job = _settled(problem)

    def execute(self, x: np.ndarray, out: np.ndarray, bias: np.ndarray | None, workers: int) -> None:
        p, job = self.problem, self.job
        pairs = [(n, g) for n in range(p.batch) for g in range(p.groups)]
        bands = cuts(p.out_shape[0], -(-_wanted(p, workers) // len(pairs)))
        tasks = [(*pair, *band) for pair in pairs for band in bands]
        rows, size = job.rows, p.dtype.itemsize
        source, target, weight, start = self._places(x, out, bias)
        k, plane = p.group_in * p.taps * size, p.out_shape[0] * p.out_shape[1] * size

        def part(i: int, call: Now) -> None:
            n, g, y0, y1 = tasks[i]
            strip = address(scratch("wide_strip", p.group_in * job.channel + SLACK, p.dtype))
            o = g * p.group_out
            call(
                job.driver, job.job, source + (n * p.c_in + g * p.group_in) * rows.plane, weight + o * k,
                start + o * size, target + (n * p.c_out + o) * plane, strip, y0, y1,
            )  # fmt: skip

        share(part, len(tasks), workers, work_ns(p.products, p.dtype))

    @staticmethod
    def serves(problem: ChannelProblem) -> str:
        if problem.kind != "conv":
            return "a transposed convolution is no direct sum over its image"
        return ""

    @staticmethod
    def scratch_bytes(problem: ChannelProblem) -> int:
        return problem.group_in * _settled(problem).channel * problem.dtype.itemsize


class _Pointwise:
    """Tiles of pixels that lie in a row, and of the last ones, which are copied to where more may be read."""

    def __init__(self, problem: ChannelProblem) -> None:
        n = lanes(problem.dtype.itemsize)
        self.pixels = problem.out_shape[0] * problem.out_shape[1]
        self.whole = self.pixels // n * n
        self.some = _Tiles(problem, self.pixels - self.whole, True) if self.pixels > self.whole else None
        self.tiles = _Tiles(problem, self.whole, True) if self.whole else None
        self.zero = np.zeros(1, np.int64)


_settled_pointwise = lru_cache(maxsize=256)(_Pointwise)


class PointwiseExecutor(_Base):
    """1 x 1 kernels: a matrix product over pixels that are read where they lie."""

    name = "pointwise"

    def __init__(self, problem: ChannelProblem, weight: np.ndarray) -> None:
        super().__init__(problem, weight)
        self.job = _settled_pointwise(problem)

    def execute(self, x: np.ndarray, out: np.ndarray, bias: np.ndarray | None, workers: int) -> None:
        p, job = self.problem, self.job
        size = p.dtype.itemsize
        n_lanes = lanes(size)
        source, target, weight, start = self._places(x, out, bias)
        plane, k, zero = job.pixels * size, p.group_in * size, address(job.zero)
        most = job.tiles or job.some
        assert most is not None
        pairs = [(n, g) for n in range(p.batch) for g in range(p.groups)]
        wanted = -(-_wanted(p, workers) // len(pairs))
        by_pixels = most.tiles >= 8 * wanted
        pieces = cuts(most.tiles, wanted if by_pixels else 1)
        blocks = cuts(most.blocks, 1 if by_pixels else wanted)
        tasks = [(*pair, *piece, *some) for pair in pairs for piece in pieces for some in blocks]

        def go(call: Now, t: _Tiles, at: int, pitch: int, to: int, g: int, t0: int, t1: int, b0: int, b1: int) -> None:
            first, o = t.pixel(t0), g * p.group_out + t.channel(b0)
            call(
                t.driver, at + first * size, pitch, 0, zero, 1, p.group_in, weight + o * k, k, start + o * size,
                to + t.channel(b0) * plane + first * size, plane, 0, 1, t.columns - first, size, n_lanes,
                t1 - t0, t.vectors, min(max(t.wider - t0, 0), t1 - t0), t.together,
                b1 - b0, t.block, min(max(t.taller - b0, 0), b1 - b0), *t.functions,
            )  # fmt: skip

        def part(i: int, call: Now) -> None:
            n, g, t0, t1, b0, b1 = tasks[i]
            c = g * p.group_in
            to = target + (n * p.c_out + g * p.group_out) * plane
            if job.tiles is not None:
                go(call, job.tiles, source + (n * p.c_in + c) * plane, plane, to, g, t0, t1, b0, b1)
            if job.some is not None and t1 == most.tiles:  # the last pixels, where more than they may be read
                last = scratch("pointwise_last", p.group_in * n_lanes, p.dtype).reshape(p.group_in, n_lanes)
                last[:, : job.some.columns] = x[n, c : c + p.group_in].reshape(p.group_in, -1)[:, job.whole :]
                go(call, job.some, address(last), n_lanes * size, to + job.whole * size, g, 0, job.some.tiles, b0, b1)

        if job.some is not None and len(pairs) > 1:  # the last pixels of one would be written over those of another
            run(lambda i: part(i, now), len(tasks), workers)
        else:
            share(part, len(tasks), workers, work_ns(p.products, p.dtype))

    @staticmethod
    def serves(problem: ChannelProblem) -> str:
        if problem.kind != "conv" or problem.taps > 1 or problem.stride != (1, 1):
            return "only for 1 x 1 kernels of stride 1"
        return "only without padding" if problem.shape != problem.out_shape else ""

    @staticmethod
    def scratch_bytes(problem: ChannelProblem) -> int:
        return problem.group_in * lanes(problem.dtype.itemsize) * problem.dtype.itemsize
