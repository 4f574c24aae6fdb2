"""The running-sum sweep: a box costs the same whatever its size.

Column sums slide down the image (add the row that enters, take away the one that leaves); along a row the window sum
is a prefix sum of what enters minus what leaves.  Sums are taken in float64: exact for integers; for floats they start
afresh every ``restart`` rows, so that rounding does not pile up and the bits do not depend on how the rows were shared
out.  A row whose running total is not finite is done again by plain sums: NaN and inf stay inside their windows.
"""

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from .blocks import call_row, fetch
from .cpu_separable import CONSTANT_ROW
from .jit import loop
from .vec import I32, Emitter, lanes

# constants of a specialisation, see jit.Loop.address
SRC = OUT = ()
SRC_SIZE = OUT_SIZE = 0
LANES = lanes(8)
DOUBLE = np.float64


@intrinsic
def slide(typingctx, columns, new, old, src_t, some):
    """columns += samples at ``new`` - samples at ``old`` (0: nothing leaves), one vector or one sample."""

    def codegen(context, builder, sig, args):
        e = Emitter(builder, types.float64, 1 if len(some) else None)
        sums = e.add(e.load(args[0], types.float64), e.load(args[1], src_t.dtype))
        with builder.if_else(builder.icmp_unsigned("!=", args[2], e.const(0))) as (leaves, stays):
            with leaves:
                less = e.sub(sums, e.load(args[2], src_t.dtype))
                end = builder.block
            with stays:
                start = builder.block
        both = builder.phi(e.vector)
        both.add_incoming(less, end)
        both.add_incoming(sums, start)
        e.store(args[0], both, types.float64)
        return context.get_dummy_value()

    return types.void(types.intp, types.intp, types.intp, src_t, some), codegen


@intrinsic
def scan(typingctx, enters, leaves, total, scale, out, out_t):
    """Window sums of one vector of outputs: total + prefix sums of (enters - leaves); stores them times scale.

    Returns the last sum.
    """

    def codegen(context, builder, sig, args):
        b = builder
        e = Emitter(b, types.float64)
        x = e.sub(e.load(args[0], types.float64), e.load(args[1], types.float64))
        step = 1
        while step < e.n:
            index = [e.n + i if i < step else i - step for i in range(e.n)]
            moved = b.shuffle_vector(x, e.zero(), ir.Constant(ir.VectorType(I32, e.n), index))
            x = e.add(x, moved)
            step *= 2
        x = e.add(x, e.splat(args[2]))
        e.store(args[4], b.fmul(x, e.splat(args[3])), out_t.dtype)
        return b.extract_element(x, I32(e.n - 1))

    double = types.float64
    return double(types.intp, types.intp, double, double, types.intp, out_t), codegen


@intrinsic
def scaled(typingctx, value, scale, out, out_t, one):
    """Store value * scale (``one``: a number; otherwise a vector at the address ``value``) in the output dtype."""

    def codegen(context, builder, sig, args):
        e = Emitter(builder, types.float64, 1 if len(one) else None)
        v = e.splat(args[0]) if len(one) else e.load(args[0], types.float64)
        e.store(args[2], builder.fmul(v, e.splat(args[1])), out_t.dtype)
        return context.get_dummy_value()

    return types.void(value, types.float64, types.intp, out_t, one), codegen


@loop
def slide_row(columns, new, old, samples):
    """columns[:samples] += row at ``new`` - row at ``old`` (0: none leaves)."""
    i = 0
    while i + LANES <= samples:
        gone = old + i * SRC_SIZE if old else 0
        slide(columns + 8 * i, new + i * SRC_SIZE, gone, SRC, ())
        i += LANES
    while i < samples:
        gone = old + i * SRC_SIZE if old else 0
        slide(columns + 8 * i, new + i * SRC_SIZE, gone, SRC, (None,))
        i += 1


