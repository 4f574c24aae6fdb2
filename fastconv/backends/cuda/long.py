"""When the loops for many taps serve one axis, and how they are launched."""

from __future__ import annotations

import numpy as np

from fastconv.core.ir import Problem
from fastconv.loops import cuda_long

from .march import BLOCK, chains, parts, ready
from .program import MOST_BLOCKS, Operand, Program

__all__ = ["separable"]


def separable(
    program: Program,
    problem: Problem,
    source: Operand,
    target: Operand,
    axes: tuple[int, ...],
    taps: tuple[np.ndarray, ...],
    outside: float,
) -> bool:
    """target = one line pass along one axis, where these loops serve it."""
    count = len(taps[-1])
    if len(axes) > 1 or count < cuda_long.LEAST_TAPS:
        return False
    given = ready(program, problem, source, target, axes)
    if given is None:
        return False
    src, dst, rows, columns = given.src, given.dst, given.rows, given.columns
    acc = problem.accumulate
    weights = program.table(taps[0], acc)
    holes = bool(np.isnan(taps[0]).any())
    limit = acc.type(outside)
    wide = program.aligned and dst.is_wide(target.dtype) and dst.width >= 4
    if given.down >= 0:
        vector = wide and src.is_wide(source.dtype)
        loop = cuda_long.down_kernel(source.dtype, acc, target.dtype, vector, given.blank, holes)
        table = program.table(rows.table, np.int32)
        across, high, block = 4 * BLOCK[0], BLOCK[1], BLOCK
        marches = chains(dst.height, rows.distance, cuda_long.EACH)
    else:
        if (count - 1) * columns.distance > cuda_long.MOST_REACH:
            return False
        vector = wide and columns.distance == 1
        loop = cuda_long.across_kernel(source.dtype, acc, target.dtype, vector, holes)
        table = program.table(columns.table, np.int32)
        (across, high), block = cuda_long.TILE, (32, cuda_long.TILE[1])
        marches = dst.height
    for z, planes in parts(dst.batch, MOST_BLOCKS):
        for y, blocks in parts(-(-marches // high), MOST_BLOCKS):
            arrays = source.moved(z * src.batch_step), target.moved(z * dst.batch_step), table, weights
            steps = src.pitch, dst.pitch, src.batch_step, dst.batch_step
            down = (count, dst.height, dst.width, len(rows.table) - 1, *steps, rows.distance)
            along = (count, columns.distance, dst.height, dst.width, len(columns.table) - 1, *steps)
            program.add(
                loop, (-(-dst.width // across), blocks, planes), block, *arrays,
                *(down if given.down >= 0 else along), y * high, limit,
            )  # fmt: skip
    return True
