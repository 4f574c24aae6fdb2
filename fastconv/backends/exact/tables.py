"""Tables that every exact executor is made of: byte offsets, spread columns, ranges of tasks."""

from __future__ import annotations

from math import prod

import numpy as np

from fastconv.core.address import address

__all__ = ["NEAR", "Keeper", "Task", "c_strides", "offsets", "ranges", "spread"]

#: samples behind an axis up to which a pass runs along the line although the axis is not the last
NEAR = 16
#: (units, rows, samples) of a task, each as a range
Task = tuple[int, int, int, int, int, int]


class Keeper:
    """Keeps arrays alive whose addresses a parameter block holds."""

    def __init__(self) -> None:
        self.arrays: list[np.ndarray] = []

    def address(self, array: np.ndarray) -> int:
        array = np.ascontiguousarray(array)
        self.arrays.append(array)
        return address(array)


def c_strides(shape: tuple[int, ...], itemsize: int) -> tuple[int, ...]:
    """Byte strides of a C-contiguous array."""
    return tuple(itemsize * prod(shape[i + 1 :]) for i in range(len(shape)))


def offsets(shape: tuple[int, ...], strides: tuple[int, ...]) -> np.ndarray:
    """Byte offsets of every index of some axes, in C order."""
    total = np.zeros(1, np.int64)
    for n, stride in zip(shape, strides, strict=True):
        total = (total[:, None] + np.arange(n, dtype=np.int64) * stride).reshape(-1)
    return total


def spread(index: np.ndarray, inner: int) -> np.ndarray:
    """A table of an axis as one of samples, ``inner`` to each of its positions."""
    wide = index[:, None] * inner + np.arange(inner, dtype=np.int64)
    wide[index < 0] = -1
    return wide.reshape(-1)


def ranges(n: int, parts: int, step: int) -> list[tuple[int, int]]:
    """About ``parts`` ranges that cover 0..n, of whole steps."""
    each = -(-n // parts)
    each = -(-each // step) * step
    return [(a, min(n, a + each)) for a in range(0, n, each)]
