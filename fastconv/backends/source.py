"""Where a sweep's rows come from: the image itself, or a band of it brought into the accumulate dtype.

A loop reads rows of contiguous samples of a dtype that it was compiled for.  Most images are that already and are
read in place.  The others (byte-swapped, float16, strided or Fortran-ordered columns, wide integers, a constant that
the image's dtype cannot hold) are copied band by band: NumPy knows how to read them all.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from fastconv.core.address import address
from fastconv.core.scratch import scratch

from .layout import Layout

__all__ = ["NATIVE", "Rows", "address", "band_rows", "in_place"]

#: image dtypes that loops read themselves, for each accumulate dtype
NATIVE = {
    np.dtype(np.float32): tuple(np.dtype(t) for t in ("u1", "u2", "i2", "f4")),
    np.dtype(np.float64): (np.dtype(np.float64),),
}
#: samples that a loop may read behind a row of scratch
SLACK = 160


@dataclass
class Rows:
    """Padded rows of a source: addresses as offsets from ``base``, the first of them padded row ``start``."""

    base: int
    offsets: np.ndarray
    constant: int
    dtype: np.dtype
    start: int
    keep: object  # whatever owns the memory


def in_place(layout: Layout, dtype: np.dtype, strides: tuple[int, ...]) -> bool:
    """Whether loops can read an image of this dtype and these strides where it lies."""
    problem = layout.problem
    if dtype == np.bool_:
        dtype = np.dtype(np.uint8)
    if dtype not in NATIVE[problem.accumulate]:
        return False
    if not _one_run(problem.shape, strides, layout.row_dims, dtype.itemsize):
        return False
    return not problem.reads_constant or dtype.kind == "f" or _holds(dtype, problem.cval)


def _holds(dtype: np.dtype, value: float) -> bool:
    info = np.iinfo(dtype)
    return info.min <= value <= info.max and value == int(value)


def _one_run(shape: tuple[int, ...], strides: tuple[int, ...], row_dims: int, step: int) -> bool:
    """Whether the axes from ``row_dims`` on are one run of samples ``step`` bytes apart."""
    for n, stride in zip(shape[: row_dims - 1 if row_dims else None : -1], strides[::-1], strict=False):
        if n != 1 and stride != step:
            return False
        step *= n
    return True


def band_rows(layout: Layout, image: np.ndarray, p0: int, p1: int) -> Rows:
    """Padded rows p0..p1 copied into scratch of the accumulate dtype."""
    problem = layout.problem
    n = p1 - p0
    pitch = layout.n_in
    room = scratch("source", n * pitch + SLACK, problem.accumulate)
    rows = room[: n * pitch].reshape(n, pitch)
    target = rows.reshape(n, *image.shape[layout.row_dims :])
    if layout.row_axes:
        index = tuple(s[p0:p1] for s in layout.sources)
        constant = np.zeros(n, bool)
        for s in index:
            constant |= s < 0
        _copy_rows(target, image, index)
        if constant.any():
            rows[constant] = problem.cval
    else:
        np.copyto(target[0], image, casting="unsafe")
    offsets = np.arange(n, dtype=np.int64) * (pitch * room.itemsize)
    return Rows(address(room), offsets, 0, problem.accumulate, p0, room)


def _copy_rows(target: np.ndarray, image: np.ndarray, index: tuple[np.ndarray, ...]) -> None:
    """target[i] = image[index[0][i], index[1][i], ...]; stretches of consecutive rows are copied as one."""
    last = index[-1]
    inside = np.ones(len(last), bool)
    breaks = np.diff(last) != 1
    for i in index:
        inside &= i >= 0
    for i in index[:-1]:
        breaks |= np.diff(i) != 0
    breaks |= np.diff(inside)
    edges = [0, *(np.flatnonzero(breaks) + 1).tolist(), len(last)]
    for a, b in pairwise(edges):
        if not inside[a]:
            continue
        lead = tuple(int(i[a]) for i in index[:-1])
        start = int(last[a])
        np.copyto(target[a:b], image[lead][start : start + b - a], casting="unsafe")
