"""N-D correlations whose every bit is fixed: on rings of padded rows of doubles, a table of addresses for the taps.

A unit is one index of all axes but the last two.  Its kernel's planes (one for each index of the kernel's leading axes
that has taps) each have a ring of source rows, brought into double once; an output row needs as many rows of each ring
as the kernel has.  Sums and their order: see `exact_blocks`.
"""

import numpy as np

from .blocks import call_row, fetch
from .exact_blocks import exact_move, exact_window, keep, put
from .exact_rows import ACC, CONSTANT_ROW, FOUR, ONE
from .jit import helper, loop
from .memory import AHEAD, ahead

# constants of a specialisation, see jit.Loop.address
OUT = ()
OUT_SIZE = LANES = 0

#: places in the parameter block of `window_sweep`
(
    W_UNIT_PLANE, W_UNIT_OUT, W_PLANES, W_ROW_OFFSET, W_COLUMN, W_SRC_STEP, W_OUT_ROW, W_OUT_SIZE, W_BEFORE, W_N_LINE,
    W_REACH, W_ROWS, W_TAPS, W_WEIGHT, W_TAP_PLANE, W_TAP_ROW, W_TAP_COLUMN, W_TILE, W_PITCH, W_CVAL, W_LOAD, W_SUM,
    W_CAST, W_COUNT,
) = range(24)  # fmt: skip


@loop
def window_row(table, w, n, out, samples):
    """out[:samples] = sum over t < n of w[t] * the doubles at table[t]."""
    i = 0
    while i + 4 * LANES <= samples:
        for line in range(0, 4 * LANES * OUT_SIZE, 64):
            ahead(out + i * OUT_SIZE + line + AHEAD, ONE)
        exact_window(table, i * 8, w, n, out, i * OUT_SIZE, OUT, FOUR, ())
        i += 4 * LANES
    if samples >= LANES:
        while i < samples:
            j = min(i, samples - LANES)
            exact_window(table, j * 8, w, n, out, j * OUT_SIZE, OUT, ONE, ())
            i += LANES
    while i < samples:
        exact_window(table, i * 8, w, n, out, i * OUT_SIZE, OUT, ONE, ONE)
        i += 1


@loop
def point_row(source, to, samples):
    """Doubles (in scratch) as uint64, the way that NI_Correlate casts: what is negative by its magnitude."""
    for i in range(samples):
        v = fetch(source + i * 8, ACC)
        if v > 0:
            exact_move(source + i * 8, to + i * 8, ACC, np.uint64, ONE)
        else:
            keep(source + i * 8, -v)
            exact_move(source + i * 8, to + i * 8, ACC, np.uint64, ONE)
            put(to + i * 8, -fetch(to + i * 8, np.int64))


@helper
def _load_rows(p, src, planes, x, end, first, last, room):
    """Padded rows first..last of every plane of a unit, samples x..end, into their rings."""
    slots, pitch, plane_count = p[W_ROWS], p[W_PITCH], p[W_PLANES]
    for y in range(first, last):
        offset = fetch(p[W_ROW_OFFSET] + 8 * y, np.int64)
        for q in range(plane_count):
            base = fetch(planes + 8 * q, np.int64)
            if offset != CONSTANT_ROW and base != CONSTANT_ROW:
                slot = room + (q * slots + y % slots) * pitch
                call_row(p[W_LOAD], (src + base + offset, p[W_SRC_STEP], p[W_COLUMN], p[W_BEFORE], p[W_N_LINE],
                                     x, end, slot, p[W_CVAL]))  # fmt: skip


@loop
def window_sweep(p, src, out, u0, u1, y0, y1, x0, x1, room):
    """Output rows y0..y1, samples x0..x1 of units u0..u1.

    p: the parameter block: addresses of tables and functions, and numbers, at the places W_...; src, out: addresses of
    the first samples; room: address of scratch: the rings, a row of the constant, a line, the table of taps.
    """
    slots, pitch, taps, plane_count = p[W_ROWS], p[W_PITCH], p[W_TAPS], p[W_PLANES]
    constant = room + plane_count * slots * pitch
    line = constant + pitch
    table = line + pitch
    for at in range(constant, line, 8):
        exact_move(p[W_CVAL], at, ACC, ACC, ONE)
    for u in range(u0, u1):
        planes = p[W_UNIT_PLANE] + 8 * u * plane_count
        base_out = out + fetch(p[W_UNIT_OUT] + 8 * u, np.int64)
        for x in range(x0, x1, p[W_TILE]):
            m = min(p[W_TILE], x1 - x)
            end = x + m + p[W_REACH]
            _load_rows(p, src, planes, x, end, y0, y0 + slots - 1, room)
            for y in range(y0, y1):
                _load_rows(p, src, planes, x, end, y + slots - 1, y + slots, room)
                for t in range(taps):
                    q = fetch(p[W_TAP_PLANE] + 8 * t, np.int64)
                    row = y + fetch(p[W_TAP_ROW] + 8 * t, np.int64)
                    at = constant
                    if (
                        fetch(planes + 8 * q, np.int64) != CONSTANT_ROW
                        and fetch(p[W_ROW_OFFSET] + 8 * row, np.int64) != CONSTANT_ROW
                    ):
                        at = room + (q * slots + row % slots) * pitch + 8 * fetch(p[W_TAP_COLUMN] + 8 * t, np.int64)
                    put(table + 8 * t, at)
                to = base_out + y * p[W_OUT_ROW] + x * p[W_OUT_SIZE]
                if p[W_CAST]:
                    call_row(p[W_SUM], (table, p[W_WEIGHT], taps, line, m))
                    call_row(p[W_CAST], (line, to, m))
                else:
                    call_row(p[W_SUM], (table, p[W_WEIGHT], taps, to, m))


__all__ = ["point_row", "window_row", "window_sweep"]
