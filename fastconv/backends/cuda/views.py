"""A device array as kernels see it: an address, a shape, strides in samples; and where new ones come from."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fastconv.loops import cuda_target

__all__ = ["Fourier", "Library", "View", "contiguous", "spans"]


@dataclass(frozen=True)
class Fourier:
    """A library's real transforms: ``forward(array, shape, axes)``, with zeros behind its samples, and its inverse."""

    forward: Callable[[Any, tuple[int, ...], tuple[int, ...]], Any]
    back: Callable[[Any, tuple[int, ...], tuple[int, ...]], Any]


@dataclass(frozen=True)
class Library:
    """How the owner of an array makes another one, and where it works: a row of the table in `arrays`.

    empty(shape, dtype, like): a new C-contiguous array beside ``like``; stream(like): the handle of the stream that
    the library is working on (None: it says so with each array); device(like): the number of the array's device
    (None: the current one); settle(array): what must happen before a caller may have the array; fourier: its
    transforms, on the same stream.
    """

    name: str
    empty: Callable[[tuple[int, ...], np.dtype, Any], Any]
    stream: Callable[[Any], int | None]
    device: Callable[[Any], int | None]
    settle: Callable[[Any, int], Any] = lambda array, stream: array
    fourier: Fourier | None = None


@dataclass(frozen=True, eq=False)
class View:
    """One device array.

    memory: the address of its first sample; under numba's simulator a flat NumPy array, ``first`` samples into which
    it begins.  owner: the caller's array, which keeps the memory alive.
    """

    memory: Any
    first: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: np.dtype
    owner: Any
    library: Library
    stream: int = 0
    device: int | None = None
    writable: bool = True
    #: the image came from the host: the result goes back there
    home: bool = False

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    def is_plain(self, rows_only: bool = False) -> bool:
        """Whether it is C-contiguous; ``rows_only``: whether at least the samples of each row lie together."""
        whole = contiguous(self.shape)
        pairs = list(zip(self.shape, self.strides, whole, strict=True))
        return all(n <= 1 or a == b for n, a, b in (pairs[-1:] if rows_only else pairs))

    def stacked(self) -> View:
        """The same array with an axis of one sample in front."""
        return replace(self, shape=(1, *self.shape), strides=(self.size, *self.strides))

    def at(self, offset: int) -> Any:
        """What a kernel gets for the part that begins ``offset`` samples in."""
        if cuda_target.SIMULATED:
            return self.memory[self.first + offset :]
        return self.memory + offset * self.dtype.itemsize

    def empty(self, shape: tuple[int, ...], dtype: np.dtype) -> View:
        """A new C-contiguous array of the same library, device and stream."""
        from .arrays import as_view

        with cuda_target.device(self.device):
            made = self.library.empty(shape, dtype, self.owner)
        view = as_view("out", made, self.library)
        return View(
            view.memory, view.first, shape, contiguous(shape), dtype, made, self.library, self.stream, self.device,
            home=self.home,
        )  # fmt: skip


def contiguous(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Strides in samples of a C-contiguous array.

    >>> contiguous((2, 3, 4))
    (12, 4, 1)
    """
    steps, step = [], 1
    for n in reversed(shape):
        steps.append(step)
        step *= n
    return tuple(reversed(steps))


def spans(view: View) -> tuple[int, int]:
    """The first and the last sample of a view, relative to its own first."""
    low = sum(min(0, (n - 1) * s) for n, s in zip(view.shape, view.strides, strict=True) if n)
    high = sum(max(0, (n - 1) * s) for n, s in zip(view.shape, view.strides, strict=True) if n)
    return low, high
