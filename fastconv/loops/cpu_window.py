"""The direct sweep: any set of taps, in any dimensions, as a list of addresses and weights.

For each output row the driver works out where every tap's first sample lies (rows come through a table, so borders,
strides, dilation and further dimensions are only other tables); the row function then keeps eight vectors of sums in
registers while it walks the taps.  Zero taps are not in the list and cost nothing; a new kernel compiles nothing.
Columns near the left and right border read a padded copy of their strip (`gather`), so no loop tests for a border.
"""

from .blocks import call_row, fetch, window
from .cpu_separable import CONSTANT_ROW
from .jit import loop
from .rows import row_function

# constants of a specialisation, see rows.py
SRC = ACC = OUT = STREAM = ()
SRC_SIZE = OUT_SIZE = LANES = 0
EIGHT, TWO, ONE = (None,) * 8, (None,) * 2, (None,)


@row_function
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


@loop
def window_rows(
    src, row_offset, constant_row, first_row, tap_row, tap_byte, w, table, out, out_offset, samples, y0, y1, row1
):
    """Output rows y0..y1: ``samples`` sums each, written at out + out_offset[y].

    src: address of the first source sample of tap column 0; row_offset: byte offset of every padded row
    (CONSTANT_ROW: ``constant_row``); first_row[y]: padded row of tap row 0; tap_row, tap_byte, w: each tap's rows and
    bytes from there and its weight; table: scratch of as many addresses.
    """
    n = w.size
    at = table.ctypes.data
    for y in range(y0, y1):
        first = first_row[y]
        for t in range(n):
            offset = row_offset[first + tap_row[t]]
            table[t] = (constant_row if offset == CONSTANT_ROW else src + offset) + tap_byte[t]
        call_row(row1, (at, w.ctypes.data, n, out + out_offset[y], samples))


@loop
def gather(src, row_offset, p0, p1, columns, strip, pitch, outside, size, src_t):
    """strip[p - p0, j] = source sample ``columns[j]`` of padded row p (-1 and constant rows: ``outside``).

    columns: source samples; size: bytes of one; pitch: samples from one row of the strip to the next.
    """
    for p in range(p0, p1):
        offset = row_offset[p]
        at = (p - p0) * pitch
        if offset == CONSTANT_ROW:
            for j in range(columns.size):
                strip[at + j] = outside
        else:
            for j in range(columns.size):
                c = columns[j]
                strip[at + j] = outside if c < 0 else fetch(src + offset + c * size, src_t)


__all__ = ["gather", "window_row", "window_rows"]
