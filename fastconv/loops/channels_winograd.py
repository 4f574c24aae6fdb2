"""Convolution over channels by Winograd's transforms, a panel of tiles at a time.

A panel is a rectangle of tiles of one image.  `panel_operands` packs the padded rows it reads, ``lanes`` channels to
a vector, and writes V[product][channel block][tile][lane]; `panel_results` multiplies by the transformed weights
U[output block][product][channel][output channel] into M[product][tile][output channel], tiles of registers at a time,
and turns its transform into rows of the output.  V, M and the packed rows stay in cache.

Tile i of an axis with dilation d begins at output (i // d) * d * outs + i % d, and its samples lie d apart.
Fixed numbers come in a table of int64, one field a name below.
"""

import numpy as np

from .blocks import call_row, fetch, move
from .channels_strip import ZERO_ROW
from .channels_winograd_tiles import product_block, put_zeros, tile_image, tile_result, tile_weights, turn
from .jit import helper, loop

# constants of a specialisation, see jit.Loop.address
ACC = np.float32
SIZE = 4
IN = OUT = ()  # lanes of a channel block, of an output channel vector
OUTS = TAPS_Y = TAPS_X = ()
VECTORS = ()  # output channel vectors of a register tile
LARGE = MIDDLE = SMALL = ()  # tiles of a register tile

# the fields of a table: addresses of tables, samples of axes, bytes of steps
FIELDS = (
    "rows", "columns", "low", "high", "plane", "channels",
    "dilation_y", "dilation_x", "blocks", "v_turn", "v_step", "m_step",
    "out_h", "out_w", "out_channels", "u_step", "u_block", "piece",
)  # fmt: skip
(ROWS, COLUMNS, LOW, HIGH, PLANE, CHANNELS, DILATION_Y, DILATION_X, BLOCKS, V_TURN, V_STEP, M_STEP,
 OUT_H, OUT_W, OUT_CHANNELS, U_STEP, U_BLOCK, PIECE) = range(len(FIELDS))  # fmt: skip

#: input channels of which the weights are turned at once
CHUNK = 16


@helper
def _field(job, index):
    return fetch(job + 8 * index, np.int64)


@helper
def _begin(tile, dilation, outs):
    """The first output (and padded sample) of a tile."""
    return tile // dilation * (dilation * outs) + tile % dilation


@helper
def _pack(job, source, channels, y0, y1, x0, x1, strip, acc, size, lanes):
    """Padded rows y0..y1, columns x0..x1 of up to ``lanes`` channels: strip[row][column][lane]."""
    n = len(lanes)
    pixel = n * size
    rows, columns = _field(job, ROWS), _field(job, COLUMNS)
    plane = _field(job, PLANE)
    low = min(max(_field(job, LOW), x0), x1)
    high = max(min(_field(job, HIGH), x1), low)
    inside = high - low
    for y in range(y0, y1):
        offset = fetch(rows + 8 * y, np.int64)
        to = strip + (y - y0) * (x1 - x0) * pixel
        if offset == ZERO_ROW:
            for x in range(x1 - x0):
                put_zeros(to + x * pixel, acc, lanes)
            continue
        start = source + offset
        if inside:
            at = start + fetch(columns + 8 * low, np.int64) * size
            first = to + (low - x0) * pixel
            if channels == n and inside >= n:
                for x in range(0, inside - n, n):
                    turn(at + x * size, plane, first + x * pixel, pixel, 0, 0, acc, lanes, ())
                x = inside - n
                turn(at + x * size, plane, first + x * pixel, pixel, 0, 0, acc, lanes, ())
            else:
                for x in range(0, inside, n):
                    turn(at + x * size, plane, first + x * pixel, pixel, channels, inside - x, acc, lanes, (None,))
        # what lies beside the image, and what the last turn wrote beyond it
        x = x0
        while x < x1:
            if x == low:
                x = high
                if x >= x1:
                    break
            column = fetch(columns + 8 * x, np.int64)
            cell = to + (x - x0) * pixel
            if column < 0 or channels < n:
                put_zeros(cell, acc, lanes)
            if column >= 0:
                for c in range(channels):
                    move(start + c * plane + column * size, cell + c * size, acc, acc)
            x += 1


