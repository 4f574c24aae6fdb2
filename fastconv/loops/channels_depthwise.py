"""Depthwise convolution: every output plane is one filter over one input plane.

A block is a few output rows of one vector (or two) of columns.  Each source vector is loaded once for each tap column
and serves every output row that it reaches; rows come through a table of addresses, so borders, strides and dilation
are only other tables.  Where the border is zeros and columns are not strided, rows are read where they lie and the
outermost vectors are loaded under a mask; otherwise rows are first gathered, padded, into a strip that stays in cache,
one run of samples for each remainder of the column stride.
"""

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from .blocks import call_row, fetch
from .channels_strip import ZERO_ROW
from .jit import helper, loop
from .vec import I32, I64, Emitter, count

# constants of a specialisation, see jit.Loop.address
ACC = TALL = WIDE = ROWS = VECTORS = STEP = ()
LANES = 0
ONE, FOUR = (None,), (None,) * 4


@intrinsic
def put_integer(typingctx, address, value):
    """Store an int64 at an address."""

    def codegen(context, builder, sig, args):
        builder.store(args[1], builder.inttoptr(args[0], I64.as_pointer()))
        return context.get_dummy_value()

    return types.void(types.intp, types.intp), codegen


def _lane_mask(e, bits):
    """The low bits of an LLVM int64 as a vector of one-bit lanes."""
    narrow = bits if e.n == 64 else e.b.trunc(bits, ir.IntType(e.n))
    return e.b.bitcast(narrow, ir.VectorType(ir.IntType(1), e.n))


def _masked(e, name, types_, result, args):
    kind = f"v{e.n}f{e.size * 8}"
    full = f"llvm.masked.{name}.{kind}.p0"
    module = e.b.module
    found = module.globals.get(full) or ir.Function(module, ir.FunctionType(result, types_), full)
    return e.b.call(found, args)


def load_masked(e, address, mask):
    """One vector whose lanes outside the mask are zero and not read."""
    p = e.pointer(address, e.vector)
    return _masked(
        e, "load", [p.type, I32, mask.type, e.vector], e.vector, [p, ir.Constant(I32, e.size), mask, e.zero()]
    )


def store_masked(e, address, v, mask):
    """Store the lanes inside the mask."""
    p = e.pointer(address, e.vector)
    args = [v, p, ir.Constant(I32, e.size), mask]
    _masked(e, "store", [e.vector, p.type, I32, mask.type], ir.VoidType(), args)


def _block(e, kernel, step, counts, rows, at, shifts, weight, start, read):
    """Sums of a block: ``kernel`` (rows, columns) taps, ``counts`` (output rows, vectors)."""
    tall, wide = kernel
    r_, v_ = counts
    sums = [[start] * v_ for _ in range(r_)]
    for kx in range(wide):
        x = e.b.add(at, shifts[kx])
        for r, row in enumerate(rows):
            reached = [o for o in range(r_) if 0 <= r - o * step < tall]
            if not reached:
                continue
            samples = [read(e.plus(e.b.add(row, x), v * e.n * e.size), kx) for v in range(v_)]
            for o in reached:
                w = weight((r - o * step) * wide + kx)
                for v in range(v_):
                    sums[o][v] = e.fma(samples[v], w, sums[o][v])
    return sums


@intrinsic
def depthwise_block(typingctx, table, shifts, w, bias, outs, x0, x1, acc_t, tall, wide, rows, vectors, step):
    """Outputs x0..x1 (a block's width at least) of a few rows of one plane.

    table: address of row addresses, ``step`` of them from one output row to the next and one for each row of taps;
    shifts: bytes to each column of taps; w: the taps; bias: address of what every sum begins with; outs: addresses of
    the output rows.
    """

    def codegen(context, builder, sig, args):
        table, shifts, w, bias, outs, x0, x1 = args[:7]
        e = Emitter(builder, acc_t.dtype)
        kernel, counts, s_ = (count(tall), count(wide)), (count(rows), count(vectors)), count(step)
        sources = [e.integer(table, r) for r in range((counts[0] - 1) * s_ + kernel[0])]
        targets = [e.integer(outs, r) for r in range(counts[0])]
        columns = [e.integer(shifts, k) for k in range(kernel[1])]
        start = e.weight(bias, 0)
        kept = [e.weight(w, t) for t in range(kernel[0] * kernel[1])] if kernel[0] * kernel[1] <= 9 else None

        def weight(t):
            return kept[t] if kept else e.weight(w, t)

        width = e.const(counts[1] * e.n)
        last = builder.sub(x1, width)

        def turn(x, _):
            x = builder.select(builder.icmp_signed("<", x, last), x, last)  # the last one overlaps
            at = e.times(x, e.size)
            sums = _block(
                e, kernel, s_, counts, sources, at, columns, weight, start, lambda a, _: e.load(a, acc_t.dtype)
            )
            for target, line in zip(targets, sums, strict=True):
                for v, s in enumerate(line):
                    e.store(e.plus(builder.add(target, at), v * e.n * e.size), s, acc_t.dtype)
            return []

        e.repeat(x0, x1, width, [], turn)
        return context.get_dummy_value()

    return types.void(*[types.intp] * 7, acc_t, tall, wide, rows, vectors, step), codegen


