"""From plans to launches: each term's passes, the terms' sum or magnitude, the cast into the caller's array."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np

from fastconv.backends.running import running_dtype
from fastconv.core.ir import Pass, Plan, Problem
from fastconv.core.symmetry import left_out
from fastconv.loops import cuda_generic

from . import generic, long, march, tile
from .program import Operand, Program
from .spectrum import spectrum
from .views import View

__all__ = ["copied", "copy_into", "programmed"]


def programmed(plans: tuple[Plan, ...], combine: str, image: View, out: View) -> Program:
    """The launches that fill ``out`` from ``image``."""
    program = Program(image, out)
    target = program.out
    groups = [[(plan.problem, term.passes[0]) for term in plan.terms] for plan in plans]
    if combine == "sum":
        groups = [[each for group in groups for each in group]]
        _total(program, groups[0], target)
    else:
        _magnitude(program, groups, target)
    return program


@contextmanager
def _dense(program: Program, target: Operand) -> Iterator[Operand]:
    """The target itself where it is C-contiguous, else a buffer that is copied to it afterwards."""
    made = target if target.is_contiguous else program.temporary(target.shape, target.dtype)
    yield made
    if made is not target:
        generic.copy(program, made, target)


def _total(program: Program, terms: list[tuple[Problem, Pass]], target: Operand) -> None:
    """target = the sum of terms."""
    if len(terms) == 1:
        _PASSES[terms[0][1].kind](program, *terms[0], target)
        return
    acc = terms[0][0].accumulate
    total, part = program.temporary(target.shape, acc), program.temporary(target.shape, acc)
    for n, (problem, sweep) in enumerate(terms):
        _PASSES[sweep.kind](program, problem, sweep, part if n else total)
        if n:
            last = n == len(terms) - 1
            _combine(program, acc, total, part, target if last else total)


def _magnitude(program: Program, groups: list[list[tuple[Problem, Pass]]], target: Operand) -> None:
    """target = the root of the sum of the groups' squares."""
    acc = groups[0][0][0].accumulate
    total, other = program.temporary(target.shape, acc), program.temporary(target.shape, acc)
    _total(program, groups[0], total)
    if len(groups) == 1:
        _combine(program, acc, total, None, target, squares=(1, -1), root=True)
    for n, group in enumerate(groups[1:]):
        _total(program, group, other)
        last = n == len(groups) - 2
        _combine(program, acc, total, other, target if last else total, squares=(int(n == 0), 1), root=last)


def _combine(
    program: Program,
    acc: np.dtype,
    a: Operand,
    b: Operand | None,
    target: Operand,
    squares: tuple[int, int] = (0, 0),
    root: bool = False,
) -> None:
    kernel = cuda_generic.combine_kernel(acc, target.dtype, *squares, root)
    with _dense(program, target) as dense:
        program.each(kernel, target.size, a.slot, (b or a).slot, dense.slot, target.size)


# ---------------------------------------------------------------- one pass


def _line(program: Program, problem: Problem, sweep: Pass, target: Operand) -> None:
    source = program.image
    stages = [(i, t) for i, t in zip(sweep.axes, sweep.taps, strict=True) if _does_something(problem, i, t)]
    stages = [(i, _without(t, left_out(t))) for i, t in stages or [(sweep.axes[-1], sweep.taps[-1])]]
    outside = problem.cval
    while stages:
        axes = tuple(i for i, _ in stages)
        taps = tuple(t for _, t in stages)
        if len(stages) <= 2 and _fused(program, problem, source, target, axes, taps, outside):
            return
        # one axis by itself, the first ones first
        i, axis_taps = stages.pop(0)
        shape = _strided(source.shape, problem, i)
        into = program.temporary(shape, problem.accumulate) if stages else target
        _one_axis(program, problem, source, into, i, axis_taps, outside)
        outside *= float(np.nansum(axis_taps, dtype=np.float64))
        source = into


def _fused(*job: Any) -> bool:
    """One or two axes in one launch, by the first loop that serves them."""
    return any(serve(*job) for serve in (march.separable, tile.separable, long.separable))


def _one_axis(
    program: Program, problem: Problem, source: Operand, target: Operand, i: int, taps: np.ndarray, outside: float
) -> None:
    if not _fused(program, problem, source, target, (i,), (taps,), outside):
        source = generic.packed(program, source)
        with _dense(program, target) as dense:
            generic.line_axis(program, problem, source, dense, i, taps, outside)


def _does_something(problem: Problem, i: int, taps: np.ndarray) -> bool:
    return len(taps) > 1 or taps[0] != 1 or problem.stride[i] > 1 or problem.before[i] != 0


def _strided(shape: tuple[int, ...], problem: Problem, i: int) -> tuple[int, ...]:
    axis = problem.axes[i]
    return (*shape[:axis], problem.out_shape[axis], *shape[axis + 1 :])


def _window(program: Program, problem: Problem, sweep: Pass, target: Operand) -> None:
    assert sweep.kernel is not None
    if march.direct(program, problem, program.image, target, sweep.kernel):
        return
    if not _window_of_one_axis(program, problem, sweep.kernel, target):
        with _dense(program, target) as dense:
            generic.window(program, problem, generic.packed(program, program.image), dense, sweep)


def _window_of_one_axis(program: Program, problem: Problem, kernel: np.ndarray, target: Operand) -> bool:
    """A window along one axis by the loops for lines, without the taps that are zero."""
    used = [
        i for i, n in enumerate(kernel.shape) if n > 1 or problem.stride[i] > 1 or problem.before[i] or problem.after[i]
    ]
    if len(used) != 1:
        return False
    taps = _without(kernel.reshape(-1), kernel.reshape(-1) == 0)
    return _fused(program, problem, program.image, target, tuple(used), (taps,), problem.cval)


def _without(taps: np.ndarray, which: np.ndarray) -> np.ndarray:
    """The taps, those that are to be left out NaN: what loops know them by."""
    return np.where(which, np.nan, taps) if which.any() else taps


def _sum(program: Program, problem: Problem, sweep: Pass, target: Operand) -> None:
    source = generic.packed(program, program.image)
    sums = running_dtype(problem, math.prod(sweep.size))
    outside = problem.cval
    for n, i in enumerate(sweep.axes):
        last = n == len(sweep.axes) - 1
        into = target if last else program.temporary(_strided(source.shape, problem, i), sums)
        source = generic.packed(program, source)
        with _dense(program, into) as dense:
            generic.sum_axis(program, problem, source, dense, i, sums, sweep.scale if last else 1.0, outside)
        outside *= problem.size[i]
        source = into


_PASSES = {"line": _line, "window": _window, "sum": _sum, "spectrum": spectrum}


# ---------------------------------------------------------------- copies


def copied(image: View) -> View:
    """A C-contiguous copy of a view, on its stream."""
    made = image.empty(image.shape, image.dtype)
    copy_into(image, made)
    return replace(made, home=image.home)


def copy_into(image: View, out: View) -> None:
    """Put a copy on the image's stream."""
    if image.size:
        program = Program(image, out)
        generic.copy(program, program.image, program.out)
        program.run(image, out)
