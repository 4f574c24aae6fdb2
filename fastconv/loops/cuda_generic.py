"""CUDA loops that serve every plan: one thread an output sample, everything that varies in tables and arguments.

The faster loops serve the common plans; what they leave, in any number of dimensions, comes here.  All indices are
64-bit.  Sources are C-contiguous; a table says which sample of an axis stands at each padded position, -1 for the
constant.
"""

import numpy as np

from .cuda_cast import cast, load, root, same
from .cuda_target import cuda, kernel, number, pointer, types

__all__ = ["combine_kernel", "copy_kernel", "line_kernel", "sum_kernel"]

# constants of a kernel, see cuda_target.kernel
ACC = LOAD = CAST = ROOT = None
DIMENSIONS = LEFT = RIGHT = 0
i64 = types.int64


def line(src, dst, table, taps, count, total, n_out, inner, outer_step, stride, dilation, outside):
    """dst[o, y, i] = sum over k of taps[k] * src[o, table[y * stride + k * dilation], i], without taps that are NaN."""
    at = i64(cuda.blockIdx.x) * i64(cuda.blockDim.x) + i64(cuda.threadIdx.x)
    if at >= total:
        return
    column = at % inner
    row = at // inner
    first = (row % n_out) * stride
    base = (row // n_out) * outer_step + column
    sums = ACC(0)
    for k in range(count):
        r = table[first + k * dilation]
        value = outside
        if r >= 0:
            value = LOAD(src[base + r * inner])
        w = taps[k]
        if w == w:
            sums += w * value
    dst[at] = CAST(sums)


def running_sum(src, dst, table, size, total, n_out, inner, outer_step, stride, chunk, chunks, scale, outside):
    """dst[o, y, i] = scale * sum over k < size of src[o, table[y * stride + k], i]: a thread slides over ``chunk`` y.

    A sum that is not finite is taken anew, so NaN and infinity stay inside their windows.
    """
    at = i64(cuda.blockIdx.x) * i64(cuda.blockDim.x) + i64(cuda.threadIdx.x)
    if at >= total:
        return
    column = at % inner
    part = (at // inner) % chunks
    outer = at // inner // chunks
    base = outer * outer_step + column
    y = part * chunk
    end = min(y + chunk, n_out)
    to = (outer * n_out + y) * inner + column
    sums = ACC(0)
    fresh = True
    while y < end:
        first = y * stride
        if not fresh:
            old = table[first - 1]
            new = table[first + size - 1]
            leaves = outside
            enters = outside
            if old >= 0:
                leaves = LOAD(src[base + old * inner])
            if new >= 0:
                enters = LOAD(src[base + new * inner])
            sums = sums + enters - leaves
        if fresh or sums - sums != ACC(0):
            sums = ACC(0)
            for k in range(size):
                r = table[first + k]
                value = outside
                if r >= 0:
                    value = LOAD(src[base + r * inner])
                sums += value
        fresh = stride != 1 or sums - sums != ACC(0)
        dst[to] = CAST(sums * scale)
        to += inner
        y += 1


def combine(a, b, dst, total):
    """dst = a + b, each squared first where LEFT, RIGHT say so (RIGHT < 0: no b), the root taken where ROOT is one."""
    at = i64(cuda.blockIdx.x) * i64(cuda.blockDim.x) + i64(cuda.threadIdx.x)
    if at >= total:
        return
    sums = a[at]
    if LEFT > 0:
        sums = sums * sums
    if RIGHT >= 0:
        other = b[at]
        if RIGHT > 0:
            other = other * other
        sums = sums + other
    dst[at] = CAST(ROOT(sums))


def copy(src, dst, first, total, shape, src_steps, dst_steps):
    """dst[index] = src[first + index], cast, for arrays of any strides (in samples) and DIMENSIONS dimensions."""
    at = i64(cuda.blockIdx.x) * i64(cuda.blockDim.x) + i64(cuda.threadIdx.x)
    if at >= total:
        return
    rest = at
    a = first[0]
    b = first[1]
    for d in range(DIMENSIONS):
        e = DIMENSIONS - 1 - d
        here = rest % shape[e]
        rest = rest // shape[e]
        a += here * src_steps[e]
        b += here * dst_steps[e]
    dst[b] = CAST(src[a])


TABLE = pointer(np.int64)
INT = types.int64


def _numbers(source, accumulate, out):
    return {"ACC": number(accumulate), "LOAD": load(source, accumulate), "CAST": cast(accumulate, out)}


def line_kernel(source, accumulate, out):
    """Taps along one axis."""
    acc = number(accumulate)
    types_ = (pointer(source), pointer(out), TABLE, pointer(accumulate), *(INT,) * 7, acc)
    return kernel(line, types_, **_numbers(source, accumulate, out))


def sum_kernel(source, accumulate, out):
    """Running sums along one axis."""
    acc = number(accumulate)
    types_ = (pointer(source), pointer(out), TABLE, *(INT,) * 8, acc, acc)
    return kernel(running_sum, types_, **_numbers(source, accumulate, out))


def combine_kernel(accumulate, out, left, right, rooted):
    """The sum of two arrays, or of their squares, or its root."""
    one = pointer(accumulate)
    take = root(accumulate) if rooted else number(accumulate)
    constants = {"CAST": cast(accumulate, out), "LEFT": left, "RIGHT": right, "ROOT": take}
    return kernel(combine, (one, one, pointer(out), INT), **constants)


def copy_kernel(dtype, dimensions, out=None):
    """A copy between strided arrays; from sums to samples of dtype ``out`` where that is given."""
    to, result = (same, dtype) if out is None else (cast(dtype, out), out)
    types_ = (pointer(dtype), pointer(result), TABLE, INT, TABLE, TABLE, TABLE)
    return kernel(copy, types_, DIMENSIONS=dimensions, CAST=to)
