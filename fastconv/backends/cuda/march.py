"""When the column march serves a pass, and how it is launched."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from fastconv.core.geometry import strided_size
from fastconv.core.ir import Problem
from fastconv.loops import cuda_march, cuda_target

from .program import MOST_BLOCKS, Operand, Program
from .serves import MOST_TAPS
from .sheet import Axis, Sheet, filtered, row_and_columns, sheet, unfiltered

__all__ = ["MOST_TAPS", "Ready", "chains", "direct", "kinds", "parts", "ready", "separable"]

#: threads of a block: a warp along the row, four down
BLOCK = (32, 4)
#: output rows of a thread: fewer while the device is not full
ROWS = (32, 16, 8, 4)
#: warps that keep one multiprocessor busy
WARPS = 16
#: samples in front of and behind a window that wide loads reach
MOST_HALO = 8


def direct(program: Program, problem: Problem, source: Operand, target: Operand, kernel: np.ndarray) -> bool:
    """target = the window of one or two axes, where the march serves it."""
    axes = tuple(range(kernel.ndim))
    if kernel.ndim > 2 or max(kernel.shape) > MOST_TAPS or not kernel.any():
        return False
    given = ready(program, problem, source, target, axes)
    if given is None:
        return False
    whole = kernel if kernel.ndim == 2 else kernel[:, None] if given.down >= 0 else kernel[None, :]
    mask = tuple(tuple(bool(w) for w in row) for row in whole)
    acc = problem.accumulate
    words = cuda_march.words_of(whole.size, acc)
    step, left, layout = given.layout(whole.shape[1], words)
    loop = cuda_march.direct_kernel(source.dtype, acc, target.dtype, mask, step, left, layout, given.blank)
    each = cuda_march.columns_each(layout, whole.shape[1], words)
    given.launch(loop, each, (tuple(acc.type(w) for w in whole.flat),), problem.cval)
    return True


def separable(
    program: Program,
    problem: Problem,
    source: Operand,
    target: Operand,
    axes: tuple[int, ...],
    taps: tuple[np.ndarray, ...],
    outside: float,
) -> bool:
    """target = one line pass, or two fused, where the march serves it."""
    if max(map(len, taps)) > MOST_TAPS:
        return False
    given = ready(program, problem, source, target, axes)
    if given is None:
        return False
    down, across = given.both(taps)
    acc = problem.accumulate
    words = cuda_march.words_of(len(down) + len(across), acc)
    step, left, layout = given.layout(len(across), words)
    loop = cuda_march.separable_kernel(
        source.dtype, acc, target.dtype, kinds(down), kinds(across), step, left, layout, given.blank
    )
    numbers = tuple(tuple(acc.type(w) for w in t) for t in (down, across))
    given.launch(loop, cuda_march.columns_each(layout, len(across), words), numbers, outside)
    return True


def kinds(taps: np.ndarray) -> tuple[int, ...]:
    """For each tap whether it counts (NaN: it is left out); a single one may be 1, which multiplies nothing."""
    if len(taps) == 1 and taps[0] == 1:
        return (2,)
    return tuple(int(t == t) for t in taps)


class Ready:
    """A source and a target as sheets, and the axes that are filtered."""

    def __init__(self, program: Program, accumulate: np.dtype, source: Operand, target: Operand, down: int) -> None:
        self.program, self.accumulate, self.source, self.target = program, accumulate, source, target
        #: place in the problem's axes of the one walked down, -1 where it is not filtered
        self.down = down

    rows: Axis
    columns: Axis
    src: Sheet
    dst: Sheet
    blank: bool
    #: planes of a launch at most
    most_planes: int = MOST_BLOCKS

    def both(self, taps: tuple[np.ndarray, ...]) -> tuple[np.ndarray, np.ndarray]:
        """Taps down and taps across, of which one may have been given."""
        if len(taps) == 2:
            return taps[0], taps[1]
        return (taps[0], np.ones(1)) if self.down >= 0 else (np.ones(1), taps[0])

    def layout(self, taps: int, words: int) -> tuple[int, int, str]:
        """What the text knows of the row: distance of taps, samples in front, and how a thread's columns lie."""
        step, left = self.columns.distance, self.columns.before
        right = (taps - 1) * step - left
        near = 0 <= left <= MOST_HALO and 0 <= right <= MOST_HALO and words <= cuda_march.MOST_WORDS
        wide = self.src.is_wide(self.source.dtype) and self.dst.is_wide(self.target.dtype)
        if near and wide and self.program.aligned and self.dst.width >= 4:
            return step, left, "wide"
        if near and words >= cuda_march.MANY_WORDS:
            return step, left, "near"
        return 1, 0, "lane"

    def launch(self, loop: object, columns_each: int, taps: tuple[Any, ...], outside: float) -> None:
        program, src, dst = self.program, self.src, self.dst
        rows, columns = self.rows, self.columns
        spread = rows.distance
        across = -(-dst.width // (columns_each * BLOCK[0]))
        each = _rows_each(program, across, dst, spread)
        marches = chains(dst.height, spread, each)
        tables = program.table(rows.table, np.int32), program.table(columns.table, np.int32)
        for z, planes in parts(dst.batch, self.most_planes):
            for y, count in parts(-(-marches // BLOCK[1]), MOST_BLOCKS):
                program.add(
                    loop, (across, count, planes), BLOCK,
                    self.source.moved(z * src.batch_step), self.target.moved(z * dst.batch_step), *tables, *taps,
                    dst.height, dst.width, src.width, src.pitch, dst.pitch, src.batch_step, dst.batch_step, each,
                    spread, columns.distance, columns.before, y * BLOCK[1], self.accumulate.type(outside),
                )  # fmt: skip


def ready(program: Program, problem: Problem, source: Operand, target: Operand, axes: tuple[int, ...]) -> Ready | None:
    """The pass over ``axes`` on sheets; None where strides or strides of taps do not fit the march."""
    if any(problem.stride[i] != 1 for i in axes):
        return None
    dims = row_and_columns(problem, source.shape, axes)
    if dims is None:
        return None
    down, first, _ = dims
    src, dst = sheet(source, down, first), sheet(target, down, first)
    if src is None or dst is None or src.batch != dst.batch:
        return None
    walked = problem.axes[axes[0]] == down
    given = Ready(program, problem.accumulate, source, target, axes[0] if walked else -1)
    samples = dst.width // source.shape[first] if first < len(source.shape) else 1
    along = len(axes) == 2 or not walked
    given.src, given.dst = src, dst
    given.rows = filtered(problem, axes[0], 1) if walked else unfiltered(dst.height)
    given.columns = filtered(problem, axes[-1], samples) if along else unfiltered(dst.width)
    given.blank = bool((given.rows.table < 0).any())
    return given


def _rows_each(program: Program, across: int, dst: Sheet, spread: int) -> int:
    """Output rows of a thread."""
    full = WARPS * cuda_target.multiprocessors(program.device)
    for each in ROWS:
        if across * dst.batch * chains(dst.height, spread, each) >= full:
            return each
    return ROWS[-1]


def chains(height: int, spread: int, each: int) -> int:
    """Marches down one column: for every residue of ``spread``, as many as cover its rows ``each`` at a time."""
    longest = strided_size(height, spread)
    return spread * strided_size(longest, each)


def parts(count: int, most: int) -> Iterator[tuple[int, int]]:
    """Beginnings and lengths of parts of at most ``most``.

    >>> list(parts(5, 2))
    [(0, 2), (2, 2), (4, 1)]
    """
    return ((start, min(most, count - start)) for start in range(0, count, most))
