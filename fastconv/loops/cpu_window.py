"""The direct sweep: any set of taps, in any dimensions, as a list of addresses and weights.

For each output row the driver works out where every tap's first sample lies (rows come through a table, so borders,
strides, dilation and further dimensions are only other tables); the row function then keeps eight vectors of sums in
registers while it walks the taps.  Zero taps are not in the list and cost nothing; a new kernel compiles nothing.
Columns near the left and right border read a padded copy of their strip (`gather`), so no loop tests for a border.
"""

import numpy as np

from .blocks import call_row, fetch, window
from .cpu_separable import CONSTANT_ROW
from .jit import helper, loop

# constants of a specialisation, see jit.Loop.address
SRC = ACC = OUT = STREAM = ()
SRC_SIZE = OUT_SIZE = LANES = 0
EIGHT, TWO, ONE = (None,) * 8, (None,) * 2, (None,)


@loop
def window_row(table, w, n, out, samples):
    """out[:samples] = sum over t < n of w[t] * samples at address table[t]."""
    i = 0
    if samples >= 8 * LANES:
        while i + 8 * LANES <= samples:
            window(table, i * SRC_SIZE, w, n, out + i * OUT_SIZE, 0, SRC, ACC, OUT, EIGHT, STREAM, ())
            i += 8 * LANES
        if i < samples:
            j = samples - 8 * LANES  # the last tile overlaps the one before it
            window(table, j * SRC_SIZE, w, n, out + j * OUT_SIZE, 0, SRC, ACC, OUT, EIGHT, (), ())
    elif samples >= 2 * LANES:
        while i < samples:
            j = min(i, samples - 2 * LANES)
            window(table, j * SRC_SIZE, w, n, out + j * OUT_SIZE, 0, SRC, ACC, OUT, TWO, (), ())
            i += 2 * LANES
    else:
        while i < samples:  # only from padded copies, which have a vector of slack
            window(table, i * SRC_SIZE, w, n, out + i * OUT_SIZE, min(LANES, samples - i), SRC, ACC, OUT, ONE, (), ONE)
            i += LANES


@helper
def _rows(
    src, row_offset, constant_row, first_row, shift, tap_row, tap_byte, w, table, out, out_offset, samples, n, row
):
    """Every output row: where each tap begins, then the row function over ``samples`` outputs."""
    taps = w.size
    at = table.ctypes.data
    for y in range(n):
        first = first_row[y] - shift
        for t in range(taps):
            offset = row_offset[first + tap_row[t]]
            table[t] = (constant_row if offset == CONSTANT_ROW else src + offset) + tap_byte[t]
        call_row(row, (at, w.ctypes.data, taps, out + out_offset[y], samples))


@helper
def _gather(src, row_offset, p0, p1, columns, strip, pitch, outside, size, src_t):
    """strip[p - p0, j] = source sample ``columns[j]`` of padded row p (-1 and constant rows: ``outside``)."""
    for p in range(p0, p1):
        offset = row_offset[p]
        at = (p - p0) * pitch
        for j in range(columns.size):
            c = columns[j]
            inside = offset != CONSTANT_ROW and c >= 0
            strip[at + j] = fetch(src + offset + c * size, src_t) if inside else outside


@loop
def direct(
    src, row_offset, constant_row, src_size, first_row, tap_row, tap_column, w, table, out, out_offset, out_size,
    low, high, n_full, before, left, right, strip, pitch, outside, n, p0, p1, row_inside, row_strip, src_t,
):  # fmt: skip
    """n output rows of ``n_full`` sums each, row y written at out + out_offset[y].

    src: address of the source; row_offset: byte offset of every padded row from there (CONSTANT_ROW:
    ``constant_row``); first_row[y]: padded row of tap row 0; tap_row, tap_column, w: each tap's rows and samples from
    there and its weight; table: scratch of as many addresses; low, high: the outputs whose taps all lie inside a
    row; left, right: source samples of the padded strips that the others read; strip: scratch for padded rows p0..p1
    of one strip, ``pitch`` samples apart.
    """
    scaled = np.empty(tap_column.size, np.int64)
    if high > low:
        for t in range(w.size):
            scaled[t] = tap_column[t] * src_size
        start = src + (low - before) * src_size
        _rows(start, row_offset, constant_row, first_row, 0, tap_row, scaled, w, table, out + low * out_size,
              out_offset, high - low, n, row_inside)  # fmt: skip
    if row_strip == 0:
        return
    size = strip.itemsize
    for t in range(w.size):
        scaled[t] = tap_column[t] * size
    offsets = np.empty(p1 - p0, np.int64)
    for p in range(p1 - p0):
        offsets[p] = p * pitch * size
    base = strip.ctypes.data
    if left.size:
        _gather(src, row_offset, p0, p1, left, strip, pitch, outside, src_size, src_t)
        _rows(base, offsets, 0, first_row, p0, tap_row, scaled, w, table, out, out_offset, low, n, row_strip)
    if right.size:
        _gather(src, row_offset, p0, p1, right, strip, pitch, outside, src_size, src_t)
        _rows(base, offsets, 0, first_row, p0, tap_row, scaled, w, table, out + high * out_size, out_offset,
              n_full - high, n, row_strip)  # fmt: skip


__all__ = ["direct", "window_row"]
