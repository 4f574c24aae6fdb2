"""Convolutions over channels on device arrays: a `ChannelProblem` as launches of one loop, a phase each.

Depthwise ones without a stride are filters of planes, each with its own taps: the column march makes them.  Many
channels are a matrix product: see `gemm`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from fastconv.core.border import CONSTANT, source_index
from fastconv.core.channels import ChannelProblem
from fastconv.loops import cuda_channels, cuda_fold, cuda_march

from . import march
from .gemm import multiplied
from .march import parts
from .program import MOST_BLOCKS, Operand, Program, Slot
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


def programmed(
    problem: ChannelProblem, method: str, image: View, out: View, weight: View, bias: np.dtype | None
) -> Program:
    """The launches that fill ``out`` (N, C, H, W); both in plain rows: samples of a row lie together.

    bias: the dtype of the numbers to be added, None where there are none.
    """
    program = Program(image, out)
    if method == "depthwise" and _depthwise(program, problem, bias is not None):
        return program
    if method == "gemm":
        factors = Operand(WEIGHT, weight.shape, weight.strides, weight.dtype)
        multiplied(program, problem, factors, bias, BIAS if bias else WEIGHT)
        return program
    copies = _copies(problem)
    if copies is None:
        _tiles(program, problem, program.out, weight.dtype, bias)
        return program
    size = [n + a + b for n, a, b in zip(problem.out_shape, problem.before, problem.after, strict=True)]
    wide = replace(problem, out_shape=(size[0], size[1]), before=(0, 0), after=(0, 0), mode=CONSTANT)
    padded = program.temporary((problem.batch, problem.c_out, *size), problem.dtype)
    _tiles(program, wide, padded, weight.dtype, None)
    _folded(program, padded, bias, copies)
    return program


def _copies(problem: ChannelProblem) -> list[np.ndarray] | None:
    """Of a transposed convolution, for both axes: which padded positions are copies of each output position.

    One table for an axis: where the copies of each position begin in it, at last where they end, then the copies.
    None where each output has one copy at most, and nothing is to be added.
    """
    if problem.kind != "transposed":
        return None
    found, folds = [], False
    for i, n in enumerate(problem.out_shape):
        sources = source_index(n, problem.before[i], problem.after[i], problem.mode)
        copies = np.argsort(sources, kind="stable")[np.count_nonzero(sources < 0) :]
        counts = np.bincount(sources[copies], minlength=n)
        folds = folds or bool((counts > 1).any())
        found.append(np.concatenate([[n + 1], n + 1 + np.cumsum(counts), copies]))
    return found if folds else None


def _folded(program: Program, padded: Operand, bias: np.dtype | None, copies: list[np.ndarray]) -> None:
    """out = the sums of the padded array's copies, and the bias."""
    out = program.out
    facts = {
        "height": out.shape[2], "width": out.shape[3], "channels": out.shape[1], "src_pitch": padded.strides[2],
        "src_plane": padded.strides[1], "dst_pitch": out.strides[2], "dst_plane": out.strides[1],
        "dst_batch": out.strides[0], "bias": int(bias is not None),
    }  # fmt: skip
    kernel = cuda_fold.fold_kernel(padded.dtype, bias or padded.dtype, out.dtype)
    given = program.table([facts[name] for name in cuda_fold.FACTS])
    tables = map(program.table, copies)
    program.each(kernel, out.size, padded.slot, out.slot, BIAS if bias else padded.slot, *tables, given, out.size)


def _tiles(program: Program, problem: ChannelProblem, target: Operand, weight: np.dtype, bias: np.dtype | None) -> None:
    """target = the convolution, phase by phase, by register tiles."""
    p, image = problem, program.image
    axes = _phases if p.kind == "transposed" else _convolved
    filters = next(f for f in (1, 2, 4, cuda_channels.MOST_FILTERS) if f >= min(p.group_out, 8))
    kernel = cuda_channels.channels_kernel(image.dtype, weight, bias or weight, target.dtype, p.dtype, filters)
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
                "w_in": w_in, "dst_pitch": target.strides[2] * step[0], "dst_step": step[1],
                "dst_plane": target.strides[1], "dst_batch": target.strides[0], "bias": int(bias is not None),
            }  # fmt: skip
            tables = (
                program.table(rows.table, np.int32), program.table(columns.table, np.int32),
                program.table(taps or [(0, 0, 0)], np.int32),
                program.table([facts[name] for name in cuda_channels.FACTS]),
            )  # fmt: skip
            part = target.moved(first_y * target.strides[2] + first_x * target.strides[3])
            across, high = -(-columns.n_out // (4 * cuda_channels.BLOCK[0])), cuda_channels.BLOCK[1]
            for z, planes in parts(p.batch * p.groups * blocks, MOST_BLOCKS):
                for y, down in parts(-(-rows.n_out // high), MOST_BLOCKS):
                    program.add(
                        kernel, (across, down, planes), cuda_channels.BLOCK, image.slot, WEIGHT,
                        BIAS if bias else WEIGHT, part, *tables, y * high, z,
                    )  # fmt: skip


def _depthwise(program: Program, problem: ChannelProblem, biased: bool) -> bool:
    """One filter for each channel: the column march, with the taps of its plane, unless rows lie too oddly."""
    p = problem
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
    words = cuda_march.words_of(p.taps, p.dtype)
    step, left, layout = given.layout(p.size[1], words)
    dtype = program.image.dtype
    loop = cuda_march.direct_kernel(dtype, p.dtype, dtype, mask, step, left, layout, given.blank, True)
    numbers = WEIGHT, BIAS if biased else WEIGHT, int(biased), p.groups
    given.launch(loop, cuda_march.columns_each(layout, p.size[1], words), numbers, 0.0)
    return True
