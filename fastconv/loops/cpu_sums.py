"""The running-sum sweep: a box costs the same whatever its size.

Column sums slide down the image (add the row that enters, take away the one that leaves); along a row the window sum
is a prefix sum of what enters minus what leaves.  Sums are taken in float64, or in float32 where that is exact
(integers whose sums stay below 2^24); those of floats start afresh every ``restart`` rows, so that rounding does not
pile up and the bits do not depend on how the rows were shared out.  A row whose running total is not finite is done
again by plain sums: NaN and inf stay inside their windows.
"""

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from .blocks import call_row, fetch
from .cpu_separable import CONSTANT_ROW
from .jit import loop
from .vec import I32, Emitter, count

# constants of a specialisation, see jit.Loop.address
SRC = ACC = OUT = ()
SRC_SIZE = ACC_SIZE = OUT_SIZE = LANES = 0
ONE, FOUR = (None,), (None,) * 4


@intrinsic
def slide(typingctx, columns, new, old, src_t, acc_t, one):
    """columns += samples at ``new`` - samples at ``old`` (0: nothing leaves), one vector or one sample."""

    def codegen(context, builder, sig, args):
        e = Emitter(builder, acc_t.dtype, 1 if count(one) else None)
        sums = e.add(e.load(args[0], acc_t.dtype), e.load(args[1], src_t.dtype))
        with builder.if_else(builder.icmp_unsigned("!=", args[2], e.const(0))) as (leaves, stays):
            with leaves:
                less = e.sub(sums, e.load(args[2], src_t.dtype))
                end = builder.block
            with stays:
                start = builder.block
        both = builder.phi(e.vector)
        both.add_incoming(less, end)
        both.add_incoming(sums, start)
        e.store(args[0], both, acc_t.dtype)
        return context.get_dummy_value()

    return types.void(types.intp, types.intp, types.intp, src_t, acc_t, one), codegen


@intrinsic
def scan(typingctx, enters, leaves, total, scale, zero, out, acc_t, out_t, vectors):
    """Window sums of some vectors of outputs: total + prefix sums of (enters - leaves); stores them times scale.

    zero: 0, in a place where the compiler does not know it: of shuffles with zeros it makes expansions, which take
    twice the time of the whole.  Returns the last sum.
    """

    def codegen(context, builder, sig, args):
        enters, leaves, total, scale, zero, out = args[:6]
        b = builder
        e = Emitter(b, acc_t.dtype)
        zero, scale, total = e.splat(zero), e.splat(scale), e.splat(total)

        def picked(a, c, index):
            return b.shuffle_vector(a, c, ir.Constant(ir.VectorType(I32, e.n), index))

        for v in range(count(vectors)):
            far = v * e.n * e.size
            x = e.sub(e.load(e.plus(enters, far), acc_t.dtype), e.load(e.plus(leaves, far), acc_t.dtype))
            step = 1
            while step < e.n:
                x = e.add(x, picked(x, zero, [e.n + i if i < step else i - step for i in range(e.n)]))
                step *= 2
            # what the next vector waits for is one addition
            last = picked(x, x, [e.n - 1] * e.n)
            e.store(e.plus(out, v * e.n * out_t.dtype.bitwidth // 8), b.fmul(e.add(x, total), scale), out_t.dtype)
            total = e.add(last, total)
        return b.extract_element(total, I32(0))

    number = acc_t.dtype
    return number(types.intp, types.intp, number, number, number, types.intp, acc_t, out_t, vectors), codegen


@intrinsic
def scaled(typingctx, value, scale, out, out_t):
    """Store value * scale, two numbers of the sums' dtype, in the output dtype."""

    def codegen(context, builder, sig, args):
        e = Emitter(builder, value, 1)
        e.store(args[2], builder.fmul(e.splat(args[0]), e.splat(args[1])), out_t.dtype)
        return context.get_dummy_value()

    return types.void(value, value, types.intp, out_t), codegen


@loop
def slide_row(columns, new, old, samples):
    """columns[:samples] += row at ``new`` - row at ``old`` (0: none leaves)."""
    i = 0
    while i + LANES <= samples:
        gone = old + i * SRC_SIZE if old else 0
        slide(columns + ACC_SIZE * i, new + i * SRC_SIZE, gone, SRC, ACC, ())
        i += LANES
    while i < samples:
        gone = old + i * SRC_SIZE if old else 0
        slide(columns + ACC_SIZE * i, new + i * SRC_SIZE, gone, SRC, ACC, ONE)
        i += 1


@loop
def sums_row(line, size, step, scale, total, out, samples):
    """out[:samples] = scale * sums of ``size`` samples of the line, ``step`` apart; the last totals go to ``total``.

    line, scale, total: addresses of the sums' dtype; the third number behind ``scale`` is 0; a row of ``step``
    interleaved channels is ``step`` chains of sums.
    """
    factor = fetch(scale, ACC)
    zero = fetch(scale + 3 * ACC_SIZE, ACC)
    last = ACC(0)
    for c in range(step):
        s = ACC(0)
        for k in range(size):
            s += fetch(line + ACC_SIZE * (c + k * step), ACC)
        scaled(s, factor, out + c * OUT_SIZE, OUT)
        i = c + step
        if step == 1:
            while i + 4 * LANES <= samples:
                enters = line + ACC_SIZE * (i + size - 1)
                s = scan(enters, line + ACC_SIZE * (i - 1), s, factor, zero, out + i * OUT_SIZE, ACC, OUT, FOUR)
                i += 4 * LANES
            while i + LANES <= samples:
                enters = line + ACC_SIZE * (i + size - 1)
                s = scan(enters, line + ACC_SIZE * (i - 1), s, factor, zero, out + i * OUT_SIZE, ACC, OUT, ONE)
                i += LANES
        while i < samples:
            enters = fetch(line + ACC_SIZE * (i + (size - 1) * step), ACC)
            s += enters - fetch(line + ACC_SIZE * (i - step), ACC)
            scaled(s, factor, out + i * OUT_SIZE, OUT)
            i += step
        last += s
    scaled(last, ACC(1), total, ACC)


@loop
def plain_row(line, size, step, scale, total, out, samples):
    """What `sums_row` computes, each window summed by itself: slow, and right around NaN and inf."""
    factor = fetch(scale, ACC)
    last = ACC(0)
    for i in range(samples):
        s = ACC(0)
        for k in range(size):
            s += fetch(line + ACC_SIZE * (i + k * step), ACC)
        scaled(s, factor, out + i * OUT_SIZE, OUT)
        last += s
    scaled(last, ACC(1), total, ACC)


@loop
def sum_rows(
    src, row_offset, constant_row, first_row, nv, nh, step, before, left, right, n_in,
    out, out_offset, n_out, y0, y1, origin, restart, line, numbers, slide1, sums1, plain1,
):  # fmt: skip
    """Output rows y0..y1 of a box of nv x nh samples.

    Arguments as in `cpu_separable.fused`; line: scratch of a padded row in the sums' dtype; numbers: scratch of that
    dtype, [scale, total, outside, 0], outside standing for padding that is constant (already summed over nv rows);
    origin + y is the row's number in the whole output: sums start afresh where it is a multiple of ``restart`` (0:
    never), and y0 must be such a row.
    """
    whole = line.ctypes.data
    columns = whole + line.itemsize * before
    scale = numbers.ctypes.data
    total = scale + numbers.itemsize
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
                line[before : before + n_in] = 0
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
            if numbers[1] - numbers[1] == 0:
                break
            again += 1
            fresh = True


__all__ = ["plain_row", "slide_row", "sum_rows", "sums_row"]
