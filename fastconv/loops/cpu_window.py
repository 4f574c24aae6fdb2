"""The direct sweep: any set of taps, in any dimensions, as a list of addresses and weights.

For each output row the driver works out where every tap's first sample lies (rows come through a table, so borders,
strides, dilation and further dimensions are only other tables); the row function then keeps eight vectors of sums in
registers while it walks the taps.  Zero taps are not in the list and cost nothing; a new kernel compiles nothing.
Columns near the left and right border read a padded, transposed copy of their strip, so no loop tests for a border.
"""

import numpy as np

from .blocks import call_row, fetch, move, scatter, window, window_block
from .cpu_separable import CONSTANT_ROW
from .jit import helper, loop
from .memory import settled

# constants of a specialisation, see jit.Loop.address
SRC = ACC = OUT = ()
ROWS = VECTORS = ()
SRC_SIZE = ACC_SIZE = OUT_SIZE = LANES = TILE = 0
EIGHT, TWO, ONE = (None,) * 8, (None,) * 2, (None,)


@loop
def window_row(table, w, n, out, samples):
    """out[:samples] = sum over t < n of w[t] * samples at address table[t]."""
    i = 0
    if samples >= 8 * LANES:
        while i + 8 * LANES <= samples:
            window(table, i * SRC_SIZE, w, n, out + i * OUT_SIZE, 0, SRC, ACC, OUT, EIGHT, ())
            i += 8 * LANES
        if i < samples:
            j = samples - 8 * LANES  # the last tile overlaps the one before it
            window(table, j * SRC_SIZE, w, n, out + j * OUT_SIZE, 0, SRC, ACC, OUT, EIGHT, ())
    elif samples >= 2 * LANES:
        while i < samples:
            j = min(i, samples - 2 * LANES)
            window(table, j * SRC_SIZE, w, n, out + j * OUT_SIZE, 0, SRC, ACC, OUT, TWO, ())
            i += 2 * LANES
    else:
        while i < samples:  # only from padded copies, which have a vector of slack
            window(table, i * SRC_SIZE, w, n, out + i * OUT_SIZE, min(LANES, samples - i), SRC, ACC, OUT, ONE, ONE)
            i += LANES


@loop
def window_rows(table, w, columns, taps, slices, outs, samples):
    """A few neighbouring output rows of a dense kernel at once, see `blocks.window_block`; at least one tile wide."""
    i = 0
    while i < samples:
        j = min(i, samples - TILE)
        window_block(table, j * SRC_SIZE, w, columns, taps, slices, outs, j * OUT_SIZE, SRC, ACC, OUT, ROWS, VECTORS)
        i += TILE


@helper
def _marched(
    src, row_offset, constant_row, first, w, table, out, out_offset, y, spread, march, deep, plan,
):  # fmt: skip
    """Four output rows from y on, ``spread`` rows apart."""
    at = table.ctypes.data
    for p in range(deep + 3):
        offset = row_offset[first + p * spread]
        table[p] = constant_row if offset == CONSTANT_ROW else src + offset
    outs = at + 8 * (deep + 3)
    for r in range(4):
        table[deep + 3 + r] = out + out_offset[y + r * spread]
    call_row(march, (at, w.ctypes.data, outs, plan.ctypes.data))


@helper
def _together(first_row, y, n, many, spread):
    """Whether ``many`` times ``spread`` output rows from y on lie above each other."""
    last = y + many * spread - 1
    return last < n and first_row[last] == first_row[y] + many * spread - 1


