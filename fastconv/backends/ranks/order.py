"""The sample of one rank among a footprint's: medians, percentiles, any rank of any set of taps."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv.core.scratch import scratch
from fastconv.core.threads import run as run_tasks
from fastconv.core.threads import worker_count
from fastconv.loops import rank_extremes, rank_order
from fastconv.loops.vec import lanes

from .common import Bands, address, nones, token
from .geometry import Geometry, Spec

__all__ = ["Ranks"]

_SLACK = rank_order.SLACK
#: bytes of keys worked on at a time: a part of the second-level cache
STRIP_BYTES = 384 * 1024
#: medians of so many samples go through a network of exchanges
NETWORKS = frozenset((3, 5, 7, 9, 25, 27))
#: vectors that one search treats together
VECTORS = 2
_KEYS = {"f4": "i4", "f8": "i8"}


def _key_dtype(dtype: np.dtype, taps: int) -> np.dtype:
    """Integers that order the samples and can count the taps."""
    key = np.dtype(_KEYS.get(dtype.str[1:], "u1" if dtype.kind == "b" else dtype.str[1:]))
    while key.itemsize < 4 and taps >= 2 ** (8 * key.itemsize):
        key = np.dtype(f"{key.kind}{2 * key.itemsize}")
    return key


class Ranks:
    """One rank of one footprint, ready for C-contiguous arrays of one shape and dtype.

    Ranks -1 and -2 are the largest and the smallest, of equal samples the first, NaN as comparisons have it.
    """

    def __init__(self, spec: Spec, footprint: np.ndarray, rank: int, dtype: np.dtype, cval: np.generic) -> None:
        self.geometry = g = Geometry(spec, dtype.itemsize)
        self.dtype = dtype
        self.rank = rank
        self.planes, self.tap_plane, self.tap_row, self.tap_column = g.taps(footprint)
        taps = len(self.tap_row)
        extreme = rank < 0
        if extreme:  # bits are copied, and compared as what they are
            bits = token(dtype) if dtype.kind != "f" else np.dtype(_KEYS[dtype.str[1:]]).type
            self.key = key = np.dtype(bits)
        else:
            self.key = key = _key_dtype(dtype, taps)
            bits = token(dtype)
        size = key.itemsize
        names = {"SRC": bits, "KEY": key.type, "SRC_SIZE": dtype.itemsize, "KEY_SIZE": size}
        vector = lanes(size)
        self.keys = rank_order.key_row.address(LANES=vector, **names)
        self.samples = rank_order.sample_row.address(LANES=vector, **names)
        self.ends = rank_order.key_ends.address(KEY=key.type, KEY_SIZE=size)
        kind = {"KEY": key.type, "KEY_SIZE": size}
        if extreme:
            self.choose = rank_extremes.tap_row.address(
                DTYPE=token(dtype), SIZE=size, LANES=vector, LARGEST=nones(2 + rank), FIRST=nones(1)
            )
            work = taps
        elif rank == taps // 2 and taps in NETWORKS:
            self.choose = rank_order.network_row.address(LANES=vector, NETWORK=nones(taps), **kind)
            work = 3 * taps
        else:
            self.choose = rank_order.halving_row.address(VECTORS=nones(VECTORS), BLOCK=VECTORS * vector, **kind)
            work = 20 * taps
        self.settle = rank_order.settle_row.address(**names) if dtype.kind == "f" and not extreme else 0
        self.constant = np.full(g.n, cval, dtype)
        self.constant_key = self._constant_key()
        self.pitch = -(-(g.n + len(g.left) + len(g.right)) * size // 64) * 64 + _SLACK
        rows = STRIP_BYTES // (self.pitch * len(self.planes)) - g.ky
        self.chunk = max(1, min(g.plane, max(rows, g.ky, 8)))
        self.bands = Bands(g.rows, g.n / vector * (work + 4.0) * 0.5, 1)
        self.odd_outside = int(self._odd_outside())
        self.driver: Any = None

    def _constant_key(self) -> np.ndarray:
        bits = self.constant[:1].copy()
        if self.dtype.kind == "f" and self.rank < 0:
            return bits.view(self.key)
        if self.dtype.kind == "f":
            top = 8 * self.key.itemsize - 1
            bits = bits.view(self.key)
            magnitude: Any = self.key.type((1 << top) - 1)
            return bits ^ ((bits >> top) & magnitude)
        return bits.astype(self.key)

    def _odd_outside(self) -> bool:
        """Whether what lies outside is NaN or -0, which then may stand in windows without being in any row."""
        value = self.constant[:1]
        return bool(self.settle and (np.isnan(value)[0] or (value[0] == 0 and np.signbit(value)[0])))

    def execute(self, image: np.ndarray, out: np.ndarray, workers: int | None) -> None:
        """Fill ``out``, of the image's dtype."""
        tasks = self.bands.cut(workers)
        self._run(image, out, tasks[0])
        if len(tasks) > 1:
            rest = tasks[1:]
            run_tasks(lambda i: self._run(image, out, rest[i]), len(rest), worker_count(workers))

    def _run(self, image: np.ndarray, out: np.ndarray, task: tuple[int, int]) -> None:
        g = self.geometry
        size = self.key.itemsize
        rows = len(self.planes) * (self.chunk + g.ky)
        strip = scratch("ranks_strip", rows * self.pitch + _SLACK, np.uint8)
        line = scratch("ranks_line", g.n * size + _SLACK, np.uint8)
        table = scratch("ranks_table", len(self.tap_row), np.int64)
        flag = scratch("ranks_flag", 1, np.int64)
        arguments = (
            address(image), g.row_offset, address(self.constant), g.first_row, self.planes, self.tap_plane,
            self.tap_row, self.tap_column, g.left, g.right, g.n, g.itemsize, size, g.ky, self.rank, address(out),
            g.pitch, *task, g.plane, self.chunk, address(strip), self.pitch, address(line), table,
            address(self.constant_key), flag, int(self.settle != 0), self.odd_outside, self.keys, self.ends,
            self.choose, self.samples, self.settle,
        )  # fmt: skip
        if self.driver is None:
            self.driver = rank_order.ranks.compiled(*arguments)
        self.driver(*arguments)
