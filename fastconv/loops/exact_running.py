"""Running sums in double, as `scipy.ndimage.uniform_filter1d` takes them: down rows, or along several lines at once.

Down: the totals of a tile of columns lie in scratch, rows come in and rows go out.  What the source cannot be read from
straight (a dtype without rows of its own, a constant border, the output itself) is brought into a plane of doubles,
one tile at a time.  Along: the lanes of a vector are lines; their samples are turned into vectors in a short buffer
that slides along the lines.
"""

import numpy as np

from .blocks import call_row, fetch
from .exact_blocks import exact_move, put
from .exact_rows import CONSTANT_ROW
from .exact_running_blocks import (
    advance,
    fill_one,
    gather_block,
    gather_one,
    run_down,
    run_lines,
    store_total,
    total_down,
    total_lines,
)
from .jit import loop

# constants of a specialisation, see jit.Loop.address
SRC = OUT = LINES = DIVIDE = ROWS = ()
SRC_SIZE = OUT_SIZE = LANES = WIDE = 0
ONE = (None,)
ACC = np.float64

#: outputs in the buffer that slides along lines
CHUNK = 256

#: places in the parameter block of `down`
(
    D_UNIT_SRC, D_UNIT_OUT, D_ROW_OFFSET, D_N_ROWS, D_SIZE, D_OUT_ROW, D_OUT_SIZE, D_SRC_STEP, D_SRC_ROW, D_N_LINE,
    D_TILE, D_PLANE_ROW, D_LOAD, D_FIRST, D_MANY, D_SINGLE, D_AT_ONCE, D_NUMBERS, D_CVAL, D_COUNT,
) = range(20)  # fmt: skip

#: places in the parameter block of `along`
(
    A_LINE_SRC, A_LINE_OUT, A_N_LINES, A_LANES, A_COLUMN, A_BEFORE, A_AFTER, A_N, A_SIZE, A_SRC_STEP, A_OUT_STEP,
    A_NUMBERS, A_CVAL, A_PAD_MANY, A_PAD_ONE, A_LOAD_MANY, A_LOAD_ONE, A_RUN_MANY, A_RUN_ONE, A_COUNT,
) = range(20)  # fmt: skip


@loop
def down_first(offsets, base, n, total, numbers, out, samples):
    """Totals of the first n rows, and the first output row."""
    i = 0
    while i + LANES <= samples:
        total_down(offsets, base + i * SRC_SIZE, n, total + i * 8, numbers, out + i * OUT_SIZE, SRC, OUT, DIVIDE, ())
        i += LANES
    while i < samples:
        total_down(offsets, base + i * SRC_SIZE, n, total + i * 8, numbers, out + i * OUT_SIZE, SRC, OUT, DIVIDE, ONE)
        i += 1


@loop
def down_rows(enter, leave, base, total, numbers, out, out_row, samples):
    """ROWS further output rows."""
    i = 0
    while i + LANES <= samples:
        run_down(enter, leave, base + i * SRC_SIZE, total + i * 8, numbers, out + i * OUT_SIZE, out_row, SRC, OUT, ROWS,
                 DIVIDE, ())  # fmt: skip
        i += LANES
    while i < samples:
        run_down(enter, leave, base + i * SRC_SIZE, total + i * 8, numbers, out + i * OUT_SIZE, out_row, SRC, OUT, ROWS,
                 DIVIDE, ONE)  # fmt: skip
        i += 1


@loop
def down(p, src, out, u0, u1, x0, x1, room):
    """Samples x0..x1 of units u0..u1, whole columns.

    p: the parameter block: addresses of tables and functions, and numbers, at the places D_...; room: address of
    scratch: the totals, then the plane of doubles, its last row the constant's (D_PLANE_ROW bytes each, 0: no plane).
    """
    offsets, n_rows, size, out_row = p[D_ROW_OFFSET], p[D_N_ROWS], p[D_SIZE], p[D_OUT_ROW]
    numbers, most, pitch, step = p[D_NUMBERS], p[D_AT_ONCE], p[D_PLANE_ROW], p[D_SRC_STEP]
    total = room
    plane = room + (p[D_TILE] + 8) // 8 * 64
    if pitch:
        for at in range(plane + n_rows * pitch, plane + n_rows * pitch + pitch, 8):
            exact_move(p[D_CVAL], at, ACC, ACC, ONE)
    for u in range(u0, u1):
        unit = src + fetch(p[D_UNIT_SRC] + 8 * u, np.int64)
        for x in range(x0, x1, p[D_TILE]):
            m = min(p[D_TILE], x1 - x)
            base = unit + x * step
            to = out + fetch(p[D_UNIT_OUT] + 8 * u, np.int64) + x * p[D_OUT_SIZE]
            if pitch:
                for y in range(n_rows):
                    call_row(p[D_LOAD], (base + y * p[D_SRC_ROW], step, 0, 0, m, 0, m, plane + y * pitch, p[D_CVAL]))
                base = plane
            call_row(p[D_FIRST], (offsets, base, size, total, numbers, to, m))
            y = 1
            while y < n_rows:
                enter, leave = offsets + 8 * (y + size - 1), offsets + 8 * (y - 1)
                many = most if y + most <= n_rows else 1
                rows = p[D_MANY] if many > 1 else p[D_SINGLE]
                call_row(rows, (enter, leave, base, total, numbers, to + y * out_row, out_row, m))
                y += many


