"""Where a window's samples lie: rows that loops walk, and tables that say which row comes next.

The last filtered axis runs along a row, with the unfiltered axes behind it interleaved, unless those are long: then
they are the row, and nothing is filtered along it.  The axis before the row is the row axis; those before that are
planes.  A table over all padded positions of these axes holds the byte offset of each row.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product

import numpy as np

from fastconv.core.border import source_index
from fastconv.core.geometry import MOST_CHANNELS
from fastconv.loops.cpu_separable import CONSTANT_ROW

__all__ = ["Geometry", "Spec"]


@dataclass(frozen=True)
class Spec:
    """A window on an array: one entry for each axis, size 1 where it is not filtered."""

    shape: tuple[int, ...]
    size: tuple[int, ...]
    before: tuple[int, ...]  # samples of the window in front of the output sample
    mode: tuple[str, ...]


class Geometry:
    """Rows, planes and borders of one window on C-contiguous samples."""

    def __init__(self, spec: Spec, itemsize: int) -> None:
        shape, size = (1, *spec.shape), (1, *spec.size)
        before, mode = (0, *spec.before), ("nearest", *spec.mode)
        last = max((a for a, k in enumerate(size) if k > 1 or before[a]), default=len(shape) - 1)
        behind = math.prod(shape[last + 1 :])
        if last and (last == len(shape) - 1 or behind <= MOST_CHANNELS):
            lead = last
            self.kx, x_before, x_mode, columns = size[last], before[last], mode[last], shape[last]
            self.step = behind
        else:
            lead = last + 1
            self.kx, x_before, x_mode, columns, self.step = 1, 0, "nearest", behind, 1
        self.lead = lead
        #: samples of a row
        self.n = columns * self.step
        self.rows = math.prod(shape[:lead])
        #: rows after which the row axis begins anew, and the window's rows along it
        self.plane, self.ky = shape[lead - 1], size[lead - 1]
        self.itemsize = itemsize
        self.pitch = self.n * itemsize
        index = source_index(columns, x_before, self.kx - 1 - x_before, x_mode)
        wide = index[:, None] * self.step + np.arange(self.step)
        wide = np.where(index[:, None] < 0, -1, wide).reshape(-1)
        edge = x_before * self.step
        #: source sample of each sample of padding before and behind a row, -1: the constant
        self.left = np.ascontiguousarray(wide[:edge])
        self.right = np.ascontiguousarray(wide[edge + self.n :])
        tables = [
            source_index(n, b, k - 1 - b, m)
            for n, k, b, m in zip(shape[:lead], size[:lead], before[:lead], mode[:lead], strict=True)
        ]
        self._steps = _steps([len(t) for t in tables])
        strides = [s * self.pitch for s in _steps(shape[:lead])]
        offsets = _outer([t * s for t, s in zip(tables, strides, strict=True)])
        for i, t in enumerate(tables):
            if (t < 0).any():
                outside = [(t < 0) if j == i else np.zeros(len(o), bool) for j, o in enumerate(tables)]
                offsets[_outer(outside) > 0] = CONSTANT_ROW
        #: byte offset of every padded row
        self.row_offset = offsets
        #: padded row of the first tap, for every output row
        self.first_row = _outer([np.arange(n) * s for n, s in zip(shape[:lead], self._steps, strict=True)])
        self._planes = list(product(*(range(k) for k in reversed(size[: lead - 1]))))

    def planes(self) -> np.ndarray:
        """What the window's planes add to a padded row, the first axis running fastest."""
        return np.array([sum(i * s for i, s in zip(reversed(p), self._steps, strict=False)) for p in self._planes])

    def taps(self, footprint: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Planes that a footprint's taps lie in, and of every tap its plane's number, its row and its sample."""
        index = np.nonzero(footprint.reshape(1, *footprint.shape))
        lead = index[: self.lead - 1]
        adds = np.zeros(len(index[0]), np.int64)
        for i, s in zip(lead, self._steps, strict=False):
            adds += i * s
        planes, number = np.unique(adds, return_inverse=True)
        column = index[self.lead] * self.step if self.kx > 1 else np.zeros(len(adds), np.int64)
        return planes, number.reshape(-1).astype(np.int64), index[self.lead - 1].astype(np.int64), column


def _steps(lengths: list[int] | tuple[int, ...]) -> list[int]:
    steps, step = [], 1
    for n in reversed(lengths):
        steps.append(step)
        step *= n
    return steps[::-1]


def _outer(parts: list[np.ndarray]) -> np.ndarray:
    total = np.zeros(1, np.int64)
    for p in parts:
        total = np.add.outer(total, p.astype(np.int64)).reshape(-1)
    return total