@helper
def _rows(
    src, row_offset, constant_row, first_row, tap_row, tap_byte, w, table, out, out_offset, samples, n, row,
    columns, taps, spread, block, row_block, low, march, deep, plan,
):  # fmt: skip
    """Every output row: where each tap begins, then the row function over ``samples`` outputs from byte ``low`` on.

    columns, taps: of a dense kernel, samples of one of its rows and of one of its slices; then ``block`` outputs that
    lie ``spread`` rows apart, as the kernel's own rows do, are summed together by ``row_block`` (0: no such kernel).
    march: function of four whole rows (0: none) of a kernel of ``deep`` rows, which lie as ``plan`` says.
    """
    at = table.ctypes.data
    y = 0
    while y < n:
        if march and _together(first_row, y, n, 4, spread):
            for start in range(y, y + spread):
                _marched(src, row_offset, constant_row, first_row[start], w, table, out, out_offset, start,
                         spread, march, deep, plan)  # fmt: skip
            y += 4 * spread
            continue
        # a group of as many blocks as rows lie between the kernel's
        if row_block and _together(first_row, y, n, block, spread):
            for start in range(y, y + spread):
                e = 0
                for s in range(0, w.size, taps):
                    for t in range(s, s + taps + (block - 1) * columns):
                        below = max(0, (t - s - taps) // columns + 1)  # rows below the kernel's last
                        tap = t - below * columns
                        offset = row_offset[first_row[start] + tap_row[tap] + below * spread]
                        table[e] = (constant_row if offset == CONSTANT_ROW else src + offset) + tap_byte[tap]
                        e += 1
                for r in range(block):
                    table[e + r] = out + out_offset[start + r * spread] + low
                call_row(row_block, (at, w.ctypes.data, columns, taps, w.size // taps, at + 8 * e, samples))
            y += block * spread
            continue
        for t in range(w.size):
            offset = row_offset[first_row[y] + tap_row[t]]
            table[t] = (constant_row if offset == CONSTANT_ROW else src + offset) + tap_byte[t]
        call_row(row, (at, w.ctypes.data, w.size, out + out_offset[y] + low, samples))
        y += 1


@loop
def gather_columns(src, offsets, n, columns, many, strip, pitch, outside):
    """strip[j * pitch + p] = sample columns[j] of the padded row at src + offsets[p], p < n, j < many.

    offsets, columns: addresses of int64 tables; constant rows and column -1 take the value at address ``outside``.
    Row by row: what is read of a row lies together, and rows may lie where one pushes the other out of the cache.
    """
    for p in range(n):
        offset = fetch(offsets + 8 * p, np.int64)
        for j in range(many):
            column = fetch(columns + 8 * j, np.int64)
            to = strip + (j * pitch + p) * ACC_SIZE
            if column < 0 or offset == CONSTANT_ROW:
                move(outside, to, ACC, ACC)
            else:
                move(src + offset + column * SRC_SIZE, to, SRC, ACC)


@helper
def _edge(
    src, row_offset, first_row, tap_row, tap_column, w, table, out, out_offset, out_size,
    begin, end, columns, strip, pitch, y0, y1, reach, row_strip, gather, scatter,
):  # fmt: skip
    """Outputs begin..end of rows y0..y1, from a transposed padded copy of the columns that they read.

    reach: padded rows from the first tap of an output to the last.  strip[j * pitch + p - p0] is the sample of padded
    row p in ``columns[j]``: an output column is one long row of sums, and few columns cost few loops.
    """
    p0 = first_row[y0]
    p1 = first_row[y1 - 1] + reach + 1
    base = strip.ctypes.data
    size = strip.itemsize
    outside = base + (strip.size - 1) * size
    call_row(gather, (src, row_offset.ctypes.data + 8 * p0, p1 - p0, columns.ctypes.data, columns.size, base, pitch,
                      outside))  # fmt: skip
    sums = base + columns.size * pitch * size
    rows = p1 - reach - p0
    for x in range(end - begin):
        for t in range(w.size):
            table[t] = base + ((x + tap_column[t]) * pitch + tap_row[t]) * size
        call_row(row_strip, (table.ctypes.data, w.ctypes.data, w.size, sums + x * pitch * size, rows))
    to = out + begin * out_size
    index, offset = first_row.ctypes.data + 8 * y0, out_offset.ctypes.data + 8 * y0
    call_row(scatter, (sums - p0 * size, pitch, end - begin, index, to, offset, y1 - y0))


@loop
def scatter_columns(sums, pitch, many, index, out, offset, n):
    """Sample x at out + offset[y] becomes sums[x * pitch + index[y]], converted, for x < many and y < n.

    index, offset: addresses of int64 tables.
    """
    for y in range(n):
        for x in range(many):
            scatter(sums + x * pitch * ACC_SIZE, index + 8 * y, out + x * OUT_SIZE, offset + 8 * y, ACC, OUT)


@loop
def direct(
    src, row_offset, constant_row, src_size, first_row, tap_row, tap_column, w, table, out, out_offset, out_size,
    low, high, n_full, before, left, right, strip, pitch, outside, n, reach,
    columns, taps, spread, block, row_inside, row_block, row_strip, gather, scatter,
    march, deep, plan,
):  # fmt: skip
    """n output rows of ``n_full`` sums each, row y written at out + out_offset[y].

    src: address of the source; row_offset: byte offset of every padded row from there (CONSTANT_ROW:
    ``constant_row``); first_row[y]: padded row of tap row 0; tap_row, tap_column, w: each tap's rows and samples from
    there and its weight; table: scratch for their addresses and those of a block; columns, taps, spread, block,
    row_block, march, deep, plan: see `_rows`; low, high: the outputs whose taps all lie inside a row;
    left, right: source samples of the padded strips that the others read; reach: padded rows from the first tap to
    the last; strip: scratch for one strip of padded rows, ``pitch`` samples a column, their columns of sums, and at
    its end ``outside``, what lies outside rows.
    """
    if high > low:
        scaled = np.empty(tap_column.size, np.int64)
        for t in range(w.size):
            scaled[t] = (tap_column[t] + low - before) * src_size
        _rows(src, row_offset, constant_row, first_row, tap_row, scaled, w, table, out, out_offset, high - low, n,
              row_inside, columns, taps, spread, block, row_block, low * out_size, march, deep, plan)  # fmt: skip
    strip[strip.size - 1] = outside
    a = n if strip.size == 1 else 0
    while a < n:
        if march and _together(first_row, a, n, 4, spread):
            a += 4 * spread
            continue
        b = a + 1
        while b < n and not (march and _together(first_row, b, n, 4, spread)):
            b += 1
        for side in range(2):  # one call: each is compiled into this place
            begin, end = (high, n_full) if side else (0, low)
            columns_read = right if side else left
            if columns_read.size:
                _edge(src, row_offset, first_row, tap_row, tap_column, w, table, out, out_offset, out_size, begin, end,
                      columns_read, strip, pitch, a, b, reach, row_strip, gather, scatter)  # fmt: skip
        a = b
    if march:
        settled()


__all__ = ["direct", "gather_columns", "scatter_columns", "window_row", "window_rows"]
