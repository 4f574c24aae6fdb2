"""Running means whose every bit is fixed: a sum adds (what enters - what leaves) and is divided by the size, in double.

The recurrence runs from one end of an axis to the other, so lanes are neighbouring lines: samples of a row where it
runs down the rows, and where it runs along them as many rows at once as a vector has lanes, turned over in registers.
The first sum of a line takes its window from the left (scipy.ndimage's NI_UniformFilter1D).
"""

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from .blocks import call_row, fetch
from .exact_blocks import Exact, exact_move, keep
from .exact_rows import ACC, CONSTANT_ROW, ONE
from .jit import helper, loop
from .vec import I32

# constants of a specialisation, see jit.Loop.address
OUT = ()
OUT_SIZE = LANES = 0

#: places in the parameter block of `means_down` and `means_along`
(
    M_UNIT_SRC, M_UNIT_OUT, M_ROW_OFFSET, M_COLUMN, M_SRC_STEP, M_SRC_ROW, M_OUT_STEP, M_OUT_ROW, M_BEFORE, M_N_ROWS,
    M_N_LINE, M_SIZE, M_DIVISOR, M_TILE, M_PITCH, M_CVAL, M_ALL, M_LOAD, M_SUMS, M_ALONG, M_STORE, M_LANES,
    M_COUNT,
) = range(23)  # fmt: skip


def _turned(e, vectors):
    """A square of vectors transposed, in log2(lanes) rounds of shuffles."""
    n, vectors = e.n, list(vectors)
    step = 1
    while step < n:
        low = ir.Constant(ir.VectorType(I32, n), [i if i & step == 0 else n + i - step for i in range(n)])
        high = ir.Constant(ir.VectorType(I32, n), [i + step if i & step == 0 else n + i for i in range(n)])
        for i in range(n):
            if i & step == 0:
                a, b = vectors[i], vectors[i + step]
                vectors[i] = e.b.shuffle_vector(a, b, low)
                vectors[i + step] = e.b.shuffle_vector(a, b, high)
        step *= 2
    return vectors


@intrinsic
def mean_square(typingctx, lines, pitch, enters, divisor, sums, outs):
    """A square of outputs: as many rows as a vector has lanes, ``pitch`` bytes apart, and as many samples of each.

    lines: address of the samples that leave the first row's windows; enters: bytes from there to those that enter;
    divisor: address of the size; sums: address of the last sum of every row, read and written.
    """

    def codegen(context, builder, sig, args):
        lines, pitch, enters, divisor, sums, outs = args
        e = Exact(builder)
        size = e.weight(divisor, 0)
        changes = []
        for r in range(e.n):
            row = builder.add(lines, e.times(pitch, r)) if r else lines
            enter, leave = e.load(builder.add(row, enters), types.float64), e.load(row, types.float64)
            changes.append(builder.fsub(enter, leave))
        total = e.load(sums, types.float64)
        found = []
        for change in _turned(e, changes):
            total = builder.fadd(total, change)
            found.append(total)
        e.store(sums, total, types.float64)
        for r, line in enumerate(_turned(e, found)):
            to = builder.add(outs, e.times(pitch, r)) if r else outs
            e.store(to, builder.fdiv(line, size), types.float64)
        return context.get_dummy_value()

    return types.void(*[types.intp] * 6), codegen


@intrinsic
def changed(typingctx, total, enter, leave, narrow):
    """total += enter - leave, for vectors at these addresses (narrow (None,): one sample)."""

    def codegen(context, builder, sig, args):
        e = Exact(builder, 1 if len(narrow) else None)
        total, enter, leave = (e.load(at, types.float64) for at in args[:3])
        e.store(args[0], builder.fadd(total, builder.fsub(enter, leave)), types.float64)
        return context.get_dummy_value()

    return types.void(*[types.intp] * 3, narrow), codegen


@intrinsic
def added(typingctx, total, more, narrow):
    """total += more, for vectors at these addresses (narrow (None,): one sample)."""

    def codegen(context, builder, sig, args):
        e = Exact(builder, 1 if len(narrow) else None)
        total, more = (e.load(at, types.float64) for at in args[:2])
        e.store(args[0], builder.fadd(total, more), types.float64)
        return context.get_dummy_value()

    return types.void(*[types.intp] * 2, narrow), codegen


@intrinsic
def divided(typingctx, total, divisor, to, out_t, narrow):
    """to = total / the number at ``divisor`` as C casts it to ``out_t``, for vectors (narrow (None,): one sample)."""

    def codegen(context, builder, sig, args):
        e = Exact(builder, 1 if len(narrow) else None)
        e.store(args[2], builder.fdiv(e.load(args[0], types.float64), e.weight(args[1], 0)), out_t.dtype)
        return context.get_dummy_value()

    return types.void(*[types.intp] * 3, out_t, narrow), codegen


@helper
def _row(p, base, k, x, m, room, kept, slot):
    """Where padded row k, samples x..x+m, is as doubles: the constant, one of all rows, or read into a slot."""
    offset = fetch(p[M_ROW_OFFSET] + 8 * k, np.int64)
    if offset == CONSTANT_ROW:
        return room
    if p[M_ALL]:
        return kept + k * p[M_PITCH]
    at = kept + slot * p[M_PITCH]
    call_row(p[M_LOAD], (base + offset, p[M_SRC_STEP], p[M_COLUMN], 0, p[M_N_LINE], x, x + m, at, p[M_CVAL]))
    return at


