"""The sweep of tiles of spectra: dense kernels of many taps over two neighbouring axes (`loops.cpu_spectrum`)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

import numpy as np

from fastconv.backends.layout import Layout
from fastconv.backends.source import Rows
from fastconv.core.address import address
from fastconv.core.ir import Pass
from fastconv.core.scratch import aligned, scratch
from fastconv.core.spectrum_tiles import EDGES, rows_kept
from fastconv.loops import cpu_spectrum
from fastconv.loops.vec import lanes

from .common import Call, Target, nones, rows_needed_by, token

__all__ = ["TileSweep"]


@dataclass
class _Ready:
    """What a source and a target dtype make of the sweep: functions, and the steps of the transforms."""

    steps: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
    product: int
    functions: tuple[int, int, int, int]
    driver: Callable[..., None] | None = None


class TileSweep:
    """A product of spectra in tiles, two tiles at a time."""

    def __init__(self, layout: Layout, sweep: Pass) -> None:
        self.layout = layout
        problem = layout.problem
        assert sweep.kernel is not None
        self.height, self.width = sweep.size
        self.dtype = problem.accumulate
        self.lanes = lanes(self.dtype.itemsize)
        self.align = rows_kept(problem, self.height)
        self.kept = self.width - layout.reach
        self.outside = np.array([problem.cval, 0], self.dtype)
        self.spectrum = self._spectrum(sweep.kernel)

    def _spectrum(self, kernel: np.ndarray) -> np.ndarray:
        """The kernel's spectrum, conjugate and divided by a tile's samples: panels of frequencies down the rows."""
        layout, n = self.layout, self.lanes
        spread = np.zeros((layout.row_reach + 1, layout.reach + 1))
        spread[:: layout.row_axes[-1].dilation, :: layout.column.dilation * layout.channels] = kernel
        values = np.fft.fft2(spread, (self.height, self.width)).conj() / (self.height * self.width)
        values = values[np.ix_(_order(EDGES[self.height]), _order(EDGES[self.width]))]
        panels = values.reshape(self.height // n, n, self.width).transpose(0, 2, 1)
        room = _aligned(2 * values.size, self.dtype).reshape(self.height // n, self.width, 2, n)
        room[:, :, 0], room[:, :, 1] = panels.real, panels.imag
        return room

    def rows_needed(self, y0: int, y1: int) -> tuple[int, int]:
        return rows_needed_by(self.layout, y0, y1)

    def prepare(self, source: np.dtype, target: np.dtype) -> _Ready:
        acc = {"ACC": token(self.dtype), "ACC_SIZE": self.dtype.itemsize, "LANES": self.lanes}
        down, up = _transforms(EDGES[self.height], self.dtype)
        along, home = _transforms(EDGES[self.width], self.dtype)
        product = cpu_spectrum.filter_step.address(RADIX=nones(EDGES[self.width][-1]), **acc)
        functions = (
            cpu_spectrum.load_rows.address(SRC=token(source), SRC_SIZE=source.itemsize, **acc),
            cpu_spectrum.clear_rows.address(**acc),
            cpu_spectrum.turn_panels.address(**acc),
            cpu_spectrum.store_rows.address(OUT=token(target), OUT_SIZE=target.itemsize, **acc),
        )
        # the last step there and the first one back are those of the product
        return _Ready((down, up, along[:-1].copy(), home[1:].copy()), product, functions)

    def run(self, ready: _Ready, rows: Rows, target: Target, y0: int, y1: int) -> None:
        self.call(ready, rows, target, y0, y1)(0, 0)

    def call(self, ready: _Ready, rows: Rows, target: Target, y0: int, y1: int) -> Call:
        layout, size = self.layout, self.dtype.itemsize
        entry = 2 * self.lanes
        # an entry more, so that neighbouring panels do not compete for one place in the nearest cache
        pitch = (self.height + 1) * entry
        before = (
            rows.offsets, rows.constant, layout.first_row[y0:y1] - rows.start, self._cuts(y0, y1),
            layout.row_axes[-1].stride, layout.columns, layout.before, layout.n_in, self.outside,
        )  # fmt: skip
        after = (
            target.rows(y0, y1), layout.n_full, rows.dtype.itemsize, target.dtype.itemsize, size, self.lanes,
            self.height, self.width, layout.row_reach, self.kept,
            scratch("tile_panels", self.width // self.lanes * pitch, self.dtype), pitch * size,
            scratch("tile_work", self.width * entry, self.dtype), scratch("tile_line", self.width, self.dtype),
            self.spectrum, *ready.steps, ready.product, *ready.functions,
        )  # fmt: skip
        if ready.driver is None:
            ready.driver = cpu_spectrum.spectrum_tiles.compiled(rows.base, *before, target.base, *after)
        return Call(ready.driver, rows.base, before, target.base, after)

    def _cuts(self, y0: int, y1: int) -> np.ndarray:
        """Where rows of tiles begin, from row y0 (a multiple of their height) on: there, and with every plane."""
        plane = self.layout.row_axes[-1].n_out
        cuts = {y0, y1, *range(y0, y1, self.align)}
        return np.array(sorted(cuts | set(range(-(-y0 // plane) * plane, y1, plane))), np.int64) - y0


def _aligned(size: int, dtype: np.dtype) -> np.ndarray:
    return aligned(size * dtype.itemsize)[: size * dtype.itemsize].view(dtype)


def _order(radices: tuple[int, ...]) -> np.ndarray:
    """The frequency at each place of a transform: its digits in reverse."""
    found, step = np.zeros(1, np.int64), 1
    for radix in radices:
        found = np.add.outer(found, np.arange(radix) * step).reshape(-1)
        step *= radix
    return found


@cache  # of few steps, and for ever: compiled calls hold their addresses
def _factors(radix: int, step: int, dtype: np.dtype) -> np.ndarray:
    """exp(-2 pi i j q / (radix * step)) for each place j within the step and each q > 0 of a butterfly."""
    turns = np.outer(np.arange(step), np.arange(1, radix)) / (radix * step)
    room = _aligned(2 * turns.size, dtype)
    room[0::2], room[1::2] = np.cos(2 * math.pi * turns).reshape(-1), -np.sin(2 * math.pi * turns).reshape(-1)
    return room


@lru_cache(maxsize=32)
def _transforms(radices: tuple[int, ...], dtype: np.dtype) -> tuple[np.ndarray, np.ndarray]:
    """The steps of a transform and of the one back: rows of (function, entries between items, factors)."""
    acc = {"ACC": token(dtype), "ACC_SIZE": dtype.itemsize, "LANES": lanes(dtype.itemsize)}
    there: list[tuple[int, int, int]] = []
    back: list[tuple[int, int, int]] = []
    step = math.prod(radices)
    for radix in radices:
        step //= radix
        turned: Any = nones(int(step > 1))
        factors = address(_factors(radix, step, dtype)) if step > 1 else 0
        for steps, way in ((there, ()), (back, nones(1))):
            function = cpu_spectrum.transform_step.address(RADIX=nones(radix), TURNED=turned, BACK=way, **acc)
            steps.append((function, step, factors))
    return np.array(there, np.int64), np.array(back[::-1], np.int64)
