"""The spectrum pass on a device: the tiles and products of `fastconv.backends.spectrum`, by the array's own library.

A launch gathers a tile's samples through the border tables, the library transforms, and a launch stores the sums.
"""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np

from fastconv.backends.spectrum import Spectrum
from fastconv.core.ir import Pass, Problem
from fastconv.loops import cuda_generic, cuda_target, cuda_window

from .program import Operand, Program
from .views import Fourier, View, contiguous

__all__ = ["spectrum"]


class _There:
    """`Transforms` of a library's arrays."""

    like: View

    def __init__(self, fourier: Fourier) -> None:
        self.fourier = fourier

    def own(self, array: np.ndarray) -> Any:
        from .arrays import as_image
        from .steps import copy_into

        made = self.like.empty(array.shape, array.dtype)
        copy_into(replace(as_image(array), stream=self.like.stream, device=self.like.device), made)
        return made.owner

    def forward(self, array: Any, shape: tuple[int, ...]) -> Any:
        return self.fourier.forward(array, shape, tuple(range(-len(shape), 0)))

    def back(self, spectrum: Any, shape: tuple[int, ...]) -> Any:
        return self.fourier.back(spectrum, shape, tuple(range(-len(shape), 0)))


class _Products:
    """What a call does with each tile; the kernel's spectrum is made with the first one."""

    def __init__(self, work: Spectrum, there: _There) -> None:
        self.work, self.there = work, there

    def __call__(self, block: View) -> View:
        from .arrays import as_view
        from .steps import copied

        first = "spectrum" not in vars(self.work)
        if first:
            self.there.like = block
        made = as_view("image", self.work.product(block.owner), block.library)
        if first:  # the next call may be on another stream
            cuda_target.synchronise(block.stream)
        made = replace(made, stream=block.stream, device=block.device)
        return made if made.is_plain() else copied(made)


def spectrum(program: Program, problem: Problem, sweep: Pass, target: Operand) -> None:
    """target = the kernel's correlation with the image, tile by tile."""
    assert program.fourier is not None
    source, acc, d = program.image, problem.accumulate, len(problem.axes)
    there = _There(program.fourier)
    work = Spectrum(problem, sweep, there)
    rest = [a for a in range(len(source.shape)) if a not in problem.axes]
    order = (*rest, *problem.axes)
    batch = tuple(source.shape[a] for a in rest)
    block = program.temporary((*batch, *work.tile), acc)
    sums = program.called(_Products(work, there), block)
    tables = []
    for i, n in enumerate(work.tile):  # behind what the last tile needs: its last sample again
        whole = work.sources[i]
        tables.append(np.concatenate([whole, np.repeat(whole[-1:], n)]))
    starts = [0, *itertools.accumulate(len(t) for t in tables)][:-1]
    table, nothing, one = program.table(np.concatenate(tables)), program.table([0] * d), program.table([1.0], acc)
    gather = cuda_window.window_kernel(source.dtype, acc, acc, (*(-1 for _ in rest), *range(d)))
    store = cuda_generic.copy_kernel(acc, len(order), target.dtype)
    outs = tuple(target.shape[a] for a in problem.axes)
    steps = contiguous((*batch, *work.tile))
    steps = (*steps[: len(batch)], *(s * n for s, n in zip(steps[len(batch) :], problem.stride, strict=True)))
    for at in work.starts(outs):
        facts: list[dict[str, int]] = [{"size": source.shape[a], "step": source.strides[a]} for a in rest]
        facts += [  # no position is taken for an inner one: all go through the tables
            {"size": n, "step": source.strides[a], "stride": 1, "start": first + k * s, "low": 1, "high": 0}
            for n, a, first, k, s in zip(work.tile, problem.axes, starts, at, problem.stride, strict=True)
        ]
        given = program.table([[fact.get(name, 0) for name in cuda_window.FACTS] for fact in facts])
        program.each(
            gather, block.size, source.slot, block.slot, table, nothing, nothing, one, 1, block.size, given,
            acc.type(problem.cval),
        )  # fmt: skip
        program.call(sums)
        shape = (*batch, *(min(kept, n - k) for kept, n, k in zip(work.kept, outs, at, strict=True)))
        to = sum(k * target.strides[a] for k, a in zip(at, problem.axes, strict=True))
        total = int(np.prod(shape, dtype=np.int64))
        program.each(
            store, total, sums.slot, target.slot, program.table((0, to)), total, program.table(shape),
            program.table(steps), program.table([target.strides[a] for a in order]),
        )  # fmt: skip