@loop
def panel_operands(job, source, first_block, last_block, i0, i1, j0, j1, strip, v):
    """V of the tiles i0..i1 x j0..j1 of one image, for channel blocks first_block..last_block of a group.

    source: address of the group's first channel; strip: scratch for the rows; v: address of the panel's first tile.
    """
    n, outs = len(IN), len(OUTS)
    pixel = n * SIZE
    dy, dx = _field(job, DILATION_Y), _field(job, DILATION_X)
    step, block_step = _field(job, V_STEP), _field(job, V_TURN)
    channels, plane = _field(job, CHANNELS), _field(job, PLANE)
    y0, x0 = _begin(i0, dy, outs), _begin(j0, dx, outs)
    y1 = _begin(i1 - 1, dy, outs) + dy * (len(OUTS) + len(TAPS_Y) - 2) + 1
    x1 = _begin(j1 - 1, dx, outs) + dx * (len(OUTS) + len(TAPS_X) - 2) + 1
    pitch = (x1 - x0) * pixel
    for block in range(first_block, last_block):
        c = block * n
        _pack(job, source + c * plane, min(n, channels - c), y0, y1, x0, x1, strip, ACC, SIZE, IN)
        to = v + block * block_step
        for i in range(i0, i1):
            row = strip + (_begin(i, dy, outs) - y0) * pitch
            for j in range(j0, j1):
                at = row + (_begin(j, dx, outs) - x0) * pixel
                tile_image(at, dy * pitch, dx * pixel, to, step, ACC, IN, OUTS, TAPS_Y, TAPS_X)
                to += pixel


@loop
def panel_results(job, v, u, i0, i1, j0, j1, first_block, last_block, m, piece, bias, out):
    """Outputs of the tiles i0..i1 x j0..j1 of one image, for output blocks first_block..last_block of a group.

    v: the panel's V; u, bias, out: the group's first weights, bias (in whole vectors) and output; m, piece: scratch.
    """
    n = len(OUT)
    wide = n * SIZE
    whole = len(VECTORS) * wide
    products = (len(OUTS) + len(TAPS_Y) - 1) * (len(OUTS) + len(TAPS_X) - 1)
    tiles = (i1 - i0) * (j1 - j0)
    turns, v_turn, v_step = _field(job, BLOCKS), _field(job, V_TURN), _field(job, V_STEP)
    m_step, u_step = _field(job, M_STEP), _field(job, U_STEP)
    for block in range(first_block, last_block):
        for k in range(products):
            a, b, to = v + k * v_step, u + block * _field(job, U_BLOCK) + k * u_step, m + k * m_step
            t = 0
            while t < tiles:
                at, into = a + t * len(IN) * SIZE, to + t * whole
                if tiles - t > len(MIDDLE):
                    product_block(at, v_turn, b, turns, into, 1, ACC, OUT, LARGE, VECTORS, IN)
                    t += len(LARGE)
                elif tiles - t > len(SMALL):
                    product_block(at, v_turn, b, turns, into, 1, ACC, OUT, MIDDLE, VECTORS, IN)
                    t += len(MIDDLE)
                else:
                    product_block(at, v_turn, b, turns, into, 1, ACC, OUT, SMALL, VECTORS, IN)
                    t += len(SMALL)
        for vector in range(len(VECTORS)):
            o = (block * len(VECTORS) + vector) * n
            if o < _field(job, OUT_CHANNELS):
                _put(job, m + vector * wide, i0, i1, j0, j1, piece, o, bias, out, ACC, SIZE, OUT, VECTORS, OUTS, TAPS_Y, TAPS_X)


