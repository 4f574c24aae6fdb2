"""The transposed sweep: long taps along the row, summed where neighbouring columns are whole vectors.

As many output rows as a vector has samples are summed down the columns into lines (`cpu_separable`), the lines are
turned over square by square, and what was a row of samples at every alignment is a column of aligned vectors that four
sums share.  Turning twice costs about eight instructions a vector; with 25 taps it halves the time of the row.
"""

from .blocks import call_row
from .cpu_separable import line_ends, row_addresses
from .jit import loop
from .memory import ahead, copied
from .transposed_blocks import across, turn_square

# constants of a specialisation, see jit.Loop.address
ACC = FOLD = ()
ACC_SIZE = LANES = 0
FOUR = (None,) * 4
ONE = (None,)


@loop
def turned_lines(lines, pitch, turned, sums, step, w, n, samples, carried, from_there):
    """Each of LANES lines becomes its sums over k of w[k] * line[x + k * step], x < samples.

    lines: address of the first, ``pitch`` bytes to the next; turned, sums: scratch, a vector for each column; step: in
    samples.  Lines and scratch have room for a square of columns and for four steps more.  The first ``carried``
    columns are not in the lines but still in ``turned``, from column ``from_there`` on.
    """
    vector = LANES * ACC_SIZE
    for x in range(carried):
        copied(turned + (from_there + x) * vector, turned + x * vector, vector)
    for x in range(carried, samples + (n - 1) * step, LANES):
        turn_square(lines + x * ACC_SIZE, pitch, turned + x * vector, vector, ACC)
    for x in range(0, samples, 4 * step):
        for i in range(x, x + step):
            across(turned + i * vector, step * vector, w, n, sums + i * vector, ACC, FOLD, FOUR)
    for x in range(0, samples, LANES):
        turn_square(sums + x * vector, vector, lines + x * ACC_SIZE, pitch, ACC)


@loop
def transposed(
    src, row_offset, constant_row, first_row, row_step, wv, wh, step, before, left, right, least, n_in,
    out, out_offset, src_size, out_size, n, square, tile, lines, pitch, turned, sums, rows,
    ring, slots, ring_pitch, outside, unit, many, vertical, horizontal, row, x_begin, x_end,
):  # fmt: skip
    """n output rows of a separable filter, ``square`` at a time, which lie under one another.

    See `cpu_separable.fused`.  x_begin, x_end: the columns that are written; many: lines that ``vertical`` sums at
    once; lines: scratch of ``square`` lines; turned, sums: scratch of `turned_lines`, which ``horizontal`` is; unit: 1,
    the weight with which ``row`` writes a line.
    """
    nv = wv.size
    size = lines.itemsize
    line = lines.ctypes.data
    table = rows.ctypes.data
    reach = (wh.size - 1) * step
    kept = -1
    begin = max(0, x_begin - before)
    stop = max(least if x_begin == 0 else 0, min(n_in, x_end - before + reach))
    for y in range(0, n, square):
        kept = row_addresses(
            src, row_offset, constant_row, first_row[y], row_step, nv + square - 1, rows, ring, slots, ring_pitch,
            begin * src_size, (stop - begin) * src_size, kept,
        )  # fmt: skip
        for x0 in range(x_begin, x_end, tile):
            m = min(tile, x_end - x0)
            start = x0 - before  # source sample at the lines' beginning
            # of the columns that the tile before has seen nothing is summed again, but where padding repeats them
            carried = reach if x0 > x_begin and start + m + reach <= n_in else 0
            a = max(start + carried, 0)
            b = min(start + m + reach, n_in)
            if x0 == 0:
                b = max(b, least)
            for r in range(square):  # while the sums are made, the memory brings what they go to
                for at in range(0, m * out_size, 64):
                    ahead(out + out_offset[y + r] + x0 * out_size + at, ONE)
            to = line + (a - start) * size
            for r in range(0, square if b > a else 0, many):
                at = to + r * pitch * size
                call_row(vertical, (table + 8 * r, wv.ctypes.data, nv, a, b - a, at, pitch * size))
            for r in range(0 if carried else square):
                line_ends(lines, r * pitch, x0, m, reach, before, left, right, n_in, outside)
            scratch = turned.ctypes.data, sums.ctypes.data
            call_row(horizontal, (line, pitch * size, scratch[0], scratch[1], step, wh.ctypes.data, wh.size, m,
                                  carried, tile))  # fmt: skip
            for r in range(square):
                to = out + out_offset[y + r] + x0 * out_size
                call_row(row, (line + r * pitch * size, 1, unit.ctypes.data, 1, to, m))


__all__ = ["transposed", "turned_lines"]
