"""Convolutions over channels on device arrays: a `ChannelProblem` as launches of one loop, a phase each.

Depthwise ones without a stride are filters of planes, each with its own taps: the column march makes them.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from fastconv.core.border import source_index
from fastconv.core.channels import ChannelProblem
from fastconv.loops import cuda_channels, cuda_march

from . import march
from .march import parts
from .program import MOST_BLOCKS, Program, Slot
from .sheet import Axis, sheet
from .views import View

__all__ = ["programmed"]

#: the buffers of a call beside image and output
WEIGHT, BIAS = Slot(-1), Slot(-2)


class _Axis:
    """One axis of one phase: output positions, border table, and for each tap that counts its place in the table."""

    def __init__(self, n_out: int, stride: int, table: np.ndarray, taps: list[tuple[int, int]]) -> None:
        self.n_out, self.stride, self.table, self.taps = n_out, stride, table, taps


def _convolved(problem: ChannelProblem, i: int) -> Iterator[tuple[int, _Axis]]:
    """The only phase of a convolution: every tap a dilation further."""
    table = source_index(problem.shape[i], problem.before[i], problem.after[i], problem.mode)
    taps = [(k, k * problem.dilation[i]) for k in range(problem.size[i])]
    yield 0, _Axis(problem.out_shape[i], problem.stride[i], table, taps)


def _phases(problem: ChannelProblem, i: int) -> Iterator[tuple[int, _Axis]]:
    """Output positions p, p + stride, ...: those taps whose source position is a whole number, and how far off it is.

    Output position y takes tap k from source position (y + before - k * dilation) / stride.
    """
    stride, n = problem.stride[i], problem.shape[i]
    for p in range(min(stride, problem.out_shape[i])):
        n_out = -(-(problem.out_shape[i] - p) // stride)
        offsets = [
            (k, (p + problem.before[i] - k * problem.dilation[i]) // stride)
            for k in range(problem.size[i])
            if (p + problem.before[i] - k * problem.dilation[i]) % stride == 0
        ]
        first = min((e for _, e in offsets), default=0)
        last = max((e for _, e in offsets), default=0)
        place = np.arange(first, n_out + last)
        table = np.where((place >= 0) & (place < n), place, -1)
        yield p, _Axis(n_out, 1, table, [(k, e - first) for k, e in offsets])


def programmed(problem: ChannelProblem, image: View, out: View, weight: View, biased: bool) -> Program:
    """The launches that fill ``out`` (N, C, H, W); both in plain rows: samples of a row lie together."""
    program = Program(image, out)
    p = problem
    if _depthwise(program, p, biased):
        return program
    axes = _phases if p.kind == "transposed" else _convolved
    filters = next(f for f in (1, 2, 4, cuda_channels.MOST_FILTERS) if f >= min(p.group_out, 8))
    kernel = cuda_channels.channels_kernel(image.dtype, p.dtype, filters)
    plane = p.taps
    inner = (p.group_out * plane, plane) if p.kind == "transposed" else (plane, p.group_in * plane)
    w_in, w_out = inner
    blocks = -(-p.group_out // filters)
    for first_y, rows in axes(p, 0):
        for first_x, columns in axes(p, 1):
            taps = [(a, b, i * p.size[1] + j) for i, a in rows.taps for j, b in columns.taps]
            step = p.stride if p.kind == "transposed" else (1, 1)
            facts = {
                "count": len(taps), "group_in": p.group_in, "group_out": p.group_out, "parts": blocks,
                "groups": p.groups, "height": rows.n_out, "width": columns.n_out, "stride_y": rows.stride,
                "stride_x": columns.stride, "src_pitch": image.strides[2], "src_plane": image.strides[1],
                "src_batch": image.strides[0], "w_group": p.group_in * p.group_out * plane, "w_out": w_out,
                "w_in": w_in, "dst_pitch": out.strides[2] * step[0], "dst_step": step[1],
                "dst_plane": out.strides[1], "dst_batch": out.strides[0], "bias": int(biased),
            }  # fmt: skip
            tables = (
                program.table(rows.table, np.int32), program.table(columns.table, np.int32),
                program.table(taps or [(0, 0, 0)], np.int32),
                program.table([facts[name] for name in cuda_channels.FACTS]),
            )  # fmt: skip
            target = program.out.moved(first_y * out.strides[2] + first_x * out.strides[3])
            across, high = -(-columns.n_out // (4 * cuda_channels.BLOCK[0])), cuda_channels.BLOCK[1]
            for z, planes in parts(p.batch * p.groups * blocks, MOST_BLOCKS):
                for y, down in parts(-(-rows.n_out // high), MOST_BLOCKS):
                    program.add(
                        kernel, (across, down, planes), cuda_channels.BLOCK, program.image.slot, WEIGHT,
                        BIAS if biased else WEIGHT, target, *tables, y * high, z,
                    )  # fmt: skip
    return program


def _depthwise(program: Program, problem: ChannelProblem, biased: bool) -> bool:
    """One filter for each channel: the column march, with the taps of its plane, where it serves."""
    p = problem
    apart = p.kind == "conv" and p.group_in == p.group_out == 1 and p.stride == (1, 1)
    if not apart or max(p.size) > march.MOST_TAPS or p.groups > MOST_BLOCKS:
        return False
    src, dst = sheet(program.image, 2, 3), sheet(program.out, 2, 3)
    if src is None or dst is None:
        return False
    given = march.Ready(program, p.dtype, program.image, program.out, 0)
    given.src, given.dst = src, dst
    tables = [source_index(p.shape[i], p.before[i], p.after[i], p.mode) for i in (0, 1)]
    given.rows, given.columns = (Axis(tables[i], p.dilation[i], p.before[i]) for i in (0, 1))
    given.blank = bool((tables[0] < 0).any())
    given.most_planes = MOST_BLOCKS // p.groups * p.groups
    mask = ((True,) * p.size[1],) * p.size[0]
    step, left, vector = given.layout(p.size[1])
    dtype = program.image.dtype
    loop = cuda_march.direct_kernel(dtype, p.dtype, dtype, mask, step, left, vector, given.blank, True)
    numbers = WEIGHT, BIAS if biased else WEIGHT, int(biased), p.groups
    given.launch(loop, cuda_march.columns_each(p.size[1], vector), numbers, 0.0)
    return True