@helper
def _put(job, m, i0, i1, j0, j1, piece, o, bias, out, acc, size, lanes, vectors, outs_t, taps_y, taps_x):

    """One vector of output channels, from o on: its tiles transformed, a piece of a tile row at a time, and turned."""
    n = len(lanes)
    outs = len(outs_t)
    wide = n * size
    whole = len(vectors) * wide
    dy, dx = _field(job, DILATION_Y), _field(job, DILATION_X)
    h, w, channels = _field(job, OUT_H), _field(job, OUT_W), _field(job, OUT_CHANNELS)
    at_once, m_step = _field(job, PIECE), _field(job, M_STEP)
    plane = h * w * size
    pitch = at_once * outs * wide
    there = min(n, channels - o)
    for i in range(i0, i1):
        y = _begin(i, dy, outs)
        for j in range(j0, j1, at_once):
            x = _begin(j, dx, outs)
            end = min(j + at_once, j1)
            for t in range(j, end):
                tile = m + ((i - i0) * (j1 - j0) + t - j0) * whole
                to = piece + (_begin(t, dx, outs) - x) * wide
                tile_result(tile, m_step, bias + o * size, to, pitch, dx * wide, acc, lanes, outs_t, taps_y, taps_x)
            across = min(w - x, at_once * outs)
            for a in range(min(outs, (h - y + dy - 1) // dy)):
                row = piece + a * pitch
                to = out + o * plane + ((y + a * dy) * w + x) * size
                p = 0
                while p < across:
                    if there == n and across >= n:
                        p = min(p, across - n)  # the last turn overlaps the one before it
                        turn(row + p * wide, wide, to + p * size, plane, 0, 0, acc, lanes, ())
                    else:
                        turn(row + p * wide, wide, to + p * size, plane, across - p, there, acc, lanes, (None,) * 2)
                    p += n


@loop
def transformed_weights(weights, in_channels, out_channels, first_block, last_block, block, step, scratch, u):
    """U of output blocks first_block..last_block; weights: address of (out_channels, in_channels, taps) of a group.

    block, step: bytes of a block and of a product in U; scratch: for the turned weights of `CHUNK` channels.
    """
    n = len(OUT)
    wide = n * SIZE
    taps = len(TAPS_Y) * len(TAPS_X)
    pitch = in_channels * taps * SIZE
    for b in range(first_block, last_block):
        for vector in range(len(VECTORS)):
            o = (b * len(VECTORS) + vector) * n
            there = out_channels - o
            for c in range(0, in_channels, CHUNK):
                channels = min(CHUNK, in_channels - c)
                samples = channels * taps
                source = weights + o * pitch + c * taps * SIZE
                for f in range(0, samples, n):
                    at, to = source + f * SIZE, scratch + f * wide
                    if there >= n and f + n <= samples:
                        turn(at, pitch, to, wide, 0, 0, ACC, OUT, ())
                    else:
                        turn(at, pitch, to, wide, there, samples - f, ACC, OUT, (None,))
                for k in range(channels):
                    to = u + b * block + ((c + k) * len(VECTORS) + vector) * wide
                    tile_weights(scratch + k * taps * wide, to, step, ACC, OUT, OUTS, TAPS_Y, TAPS_X)



@loop
def run_panel(operands, results, job, source, blocks, i0, i1, j0, j1, strip, v, u, out_blocks, m, piece, bias, out):
    """A whole panel, by the functions at two addresses: all channels in, all channels out."""
    call_row(operands, (job, source, 0, blocks, i0, i1, j0, j1, strip, v))
    call_row(results, (job, v, u, i0, i1, j0, j1, 0, out_blocks, m, piece, bias, out))


@loop
def run_weights(function, weights, in_channels, out_channels, first, last, block, step, scratch, u):
    """`transformed_weights` at an address."""
    call_row(function, (weights, in_channels, out_channels, first, last, block, step, scratch, u))


__all__ = ["FIELDS", "CHUNK", "panel_operands", "panel_results", "run_panel", "run_weights", "transformed_weights"]
