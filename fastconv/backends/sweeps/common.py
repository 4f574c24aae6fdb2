"""What every sweep shares: the rows it writes, and how counts and dtypes are told to compiled code."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from fastconv.backends.layout import Layout
from fastconv.backends.source import Rows
from fastconv.core.ir import Problem
from fastconv.core.symmetry import fold

__all__ = [
    "Call",
    "Sweep",
    "Target",
    "fold",
    "nones",
    "rows_needed_by",
    "sums_dtype",
    "table_rows",
    "token",
    "unrolled",
]

#: taps up to which the vertical and horizontal row functions are unrolled for their number
UNROLLED = 9


@dataclass
class Target:
    """Rows that a sweep writes: row y lies at ``base + offsets[y - start]``."""

    base: int
    offsets: np.ndarray
    dtype: np.dtype
    start: int = 0

    def rows(self, y0: int, y1: int) -> np.ndarray:
        """Offsets of rows y0..y1."""
        return self.offsets[y0 - self.start : y1 - self.start]


@dataclass
class Call:
    """One call of a compiled driver: all its arguments, the addresses of the source and of the output apart.

    The addresses are ``source`` and ``out`` added to those of the arrays: calls of arrays that lie alike differ in
    nothing else.
    """

    driver: Callable[..., None]
    source: int
    before: tuple[Any, ...]
    out: int
    after: tuple[Any, ...]
    keep: object = None  # owns memory that arguments lead to

    def __call__(self, source: int, out: int) -> None:
        self.driver(self.source + source, *self.before, self.out + out, *self.after)


class Sweep(Protocol):
    """One kind of pass, prepared for a layout: fills output rows before columns are dropped by a stride."""

    #: output rows at which a band may begin are multiples of this
    align: int

    def rows_needed(self, y0: int, y1: int) -> tuple[int, int]:
        """Range of padded rows that output rows y0..y1 read."""
        ...

    def prepare(self, source: np.dtype, target: np.dtype) -> Any:
        """Compile what these dtypes need; what it returns goes to `run`."""
        ...

    def run(self, ready: Any, rows: Rows, target: Target, y0: int, y1: int) -> None:
        """Fill output rows y0..y1 of the target."""
        ...

    def call(self, ready: Any, rows: Rows, target: Target, y0: int, y1: int) -> Call | None:
        """The one driver call that `run` comes down to, to be made again by this thread; None where it makes more."""
        ...


def nones(n: int) -> tuple[None, ...]:
    """The tuple of Nones that stands for a count where it shapes compiled code."""
    return (None,) * n


def token(dtype: np.dtype) -> type:
    """The dtype as loops are told it (bool is read as uint8)."""
    return np.uint8 if dtype.kind == "b" else dtype.type


def unrolled(taps: np.ndarray) -> tuple[None, ...]:
    return nones(len(taps)) if len(taps) <= UNROLLED else ()


def sums_dtype(problem: Problem, source: np.dtype, target: np.dtype, *taps: np.ndarray) -> np.dtype:
    """int16 where bytes, integer taps and an integer target keep every partial sum in its range: exact, more lanes.

    ``taps``: the factors of the kernel.  Float targets gain nothing: there the stores decide.
    """
    largest = 255.0
    for t in taps:
        largest *= max(1.0, float(np.sum(np.abs(t))))
    whole = all(np.array_equal(t, np.rint(t)) for t in taps)
    narrow = source == np.uint8 and target.kind in "iu" and whole and largest <= np.iinfo(np.int16).max
    return np.dtype(np.int16) if narrow and problem.accumulate == np.float32 else problem.accumulate


def table_rows(n: int, pitch_bytes: int) -> np.ndarray:
    """Offsets of n rows of scratch."""
    return np.arange(n, dtype=np.int64) * pitch_bytes


def rows_needed_by(layout: Layout, y0: int, y1: int) -> tuple[int, int]:
    """Range of padded rows that output rows y0..y1 read (with what lies between them)."""
    reach = sum((a.size - 1) * a.dilation * s for a, s in zip(layout.row_axes, layout.steps, strict=True))
    return int(layout.first_row[y0]), int(layout.first_row[y1 - 1]) + reach + 1
