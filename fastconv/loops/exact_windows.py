"""The exact window sweep: a correlation in any dimensions as a list of taps, in double, in C order.

Source rows of any dtype and stride are brought into double once for each slab (an index along the axes before the
last two), padded through the border table, into a ring of as many rows as the kernel has.  An output row is then the
sum over a list of taps, each an address in a ring.
"""

import numpy as np

from .blocks import call_row, fetch
from .exact_blocks import exact_move, exact_window, put
from .exact_rows import CONSTANT_ROW
from .jit import loop

# constants of a specialisation, see jit.Loop.address
OUT = ()
OUT_SIZE = LANES = 0
EIGHT, TWO, ONE = (None,) * 8, (None,) * 2, (None,)
ACC = np.float64

#: places in the parameter block of `windows`
(
    W_UNIT_SRC, W_UNIT_OUT, W_ROW_OFFSET, W_COLUMN, W_SRC_STEP, W_OUT_ROW, W_OUT_SIZE, W_BEFORE, W_N_LINE, W_REACH,
    W_SLABS, W_HIGH, W_TAPS, W_WEIGHTS, W_TAP_ROW, W_TAP_COLUMN, W_TILE, W_PITCH, W_CVAL, W_LOAD, W_SUM, W_COUNT,
) = range(22)  # fmt: skip


@loop
def window_row(table, w, n, out, samples):
    """out[:samples] = sums over n taps, see `exact_blocks.exact_window`."""
    i = 0
    while i + 8 * LANES <= samples:
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
    slabs, high, n = p[W_SLABS], p[W_HIGH], p[W_TAPS]
    tap_row, tap_column, pitch = p[W_TAP_ROW], p[W_TAP_COLUMN], p[W_PITCH] * 8
    row_offset, cval = p[W_ROW_OFFSET], p[W_CVAL]
    constant = room + slabs * high * pitch
    rows = constant + pitch
    table = rows + 8 * slabs * high
    for at in range(constant, rows, 8):
        exact_move(cval, at, ACC, ACC, ONE)
    for u in range(u0, u1):
        bases = p[W_UNIT_SRC] + 8 * slabs * u
        base_out = out + fetch(p[W_UNIT_OUT] + 8 * u, np.int64)
        for x in range(x0, x1, p[W_TILE]):
            m = min(p[W_TILE], x1 - x)
            end = x + m + p[W_REACH]
            loaded = y0
            for y in range(y0, y1):
                while loaded < y + high:
                    offset = fetch(row_offset + 8 * loaded, np.int64)
                    for s in range(slabs):
                        base = fetch(bases + 8 * s, np.int64)
                        slot = s * high + loaded % high
                        at = constant
                        if offset != CONSTANT_ROW and base != CONSTANT_ROW:
                            at = room + slot * pitch
                            from_ = src + base + offset
                            call_row(p[W_LOAD], (from_, p[W_SRC_STEP], p[W_COLUMN], p[W_BEFORE], p[W_N_LINE], x, end,
                                                 at, cval))  # fmt: skip
                        put(rows + 8 * slot, at)
                    loaded += 1
                turned = y % high
                for t in range(n):
                    slab_row = fetch(tap_row + 8 * t, np.int64)
                    slab = slab_row // high * high
                    row = slab_row - slab + turned
                    row = row - high if row >= high else row
                    put(table + 8 * t, fetch(rows + 8 * (slab + row), np.int64) + fetch(tap_column + 8 * t, np.int64))
                to = base_out + y * p[W_OUT_ROW] + x * p[W_OUT_SIZE]
                call_row(p[W_SUM], (table, p[W_WEIGHTS], n, to, m))


__all__ = ["CONSTANT_ROW", "window_row", "windows"]
