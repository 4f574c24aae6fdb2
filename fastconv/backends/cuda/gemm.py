"""A convolution over many channels as launches: weights repacked, then the matrix product of `cuda_gemm`."""

from __future__ import annotations

import numpy as np

from fastconv.core.border import source_index
from fastconv.core.channels import ChannelProblem
from fastconv.loops import cuda_gemm

from . import generic
from .march import parts
from .program import MOST_BLOCKS, Operand, Program, Slot

__all__ = ["multiplied"]


def multiplied(
    program: Program, problem: ChannelProblem, weight: Operand, bias: np.dtype | None, numbers: Slot
) -> None:
    """out = the convolution; numbers: the buffer that is added, where ``bias``, its dtype, is not None."""
    p, image, out = problem, program.image, program.out
    target = out if out.is_contiguous else program.temporary(out.shape, out.dtype)
    packed = _packed(program, p, weight)
    tables = [
        program.table(source_index(p.shape[i], p.before[i], p.after[i], p.mode), np.int32) for i in (0, 1)
    ]  # fmt: skip
    taps = [(i * p.dilation[0], j * p.dilation[1]) for i in range(p.size[0]) for j in range(p.size[1])]
    pixels = p.out_shape[0] * p.out_shape[1]
    blocks = -(-p.group_out // cuda_gemm.FILTERS)
    facts = {
        "count": len(taps), "group_in": p.group_in, "group_out": p.group_out, "groups": p.groups,
        "pixels": pixels, "width": p.out_shape[1], "stride_y": p.stride[0], "stride_x": p.stride[1],
        "src_pitch": image.strides[2], "src_plane": image.strides[1], "src_batch": image.strides[0],
        "wide": packed.shape[-1], "dst_plane": target.strides[1], "dst_batch": target.strides[0],
        "bias": int(bias is not None),
    }  # fmt: skip
    vector = program.aligned and pixels % 4 == 0
    kernel = cuda_gemm.gemm_kernel(image.dtype, weight.dtype, bias or weight.dtype, out.dtype, p.dtype, vector)
    given = program.table([facts[name] for name in cuda_gemm.FACTS])
    steps = program.table(taps, np.int32)
    for z, planes in parts(p.batch * p.groups, MOST_BLOCKS):
        program.add(
            kernel, (-(-pixels // cuda_gemm.PIXELS), blocks, planes), (cuda_gemm.THREADS,), image.slot, packed.slot,
            numbers, target.slot, *tables, steps, given, z,
        )  # fmt: skip
    if target is not out:
        generic.copy(program, target, out)


def _packed(program: Program, problem: ChannelProblem, weight: Operand) -> Operand:
    """The weight as (group, tap, channel in, channel out); channels out beyond the last one are whatever they are."""
    p = problem
    wide = -(-p.group_out // cuda_gemm.FILTERS) * cuda_gemm.FILTERS
    made = program.temporary((p.groups, p.taps, p.group_in, wide), weight.dtype)
    shape = (p.groups, p.taps, p.group_in, p.group_out)
    steps = (p.group_out * p.group_in * p.taps, 1, p.taps, p.group_in * p.taps)
    generic.copy(
        program, Operand(weight.slot, shape, steps, weight.dtype), Operand(made.slot, shape, made.strides, made.dtype)
    )
    return made
