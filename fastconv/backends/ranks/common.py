"""What rank filters share: bands of rows, and how arrays and counts are told to compiled code."""

from __future__ import annotations

import numpy as np

from fastconv.core.address import address
from fastconv.core.threads import SERIAL_NS, worker_count

__all__ = ["Bands", "address", "nones", "token"]

#: the longest band (Ctrl-C is heard between bands), in nanoseconds
BAND_NS = 3_000_000


def nones(n: int) -> tuple[None, ...]:
    """The tuple of Nones that stands for a count where it shapes compiled code."""
    return (None,) * n


def token(dtype: np.dtype) -> type:
    """The dtype as loops are told it (bool is read as uint8)."""
    return np.uint8 if dtype.kind == "b" else dtype.type


class Bands:
    """Rows cut into bands of a few milliseconds, multiples of ``step``; one where little is to be done."""

    def __init__(self, rows: int, row_ns: float, step: int) -> None:
        self.rows, self.cost, self.step = rows, rows * row_ns, step
        self._whole = [(0, rows)]

    def cut(self, workers: int | None) -> list[tuple[int, int]]:
        """Row ranges; how many workers there may be is asked of the system only where there is work for them."""
        if self.cost <= SERIAL_NS:
            return self._whole
        wanted = -(-int(self.cost) // BAND_NS)
        count = worker_count(workers)
        if count > 1:
            wanted = max(wanted, count, min(4 * count, int(self.cost) // SERIAL_NS))
        each = -(-self.rows // wanted)
        each = -(-each // self.step) * self.step
        return [(y, min(self.rows, y + each)) for y in range(0, self.rows, each)]