@intrinsic
def depthwise_edge(typingctx, table, shifts, w, bias, outs, x, masks, acc_t, tall, wide, rows, step):
    """One vector of outputs from column ``x`` on of a few rows, see `depthwise_block`.

    masks: address of int64 bit masks, one for each column of taps (lanes that lie in the row: the others are zero),
    then one of the lanes to store.
    """

    def codegen(context, builder, sig, args):
        table, shifts, w, bias, outs, x, masks = args[:7]
        e = Emitter(builder, acc_t.dtype)
        kernel, counts, s_ = (count(tall), count(wide)), (count(rows), 1), count(step)
        sources = [e.integer(table, r) for r in range((counts[0] - 1) * s_ + kernel[0])]
        targets = [e.integer(outs, r) for r in range(counts[0])]
        columns = [e.integer(shifts, k) for k in range(kernel[1])]
        bits = [_lane_mask(e, e.integer(masks, k)) for k in range(kernel[1] + 1)]
        at = e.times(x, e.size)
        sums = _block(
            e, kernel, s_, counts, sources, at, columns, lambda t: e.weight(w, t), e.weight(bias, 0),
            lambda a, kx: load_masked(e, a, bits[kx]),
        )  # fmt: skip
        for target, (s,) in zip(targets, sums, strict=True):
            store_masked(e, builder.add(target, at), s, bits[-1])
        return context.get_dummy_value()

    return types.void(*[types.intp] * 7, acc_t, tall, wide, rows, step), codegen


@intrinsic
def depthwise_any(typingctx, table, shifts, w, bias, out, x, mask, tall, wide, acc_t, vectors, partial):
    """One output row's vectors from column ``x`` on, for any number of taps; ``partial`` stores under a mask."""

    def codegen(context, builder, sig, args):
        table, shifts, w, bias, out, x, mask, tall, wide = args[:9]
        e = Emitter(builder, acc_t.dtype)
        v_, one, nought = count(vectors), e.const(1), e.const(0)
        at = e.times(x, e.size)

        def down(ky, sums):
            row = builder.add(e.integer(table, ky), at)
            first = builder.mul(ky, wide)

            def along(kx, sums):
                source = builder.add(row, e.integer(shifts, kx))
                weight = e.weight(w, builder.add(first, kx))
                loads = [e.load(e.plus(source, v * e.n * e.size), acc_t.dtype) for v in range(v_)]
                return [e.fma(x, weight, s) for x, s in zip(loads, sums, strict=True)]

            return e.repeat(nought, wide, one, sums, along)

        sums = e.repeat(nought, tall, one, [e.weight(bias, 0)] * v_, down)
        target = builder.add(out, at)
        for v, s in enumerate(sums):
            if count(partial):
                store_masked(e, target, s, _lane_mask(e, mask))
            else:
                e.store(e.plus(target, v * e.n * e.size), s, acc_t.dtype)
        return context.get_dummy_value()

    return types.void(*[types.intp] * 9, acc_t, vectors, partial), codegen


@loop
def block_rows(table, shifts, w, bias, outs, x0, x1, tall, wide):
    """See `depthwise_block`."""
    depthwise_block(table, shifts, w, bias, outs, x0, x1, ACC, TALL, WIDE, ROWS, VECTORS, STEP)


@loop
def edge_rows(table, shifts, w, bias, outs, edge, tall, wide):
    """See `depthwise_edge`; edge: address of the column and of its masks."""
    x = fetch(edge, np.int64)
    depthwise_edge(table, shifts, w, bias, outs, x, edge + 8, ACC, TALL, WIDE, ROWS, STEP)