@loop
def sums_row(line, size, step, scale, total, out, samples):
    """out[:samples] = scale * sums of ``size`` samples of the line, ``step`` apart; the last totals go to ``total``.

    line, scale, total: addresses of float64; a row of ``step`` interleaved channels is ``step`` chains of sums.
    """
    factor = fetch(scale, DOUBLE)
    last = 0.0
    for c in range(step):
        s = 0.0
        for k in range(size):
            s += fetch(line + 8 * (c + k * step), DOUBLE)
        scaled(s, factor, out + c * OUT_SIZE, OUT, (None,))
        i = c + step
        if step == 1:
            while i + LANES <= samples:
                enters = line + 8 * (i + size - 1)
                s = scan(enters, line + 8 * (i - 1), s, factor, out + i * OUT_SIZE, OUT)
                i += LANES
        while i < samples:
            s += fetch(line + 8 * (i + (size - 1) * step), DOUBLE) - fetch(line + 8 * (i - step), DOUBLE)
            scaled(s, factor, out + i * OUT_SIZE, OUT, (None,))
            i += step
        last += s
    put_double(total, last)


@loop
def plain_row(line, size, step, scale, total, out, samples):
    """What `sums_row` computes, each window summed by itself: slow, and right around NaN and inf."""
    factor = fetch(scale, DOUBLE)
    for i in range(samples):
        s = 0.0
        for k in range(size):
            s += fetch(line + 8 * (i + k * step), DOUBLE)
        scaled(s, factor, out + i * OUT_SIZE, OUT, (None,))
    put_double(total, 0.0)


@intrinsic
def put_double(typingctx, address, value):
    """Store a float64 at an address."""

    def codegen(context, builder, sig, args):
        builder.store(args[1], builder.inttoptr(args[0], args[1].type.as_pointer()))
        return context.get_dummy_value()

    return types.void(types.intp, types.float64), codegen


@loop
def sum_rows(
    src, row_offset, constant_row, first_row, nv, nh, step, before, left, right, n_in,
    out, out_offset, n_out, y0, y1, origin, restart, line, numbers, slide1, sums1, plain1,
):  # fmt: skip
    """Output rows y0..y1 of a box of nv x nh samples.

    Arguments as in `cpu_separable.fused`; line: float64 scratch of a padded row; numbers: float64 scratch
    [scale, total, outside], outside standing for padding that is constant (already summed over nv rows);
    origin + y is the row's number in the whole output: sums start afresh where it is a multiple of ``restart`` (0:
    never), and y0 must be such a row.
    """
    columns = line.ctypes.data + 8 * before
    whole = line.ctypes.data
    scale = numbers.ctypes.data
    total = scale + 8
    outside = numbers[2]
    fresh = True
    for y in range(y0, y1):
        first = first_row[y]
        if y > y0 and first_row[y - 1] + 1 != first:
            fresh = True
        if nv == 1 or (restart > 0 and (origin + y) % restart == 0):
            fresh = True
        again = 0
        while again < 2:
            if fresh:
                line[before : before + n_in] = 0.0
                for k in range(nv):
                    offset = row_offset[first + k]
                    call_row(slide1, (columns, constant_row if offset == CONSTANT_ROW else src + offset, 0, n_in))
            elif again == 0:
                new, old = row_offset[first + nv - 1], row_offset[first - 1]
                new = constant_row if new == CONSTANT_ROW else src + new
                old = constant_row if old == CONSTANT_ROW else src + old
                call_row(slide1, (columns, new, old, n_in))
            fresh = False
            for p in range(before):
                e = left[p]
                line[p] = outside if e < 0 else line[before + e]
            for p in range(right.size):
                e = right[p]
                line[before + n_in + p] = outside if e < 0 else line[before + e]
            function = sums1 if again == 0 else plain1
            call_row(function, (whole, nh, step, scale, total, out + out_offset[y], n_out))
            if numbers[1] - numbers[1] == 0.0:
                break
            again += 1
            fresh = True


__all__ = ["plain_row", "slide_row", "sum_rows", "sums_row"]
