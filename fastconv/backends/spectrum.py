"""The spectrum pass: overlap-save tiles by scipy.fft, so that memory stays bounded whatever the image.

A tile of samples (padding through the border table) times the kernel's spectrum is a circular correlation; its first
``tile - reach`` outputs along each axis are not touched by the wrap and are kept.  Tiles are shared out among workers.
"""

from __future__ import annotations

import itertools
import math
from functools import cached_property

import numpy as np

from fastconv.core.border import source_index
from fastconv.core.dtypes import cast_into
from fastconv.core.ir import Pass, Problem
from fastconv.core.threads import run as run_tasks

__all__ = ["Spectrum"]

#: tile edges where the plan names none, for 1, 2, 3 and more transformed axes
EDGES = (1 << 15, 512, 96, 32)


class Spectrum:
    """One problem's tiles and its kernel's spectrum."""

    def __init__(self, problem: Problem, sweep: Pass) -> None:
        from scipy import fft  # only here: other plans must not load it

        self.fft = fft
        self.problem = problem
        assert sweep.kernel is not None
        d = len(problem.axes)
        edge = EDGES[min(d, len(EDGES)) - 1]
        tile, kept = [], []
        for i, a in enumerate(problem.axes):
            full = (problem.out_shape[a] - 1) * problem.stride[i] + 1
            want = sweep.size[i] if sweep.size else max(edge, 4 * (problem.reach[i] + 1))
            want = fft.next_fast_len(max(problem.reach[i] + 1, min(want, full + problem.reach[i])), real=True)
            tile.append(want)
            #: outputs of a tile, after the stride
            kept.append((want - problem.reach[i] - 1) // problem.stride[i] + 1)
        self.tile, self.kept = tuple(tile), tuple(kept)
        dilated = np.zeros([r + 1 for r in problem.reach], problem.accumulate)
        dilated[tuple(slice(None, None, k) for k in problem.dilation)] = sweep.kernel
        self.axes = tuple(range(-d, 0))
        self.spectrum = np.conj(fft.rfftn(dilated, self.tile, axes=self.axes))

    @cached_property
    def sources(self) -> list[np.ndarray]:
        """Source position of every padded position, for each filtered axis."""
        p = self.problem
        return [
            source_index(p.shape[a], p.before[i], max(p.after[i], -p.before[i] - p.shape[a]), p.mode[i])
            for i, a in enumerate(p.axes)
        ]

    def execute(self, image: np.ndarray, out: np.ndarray, workers: int) -> None:
        """Fill ``out`` tile by tile."""
        p = self.problem
        d = len(p.axes)
        src = np.moveaxis(image, p.axes, self.axes)
        dst = np.moveaxis(out, p.axes, self.axes)
        batch = src.shape[:-d]
        starts = [range(0, dst.shape[i - d], k) for i, k in enumerate(self.kept)]
        tasks = list(itertools.product(np.ndindex(batch), itertools.product(*starts)))

        def task(i: int) -> None:
            lead, at = tasks[i]
            self._tile(src[lead], dst[lead], at)

        task(0)
        run_tasks(lambda i: task(i + 1), len(tasks) - 1, workers)

    def _tile(self, src: np.ndarray, dst: np.ndarray, at: tuple[int, ...]) -> None:
        p = self.problem
        index, outside, target = [], [], []
        for i, start in enumerate(at):
            stop = min(start + self.kept[i], dst.shape[i])
            first = start * p.stride[i]
            need = (stop - 1 - start) * p.stride[i] + 1 + p.reach[i]
            source = self.sources[i][first : first + need]
            outside.append(source < 0)
            index.append(np.maximum(source, 0))
            target.append(slice(start, stop))
        block = src[np.ix_(*index)].astype(p.accumulate)
        for i, where in enumerate(outside):
            if where.any():
                block[(slice(None),) * i + (where,)] = p.cval
        sums = self.fft.rfftn(block, self.tile, axes=self.axes, workers=1)
        sums *= self.spectrum
        sums = self.fft.irfftn(sums, self.tile, axes=self.axes, workers=1, overwrite_x=True)
        part = dst[tuple(target)]
        steps = tuple(slice(0, (n - 1) * s + 1, s) for n, s in zip(part.shape, p.stride, strict=True))
        cast_into(part, np.ascontiguousarray(sums[steps]))

    @property
    def memory(self) -> int:
        """Bytes of one worker's tile, its spectrum and its result."""
        return 4 * math.prod(self.tile) * self.problem.accumulate.itemsize
