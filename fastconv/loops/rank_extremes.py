"""Minimum and maximum filters: running extremes, at the same cost whatever the window's size.

One row function takes the extreme of any number of rows, a vector of samples at a time.  Down the columns a window
is the suffix of one block of rows and the prefix of the next (van Herk); along a row windows double: twice as long
from two overlapping ones.  A set of taps is the extreme of its samples, tap by tap.

Which of two equal samples is kept matters for the sign of zero: of a line's window the last, of a set of taps the
first.  A set of taps keeps what comparisons with NaN make of it; lines that hold a NaN are for `line_extremes`.
"""

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from .blocks import call_row, move
from .cpu_separable import CONSTANT_ROW
from .jit import loop
from .vec import Emitter, count

# constants of a specialisation, see jit.Loop.address
DTYPE = LARGEST = FIRST = ()
SIZE = LANES = LIMIT = 0
ONE, FOUR = (None,), (None,) * 4

#: windows up to this are taken row by row
DIRECT = 12
#: bytes that may be read and written behind a line of scratch
SLACK = 512


@intrinsic
def extreme(typingctx, table, x, n, out, dtype_t, largest, first, vectors, narrow):
    """out[:vectors] = the extreme of the samples at table[t] + x, t < n, in that order.

    ``largest`` (None,): maximum, else minimum; ``first`` (None,): of equals the first stays, else the last;
    ``narrow`` (None,): one sample, not a vector.
    """

    def codegen(context, builder, sig, args):
        table, x, n, out = args[:4]
        dtype = dtype_t.dtype
        e = Emitter(builder, dtype, 1 if count(narrow) else None)
        whole = isinstance(dtype, types.Integer)
        sign = ">" if count(largest) else "<"

        def before(a, b):
            if not whole:
                return builder.fcmp_ordered(sign, a, b)
            return (builder.icmp_signed if dtype.signed else builder.icmp_unsigned)(sign, a, b)

        def kept(old, new):
            if count(first):
                return builder.select(before(new, old), new, old)
            return builder.select(before(old, new), old, new)

        def samples(t):
            at = builder.add(e.integer(table, t), x)
            return [e.load(e.plus(at, e.size * e.n * v), dtype) for v in range(count(vectors))]

        one = e.const(1)
        found = e.repeat(
            one, n, one, samples(0), lambda t, old: [kept(a, b) for a, b in zip(old, samples(t), strict=True)]
        )
        for v, value in enumerate(found):
            e.store(e.plus(out, e.size * e.n * v), value, dtype)
        return context.get_dummy_value()

    return types.void(*[types.intp] * 4, dtype_t, largest, first, vectors, narrow), codegen


@intrinsic
def odd_samples(typingctx, address, limit, dtype_t, narrow):
    """Whether one vector holds a NaN, or an integer further from 0 than ``limit``."""

    def codegen(context, builder, sig, args):
        dtype = dtype_t.dtype
        e = Emitter(builder, dtype, 1 if count(narrow) else None)
        v = e.load(args[0], dtype)
        if isinstance(dtype, types.Integer):
            limit = e.splat(args[1])
            if dtype.signed:
                odd = builder.or_(builder.icmp_signed(">", v, limit), builder.icmp_signed("<", v, builder.neg(limit)))
            else:
                odd = builder.icmp_unsigned(">", v, limit)
        else:
            odd = builder.fcmp_unordered("uno", v, v)
        bits = ir.IntType(e.n)
        return builder.icmp_unsigned("!=", builder.bitcast(odd, bits), ir.Constant(bits, 0))

    return types.boolean(types.intp, types.intp, dtype_t, narrow), codegen


