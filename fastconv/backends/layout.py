"""How a problem lies in memory: rows that a loop walks, and tables that say which row comes next.

An array is a set of rows of contiguous samples.  The last filtered axis runs along the row (with the channels that
follow it interleaved), unless what follows is too long for that: then the row is what follows, and nothing is
filtered along it.  Every axis before the row is a row axis.  A table over all padded row positions holds each one's
byte offset, so borders, strides, dilation and any number of dimensions are numbers in a table.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fastconv.core.border import source_index
from fastconv.core.geometry import MOST_CHANNELS
from fastconv.core.ir import Problem
from fastconv.loops.cpu_separable import CONSTANT_ROW

__all__ = ["Axis", "Layout"]


@dataclass(frozen=True)
class Axis:
    """One axis of the array as a sweep sees it; an axis that is not filtered has one tap and no padding."""

    n: int
    n_out: int
    size: int = 1
    before: int = 0
    after: int = 0
    stride: int = 1
    dilation: int = 1
    mode: str = "nearest"
    filtered: int = -1  # its place in the problem's tuples, -1 where it is not filtered

    @property
    def padded(self) -> int:
        return self.before + self.n + self.after

    @cached_property
    def source(self) -> np.ndarray:
        """Source position of each padded position, -1 for the constant."""
        return source_index(self.n, self.before, self.after, self.mode)


class Layout:
    """Rows, columns and channels of one problem."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        shape = problem.shape
        axes = []
        for a, n in enumerate(shape):
            if a in problem.axes:
                i = problem.axes.index(a)
                axes.append(
                    Axis(
                        n,
                        problem.out_shape[a],
                        problem.size[i],
                        problem.before[i],
                        problem.after[i],
                        problem.stride[i],
                        problem.dilation[i],
                        problem.mode[i],
                        i,
                    )
                )
            else:
                axes.append(Axis(n, n))
        last = problem.axes[-1]
        behind = math.prod(shape[last + 1 :])
        if last == len(shape) - 1 or behind <= MOST_CHANNELS:
            self.row_axes, self.column, self.channels = tuple(axes[:last]), axes[last], behind
            self.row_dims = last
        else:
            self.row_axes, self.column, self.channels = tuple(axes[: last + 1]), Axis(1, 1), behind
            self.row_dims = last + 1
        #: samples of a source row, and of an output row before columns are dropped by a stride
        self.n_in = self.column.n * self.channels
        steps = (self.column.n_out - 1) * self.column.stride + 1
        self.n_full = steps * self.channels
        self.n_out = self.column.n_out * self.channels
        self.rows_out = math.prod(a.n_out for a in self.row_axes)

    @cached_property
    def steps(self) -> tuple[int, ...]:
        """Distance in the table of padded rows between neighbours along each row axis."""
        steps, step = [], 1
        for a in reversed(self.row_axes):
            steps.append(step)
            step *= a.padded
        return tuple(reversed(steps))

    @property
    def row_reach(self) -> int:
        """Rows between the first and the last tap along the last row axis."""
        return (self.row_axes[-1].size - 1) * self.row_axes[-1].dilation if self.row_axes else 0

    @cached_property
    def first_row(self) -> np.ndarray:
        """Table position of the first tap's row, for every output row."""
        return _outer_sum([np.arange(a.n_out) * (a.stride * s) for a, s in zip(self.row_axes, self.steps, strict=True)])

    @cached_property
    def sources(self) -> tuple[np.ndarray, ...]:
        """For every padded row, its source position along each row axis (flat arrays; -1: constant)."""
        if not self.row_axes:
            return ()
        grids = np.meshgrid(*(a.source for a in self.row_axes), indexing="ij")
        return tuple(g.reshape(-1) for g in grids)

    def row_offsets(self, strides: tuple[int, ...]) -> np.ndarray:
        """Byte offset of every padded row in an array of these strides; CONSTANT_ROW where the constant stands."""
        table = _outer_sum([a.source * s for a, s in zip(self.row_axes, strides, strict=False)])
        outside = [a.source < 0 for a in self.row_axes]
        if any(o.any() for o in outside):
            grid = np.zeros((1,), bool)
            for o in outside:
                grid = np.logical_or.outer(grid, o).reshape(-1)
            table[grid] = CONSTANT_ROW
        return table

    @cached_property
    def columns(self) -> np.ndarray:
        """Source sample of every padded sample of a row (channels interleaved), -1 for the constant."""
        c = self.column.source
        wide = c[:, None] * self.channels + np.arange(self.channels)
        return np.ascontiguousarray(np.where(c[:, None] < 0, -1, wide).reshape(-1))

    @cached_property
    def before(self) -> int:
        """Samples of padding in front of a row."""
        return self.column.before * self.channels

    @cached_property
    def left(self) -> np.ndarray:
        return self.columns[: self.before]

    @cached_property
    def right(self) -> np.ndarray:
        return self.columns[self.before + self.n_in :]

    @cached_property
    def reach(self) -> int:
        """Samples between the first and the last horizontal tap."""
        return (self.column.size - 1) * self.column.dilation * self.channels


def _outer_sum(parts: list[np.ndarray]) -> np.ndarray:
    total = np.zeros(1, np.int64)
    for p in parts:
        total = np.add.outer(total, p.astype(np.int64)).reshape(-1)
    return total
