"""The exact sweep: 1-D passes in double, each stored as the output's dtype would store it, on a ring of rows in cache.

Source rows of any dtype and stride are brought into double once, padded through the border table, into a ring of as
many rows as the taps span.  A pass down the rows sums several outputs from the ring at once; a pass along the line runs
before it (what it leaves goes into the ring) or after it (on the lines that the other leaves).  What lies between two
passes comes back from the output's dtype without ever being stored in it: no full-size temporary exists.
"""

import numpy as np

from .blocks import call_row, fetch
from .exact_blocks import exact_along, exact_down, exact_move, put
from .jit import helper, loop
from .memory import AHEAD, ahead

#: marks a padded row or sample that holds the constant
CONSTANT_ROW = -(2**63)

# constants of a specialisation, see jit.Loop.address.  FINISH: () stores the sum, (None,) * 1 adds it to what is there,
# * 2 stores its square, * 3 adds its square, * 4 adds its square and takes the root
SRC = OUT = TAPS = FOLD = ROWS = FINISH = LINE = NEAR = ()
SRC_SIZE = OUT_SIZE = LANES = 0
FOUR, ONE = (None,) * 4, (None,)
ACC = np.float64

#: places in the parameter block of `sweep`
(
    P_UNIT_SRC, P_UNIT_OUT, P_ROW_OFFSET, P_COLUMN, P_SRC_STEP, P_SRC_SIZE, P_OUT_ROW, P_OUT_SIZE, P_BEFORE, P_N_LINE,
    P_REACH, P_STEP, P_WV, P_NV, P_WH, P_NH, P_TILE, P_SLOTS, P_PITCH, P_MANY, P_CVAL, P_LOAD, P_FIRST, P_DOWN_MANY,
    P_DOWN_ONE, P_ALONG, P_CAST_LINE, P_CAST_OUT, P_DIRECT, P_ALL, P_CONSTANT_COLUMNS, P_COUNT,
) = range(32)  # fmt: skip


@helper
def _outside(src, step, columns, p0, a, b, to, cval, src_t):
    """Padded samples a..b of a row, one by one."""
    for p in range(a, b):
        e = fetch(columns + 8 * p, np.int64)
        if e < 0:
            exact_move(cval, to + (p - p0) * 8, ACC, ACC, ONE)
        else:
            exact_move(src + e * step, to + (p - p0) * 8, src_t, ACC, ONE)


@loop
def load_row(src, step, columns, before, n, p0, p1, to, cval):
    """to[:p1 - p0] = padded samples p0..p1 of a row of n samples ``step`` bytes apart, as doubles.

    columns: address of the int64 source sample of every padded position (-1: the double at address ``cval``);
    before: padded samples in front of the row.
    """
    a = max(p0, min(p1, before))
    b = min(p1, max(p0, before + n))
    _outside(src, step, columns, p0, p0, a, to, cval, SRC)
    at = src + (a - before) * step
    into = to + (a - p0) * 8
    m = b - a
    i = 0
    if step == SRC_SIZE:
        while i + 4 * LANES <= m:
            for line in range(0, 4 * LANES * SRC_SIZE, 64):
                ahead(at + i * SRC_SIZE + line + AHEAD, ())
            exact_move(at + i * SRC_SIZE, into + i * 8, SRC, ACC, ())
            exact_move(at + (i + LANES) * SRC_SIZE, into + (i + LANES) * 8, SRC, ACC, ())
            exact_move(at + (i + 2 * LANES) * SRC_SIZE, into + (i + 2 * LANES) * 8, SRC, ACC, ())
            exact_move(at + (i + 3 * LANES) * SRC_SIZE, into + (i + 3 * LANES) * 8, SRC, ACC, ())
            i += 4 * LANES
        if m >= LANES:
            while i < m:
                j = min(i, m - LANES)
                exact_move(at + j * SRC_SIZE, into + j * 8, SRC, ACC, ())
                i += LANES
    while i < m:
        exact_move(at + i * step, into + i * 8, SRC, ACC, ONE)
        i += 1
    _outside(src, step, columns, p0, max(p0, b), p1, to, cval, SRC)


@loop
def cast_row(source, to, samples):
    """to[:samples] = the doubles at ``source`` as C casts them to OUT; LINE (None,): as doubles again."""
    i = 0
    while i < samples:
        exact_move(source + i * 8, to + i * OUT_SIZE, ACC, OUT, ONE)
        i += 1


@loop
def through_row(line, samples):
    """Doubles as they come back from OUT, in place (there is room for one more behind them)."""
    i = 0
    while i < samples:
        exact_move(line + i * 8, line + samples * 8, ACC, OUT, ONE)
        exact_move(line + samples * 8, line + i * 8, OUT, ACC, ONE)
        i += 1


@loop
def down_row(table, w, n, outs, samples):
    """outs[r][:samples] = sums down ROWS windows of n rows, see `exact_blocks.exact_down`."""
    i = 0
    if len(FINISH) == 0:
        if samples >= LANES:
            while i < samples:
                j = min(i, samples - LANES)
                exact_down(table, j * 8, w, n, outs, j * OUT_SIZE, OUT, LINE, FINISH, TAPS, FOLD, ROWS, ())
                i += LANES
    else:
        while i + LANES <= samples:
            exact_down(table, i * 8, w, n, outs, i * OUT_SIZE, OUT, LINE, FINISH, TAPS, FOLD, ROWS, ())
            i += LANES
    while i < samples:
        exact_down(table, i * 8, w, n, outs, i * OUT_SIZE, OUT, LINE, FINISH, TAPS, FOLD, ROWS, ONE)
        i += 1


