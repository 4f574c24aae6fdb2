"""The tiled spectrum: overlap-save tiles whose transforms have neighbouring samples in the lanes of vectors.

Two tiles side by side are the real and the imaginary part of one complex tile: the kernel is real, so the product of
spectra keeps them apart, and no transform of real numbers is needed.  A tile is cut into panels as wide as a vector.  A
panel is transformed down its rows where it lies, in the nearest cache.  Then square by square the other axis is turned
into the place of the rows; what comes in is transformed down, multiplied by the kernel's spectrum, transformed back and
turned back, panel by panel.  Frequencies stay in the order in which the transforms leave them; the kernel's spectrum is
given in the same.
"""

import numpy as np

from .blocks import call_row, fetch, move
from .cpu_separable import CONSTANT_ROW
from .jit import helper, loop
from .memory import ahead
from .spectrum_blocks import butterfly, clear_vector, filtered, move_vector, store_vector
from .transposed_blocks import turn_square

# constants of a specialisation, see jit.Loop.address
SRC = ACC = OUT = RADIX = TURNED = BACK = ()
SRC_SIZE = ACC_SIZE = OUT_SIZE = LANES = 0
ONE = (None,)
#: rows between the one that is moved and the one whose memory is asked for
SOON = 12


@loop
def transform_step(panel, entries, step, factors):
    """One step of a transform of ``entries`` entries: RADIX of them at a time, ``step`` entries apart.

    factors: address of the complex numbers for each place within ``step``, those of a butterfly together.
    """
    radix = len(RADIX)
    size = 2 * LANES * ACC_SIZE
    for begin in range(0, entries, radix * step):
        for j in range(step):
            at = panel + (begin + j) * size
            butterfly(at, step * size, factors + j * (radix - 1) * 2 * ACC_SIZE, ACC, RADIX, TURNED, BACK)


@loop
def filter_step(panel, entries, spectrum):
    """The last step of a transform, the product with a panel of the kernel's spectrum, and the first step back."""
    size = 2 * LANES * ACC_SIZE
    for begin in range(0, entries, len(RADIX)):
        filtered(panel + begin * size, size, spectrum + begin * size, ACC, RADIX)


@loop
def load_rows(
    src, offsets, rows, constant_row, columns, outside, start, left, n_in, line, width, kept, parts, panel, pitch
):  # fmt: skip
    """Rows of ``parts`` tiles side by side, from those of an image into the panels.

    Row i lies at src + offsets[i] (int64 addresses; CONSTANT_ROW: at ``constant_row``).  Sample p of the first tile is
    sample start + p of the row, the next begins ``kept`` samples behind; those before the row and behind its ``n_in``
    samples are the row's ``columns[p]`` (-1: the number at ``outside``, behind which lies a zero); behind ``left``
    samples there are zeros.  line: scratch for a row of a tile; panel: address of the first row's place in the first
    panel, ``pitch`` bytes from panel to panel.
    """
    for i in range(rows):
        offset = fetch(offsets + 8 * i, np.int64)
        whole = constant_row if offset == CONSTANT_ROW else src + offset
        near = i + SOON if i + SOON < rows else i
        offset = fetch(offsets + 8 * near, np.int64)
        next_row = whole if offset == CONSTANT_ROW else src + offset
        for part in range(parts):
            first = start + part * kept
            samples = min(width, left - part * kept)
            begin = min(samples, max(0, -first))
            end = max(begin, min(samples, n_in - first))
            row = whole + first * SRC_SIZE
            to = panel + (i * 2 + part) * LANES * ACC_SIZE
            if begin == 0 and end == width:
                at = next_row + first * SRC_SIZE
                for _ in range(0, width, LANES):
                    ahead(at, ())
                    ahead(to + SOON * 2 * LANES * ACC_SIZE, ONE)
                    move_vector(row, to, SRC, ACC)
                    at += LANES * SRC_SIZE
                    row += LANES * SRC_SIZE
                    to += pitch
                continue
            p = begin
            while p + LANES <= end:
                move_vector(row + p * SRC_SIZE, line + p * ACC_SIZE, SRC, ACC)
                p += LANES
            while p < end:
                move(row + p * SRC_SIZE, line + p * ACC_SIZE, SRC, ACC)
                p += 1
            for k in range(begin + samples - end):
                p = k if k < begin else k - begin + end
                column = fetch(columns + 8 * (p + part * kept), np.int64)
                if column < 0:
                    move(outside, line + p * ACC_SIZE, ACC, ACC)
                else:
                    move(whole + column * SRC_SIZE, line + p * ACC_SIZE, SRC, ACC)
            for p in range(samples, width):
                move(outside + ACC_SIZE, line + p * ACC_SIZE, ACC, ACC)
            for p in range(0, width, LANES):
                move_vector(line + p * ACC_SIZE, to, ACC, ACC)
                to += pitch