@loop
def any_rows(table, shifts, w, bias, outs, x0, x1, tall, wide):
    """The block of any number of taps, one row: a vector at least, from rows with slack."""
    out = fetch(outs, np.int64)
    x = x0
    while x < x1:
        if x1 - x >= 4 * LANES:
            depthwise_any(table, shifts, w, bias, out, x, 0, tall, wide, ACC, FOUR, ())
            x += 4 * LANES
        else:
            depthwise_any(table, shifts, w, bias, out, min(x, x1 - LANES), 0, tall, wide, ACC, ONE, ())
            x += LANES


@loop
def any_edge(table, shifts, w, bias, outs, edge, tall, wide):
    """Rows narrower than a vector, for any number of taps."""
    mask = fetch(edge + 8 + 8 * wide, np.int64)
    depthwise_any(table, shifts, w, bias, fetch(outs, np.int64), 0, mask, tall, wide, ACC, ONE, ONE)


@helper
def _blocks(source, target, w, bias, work, y, n, rows, group, step, tall, wide, row_in, row_out, first, last, edges,
            n_edges, shifts, zero, offsets, spread, block, edge):  # fmt: skip
    """Output rows y..y+n: classes of rows ``group`` apart, whose taps share rows, ``rows`` at a time.

    offsets: address of the byte offsets of padded rows; 0: padded row r lies at ``source + r * row_in``.
    """
    outs = work + 8 * ((rows - 1) * step + tall)
    for lead in range(group):
        members = (n - lead + group - 1) // group
        done = 0
        while done < members:
            at = y + lead + group * min(done, members - rows)  # the last block overlaps
            r0 = at * spread[0]
            for r in range((rows - 1) * step + tall):
                row = r0 + r * spread[1]
                if offsets == 0:
                    put_integer(work + 8 * r, source + row * row_in)
                else:
                    offset = fetch(offsets + 8 * row, np.int64)
                    put_integer(work + 8 * r, zero if offset == ZERO_ROW else source + offset)
            for o in range(rows):
                put_integer(outs + 8 * o, target + (at + o * group) * row_out)
            if last > first:
                call_row(block, (work, shifts, w, bias, outs, first, last, tall, wide))
            for e in range(n_edges):
                call_row(edge, (work, shifts, w, bias, outs, edges + e * 8 * (wide + 2), tall, wide))
            done += rows


@loop
def depthwise_planes(
    x, out, w, bias, p0, p1, channels, multiplier, plane_in, plane_out, taps, size, y0, y1, chunk, rows, group, step,
    tall, wide, stride, dilation, row_out, first, last, edges, n_edges, shifts, offsets, zero, work, strip, row_strip,
    pitch, before, n_in, left, right, after, strip_row, block, edge,
):  # fmt: skip
    """Output rows y0..y1 of every filter of input planes p0..p1 (of ``channels`` to an image).

    x, out, w, bias: addresses; plane_in, plane_out, taps: bytes of a plane and of a filter; chunk: output rows to a
    strip; rows, group, step: see `_blocks`; first, last: columns of whole blocks; edges: the columns and masks of the
    other vectors; offsets: of padded rows; strip: 0 where rows are read in place (``zero`` stands for a row of zeros),
    else scratch for padded rows of ``row_strip`` bytes, filled by ``strip_row``; work: scratch for row addresses.
    """
    spread = (stride, dilation)
    for p in range(p0, p1):
        source = x + p * plane_in
        c = p % channels
        for ya in range(y0, y1, chunk):
            yb = min(y1, ya + chunk)
            if y1 - yb < rows * group:
                yb = y1
            low = ya * stride
            if strip != 0:
                for r in range((yb - 1 - ya) * stride + (tall - 1) * dilation + 1):
                    offset = fetch(offsets + 8 * (low + r), np.int64)
                    at = 0 if offset == ZERO_ROW else source + offset
                    call_row(strip_row, (at, strip + r * row_strip, pitch, before, n_in, left, right, after))
            for j in range(multiplier):
                f = c * multiplier + j
                target = out + (p * multiplier + j) * plane_out
                if strip != 0:
                    _blocks(strip - low * row_strip, target, w + f * taps, bias + f * size, work, ya, yb - ya, rows,
                            group, step, tall, wide, row_strip, row_out, first, last, edges, n_edges, shifts, zero, 0,
                            spread, block, edge)  # fmt: skip
                else:
                    _blocks(source - before * size, target, w + f * taps, bias + f * size, work, ya, yb - ya, rows,
                            group, step, tall, wide, row_strip, row_out, first, last, edges, n_edges, shifts, zero,
                            offsets, spread, block, edge)  # fmt: skip
            if yb == y1:
                break


__all__ = ["any_edge", "any_rows", "block_rows", "depthwise_planes", "edge_rows"]
