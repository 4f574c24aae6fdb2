"""When the tile serves a line pass, and how it is launched."""

from __future__ import annotations

import numpy as np

from fastconv.core.ir import Problem
from fastconv.loops import cuda_tile

from .march import chains, kinds, parts, ready
from .program import MOST_BLOCKS, Operand, Program

__all__ = ["MOST_TAPS", "separable"]

#: taps along an axis that the tile's text is written for
MOST_TAPS = 33
#: samples between the first and the last tap of a row
MOST_REACH = 128


def separable(
    program: Program,
    problem: Problem,
    source: Operand,
    target: Operand,
    axes: tuple[int, ...],
    taps: tuple[np.ndarray, ...],
    outside: float,
) -> bool:
    """target = one line pass, or two fused, where the tile serves it."""
    if max(map(len, taps)) > MOST_TAPS:
        return False
    given = ready(program, problem, source, target, axes)
    if given is None:
        return False
    down, across = given.both(taps)
    step = given.columns.distance if len(across) > 1 else 1
    acc = problem.accumulate
    if (len(across) - 1) * step > MOST_REACH:
        return False
    shape = cuda_tile.layout(acc, len(down), (len(across) - 1) * step)
    if shape is None:
        return False
    src, dst, rows, columns = given.src, given.dst, given.rows, given.columns
    vector = program.aligned and dst.is_wide(target.dtype) and dst.width >= 4
    loop = cuda_tile.tile_kernel(source.dtype, acc, target.dtype, kinds(down), kinds(across), step, vector, given.blank)
    numbers = tuple(tuple(acc.type(w) for w in t) for t in (down, across))
    tables = program.table(rows.table, np.int32), program.table(columns.table, np.int32)
    for z, planes in parts(dst.batch, MOST_BLOCKS):
        for y, count in parts(chains(dst.height, rows.distance, shape.rows), MOST_BLOCKS):
            program.add(
                loop, (-(-dst.width // shape.columns), count, planes), (shape.across, cuda_tile.WARPS),
                source.moved(z * src.batch_step), target.moved(z * dst.batch_step), *tables, *numbers,
                dst.height, dst.width, len(rows.table) - 1, len(columns.table) - 1, src.pitch, dst.pitch,
                src.batch_step, dst.batch_step, rows.distance, y, acc.type(outside),
            )  # fmt: skip
    return True
