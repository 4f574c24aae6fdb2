"""Arrays as sheets of rows: what the fast loops walk over.

A sheet is (batch, height, width samples): rows of contiguous samples, ``pitch`` samples apart, in planes ``batch_step``
apart.  Interleaved channels make a row of width times channels samples.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from fastconv.core.geometry import MOST_CHANNELS
from fastconv.core.ir import Problem

from .generic import axis_table
from .program import Operand

__all__ = ["Axis", "Sheet", "row_and_columns", "sheet"]


@dataclass(frozen=True)
class Sheet:
    """One operand's rows."""

    batch: int
    height: int
    width: int
    batch_step: int
    pitch: int

    def is_wide(self, dtype: np.dtype) -> bool:
        """Whether four samples at a time lie at multiples of their size, as far as steps go."""
        size = dtype.itemsize
        step = min(16, 4 * size)
        return self.pitch * size % step == 0 and self.batch_step * size % step == 0


@dataclass(frozen=True, eq=False)
class Axis:
    """A filtered axis as a loop sees it: its table (in samples), taps' distance, samples in front; or none."""

    table: np.ndarray
    distance: int = 1
    before: int = 0
    stride: int = 1
    n_out: int = 1


def row_and_columns(problem: Problem, shape: tuple[int, ...], axes: tuple[int, ...]) -> tuple[int, int, int] | None:
    """Array dimensions: the one walked down, the first and the last of those along a row; None where they do not fit.

    axes: places in ``problem.axes`` of the one or two axes that a launch filters, ascending.
    """
    last = problem.axes[axes[-1]]
    behind = math.prod(shape[last + 1 :])
    end = len(shape) - 1
    if behind > MOST_CHANNELS:  # walked down, nothing is filtered along the row
        return (last, last + 1, end) if len(axes) == 1 else None
    down = last - 1
    if len(axes) == 2 and problem.axes[axes[0]] != down:
        return None
    return down, last, end


def sheet(operand: Operand, down: int, first: int) -> Sheet | None:
    """The operand with dimension ``down`` walked down and those from ``first`` on along a row (-1: no such dimension).

    None where its strides have no such rows.
    """
    shape, strides = operand.shape, operand.strides
    step = 1
    for n, s in zip(reversed(shape[first:]), reversed(strides[first:]), strict=True):
        if n > 1 and s != step:
            return None
        step *= n
    height, pitch = (shape[down], strides[down]) if down >= 0 else (1, step)
    batch, batch_step = 1, 0
    for n, s in zip(reversed(shape[: max(down, 0)]), reversed(strides[: max(down, 0)]), strict=True):
        if n == 1:
            continue
        if batch == 1:
            batch_step = s
        elif s != batch_step * batch:
            return None
        batch *= n
    if height == 1:
        pitch = step
    if pitch < 0 or batch_step < 0 or step >= 2**30:
        return None
    return Sheet(batch, height, step, batch_step, pitch)


def filtered(problem: Problem, i: int, samples: int) -> Axis:
    """The i-th filtered axis, each of its positions ``samples`` interleaved samples."""
    table = axis_table(problem, i)
    if samples > 1:
        wide = table[:, None] * samples + np.arange(samples)
        table = np.where(table[:, None] < 0, -1, wide).reshape(-1)
    axis = problem.axes[i]
    return Axis(
        table, problem.dilation[i] * samples, problem.before[i] * samples, problem.stride[i], problem.out_shape[axis]
    )


def unfiltered(n: int) -> Axis:
    """``n`` positions that are read as they are."""
    return Axis(np.arange(n), n_out=n)
