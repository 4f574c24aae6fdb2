"""The exact window sweep: a correlation in any dimensions as a list of taps, in double, in C order.

Source rows of any dtype and stride are brought into double once for each slab (an index along the axes before the
last two), padded through the border table, into a ring of as many rows as the kernel has.  An output row is then the
sum over a list of taps, each an address in a ring.  Where the kernel's slabs are full, several output rows are summed
together, so that a sample that is loaded serves all of them; each still adds its taps in C order.
"""

import numpy as np
from numba import types
from numba.extending import intrinsic

from .blocks import call_row, fetch
from .exact_blocks import Points, exact_move, exact_window, put
from .exact_rows import CONSTANT_ROW
from .jit import loop
from .memory import AHEAD, ahead
from .vec import count

# constants of a specialisation, see jit.Loop.address
OUT = ROWS = VECTORS = ()
OUT_SIZE = LANES = 0
EIGHT, TWO, ONE = (None,) * 8, (None,) * 2, (None,)
ACC = np.float64
#: as memory.AHEAD, where several rows are written at once
NEAR = 1024

#: places in the parameter block of `windows`
(
    W_UNIT_SRC, W_UNIT_OUT, W_ROW_OFFSET, W_COLUMN, W_SRC_STEP, W_OUT_ROW, W_OUT_SIZE, W_BEFORE, W_N_LINE, W_REACH,
    W_SLABS, W_HIGH, W_TAPS, W_WEIGHTS, W_TAP_ROW, W_TAP_COLUMN, W_TILE, W_PITCH, W_CVAL, W_LOAD, W_SUM, W_SLOTS,
    W_MANY, W_SUM_MANY, W_COLUMNS, W_FULL, W_FAR, W_LEAST, W_COUNT,
) = range(29)  # fmt: skip


@intrinsic
def exact_window_rows(typingctx, table, x, w, columns, taps, slabs, outs, out_x, out_t, rows, vectors):
    """Sums of ``rows`` neighbouring output rows, no more than the kernel has, over full slabs of rows x columns taps.

    table: addresses of slabs x (kernel rows + rows - 1) x columns samples; taps: kernel rows x columns; w: the weights
    of slabs x taps; outs: table of the outputs' addresses, ``out_x`` bytes are added.
    """

    def codegen(context, builder, sig, args):
        table, x, w, columns, taps, slabs, outs, out_x = args[:8]
        e = Points(builder)
        r_, v_ = count(rows), count(vectors)
        far, width, one = e.size * e.n, out_t.dtype.bitwidth // 8 * e.n, e.const(1)
        shifts = [e.times(columns, r) for r in range(r_)]
        everything = builder.add(taps, shifts[-1])

        def turn(first, at, low, high):
            """One source sample of every vector, for outputs low..high."""

            def add(i, sums):
                at_x = builder.add(e.integer(table, builder.add(first, i)), x)
                samples = [e.load(e.plus(at_x, far * v), types.float64) for v in range(v_)]
                for r in range(low, high):
                    weight = e.weight(w, builder.add(at, builder.sub(i, shifts[r])))
                    for v in range(v_):
                        k = r * v_ + v
                        sums[k] = builder.fadd(sums[k], builder.fmul(samples[v], weight))
                return sums

            return add

        def each(s, sums):
            first, at = builder.mul(s, everything), builder.mul(s, taps)
            # source rows that only the first outputs reach, those that all do, those that only the last do
            edges = [*shifts, *(builder.add(taps, shift) for shift in shifts)]
            reached = [(0, r + 1) for r in range(r_)] + [(r, r_) for r in range(1, r_)]
            for start, stop, outputs in zip(edges[:-1], edges[1:], reached, strict=True):
                sums = e.repeat(start, stop, one, sums, turn(first, at, *outputs))
            return sums

        sums = e.repeat(e.const(0), slabs, one, [e.zero()] * (r_ * v_), each)
        for r in range(r_):
            to = builder.add(e.integer(outs, r), out_x)
            for v in range(v_):
                e.store(e.plus(to, width * v), sums[r * v_ + v], out_t.dtype)
        return context.get_dummy_value()

    return types.void(*[types.intp] * 8, out_t, rows, vectors), codegen


@loop
def window_rows(table, w, columns, taps, slabs, outs, samples):
    """outs[r][:samples] of ROWS output rows, see `exact_window_rows`; at least one vector of samples."""
    i = 0
    while i + len(VECTORS) * LANES <= samples:
        for r in range(len(ROWS)):
            to = fetch(outs + 8 * r, np.int64) + i * OUT_SIZE + NEAR
            for line in range(0, len(VECTORS) * LANES * OUT_SIZE, 64):
                ahead(to + line, ONE)
        exact_window_rows(table, i * 8, w, columns, taps, slabs, outs, i * OUT_SIZE, OUT, ROWS, VECTORS)
        i += len(VECTORS) * LANES
    while i < samples:
        j = min(i, samples - LANES)
        exact_window_rows(table, j * 8, w, columns, taps, slabs, outs, j * OUT_SIZE, OUT, ROWS, ONE)
        i += LANES