@loop
def store_row(source, divisor, to, step, samples):
    """Doubles, divided by the number at ``divisor`` (0: as they are), as C casts them to OUT, ``step`` bytes apart."""
    i = 0
    if step == OUT_SIZE:
        while i + LANES <= samples:
            if divisor:
                divided(source + i * 8, divisor, to + i * OUT_SIZE, OUT, ())
            else:
                exact_move(source + i * 8, to + i * OUT_SIZE, ACC, OUT, ())
            i += LANES
    while i < samples:
        if divisor:
            divided(source + i * 8, divisor, to + i * step, OUT, ONE)
        else:
            exact_move(source + i * 8, to + i * step, ACC, OUT, ONE)
        i += 1


@loop
def down_sums_row(total, enter, leave, samples):
    """total[:samples] += enter - leave (leave 0: nothing leaves)."""
    i = 0
    while i < samples:  # rows of scratch: there is room for a vector behind them
        if leave:
            changed(total + i * 8, enter + i * 8, leave + i * 8, ())
        else:
            added(total + i * 8, enter + i * 8, ())
        i += LANES


@loop
def means_down(p, src, out, u0, u1, x0, x1, room):
    """Samples x0..x1 of all rows of units u0..u1: the recurrence runs down the rows.

    p: the parameter block: addresses of tables and functions, and numbers, at the places M_...; room: address of
    scratch: the constant, the sums, then two rows, or all padded rows where the output lies over the source.
    """
    pitch, size, divisor, rows, load = p[M_PITCH], p[M_SIZE], p[M_DIVISOR], p[M_N_ROWS], p[M_LOAD]
    total = room + pitch
    kept = total + pitch
    for at in range(room, total, 8):
        exact_move(p[M_CVAL], at, ACC, ACC, ONE)
    for u in range(u0, u1):
        base = src + fetch(p[M_UNIT_SRC] + 8 * u, np.int64)
        to = out + fetch(p[M_UNIT_OUT] + 8 * u, np.int64)
        for x in range(x0, x1, p[M_TILE]):
            m = min(p[M_TILE], x1 - x)
            if p[M_ALL]:
                for k in range(rows + size - 1):
                    offset = fetch(p[M_ROW_OFFSET] + 8 * k, np.int64)
                    if offset != CONSTANT_ROW:
                        call_row(load, (base + offset, p[M_SRC_STEP], p[M_COLUMN], 0, p[M_N_LINE], x, x + m,
                                        kept + k * pitch, p[M_CVAL]))  # fmt: skip
            for i in range(m):
                keep(total + i * 8, 0.0)
            for k in range(size):
                call_row(p[M_SUMS], (total, _row(p, base, k, x, m, room, kept, 0), 0, m))
            call_row(p[M_STORE], (total, divisor, to + x * p[M_OUT_STEP], p[M_OUT_STEP], m))
            for y in range(1, rows):
                enter = _row(p, base, y + size - 1, x, m, room, kept, 0)
                leave = _row(p, base, y - 1, x, m, room, kept, 1)
                call_row(p[M_SUMS], (total, enter, leave, m))
                at = to + y * p[M_OUT_ROW] + x * p[M_OUT_STEP]
                call_row(p[M_STORE], (total, divisor, at, p[M_OUT_STEP], m))


@loop
def along_means_row(line, enters, divisor, sums, out, samples):
    """One line by itself: out[:samples] = the means after the one whose sum is at ``sums``."""
    total = fetch(sums, ACC)
    for i in range(samples):
        total += fetch(line + enters + i * 8, ACC) - fetch(line + i * 8, ACC)
        keep(out + i * 8, total)
    i = 0
    while i < samples:  # there is room for a vector behind the line
        divided(out + i * 8, divisor, out + i * 8, ACC, ())
        i += LANES


@loop
def means_along(p, src, out, u0, u1, r0, r1, room):
    """Rows r0..r1 of units u0..u1: the recurrence runs along each row, as many rows at once as a vector has lanes.

    room: address of scratch: padded lines, their means, and the last sum of each.
    """
    pitch, size, divisor, n, lanes = p[M_PITCH], p[M_SIZE], p[M_DIVISOR], p[M_N_LINE], p[M_LANES]
    sums = room + 2 * lanes * pitch
    outs = room + lanes * pitch
    enters = size * 8
    for u in range(u0, u1):
        base = src + fetch(p[M_UNIT_SRC] + 8 * u, np.int64)
        to = out + fetch(p[M_UNIT_OUT] + 8 * u, np.int64)
        for r in range(r0, r1, lanes):
            many = min(lanes, r1 - r)
            for k in range(many):
                line = room + k * pitch
                call_row(p[M_LOAD], (base + (r + k) * p[M_SRC_ROW], p[M_SRC_STEP], p[M_COLUMN], p[M_BEFORE], n,
                                     0, n + size - 1, line, p[M_CVAL]))  # fmt: skip
                total = 0.0
                for i in range(size):
                    total += fetch(line + i * 8, ACC)
                keep(sums + 8 * k, total)
                keep(outs + k * pitch, total / fetch(divisor, ACC))
            if many == lanes:
                i = 1
                while i < n:
                    mean_square(room + (i - 1) * 8, pitch, enters, divisor, sums, outs + i * 8)
                    i += lanes
            else:
                for k in range(many):
                    line = room + k * pitch
                    call_row(p[M_ALONG], (line, enters, divisor, sums + 8 * k, outs + k * pitch + 8, n - 1))
            for k in range(many):
                call_row(p[M_STORE], (outs + k * pitch, 0, to + (r + k) * p[M_OUT_ROW], p[M_OUT_STEP], n))


__all__ = ["along_means_row", "down_sums_row", "means_along", "means_down", "store_row"]
