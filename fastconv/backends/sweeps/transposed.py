"""Groups of rows whose long taps are summed on lines turned over (`loops.cpu_transposed`)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from fastconv.core.scratch import scratch
from fastconv.loops import cpu_separable, cpu_transposed
from fastconv.loops.vec import lanes, vector_bytes

from .common import fold, nones, token
from .stages import vertical

__all__ = ["NOT_TURNED", "WIDE", "Transposed", "stretches", "transposed"]

#: taps along the row, and outputs of a row, from which on turning the lines over pays, and output samples of a tile
#: then.  Measured, of the time without: 512 x 512, 41 taps nine tenths; 1081 x 1923, 33 taps all of it, 57 taps four
#: fifths; 256 x 256, 25 taps one and a half, 57 taps eleven tenths
LONG, WIDE, TILE = 33, 384, 320
#: rows summed at once: of 81 taps three quarters of the time of four, of 25 nine tenths
MANY = 8


@dataclass(frozen=True)
class Transposed:
    """Rows of a group (0: no groups), of those summed at once, and the functions that sum and write their lines."""

    square: int = 0
    many: int = 0
    vertical: int = 0
    horizontal: int = 0
    row: int = 0

    def room(self, tile: int, reach: int, step: int, sums: np.dtype) -> tuple[int, np.ndarray, np.ndarray, np.ndarray]:
        """Samples from a line to the next, the lines, and the scratch of `cpu_transposed.turned_lines`."""
        more = self.square + 4 * step
        pitch = (tile + reach + more) // 16 * 16 + 16
        sizes = {"lines": pitch, "turned": tile + reach + more, "turned_sums": tile + more}
        lines, turned, totals = (scratch(name, n * self.square, sums)[: n * self.square] for name, n in sizes.items())
        return pitch, lines, turned, totals


NOT_TURNED = Transposed()


def transposed(
    row_taps: np.ndarray, taps: np.ndarray, source: np.dtype, sums: np.dtype, target: np.dtype
) -> Transposed:
    """For taps along the row; none where they are few, or loads at any alignment cheap (vectors of 32 bytes)."""
    if len(taps) < LONG or sums.kind != "f" or vector_bytes() < 64:
        return NOT_TURNED
    size = lanes(sums.itemsize)
    acc = {"ACC": token(sums), "ACC_SIZE": sums.itemsize, "LANES": size}
    horizontal = cpu_transposed.turned_lines.address(FOLD=nones(fold(taps)), **acc)
    row = cpu_separable.horizontal_row.address(
        OUT=token(target), OUT_SIZE=target.itemsize, TAPS=nones(1), FOLD=(), UNIT=nones(1), **acc
    )
    return Transposed(size, MANY, vertical(source, token(sums), row_taps, MANY), horizontal, row)


def stretches(first: np.ndarray, square: int) -> list[tuple[int, int, bool]]:
    """Output rows a..b, and whether they are whole groups of ``square`` rows under one another."""
    cuts = [0, *(np.flatnonzero(np.diff(first) != 1) + 1).tolist(), len(first)]
    found = []
    for a, b in pairwise(cuts):
        middle = a + (b - a) // square * square
        found += [(a, middle, True), (middle, b, False)]
    return [(a, b, whole) for a, b, whole in found if b > a]