@loop
def window_row(table, w, n, out, samples):
    """out[:samples] = sums over n taps, see `exact_blocks.exact_window`."""
    i = 0
    while i + 8 * LANES <= samples:
        for line in range(0, 8 * LANES * OUT_SIZE, 64):
            ahead(out + i * OUT_SIZE + line + AHEAD, ONE)
        exact_window(table, i * 8, w, n, out, i * OUT_SIZE, OUT, EIGHT, ())
        i += 8 * LANES
    while i + 2 * LANES <= samples:
        exact_window(table, i * 8, w, n, out, i * OUT_SIZE, OUT, TWO, ())
        i += 2 * LANES
    if samples >= LANES:
        while i < samples:
            j = min(i, samples - LANES)
            exact_window(table, j * 8, w, n, out, j * OUT_SIZE, OUT, ONE, ())
            i += LANES
    while i < samples:
        exact_window(table, i * 8, w, n, out, i * OUT_SIZE, OUT, ONE, ONE)
        i += 1


@loop
def windows(p, src, out, u0, u1, y0, y1, x0, x1, room):
    """Output rows y0..y1, samples x0..x1 of units u0..u1.

    p: the parameter block: addresses of tables and functions, and numbers, at the places W_...; src, out: addresses of
    the first samples; room: address of scratch: the rings, a row of the constant, the tables of rows and of taps.
    """
    slabs, high, n, slots, most = p[W_SLABS], p[W_HIGH], p[W_TAPS], p[W_SLOTS], p[W_MANY]
    tap_row, tap_column, pitch = p[W_TAP_ROW], p[W_TAP_COLUMN], p[W_PITCH] * 8
    row_offset, cval, wide, far = p[W_ROW_OFFSET], p[W_CVAL], p[W_COLUMNS], p[W_FAR]
    constant = room + slabs * slots * pitch
    rows = constant + pitch
    outs = rows + 8 * slabs * slots
    table = outs + 8 * most
    for at in range(constant, rows, 8):
        exact_move(cval, at, ACC, ACC, ONE)
    for u in range(u0, u1):
        bases = p[W_UNIT_SRC] + 8 * slabs * u
        base_out = out + fetch(p[W_UNIT_OUT] + 8 * u, np.int64)
        for x in range(x0, x1, p[W_TILE]):
            m = min(p[W_TILE], x1 - x)
            end = x + m + p[W_REACH]
            loaded = y0
            y = y0
            while y < y1:
                many = most if y + most <= y1 and m >= p[W_LEAST] else 1
                while loaded < y + many - 1 + high:
                    offset = fetch(row_offset + 8 * loaded, np.int64)
                    for s in range(slabs):
                        base = fetch(bases + 8 * s, np.int64)
                        slot = s * slots + loaded % slots
                        at = constant
                        if offset != CONSTANT_ROW and base != CONSTANT_ROW:
                            at = room + slot * pitch
                            row = src + base + offset
                            call_row(p[W_LOAD], (row, p[W_SRC_STEP], p[W_COLUMN], p[W_BEFORE], p[W_N_LINE], x, end, at,
                                                 cval))  # fmt: skip
                        put(rows + 8 * slot, at)
                    loaded += 1
                to = base_out + y * p[W_OUT_ROW] + x * p[W_OUT_SIZE]
                turned = y % slots
                if many > 1:
                    entry = table
                    for s in range(slabs):
                        row = turned
                        for _ in range(high + many - 1):
                            at = fetch(rows + 8 * (s * slots + row), np.int64)
                            for c in range(wide):
                                put(entry + 8 * c, at + c * far)
                            entry += 8 * wide
                            row = row + 1 if row + 1 < slots else 0
                    for r in range(many):
                        put(outs + 8 * r, to + r * p[W_OUT_ROW])
                    call_row(p[W_SUM_MANY], (table, p[W_FULL], wide, high * wide, slabs, outs, m))
                else:
                    for t in range(n):
                        slab_row = fetch(tap_row + 8 * t, np.int64)
                        slab = slab_row // high
                        row = slab_row - slab * high + turned
                        row = row - slots if row >= slots else row
                        at = fetch(rows + 8 * (slab * slots + row), np.int64)
                        put(table + 8 * t, at + fetch(tap_column + 8 * t, np.int64))
                    call_row(p[W_SUM], (table, p[W_WEIGHTS], n, to, m))
                y += many


__all__ = ["CONSTANT_ROW", "window_row", "window_rows", "windows"]
