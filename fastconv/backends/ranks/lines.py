"""Minimum and maximum along one axis, line by line in float64: for what the running extremes do not serve.

NaN, outputs of another dtype, integers beyond 2**53: SciPy's own list of pairs, on bands of lines.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from fastconv.core.border import source_index
from fastconv.core.scratch import scratch
from fastconv.core.threads import run as run_tasks
from fastconv.core.threads import worker_count
from fastconv.loops.rank_extremes import line_extremes

from .casts import c_cast

__all__ = ["extremes_along"]

#: samples of a band
BAND = 1 << 16


def extremes_along(
    source: np.ndarray, out: np.ndarray, axis: int, size: int, before: int, mode: str, cval: float, largest: bool,
    workers: int | None,
) -> None:  # fmt: skip
    """Fill ``out`` with the extremes of windows of ``size`` samples along one axis; it may be the source itself."""
    source, out = np.moveaxis(source, axis, -1), np.moveaxis(out, axis, -1)
    if source.ndim == 1:
        source, out = source[None], out[None]
    n = source.shape[-1]
    after = size - 1 - before
    index = source_index(n, before, after, mode)
    left, right = index[:before], index[before + n :]
    numbers = np.zeros((1, size), np.float64)
    driver = line_extremes.compiled(numbers, numbers, 1, 1, True)
    tasks = list(_bands(source.shape[:-1], n + size))

    def task(i: int) -> None:
        where = tasks[i]
        lines = source[where]
        count = lines.shape[0]
        padded = scratch("extremes_padded", count * (n + size - 1), np.float64).reshape(count, n + size - 1)
        result = scratch("extremes_result", count * n, np.float64).reshape(count, n)
        padded[:, before : before + n] = lines
        for edge, at in ((left, 0), (right, before + n)):
            for p, e in enumerate(edge.tolist(), at):
                padded[:, p] = cval if e < 0 else padded[:, before + e]
        driver(padded, result, n, size, largest)
        out[where] = c_cast(result, out.dtype)

    run_tasks(task, len(tasks), worker_count(workers) if len(tasks) > 1 else 1)


def _bands(lead: tuple[int, ...], line: int) -> Iterator[tuple]:
    """Indices of bands of lines: all leading axes but the last counted through, that one cut."""
    each = max(1, BAND // line)
    for outer in np.ndindex(*lead[:-1]):
        for a in range(0, lead[-1], each):
            yield (*outer, slice(a, a + each))
