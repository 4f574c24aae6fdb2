"""What every executor reads: rows of the padded image, as tables from the border table and as strips in scratch."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np

from fastconv.backends.handoff import Now, now
from fastconv.core.address import address
from fastconv.core.border import source_index
from fastconv.core.channels import ChannelProblem
from fastconv.loops import channels_strip
from fastconv.loops.channels_strip import ZERO_ROW
from fastconv.loops.vec import lanes

__all__ = ["SLACK", "ZERO_ROW", "Lines", "address", "cuts", "driver", "folds", "lines", "work_ns"]

#: samples that a loop may read or write behind a strip
SLACK = 160


def driver(loop: Any) -> Any:
    """The compiled form of a loop whose arguments are all integers; compiled on the caller's thread."""
    return loop.compiled(*(0,) * loop.__wrapped__.__code__.co_argcount)


def work_ns(products: int, dtype: np.dtype) -> float:
    """About what so many products take one core, in nanoseconds: enough to say how they are shared out."""
    return products * dtype.itemsize / 200


def cuts(n: int, parts: int) -> list[tuple[int, int]]:
    """0..n in so many ranges, or as many as there can be."""
    parts = max(1, min(n, parts))
    return [(a, b) for a, b in pairwise(n * i // parts for i in range(parts + 1)) if a < b]


def folds(problem: ChannelProblem) -> bool:
    """Whether padding of the adjoint's output stands for samples of the image, which then get what falls there."""
    for n, before, after in zip(problem.out_shape, problem.before, problem.after, strict=True):
        index = source_index(n, before, after, problem.mode)
        if (index[:before] >= 0).any() or (index[before + n :] >= 0).any():
            return True
    return False


@dataclass(frozen=True, eq=False)
class Lines:
    """One padded image axis pair, ready for strips; padded column t stands at residue ``t % every``.

    rows: byte offset of every padded row in a channel of the image, ZERO_ROW where zeros stand.
    width: padded columns; pitch: samples from one residue of a row to the next; row: samples of a whole strip row.
    """

    rows: np.ndarray
    left: np.ndarray
    right: np.ndarray
    n: int
    every: int
    itemsize: int
    plane: int
    function: int

    @property
    def width(self) -> int:
        return len(self.left) + self.n + len(self.right)

    @property
    def pitch(self) -> int:
        return -(-self.width // self.every)

    @property
    def row(self) -> int:
        return self.pitch * self.every

    def fill(
        self, source: int, channels: int, table: np.ndarray, target: int, channel_pitch: int = 0, call: Now = now
    ) -> None:
        """Copy padded rows of ``channels`` channels from address ``source`` (a channel's first sample) to ``target``.

        table: a contiguous part of ``rows``, or rows of it in any order; the strip is [channel][row][residue][column],
        ``channel_pitch`` samples (0: its rows) from a channel to the next.  `SLACK` samples follow.
        """
        size = self.itemsize
        row = self.row * size
        call(
            driver(channels_strip.strip), source, self.plane, channels, address(table), len(table), target,
            channel_pitch * size or row * len(table), row, self.pitch * size,
            len(self.left), self.n, address(self.left), address(self.right), len(self.right), self.function,
        )  # fmt: skip


@lru_cache(maxsize=256)
def lines(
    shape: tuple[int, int], before: tuple[int, int], after: tuple[int, int], mode: str, itemsize: int, every: int = 1
) -> Lines:
    """Tables of an image of ``shape`` padded by ``before`` and ``after`` in a border mode (the constant is zero).

    Compiled loops are fetched here: call it on the caller's thread.
    """
    h, w = shape
    rows = source_index(h, before[0], after[0], mode)
    columns = source_index(w, before[1], after[1], mode)
    offsets = np.where(rows < 0, ZERO_ROW, rows * (w * itemsize))
    front = before[1]
    function = channels_strip.strip_row.address(
        ITEM=np.int32 if itemsize == 4 else np.int64,
        SIZE=itemsize,
        WIDE=(None,) * lanes(itemsize),
        EVERY=(None,) * every,
    )
    driver(channels_strip.strip)
    return Lines(
        np.ascontiguousarray(offsets, np.int64),
        np.ascontiguousarray(columns[:front]),
        np.ascontiguousarray(columns[front + w :]),
        w,
        every,
        itemsize,
        h * w * itemsize,
        function,
    )