@loop
def extreme_row(table, n, out, samples):
    """out[:samples] = the extreme over t < n of the rows at the addresses table[t]."""
    i = 0
    if samples >= LANES:
        while i + 4 * LANES <= samples:
            extreme(table, i * SIZE, n, out + i * SIZE, DTYPE, LARGEST, FIRST, FOUR, ())
            i += 4 * LANES
        while i < samples:
            j = min(i, samples - LANES)
            extreme(table, j * SIZE, n, out + j * SIZE, DTYPE, LARGEST, FIRST, ONE, ())
            i += LANES
    while i < samples:
        extreme(table, i * SIZE, n, out + i * SIZE, DTYPE, LARGEST, FIRST, ONE, ONE)
        i += 1


@loop
def tap_row(table, n, rank, out, samples):
    """The same over the taps of a footprint; ``rank`` is not read, ``out`` has SLACK behind it."""
    i = 0
    while i < samples:
        if i + 4 * LANES <= samples:
            extreme(table, i * SIZE, n, out + i * SIZE, DTYPE, LARGEST, FIRST, FOUR, ())
            i += 4 * LANES
        else:
            extreme(table, i * SIZE, n, out + i * SIZE, DTYPE, LARGEST, FIRST, ONE, ())
            i += LANES


@loop
def scan_row(row, samples, flag):
    """Add one to the int64 at ``flag`` for each vector of a row that holds a NaN or an integer beyond LIMIT."""
    i = 0
    found = 0
    if samples >= LANES:
        while i < samples:
            found += odd_samples(row + min(i, samples - LANES) * SIZE, LIMIT, DTYPE, ())
            i += LANES
    while i < samples:
        found += odd_samples(row + i * SIZE, LIMIT, DTYPE, ONE)
        i += 1
    if found:
        raise_flag(flag)


@intrinsic
def raise_flag(typingctx, flag):
    """Set the int64 at an address to 1."""

    def codegen(context, builder, sig, args):
        at = builder.inttoptr(args[0], ir.IntType(64).as_pointer())
        builder.store(ir.Constant(ir.IntType(64), 1), at)
        return context.get_dummy_value()

    return types.void(types.intp), codegen


@loop
def fill_ends(line, samples, left, n_left, right, n_right, constant):
    """Samples before and behind a line from it, through tables of int64 at addresses; -1: the one at ``constant``."""
    for p in range(n_left):
        e = table_entry(left, p)
        move(constant if e < 0 else line + e * SIZE, line + (p - n_left) * SIZE, DTYPE, DTYPE)
    for p in range(n_right):
        e = table_entry(right, p)
        move(constant if e < 0 else line + e * SIZE, line + (samples + p) * SIZE, DTYPE, DTYPE)


@intrinsic
def table_entry(typingctx, table, index):
    """Entry ``index`` of the int64 table at an address."""

    def codegen(context, builder, sig, args):
        return Emitter(builder, types.int64, 1).integer(*args)

    return types.int64(types.intp, types.intp), codegen


