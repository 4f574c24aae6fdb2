"""The direct sum with output channels in the lanes: register tiles over padded strips (see `loops.channels_tiles`)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from fastconv.backends.handoff import Now, few_parts, share
from fastconv.core.channels import ChannelProblem
from fastconv.core.scratch import scratch
from fastconv.loops import channels_deep as loops
from fastconv.loops.vec import lanes, vector_bytes

from .lines import SLACK, Lines, address, cuts, driver, lines, work_ns

__all__ = ["DeepExecutor"]

#: bytes of a strip, of the weights of one block, and of packed weights made before the tasks start
STRIP_BYTES = 256 * 1024
PANEL_BYTES = 512 * 1024
PACKED_BYTES = 512 * 1024

_TOKENS = {4: np.float32, 8: np.float64}


def nones(n: int) -> tuple[None, ...]:
    return (None,) * n


def registers() -> int:
    """Vector registers that a tile's sums may take."""
    return 24 if vector_bytes() == 64 else 12


def tap_offsets(problem: ChannelProblem, rows: Lines) -> np.ndarray:
    """Byte offset of every tap in a strip, from the place of tap (0, 0)."""
    (kh, kw), (dy, dx) = problem.size, problem.dilation
    y = np.arange(kh)[:, None] * dy * rows.row
    x = np.arange(kw) * dx
    return np.ascontiguousarray(y + x % rows.every * rows.pitch + x // rows.every).reshape(-1) * rows.itemsize


@dataclass(frozen=True, eq=False)
class _Bands:
    """Strips of padded rows."""

    rows: Lines
    taps: np.ndarray
    channel: int  # samples from one channel of a strip to the next
    band: int  # output rows of a strip


def _bands(problem: ChannelProblem, every: int, step: int) -> _Bands:
    # bands are whole multiples of a tile's rows
    rows = lines(problem.shape, problem.before, problem.after, problem.mode, problem.dtype.itemsize, every)
    n = problem.out_shape[0]
    one = problem.group_in * rows.row * problem.dtype.itemsize
    budget = min(STRIP_BYTES, problem.memory_limit // 5)
    fit = (budget // max(one, 1) - problem.reach[0] - 1) // problem.stride[0] + 1
    band = max(1, min(n, fit))
    band = -(-n // -(-n // band))
    band = -(-band // step) * step
    channel = ((band - 1) * problem.stride[0] + problem.reach[0] + 1) * rows.row
    line = 64 // problem.dtype.itemsize
    channel = -(-channel // line) * line
    if channel // line % 2 == 0:  # an odd number of cache lines: channels do not share their places in the cache
        channel += line
    return _Bands(rows, tap_offsets(problem, rows), channel, band)


@dataclass(frozen=True, eq=False)
class _Deep:
    bands: _Bands
    vectors: int
    blocks: int
    tile: tuple[int, int]
    most: int
    pack: int
    functions: tuple[int, int, int, int]
    sums: int


@lru_cache(maxsize=256)
def _deep(problem: ChannelProblem) -> _Deep:
    itemsize, (ho, wo) = problem.dtype.itemsize, problem.out_shape
    n = lanes(itemsize)
    needed = -(-problem.group_out // n)
    vectors = min(2, needed) if needed != 3 or registers() < 24 else 3
    room = registers() // vectors
    pixels = -(-wo // -(-wo // room))
    rows = min(ho, max(1, (room + 2) // pixels))
    rows = -(-ho // -(-ho // rows))
    token = np.dtype(problem.dtype).type
    common = {"ACC": token, "SIZE": itemsize, "LANES": n, "VECTORS": nones(vectors)}

    def tile(r: int) -> int:
        return loops.deep_row.address(
            ACC=token, ROWS=nones(r), PIXELS=nones(pixels), VECTORS=nones(vectors), STEP=nones(problem.stride[1])
        )

    def store(r: int) -> int:
        return loops.deep_store.address(**common, ROWS=nones(r), PIXELS=nones(pixels), LANES_T=nones(n))

    left = ho % rows != 0
    functions = (tile(rows), tile(1) if left else 0, store(rows), store(1) if left else 0)
    pack = loops.deep_pack.address(**common, LANES_T=nones(n))
    most = max(1, min(problem.group_in, PANEL_BYTES // (problem.taps * vectors * n * itemsize)))
    most = -(-problem.group_in // -(-problem.group_in // most))
    bands = _bands(problem, 1, rows)
    tiles = -(-bands.band // rows) + bands.band % rows
    sums = rows * pixels * vectors * n * (1 if most == problem.group_in else tiles * -(-wo // pixels))
    driver(loops.deep)
    return _Deep(bands, vectors, -(-needed // vectors), (rows, pixels), most, pack, functions, sums)


class DeepExecutor:
    """See `fastconv.backends.channels`."""

    name = "deep"

    def __init__(self, problem: ChannelProblem, weight: np.ndarray) -> None:
        self.problem = problem
        self.weight = weight
        self.job = _deep(problem)
        self.packed = self._pack() if weight.nbytes <= PACKED_BYTES else None

    def _pack(self) -> np.ndarray:
        """Weights of every group as [group][block][channel][tap][lane]."""
        job, p = self.job, self.problem
        wide = job.vectors * lanes(p.dtype.itemsize)
        k = p.group_in * p.taps
        packed = np.empty((p.groups, job.blocks, k, wide), p.dtype)
        zeros = np.zeros(lanes(p.dtype.itemsize), p.dtype)
        pack = driver(loops.deep_pack_blocks)
        size = p.dtype.itemsize
        for g in range(p.groups):
            pack(
                address(self.weight) + g * p.group_out * k * size, k * size, k, p.group_out, wide, size,
                address(packed[g]), job.blocks, address(zeros), job.pack, 0,
            )  # fmt: skip
        return packed

    def execute(self, x: np.ndarray, out: np.ndarray, bias: np.ndarray | None, workers: int) -> None:
        p, job = self.problem, self.job
        band = job.bands.band
        strips = [
            (n, g, y, min(p.out_shape[0], y + band))
            for n in range(p.batch)
            for g in range(p.groups)
            for y in range(0, p.out_shape[0], band)
        ]
        ns = work_ns(p.products, p.dtype)
        # too few strips: several workers read the same one, for some output channels each
        parts = -(-(few_parts(ns, workers) or workers) // len(strips))
        tasks = [(*strip, *some) for strip in strips for some in cuts(job.blocks, parts)]
        start = self._start(bias)
        share(lambda i, call: self._run(call, x, out, start, *tasks[i]), len(tasks), workers, ns)

    def _start(self, bias: np.ndarray | None) -> np.ndarray:
        """What the sums start with: [group][lane of a block]."""
        p, job = self.problem, self.job
        start = np.zeros((p.groups, job.blocks * job.vectors * lanes(p.dtype.itemsize)), p.dtype)
        if bias is not None:
            start[:, : p.group_out] = bias.reshape(p.groups, p.group_out)
        return start

    def _run(
        self, call: Now, x: np.ndarray, out: np.ndarray, start: np.ndarray,
        n: int, g: int, y0: int, y1: int, b0: int, b1: int,
    ) -> None:  # fmt: skip
        p, job = self.problem, self.job
        bands, size = job.bands, p.dtype.itemsize
        (ho, wo), (sy, sx), rows = p.out_shape, p.stride, bands.rows
        wide = job.vectors * lanes(size)
        strip = scratch("deep_strip", p.group_in * bands.channel + SLACK, p.dtype)
        c0 = g * p.group_in
        table = rows.rows[y0 * sy : (y1 - 1) * sy + p.reach[0] + 1]
        rows.fill(address(x[n, c0 : c0 + 1]), p.group_in, table, address(strip), bands.channel, call)
        k = p.group_in * p.taps
        sums = scratch("deep_sums", job.sums, p.dtype)
        zeros = scratch("deep_zeros", 2 * lanes(size), p.dtype)
        zeros[:] = 0
        if self.packed is None:
            panel = address(scratch("deep_panel", job.most * p.taps * wide, p.dtype))
            w = address(self.weight) + g * p.group_out * k * size
        else:
            panel, w = 0, address(self.packed[g])
        o = g * p.group_out
        call(
            driver(loops.deep), address(strip), bands.channel * size, sy * rows.row * size, sx * size,
            address(bands.taps), p.taps, p.group_in, job.most, w, k * size, int(self.packed is not None), panel,
            address(start[g]), job.tile[0], y1 - y0, job.tile[1], wo, p.group_out, wide, size,
            address(out[n, o : o + 1]) + y0 * wo * size, ho * wo * size, wo * size, address(sums),
            job.tile[0] * job.tile[1] * wide * size, address(zeros) + lanes(size) * size, address(zeros),
            b0, b1, *job.functions, job.pack,
        )  # fmt: skip

    @staticmethod
    def serves(problem: ChannelProblem) -> str:
        return "" if problem.kind == "conv" else "a transposed convolution is no direct sum over its image"

    @staticmethod
    def scratch_bytes(problem: ChannelProblem) -> int:
        job = _deep(problem)
        return DeepExecutor.worker_bytes(problem) + (
            problem.groups
            * job.blocks
            * job.vectors
            * lanes(problem.dtype.itemsize)
            * problem.group_in
            * problem.taps
            * problem.dtype.itemsize
            if problem.weight_bytes <= PACKED_BYTES
            else 0
        )

    @staticmethod
    def worker_bytes(problem: ChannelProblem) -> int:
        """Of those, what each worker takes."""
        job = _deep(problem)
        size = problem.dtype.itemsize
        wide = job.vectors * lanes(size)
        panel = 0 if problem.weight_bytes <= PACKED_BYTES else job.most * problem.taps * wide
        return (problem.group_in * job.bands.channel + SLACK + job.sums + panel) * size
