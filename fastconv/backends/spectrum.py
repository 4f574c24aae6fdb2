"""The spectrum pass: overlap-save tiles, so that memory stays bounded whatever the image.

A tile of samples (padding through the border table) times the kernel's spectrum is a circular correlation; its first
``tile - reach`` outputs along each axis are not touched by the wrap and are kept.  Tiles are shared out among workers.

Where the tiles lie and what is multiplied is the same for every kind of array; the transforms are given: scipy.fft's
for arrays on the host.
"""

from __future__ import annotations

import itertools
import math
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from fastconv.core.border import source_index
from fastconv.core.dtypes import cast_into
from fastconv.core.ir import Pass, Problem
from fastconv.core.threads import run as run_tasks

__all__ = ["Spectrum", "Transforms"]

#: tile edges where the plan names none, for 1, 2, 3 and more transformed axes
EDGES = (1 << 15, 512, 96, 32)


class Transforms(Protocol):
    """Real transforms over the last axes, in the precision of what they are given, of one kind of array."""

    def own(self, array: np.ndarray) -> Any:
        """A host array as one of this kind."""

    def forward(self, array: Any, shape: tuple[int, ...]) -> Any:
        """The spectrum of an array, with zeros behind its samples up to ``shape``."""

    def back(self, spectrum: Any, shape: tuple[int, ...]) -> Any:
        """The samples of a spectrum, which may be overwritten."""


class _OnTheHost:
    def own(self, array: np.ndarray) -> np.ndarray:
        return array

    def forward(self, array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        from scipy import fft  # only here: other plans must not load it

        return fft.rfftn(array, shape, axes=tuple(range(-len(shape), 0)), workers=1)

    def back(self, spectrum: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        from scipy import fft

        return fft.irfftn(spectrum, shape, axes=tuple(range(-len(shape), 0)), workers=1, overwrite_x=True)


class Spectrum:
    """One problem's tiles and its kernel's spectrum."""

    def __init__(self, problem: Problem, sweep: Pass, transforms: Transforms | None = None) -> None:
        from scipy import fft

        self.transforms = transforms or _OnTheHost()
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
        self.kernel = sweep.kernel
        self.axes = tuple(range(-d, 0))

    @cached_property
    def spectrum(self) -> Any:
        """What a tile's spectrum is multiplied by."""
        p = self.problem
        dilated = np.zeros([r + 1 for r in p.reach], p.accumulate)
        dilated[tuple(slice(None, None, k) for k in p.dilation)] = self.kernel
        return self.transforms.forward(self.transforms.own(dilated), self.tile).conj()

    @cached_property
    def sources(self) -> list[np.ndarray]:
        """Source position of every padded position, for each filtered axis."""
        p = self.problem
        return [
            source_index(p.shape[a], p.before[i], max(p.after[i], -p.before[i] - p.shape[a]), p.mode[i])
            for i, a in enumerate(p.axes)
        ]

    def starts(self, out_shape: tuple[int, ...]) -> list[tuple[int, ...]]:
        """First output of every tile along the filtered axes; out_shape: outputs along those."""
        return list(itertools.product(*(range(0, n, k) for n, k in zip(out_shape, self.kept, strict=True))))

    def window(self, i: int, start: int, stop: int) -> np.ndarray:
        """Source position of each sample that outputs start .. stop - 1 need along the i-th filtered axis."""
        step = self.problem.stride[i]
        return self.sources[i][start * step : (stop - 1) * step + 1 + self.problem.reach[i]]

    def product(self, block: Any) -> Any:
        """The sums of one tile of samples: those in front are right, ``kept`` of them along each axis."""
        spectrum = self.transforms.forward(block, self.tile)
        spectrum *= self.spectrum
        return self.transforms.back(spectrum, self.tile)

    def execute(self, image: np.ndarray, out: np.ndarray, workers: int) -> None:
        """Fill ``out`` tile by tile."""
        p = self.problem
        d = len(p.axes)
        src = np.moveaxis(image, p.axes, self.axes)
        dst = np.moveaxis(out, p.axes, self.axes)
        batch = src.shape[:-d]
        tasks = list(itertools.product(np.ndindex(batch), self.starts(dst.shape[-d:])))

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
            source = self.window(i, start, stop)
            outside.append(source < 0)
            index.append(np.maximum(source, 0))
            target.append(slice(start, stop))
        block = src[np.ix_(*index)].astype(p.accumulate)
        for i, where in enumerate(outside):
            if where.any():
                block[(slice(None),) * i + (where,)] = p.cval
        sums = self.product(block)
        part = dst[tuple(target)]
        steps = tuple(slice(0, (n - 1) * s + 1, s) for n, s in zip(part.shape, p.stride, strict=True))
        cast_into(part, np.ascontiguousarray(sums[steps]))

    @property
    def memory(self) -> int:
        """Bytes of one worker's tile, its spectrum and its result."""
        return 4 * math.prod(self.tile) * self.problem.accumulate.itemsize
