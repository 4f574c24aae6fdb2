"""Separable filters of volumes: the first axis summed into a few planes that stay in cache, then each plane filtered.

Four planes share the rows that their sums read, as four rows of a plane do.  A plane is filtered by another loop, whose
arguments lie in memory as words (see `handoff`): from plane to plane a few of them change.
"""

from .blocks import call_row
from .cpu_separable import row_addresses
from .jit import loop


@loop
def planes(
    src, row_offset, constant_row, first_row, begin, height, chunk, reach, step, shared, w, room, room_step, plane_step,
    width, rows, relative, out, out_offset, ring, words, places, filters, forward, vertical4, vertical1,
):  # fmt: skip
    """Output rows of planes of ``height`` rows, the first of them row ``begin`` of its plane.

    src, row_offset, constant_row, first_row: as in `cpu_separable.fused`; w: taps along the first axis, ``step`` padded
    rows apart; shared: four planes may share their rows; chunk: output rows of a plane at a time, which read ``reach``
    rows more than there are between the first and the last of them; room: scratch for four planes' rows, ``room_step``
    and ``plane_step`` bytes apart; width: samples of a row; rows: scratch for row addresses; relative: first padded row
    of each output row of a plane, from that of the first; out, out_offset: where output rows lie; ring: an array of one
    item, of no use.
    filters, words, forward: the loop that filters a plane, its arguments, and what makes the call; places: where among
    these stand the source, the rows' positions and their number, the output, the output rows' offsets and their number,
    and the number of rows.
    """
    table = rows.ctypes.data
    base = room.ctypes.data
    y = 0
    while y < first_row.size:
        at = (begin + y) % height
        n = min(chunk, height - at, first_row.size - y)
        many = 1
        whole = shared and at == 0 and y + 4 * height <= first_row.size
        if whole and first_row[y + 3 * height] == first_row[y] + 3 * step:
            many, n = 4, height
        for a in range(at, at + n, chunk):
            b = min(at + n, a + chunk)
            first = first_row[y + a - at]
            for i in range(relative[b - 1] + reach + 1 - relative[a]):
                row_addresses(
                    src, row_offset, constant_row, first + i, step, w.size + many - 1, rows, ring, 0, 0, 0, 0, -1
                )
                call_row(vertical4 if many == 4 else vertical1, (table, w.ctypes.data, w.size, 0, width,
                                                                 base + i * room_step, plane_step))  # fmt: skip
            for r in range(many):
                offsets = out_offset.ctypes.data + 8 * (y + a - at + r * height)
                words[places[0]] = base + r * plane_step - relative[a] * room_step
                words[places[1]] = relative.ctypes.data + 8 * a
                words[places[1] + 1] = b - a
                words[places[2]] = out
                words[places[3]] = offsets
                words[places[3] + 1] = b - a
                words[places[4]] = b - a
                call_row(forward, (filters, words.ctypes.data))
        y += many * n


__all__ = ["planes"]
