"""The fused separable sweep: vertical taps straight from the source rows, horizontal taps on the line they leave.

For four output rows at once the vertical row function sums the source rows (found through a table, so borders,
strides, dilation and further dimensions are only other tables) into four padded lines that stay in the nearest
cache; the ends of the lines are filled through the horizontal border table; the horizontal row function sums them
into the output.  No full-size temporary exists.
"""

import numpy as np

from .blocks import call_row, fetch, horizontal, vertical
from .jit import helper, loop
from .memory import ahead, copied, settled

#: marks a padded row that holds the constant, in a table of row offsets
CONSTANT_ROW = -(2**63)

# constants of a specialisation, see jit.Loop.address
SRC = ACC = OUT = TAPS = FOLD = ROWS = UNIT = ()
SRC_SIZE = ACC_SIZE = OUT_SIZE = LANES = 0
FOUR = (None,) * 4
ONE = (None,)


@loop
def vertical_row(table, w, n, x, samples, line, pitch):
    """line[r][:samples] = sum over k of w[k] * row[k + r][x:], ROWS lines ``pitch`` bytes apart."""
    i = 0
    if samples >= LANES:
        # behind the first vector those follow that lie on a multiple of their size: others take two loads each
        i = -(fetch(table, np.int64) // SRC_SIZE + x) % LANES
        if i:
            i -= LANES
        while i < samples:
            j = max(0, min(i, samples - LANES))
            vertical(table, (x + j) * SRC_SIZE, w, n, line + j * ACC_SIZE, pitch, SRC, ACC, TAPS, FOLD, ROWS, ())
            i += LANES
    while i < samples:
        vertical(table, (x + i) * SRC_SIZE, w, n, line + i * ACC_SIZE, pitch, SRC, ACC, TAPS, FOLD, ROWS, ONE)
        i += 1


@loop
def horizontal_row(line, step, w, n, out, samples):
    """out[:samples] = sum over k of w[k] * line[x + k * step]; step in samples; the line has a vector of slack."""
    step *= ACC_SIZE
    i = 0
    if samples >= 4 * LANES:
        while i + 4 * LANES <= samples:
            at, to = line + i * ACC_SIZE, out + i * OUT_SIZE
            horizontal(at, step, w, n, to, 0, ACC, OUT, TAPS, FOLD, FOUR, UNIT, ())
            i += 4 * LANES
    while i < samples:
        if samples >= LANES:
            j = min(i, samples - LANES)
            at, to = line + j * ACC_SIZE, out + j * OUT_SIZE
            horizontal(at, step, w, n, to, 0, ACC, OUT, TAPS, FOLD, ONE, UNIT, ())
        else:
            horizontal(line, step, w, n, out, samples, ACC, OUT, TAPS, FOLD, ONE, UNIT, ONE)
        i += LANES


@helper
def row_addresses(
    src, row_offset, constant_row, first, row_step, n, rows, ring, slots, ring_pitch, begin, row_bytes, kept
):  # fmt: skip
    """rows[k] = address of padded row ``first + k * row_step``, k < n; with ``slots``, of its copy in the ring.

    The ring holds ``row_bytes`` bytes of each row from byte ``begin`` on.  kept: the padded row from which on there
    are no copies yet; returned as it is afterwards.
    """
    if slots:
        kept = max(kept, first)
    for k in range(n):
        offset = row_offset[first + k * row_step]
        if offset == CONSTANT_ROW:
            rows[k] = constant_row
        elif slots:
            copy = ring.ctypes.data + (first + k) % slots * ring_pitch
            rows[k] = copy - begin
            if first + k >= kept:
                copied(src + offset + begin, copy, row_bytes)
        else:
            rows[k] = src + offset
    return first + n


@helper
def line_ends(lines, at, x0, m, reach, before, left, right, n_in, outside):
    """Fill what a line of the outputs x0 .. x0 + m holds of the padding, from its own samples."""
    start = x0 - before
    for p in range(x0, min(before, x0 + m + reach)):
        e = left[p]
        lines[at + p - x0] = outside if e < 0 else lines[at + e - start]
    for p in range(max(n_in, start), start + m + reach):
        e = right[p - n_in]
        lines[at + p - start] = outside if e < 0 else lines[at + e - start]


@loop
def fused(
    src, row_offset, constant_row, first_row, row_step, shared, wv, wh, step, before, left, right, least, n_in,
    out, out_offset, n_out, src_size, out_size, y0, y1, tile, lines, pitch, rows, ring, slots, ring_pitch, outside,
    vertical4, vertical1, horizontal1, march, plan,
):  # fmt: skip
    """Output rows y0..y1 of a separable filter.

    src, out: addresses; row_offset: byte offset of every padded row from src (CONSTANT_ROW: ``constant_row``);
    first_row[y]: padded row of the first vertical tap, ``row_step`` padded rows between taps; shared: four
    consecutive outputs may share their rows; wv, wh: the taps; step: samples between horizontal taps; before: samples
    of padding in front; left, right: source sample of each padding sample, -1 for ``outside``; least: source samples
    that ``left`` draws on; n_in, n_out: samples of a source and of an output row; tile: output samples at a time;
    lines: scratch of four lines ``pitch`` samples apart; rows: scratch for row addresses.
    ring: scratch of ``slots`` rows ``ring_pitch`` bytes apart that source rows are copied into (slots == 0: they are
    read where they lie); src_size, out_size: bytes of a sample.
    horizontal1 == 0: no horizontal taps, the vertical sums go straight to the output.
    march: function of four whole rows (0: none), which lie as ``plan`` says.
    """
    nv = wv.size
    nh = wh.size
    size = lines.itemsize
    line = lines.ctypes.data
    table = rows.ctypes.data
    reach = (nh - 1) * step
    kept = -1
    y = y0
    while y < y1:
        many = 1
        if shared and y + 4 <= y1 and first_row[y + 3] == first_row[y] + 3:
            many = 4
        kept = row_addresses(
            src, row_offset, constant_row, first_row[y], row_step, nv + many - 1, rows, ring, slots, ring_pitch,
            0, (n_in if horizontal1 else n_out) * src_size, kept,
        )  # fmt: skip
        function = vertical4 if many == 4 else vertical1
        if horizontal1 == 0:
            pace = out_offset[y + 1] - out_offset[y] if many == 4 else 0
            call_row(function, (table, wv.ctypes.data, nv, 0, n_out, out + out_offset[y], pace))
            y += many
            continue
        if march and many == 4:
            for r in range(4):
                rows[nv + 3 + r] = out + out_offset[y + r]
            outs = table + (nv + 3) * 8
            call_row(march, (table, wv.ctypes.data, wh.ctypes.data, outs, plan.ctypes.data))
            y += many
            continue
        x0 = 0
        while x0 < n_out:
            m = min(tile, n_out - x0)
            start = x0 - before  # source sample at the line's beginning
            stop = start + m + reach
            a = max(start, 0)
            b = min(stop, n_in)
            if x0 == 0:
                b = max(b, least)
            if b > a:
                for r in range(many if y + 2 * many <= y1 and slots == 0 and march == 0 else 0):
                    offset = row_offset[first_row[y + many + r] + (nv - 1) * row_step]
                    if offset != CONSTANT_ROW:
                        for line_at in range(a * src_size, b * src_size, 64):
                            ahead(src + offset + line_at, ())
                call_row(function, (table, wv.ctypes.data, nv, a, b - a, line + (a - start) * size, pitch * size))
            for r in range(many):
                at = r * pitch
                line_ends(lines, at, x0, m, reach, before, left, right, n_in, outside)
                to = out + out_offset[y + r] + x0 * out_size
                if y + many + r < y1 and march == 0:
                    following = out + out_offset[y + many + r] + x0 * out_size
                    for line_at in range(0, m * out_size, 64):
                        ahead(following + line_at, ONE)
                call_row(horizontal1, (line + at * size, step, wh.ctypes.data, nh, to, m))
            x0 += m
        y += many
    if march:
        settled()


__all__ = ["CONSTANT_ROW", "fused", "horizontal_row", "line_ends", "row_addresses", "vertical_row"]