@loop
def pad_lines(table, columns, count, step, to, cval):
    """``count`` padded samples of every line through the border table."""
    for k in range(count):
        e = fetch(columns + 8 * k, np.int64)
        if e < 0:
            fill_one(cval, to + k * WIDE, LINES)
        else:
            gather_one(table, e * step, to + k * WIDE, SRC, LINES)


@loop
def load_lines(table, x, step, count, to):
    """``count`` samples of every line, ``step`` bytes apart from byte x on."""
    k = 0
    if step == SRC_SIZE:
        while k + LANES <= count:
            gather_block(table, x + k * SRC_SIZE, to + k * WIDE, SRC, LINES)
            k += LANES
    while k < count:
        gather_one(table, x + k * step, to + k * WIDE, SRC, LINES)
        k += 1


@loop
def run_along(buffer, first, count, size, total, numbers, outs, x, step):
    """``count`` outputs of every line, ``step`` bytes apart from byte x on.

    The vector at ``buffer`` has left when the one ``size`` behind it enters; ``first``: the total begins here.
    """
    k = 0
    ahead = size * WIDE
    if first:
        total_lines(buffer + WIDE, size, total, LINES)
        if step == OUT_SIZE and count >= LANES:
            run_lines(buffer + ahead, buffer, total, numbers, outs, x, OUT, LINES, DIVIDE, ONE)
            k = LANES
        else:
            store_total(total, numbers, outs, x, OUT, LINES, DIVIDE)
            k = 1
    if step == OUT_SIZE:
        while k + LANES <= count:
            at = buffer + k * WIDE
            run_lines(at + ahead, at, total, numbers, outs, x + k * OUT_SIZE, OUT, LINES, DIVIDE, ())
            k += LANES
    while k < count:
        at = buffer + k * WIDE
        advance(at + ahead, at, total, LINES)
        store_total(total, numbers, outs, x + k * step, OUT, LINES, DIVIDE)
        k += 1


@loop
def along(p, src, out, g0, g1, room):
    """Groups g0..g1 of lines: first whole groups of A_LANES lines, then the lines that are left, one by one.

    p: the parameter block: addresses of tables and functions, and numbers, at the places A_...; room: address of
    scratch: the tables of lines, the totals, the padding behind the lines, the buffer.
    """
    before, after, n, size, step = p[A_BEFORE], p[A_AFTER], p[A_N], p[A_SIZE], p[A_SRC_STEP]
    columns, numbers, cval = p[A_COLUMN], p[A_NUMBERS], p[A_CVAL]
    whole = p[A_N_LINES] // p[A_LANES]
    table = room
    outs = table + 8 * p[A_LANES]
    total = outs + 8 * p[A_LANES]
    behind = total + 8 * p[A_LANES]
    for g in range(g0, g1):
        lanes = p[A_LANES] if g < whole else 1
        line = g * p[A_LANES] if g < whole else whole * p[A_LANES] + g - whole
        wide = 8 * lanes
        buffer = behind + after * wide
        pad = p[A_PAD_MANY] if lanes > 1 else p[A_PAD_ONE]
        load = p[A_LOAD_MANY] if lanes > 1 else p[A_LOAD_ONE]
        run = p[A_RUN_MANY] if lanes > 1 else p[A_RUN_ONE]
        for r in range(lanes):
            put(table + 8 * r, src + fetch(p[A_LINE_SRC] + 8 * (line + r), np.int64))
            put(outs + 8 * r, out + fetch(p[A_LINE_OUT] + 8 * (line + r), np.int64))
        # all padding before any output: the lines may be worked on in place
        call_row(pad, (table, columns + 8 * (before + n), after, step, behind, cval))
        call_row(pad, (table, columns, before, step, buffer + wide, cval))
        have, at, x = before + 1, before, 0
        while x < n:
            m = min(CHUNK, n - x)
            more = min(before + n, x - 1 + m + size) - at
            if more > 0:
                call_row(load, (table, (at - before) * step, step, more, buffer + have * wide))
                have += more
                at += more
            while at < x - 1 + m + size:
                for j in range(0, wide, 8):
                    exact_move(behind + (at - before - n) * wide + j, buffer + have * wide + j, ACC, ACC, ONE)
                have += 1
                at += 1
            first = 1 if x == 0 else 0
            call_row(run, (buffer, first, m, size, total, numbers, outs, x * p[A_OUT_STEP], p[A_OUT_STEP]))
            x += m
            if x < n:
                for j in range(0, size * wide, 8):
                    exact_move(buffer + m * wide + j, buffer + j, ACC, ACC, ONE)
                have = size


__all__ = ["CHUNK", "CONSTANT_ROW", "along", "down", "down_first", "down_rows", "load_lines", "pad_lines", "run_along"]