@loop
def along_row(line, step, w, n, out, samples):
    """out[:samples] = sums over n taps ``step`` bytes apart along a line, see `exact_blocks.exact_along`."""
    i = 0
    while i + 4 * LANES <= samples:
        for at in range(0, 4 * LANES * OUT_SIZE, 64):
            ahead(out + i * OUT_SIZE + at + AHEAD, ONE)
        exact_along(line + i * 8, step, w, n, out + i * OUT_SIZE, OUT, LINE, FINISH, TAPS, FOLD, NEAR, FOUR, ())
        i += 4 * LANES
    if len(FINISH) == 0 and samples >= LANES:
        while i < samples:
            j = min(i, samples - LANES)
            exact_along(line + j * 8, step, w, n, out + j * OUT_SIZE, OUT, LINE, FINISH, TAPS, FOLD, (), ONE, ())
            i += LANES
    while i < samples:
        exact_along(line + i * 8, step, w, n, out + i * OUT_SIZE, OUT, LINE, FINISH, TAPS, FOLD, (), ONE, ONE)
        i += 1


@loop
def sweep(p, src, out, u0, u1, y0, y1, x0, x1, room):
    """Output rows y0..y1, samples x0..x1 of units u0..u1.

    p: the parameter block: addresses of tables and functions, and numbers, at the places P_...; src, out: addresses of
    the first samples; room: address of scratch: the ring, the lines, a row of the constant, a raw row, the tables.
    """
    columns, before, n_line = p[P_COLUMN], p[P_BEFORE], p[P_N_LINE]
    reach, step, nv, nh = p[P_REACH], p[P_STEP] * 8, p[P_NV], p[P_NH]
    slots, pitch, most, cval = p[P_SLOTS], p[P_PITCH] * 8, p[P_MANY], p[P_CVAL]
    load, first, along, direct = p[P_LOAD], p[P_FIRST], p[P_ALONG], p[P_DIRECT]
    cast_line, cast_out, out_size, out_row = p[P_CAST_LINE], p[P_CAST_OUT], p[P_OUT_SIZE], p[P_OUT_ROW]
    row_offset = p[P_ROW_OFFSET]
    lines = room + slots * pitch
    constant = lines + most * pitch
    raw = constant + pitch
    table = raw + pitch
    outs = table + 8 * (nv + most)
    for at in range(constant, raw, 8):
        exact_move(cval, at, ACC, ACC, ONE)
    for u in range(u0, u1):
        base = src + fetch(p[P_UNIT_SRC] + 8 * u, np.int64)
        base_out = out + fetch(p[P_UNIT_OUT] + 8 * u, np.int64)
        for x in range(x0, x1, p[P_TILE]):
            m = min(p[P_TILE], x1 - x)
            wide = m + reach if along else m  # samples of a row of the ring
            loaded = y0
            y = y0
            while y < y1:
                many = most if y + most <= y1 else 1
                need = y + many + nv - 1
                if p[P_ALL]:
                    need = y1 + nv - 1
                while loaded < need and direct == 0:
                    offset = fetch(row_offset + 8 * loaded, np.int64)
                    slot = room + loaded % slots * pitch
                    if offset != CONSTANT_ROW:
                        to = raw if first else slot
                        end = x + (m + reach if first else wide)
                        call_row(load, (base + offset, p[P_SRC_STEP], columns, before, n_line, x, end, to, cval))
                        if first:
                            call_row(first, (raw, step, p[P_WH], nh, slot, m))
                            if cast_line:
                                call_row(cast_line, (slot, m))
                    loaded += 1
                for k in range(many + nv - 1):
                    offset = fetch(row_offset + 8 * (y + k), np.int64)
                    at = room + (y + k) % slots * pitch
                    if offset == CONSTANT_ROW:
                        at = constant
                    elif direct:
                        at = base + offset + x * 8
                    put(table + 8 * k, at)
                to = base_out + y * out_row + x * out_size
                if p[P_DOWN_ONE]:
                    for r in range(many):
                        put(outs + 8 * r, lines + r * pitch if along or cast_out else to + r * out_row)
                    call_row(p[P_DOWN_MANY] if many > 1 else p[P_DOWN_ONE], (table, p[P_WV], nv, outs, wide))
                for r in range(many):
                    line = lines + r * pitch if p[P_DOWN_ONE] else fetch(table, np.int64)
                    if along:
                        if p[P_DOWN_ONE]:
                            if cast_line:
                                call_row(cast_line, (line, wide))
                            if p[P_CONSTANT_COLUMNS]:
                                _constant_ends(line, columns, x, x + wide, before, n_line, cval)
                        call_row(along, (line, step, p[P_WH], nh, raw if cast_out else to + r * out_row, m))
                        line = raw
                    if cast_out:
                        call_row(cast_out, (line, to + r * out_row, m))
                y += many


@helper
def _constant_ends(line, columns, p0, p1, before, n, cval):
    """The constant where padded samples p0..p1 of a line lie outside it."""
    for p in range(p0, min(p1, before)):
        if fetch(columns + 8 * p, np.int64) < 0:
            exact_move(cval, line + (p - p0) * 8, ACC, ACC, ONE)
    for p in range(max(p0, before + n), p1):
        if fetch(columns + 8 * p, np.int64) < 0:
            exact_move(cval, line + (p - p0) * 8, ACC, ACC, ONE)


__all__ = ["CONSTANT_ROW", "along_row", "cast_row", "down_row", "load_row", "sweep", "through_row"]