@loop
def extremes(
    src, row_offset, constant_row, first_row, outer, ky, kx, step, left, right, n, size, vector,
    out, pitch, y0, y1, plane, chunk, line, strip, strip_pitch, room, table, scan, flag,
    row_extreme, ends,
):  # fmt: skip
    """Output rows y0..y1 of running extremes: ``outer`` planes, then ``ky`` rows, then ``kx`` columns.

    src, out: addresses; row_offset: byte offset of every padded row from src (CONSTANT_ROW: ``constant_row``);
    first_row[y]: padded row of the first tap; outer: what the other planes' taps add to it; step: samples between
    columns; left, right: source samples before and behind a row; n: samples of a row, ``size`` bytes each; vector:
    samples of a vector; pitch: bytes between output rows; plane: rows after which the row axis begins anew; chunk:
    rows worked on at a time; line: address of a padded line's first inner sample; strip: address of scratch rows,
    ``strip_pitch`` bytes apart (``chunk + ky`` of them for planes, then ``ky + 1`` for blocks); room: table of
    chunk + ky addresses; table: addresses of one window; scan: 0, or what looks into source rows and sets ``flag``.
    """
    at = table.ctypes.data
    blocks = ky > DIRECT
    before = left.size
    suffix = strip
    if outer.size > 1:
        suffix += (chunk + ky) * strip_pitch
    y = y0
    while y < y1:
        end = min(y1, (y // plane + 1) * plane, y + chunk)
        base = first_row[y]
        rows = end - y + ky - 1
        for p in range(rows):
            if outer.size == 1:
                offset = row_offset[base + outer[0] + p]
                room[p] = constant_row if offset == CONSTANT_ROW else src + offset
                continue
            for c in range(outer.size):
                offset = row_offset[base + outer[c] + p]
                table[c] = constant_row if offset == CONSTANT_ROW else src + offset
            room[p] = strip + p * strip_pitch
            call_row(row_extreme, (at, outer.size, room[p], n))
        if blocks:
            # table: suffixes from 2 on, so that the first two entries are free for pairs
            table[2 + ky - 1] = room[ky - 1]
            for i in range(ky - 2, -1, -1):
                table[0] = room[i]
                table[1] = table[2 + i + 1]
                table[2 + i] = suffix + i * strip_pitch
                call_row(row_extreme, (at, 2, table[2 + i], n))
        prefix = suffix + ky * strip_pitch
        for i in range(end - y):
            to = out + (y + i) * pitch
            target = to if kx == 1 else line
            if scan:
                # every source row is some output row's own
                call_row(scan, (src + (y + i) * pitch, n, flag))
            if not blocks:
                call_row(row_extreme, (room.ctypes.data + 8 * i, ky, target, n))
            else:
                if i > 1:
                    table[0] = prefix
                    if i == 2:
                        table[0] = room[ky]
                    table[1] = room[ky + i - 1]
                    call_row(row_extreme, (at, 2, prefix, n))
                table[0] = table[2 + i]
                table[1] = room[ky] if i == 1 else prefix
                call_row(row_extreme, (at, 2 if i else 1, target, n))
            if kx == 1:
                continue
            if before + right.size:
                call_row(ends, (line, n, left.ctypes.data, before, right.ctypes.data, right.size,
                                constant_row))  # fmt: skip
            start = line - before * size
            reach = 1
            if kx <= DIRECT:
                for t in range(kx):
                    room_at = start + t * step * size
                    table[2 + ky + t] = room_at
                call_row(row_extreme, (at + 8 * (2 + ky), kx, to, n))
                continue
            whole = n + (kx - 1) * step
            while 2 * reach < kx:
                table[0] = start
                table[1] = start + reach * step * size
                whole -= reach * step
                call_row(row_extreme, (at, 2, start, -(-whole // vector) * vector))
                reach *= 2
            table[0] = start
            table[1] = start + (kx - reach) * step * size
            call_row(row_extreme, (at, 2, to, n))
        y = end


@loop
def line_extremes(lines, results, n, size, largest):
    """Each row of ``results`` (n samples) from one of ``lines`` (n + size - 1), NaN as SciPy's list of pairs has it.

    The list holds the samples that may still be the extreme, each with the position at which it leaves the window.
    """
    value = np.empty(size, np.float64)
    death = np.empty(size, np.int64)
    for k in range(lines.shape[0]):
        line = lines[k]
        result = results[k]
        if size == 1:
            for i in range(n):
                result[i] = line[i]
            continue
        head = 0
        last = 0
        value[0] = line[0]
        death[0] = size
        for i in range(1, n + size - 1):
            v = line[i]
            if death[head] == i:
                head += 1
                if head == size:
                    head = 0
            if (v >= value[head]) if largest else (v <= value[head]):
                value[head] = v
                death[head] = i + size
                last = head
            else:
                while (value[last] <= v) if largest else (value[last] >= v):
                    last = last - 1 if last > 0 else size - 1
                last = last + 1 if last + 1 < size else 0
                value[last] = v
                death[last] = i + size
            if i >= size - 1:
                result[i - size + 1] = value[head]


__all__ = ["DIRECT", "SLACK", "extreme_row", "extremes", "fill_ends", "line_extremes", "scan_row", "tap_row"]
