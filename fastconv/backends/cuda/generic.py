"""Passes by the loops that serve every plan: an axis at a time, or a window of any number of dimensions."""

from __future__ import annotations

import itertools
import math

import numpy as np

from fastconv.core.border import source_index
from fastconv.core.ir import Pass, Problem
from fastconv.loops import cuda_generic, cuda_window

from .program import Operand, Program

__all__ = ["copy", "line_axis", "packed", "sum_axis", "window"]

#: outputs of one chain of running sums
CHAIN = 64


def copy(program: Program, source: Operand, target: Operand) -> None:
    """target = source, whatever their strides."""
    kernel = cuda_generic.copy_kernel(source.dtype, len(source.shape))
    tables = (source.shape, source.strides, target.strides)
    first = program.table((0, 0))
    program.each(kernel, source.size, source.slot, target.slot, first, source.size, *map(program.table, tables))


def packed(program: Program, source: Operand) -> Operand:
    """The source itself where it is C-contiguous, else a copy that is."""
    if source.is_contiguous:
        return source
    target = program.temporary(source.shape, source.dtype)
    copy(program, source, target)
    return target


def axis_table(problem: Problem, i: int) -> np.ndarray:
    """Source position of each padded position of the i-th filtered axis, as far as outputs reach."""
    n = problem.shape[problem.axes[i]]
    return source_index(n, problem.before[i], max(problem.after[i], -problem.before[i] - n), problem.mode[i])


def line_axis(
    program: Program, problem: Problem, source: Operand, target: Operand, i: int, taps: np.ndarray, outside: float
) -> None:
    """The taps of the i-th filtered axis, along it."""
    axis = problem.axes[i]
    acc = problem.accumulate
    _outer, n, inner = _folded(source.shape, axis)
    kernel = cuda_generic.line_kernel(source.dtype, acc, target.dtype)
    program.each(
        kernel, target.size, source.slot, target.slot, program.table(axis_table(problem, i)),
        program.table(taps, acc), len(taps), target.size, target.shape[axis], inner, n * inner,
        problem.stride[i], problem.dilation[i], acc.type(outside),
    )  # fmt: skip


def sum_axis(
    program: Program,
    problem: Problem,
    source: Operand,
    target: Operand,
    i: int,
    sums: np.dtype,
    scale: float,
    outside: float,
) -> None:
    """The sum of the i-th filtered axis' window, along it, times ``scale``."""
    axis = problem.axes[i]
    outer, n, inner = _folded(source.shape, axis)
    n_out = target.shape[axis]
    chunk = max(CHAIN, 2 * problem.size[i])
    chunks = -(-n_out // chunk)
    total = outer * chunks * inner
    kernel = cuda_generic.sum_kernel(source.dtype, sums, target.dtype)
    program.each(
        kernel, total, source.slot, target.slot, program.table(axis_table(problem, i)), problem.size[i], total,
        n_out, inner, n * inner, problem.stride[i], chunk, chunks, sums.type(scale), sums.type(outside),
    )  # fmt: skip


def window(program: Program, problem: Problem, source: Operand, target: Operand, sweep: Pass) -> None:
    """Every tap of the kernel that is not zero."""
    assert sweep.kernel is not None
    acc = problem.accumulate
    index = np.nonzero(sweep.kernel)
    weights = sweep.kernel[index]
    places = np.stack([k * d for k, d in zip(index, problem.dilation, strict=True)], axis=-1)
    tables = [axis_table(problem, i) for i in range(len(problem.axes))]
    starts = [0, *itertools.accumulate(len(t) for t in tables)][:-1]
    filtered = tuple(problem.axes.index(a) if a in problem.axes else -1 for a in range(len(source.shape)))
    facts = []
    for a, f in enumerate(filtered):
        fact = {"size": target.shape[a], "step": source.strides[a]}
        if f >= 0 and len(weights):
            before, n = problem.before[f], source.shape[a]
            low, high = before - places[:, f].min(), before + n - 1 - places[:, f].max()
            fact |= {"stride": problem.stride[f], "start": starts[f], "low": low, "high": high, "before": before}
        facts.append([int(fact.get(name, 0)) for name in cuda_window.FACTS])
    offsets = places @ np.array([source.strides[a] for a in problem.axes])
    kernel = cuda_window.window_kernel(source.dtype, acc, target.dtype, filtered)
    program.each(
        kernel, target.size, source.slot, target.slot, program.table(np.concatenate(tables)),
        program.table(places), program.table(offsets), program.table(weights, acc), len(weights), target.size,
        program.table(facts), acc.type(problem.cval),
    )  # fmt: skip


def _folded(shape: tuple[int, ...], axis: int) -> tuple[int, int, int]:
    """Samples before, along and behind an axis."""
    return math.prod(shape[:axis]), shape[axis], math.prod(shape[axis + 1 :])