@loop
def clear_rows(panel, pitch, panels, rows):
    """Zeros in one part of ``rows`` entries of each panel."""
    for _ in range(panels):
        for i in range(rows):
            clear_vector(panel + i * 2 * LANES * ACC_SIZE, ACC)
        panel += pitch


@loop
def store_rows(panel, step, pitch, samples, kept, parts, out, offsets, rows):
    """Rows of tiles from their panels, converted, to out + offsets[i]: ``step`` bytes from a row to the next.

    kept: outputs of a tile; samples: those of ``parts`` tiles side by side.
    """
    for i in range(rows):
        row = out + fetch(offsets + 8 * i, np.int64)
        near = out + fetch(offsets + 8 * min(rows - 1, i + SOON), np.int64)
        for part in range(parts):
            at, to = panel + i * step + part * LANES * ACC_SIZE, row + part * kept * OUT_SIZE
            n = min(kept, samples - part * kept)
            for p in range(0, n, LANES):
                ahead(near + (part * kept + p) * OUT_SIZE, ONE)
                if p + LANES <= n:
                    store_vector(at, to, 0, ACC, OUT, ())
                else:
                    store_vector(at, to, n - p, ACC, OUT, ONE)
                at += pitch
                to += LANES * OUT_SIZE


@loop
def turn_panels(source, source_pitch, target, target_pitch, squares):
    """Squares of entries turned over, one behind the other; pitches: bytes from each to the next."""
    vector = LANES * ACC_SIZE
    for _ in range(squares):
        turn_square(source, 2 * vector, target, 2 * vector, ACC)
        turn_square(source + vector, 2 * vector, target + vector, 2 * vector, ACC)
        source += source_pitch
        target += target_pitch


@helper
def _steps(panel, entries, steps):
    """Every step of a transform: rows of (function, entries from one to the next, factors)."""
    for i in range(steps.shape[0]):
        call_row(steps[i, 0], (panel, entries, steps[i, 1], steps[i, 2]))


@loop
def spectrum_tiles(
    src, row_offset, constant_row, first_row, cuts, stride, columns, before, n_in, outside,
    out, out_offset, n_full, src_size, out_size, acc_size, lanes, height, width, reach, kept,
    panels, pitch, work, line, spectrum, down, up, along, home, product,
    load, clear, turn, store,
):  # fmt: skip
    """Output rows cuts[0] .. cuts[-1] of a correlation by spectra; the rows of two neighbouring cuts share a tile.

    src, row_offset, constant_row, first_row: as in `cpu_separable.fused`; stride: rows between outputs; columns: source
    sample of every padded sample of a row, ``before`` of them in front; outside: the number outside rows and a zero;
    out, out_offset, n_full: where output rows lie, and their samples; height, width: of a tile; reach: samples of its
    last rows that only serve the others; kept: columns of outputs of one tile; panels, pitch: scratch for a pair of
    tiles and bytes from panel to panel; work: scratch for a panel of the other axis; line: for a row; spectrum: the
    kernel's, as panels of that axis, divided by a tile's samples; down, along, up, home: the steps of the transforms
    along the rows' axis and the columns', there and back, but for those of ``product``.
    """
    vector = lanes * acc_size
    base, other, across = panels.ctypes.data, work.ctypes.data, spectrum.ctypes.data
    count = width // lanes
    kept_panels = (kept + lanes - 1) // lanes
    for c in range(cuts.size - 1):
        outputs = cuts[c + 1] - cuts[c]
        rows = (outputs - 1) * stride + 1 + reach
        offsets = row_offset.ctypes.data + 8 * first_row[cuts[c]]
        targets = out_offset.ctypes.data + 8 * cuts[c]
        for x0 in range(0, n_full, 2 * kept):
            parts = 2 if x0 + kept < n_full else 1
            call_row(load, (src, offsets, rows, constant_row, columns.ctypes.data + 8 * x0, outside.ctypes.data,
                            x0 - before, columns.size - x0, n_in, line.ctypes.data, width, kept, parts, base,
                            pitch))  # fmt: skip
            for part in range(2):
                cleared = rows if part < parts else 0
                begin = base + cleared * 2 * vector + part * vector
                call_row(clear, (begin, pitch, count, height - cleared))
            for g in range(count):
                _steps(base + g * pitch, height, down)
            for i in range(height // lanes):
                square = base + i * lanes * 2 * vector
                call_row(turn, (square, pitch, other, lanes * 2 * vector, count))
                _steps(other, width, along)
                call_row(product, (other, width, across + i * width * 2 * vector))
                _steps(other, width, home)
                call_row(turn, (other, lanes * 2 * vector, square, pitch, kept_panels))
            for g in range(kept_panels):
                _steps(base + g * pitch, height, up)
            call_row(store, (base, stride * 2 * vector, pitch, min(2 * kept, n_full - x0), kept, parts,
                             out + x0 * out_size, targets, outputs))  # fmt: skip


__all__ = [
    "clear_rows",
    "filter_step",
    "load_rows",
    "spectrum_tiles",
    "store_rows",
    "transform_step",
    "turn_panels",
]
