"""Convolution over channels by Winograd's transforms, a panel of tiles at a time.

A panel is a rectangle of tiles of one image.  `panel_operands` packs the padded rows it reads, ``lanes`` channels to
a vector, and writes V[product][channel block][tile][lane]; `panel_results` multiplies by the transformed weights
U[output block][product][channel][output channel] into M[product][tile][output channel], tiles of registers at a time,
and turns its transform into rows of the output.  V, M and the packed rows stay in cache.

Tile i of an axis with dilation d begins at sample (i // d) * d * ADVANCE + i % d, and its samples lie d apart;
so do its MADE outputs, but for strides and their adjoints (see `channels_winograd_axes`), where d is 1.
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
STEP_Y = STEP_X = (None,)
# of a tile: samples from the next one, outputs along an axis, samples read along each, products
ADVANCE = MADE = SAMPLES_Y = SAMPLES_X = PRODUCTS = 0
VECTORS = ()  # output channel vectors of a register tile
LARGE = MIDDLE = SMALL = ()  # tiles of a register tile

# the fields of a table: addresses of tables, samples of axes, bytes of steps
FIELDS = (
    "rows", "columns", "low", "high", "plane", "channels", "dilation_y", "dilation_x",
    "blocks", "v_turn", "v_step", "m_step", "out_h", "out_w", "out_channels", "u_step", "u_block", "out_blocks",
    "piece", "tiles_y", "tiles_x", "panel_y", "panel_x", "groups", "x_sample", "x_group", "out_sample", "out_group",
    "u_group", "bias_group", "at_v", "at_m", "at_piece", "pixel", "weight_in", "weight_out",
)  # fmt: skip
(ROWS, COLUMNS, LOW, HIGH, PLANE, CHANNELS, DILATION_Y, DILATION_X,
 BLOCKS, V_TURN, V_STEP, M_STEP, OUT_H, OUT_W, OUT_CHANNELS, U_STEP, U_BLOCK, OUT_BLOCKS, PIECE,
 TILES_Y, TILES_X, PANEL_Y, PANEL_X, GROUPS, X_SAMPLE, X_GROUP, OUT_SAMPLE, OUT_GROUP, U_GROUP,
 BIAS_GROUP, AT_V, AT_M, AT_PIECE, PIXEL, WEIGHT_IN, WEIGHT_OUT) = range(len(FIELDS))  # fmt: skip

#: input channels of which the weights are turned at once
CHUNK = 64


@helper
def _field(job, index):
    return fetch(job + 8 * index, np.int64)


@helper
def _begin(tile, dilation, step):
    """The first padded sample (``step`` ADVANCE) or output (MADE) of a tile."""
    return tile // dilation * (dilation * step) + tile % dilation


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
    n = len(IN)
    pixel = n * SIZE
    dy, dx = _field(job, DILATION_Y), _field(job, DILATION_X)
    step, block_step = _field(job, V_STEP), _field(job, V_TURN)
    channels, plane = _field(job, CHANNELS), _field(job, PLANE)
    y0, x0 = _begin(i0, dy, ADVANCE), _begin(j0, dx, ADVANCE)
    y1 = _begin(i1 - 1, dy, ADVANCE) + dy * (SAMPLES_Y - 1) + 1
    x1 = _begin(j1 - 1, dx, ADVANCE) + dx * (SAMPLES_X - 1) + 1
    pitch = (x1 - x0) * pixel
    for block in range(first_block, last_block):
        c = block * n
        _pack(job, source + c * plane, min(n, channels - c), y0, y1, x0, x1, strip, ACC, SIZE, IN)
        to = v + block * block_step
        for i in range(i0, i1):
            row = strip + (_begin(i, dy, ADVANCE) - y0) * pitch
            for j in range(j0, j1):
                at = row + (_begin(j, dx, ADVANCE) - x0) * pixel
                tile_image(at, dy * pitch, dx * pixel, to, step, ACC, IN, OUTS, TAPS_Y, TAPS_X, STEP_Y, STEP_X)
                to += pixel


@loop
def panel_results(job, v, u, samples, i0, i1, j0, j1, first_block, last_block, m, piece, bias, out):
    """Outputs of the tiles i0..i1 x j0..j1 of some images, for output blocks first_block..last_block of a group.

    v: the panel's V; u, bias, out: the group's first weights, bias (in whole vectors) and output; m, piece: scratch.
    """
    n = len(OUT)
    wide = n * SIZE
    whole = len(VECTORS) * wide
    each = (i1 - i0) * (j1 - j0)
    tiles = samples * each
    turns, v_turn, v_step = _field(job, BLOCKS), _field(job, V_TURN), _field(job, V_STEP)
    m_step, u_step = _field(job, M_STEP), _field(job, U_STEP)
    for block in range(first_block, last_block):
        for k in range(PRODUCTS):
            a, b, to = v + k * v_step, u + block * _field(job, U_BLOCK) + k * u_step, m + k * m_step
            t = 0
            while t < tiles:
                at, into = a + t * len(IN) * SIZE, to + t * whole
                if tiles - t > len(MIDDLE):
                    product_block(at, v_turn, b, turns, into, ACC, OUT, LARGE, VECTORS, IN)
                    t += len(LARGE)
                elif tiles - t > len(SMALL):
                    product_block(at, v_turn, b, turns, into, ACC, OUT, MIDDLE, VECTORS, IN)
                    t += len(MIDDLE)
                else:
                    product_block(at, v_turn, b, turns, into, ACC, OUT, SMALL, VECTORS, IN)
                    t += len(SMALL)
        for vector in range(len(VECTORS)):
            o = (block * len(VECTORS) + vector) * n
            if o < _field(job, OUT_CHANNELS):
                for s in range(samples):
                    _put(job, m + s * each * whole + vector * wide, i0, i1, j0, j1, piece, o, bias,
                         out + s * _field(job, OUT_SAMPLE), ACC, SIZE, OUT, VECTORS, OUTS,
                         TAPS_Y, TAPS_X, STEP_Y, STEP_X, MADE)  # fmt: skip


@helper
def _put(job, m, i0, i1, j0, j1, piece, o, bias, out, acc, size, lanes, vectors, outs_t, taps_y, taps_x, step_y, step_x,
         outs):  # fmt: skip
    """One vector of output channels, from o on: its tiles transformed, a piece of a tile row at a time, and turned."""
    n = len(lanes)
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
                tile_result(tile, m_step, bias + o * size, to, pitch, dx * wide, acc, lanes, outs_t, taps_y, taps_x,
                            step_y, step_x)  # fmt: skip
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
def transformed_weights(job, weights, first_block, last_block, scratch, u):
    """U of output blocks first_block..last_block of a group, the first of them at u.

    weights: address of the group's, taps one after another, WEIGHT_OUT bytes between output and WEIGHT_IN between input
    channels; scratch: for those of `CHUNK` input channels, turned.
    """
    n = len(OUT)
    wide = n * SIZE
    taps = len(TAPS_Y) * len(TAPS_X)
    in_channels, out_channels = _field(job, CHANNELS), _field(job, OUT_CHANNELS)
    step = _field(job, U_STEP)
    pitch, each = _field(job, WEIGHT_OUT), _field(job, WEIGHT_IN)
    at_once = CHUNK if each == taps * SIZE else 1
    for block in range(first_block, last_block):
        start = u + (block - first_block) * _field(job, U_BLOCK)
        for vector in range(len(VECTORS)):
            o = (block * len(VECTORS) + vector) * n
            there = out_channels - o
            for c in range(0, in_channels, at_once):
                channels = min(at_once, in_channels - c)
                samples = channels * taps
                source = weights + o * pitch + c * each
                for f in range(0, samples, n):
                    at, to = source + f * SIZE, scratch + f * wide
                    if there >= n and f + n <= samples:
                        turn(at, pitch, to, wide, 0, 0, ACC, OUT, ())
                    else:
                        turn(at, pitch, to, wide, there, samples - f, ACC, OUT, (None,))
                for k in range(channels):
                    to = start + ((c + k) * len(VECTORS) + vector) * wide
                    tile_weights(scratch + k * taps * wide, to, step, ACC, OUT, OUTS, TAPS_Y, TAPS_X, STEP_Y, STEP_X)


@loop
def run_panels(operands, results, job, x, u, bias, out, scratch, first, last):
    """Panels first..last of the batch, counted along samples, groups, tile rows, tile columns: each all in one.

    operands, results: addresses of `panel_operands` and `panel_results`; scratch: for one panel.
    """
    tiles_y, tiles_x = _field(job, TILES_Y), _field(job, TILES_X)
    panel_y, panel_x = _field(job, PANEL_Y), _field(job, PANEL_X)
    down, across = (tiles_y + panel_y - 1) // panel_y, (tiles_x + panel_x - 1) // panel_x
    groups = _field(job, GROUPS)
    v, m = scratch + _field(job, AT_V), scratch + _field(job, AT_M)
    piece = scratch + _field(job, AT_PIECE)
    for panel in range(first, last):
        i0, j0 = panel // across % down * panel_y, panel % across * panel_x
        i1, j1 = min(i0 + panel_y, tiles_y), min(j0 + panel_x, tiles_x)
        g, s = panel // (across * down) % groups, panel // (across * down * groups)
        source = x + s * _field(job, X_SAMPLE) + g * _field(job, X_GROUP)
        to = out + s * _field(job, OUT_SAMPLE) + g * _field(job, OUT_GROUP)
        call_row(operands, (job, source, 0, _field(job, BLOCKS), i0, i1, j0, j1, scratch, v))
        call_row(results, (job, v, u + g * _field(job, U_GROUP), 1, i0, i1, j0, j1, 0, _field(job, OUT_BLOCKS), m,
                           piece, bias + g * _field(job, BIAS_GROUP), to))  # fmt: skip


@loop
def run_operands(operands, job, source, samples, first_block, last_block, strip, v):
    """V of whole images for some channel blocks; source: the first image's group."""
    tiles_y, tiles_x = _field(job, TILES_Y), _field(job, TILES_X)
    step, pixel = _field(job, PANEL_Y), _field(job, PIXEL)
    for s in range(samples):
        image = source + s * _field(job, X_SAMPLE)
        for i in range(0, tiles_y, step):
            to = v + (s * tiles_y + i) * tiles_x * pixel
            last = min(i + step, tiles_y)
            call_row(operands, (job, image, first_block, last_block, i, last, 0, tiles_x, strip, to))


@loop
def run_results(transform, results, job, v, weights, u, samples, first_block, last_block, scratch, bias, out):
    """Outputs of whole images for some output blocks of a group.

    transform: address of `transformed_weights`, which then makes U of a block at a time in ``u`` (0: u holds all of
    it); one image is done PANEL_Y tile rows at a time, several all at once.
    """
    tiles_y, tiles_x = _field(job, TILES_Y), _field(job, TILES_X)
    m, piece = scratch + _field(job, AT_M), scratch + _field(job, AT_PIECE)
    step = _field(job, PANEL_Y) if samples == 1 else tiles_y
    for block in range(first_block, last_block):
        at = u
        if transform:
            call_row(transform, (job, weights, block, block + 1, scratch, u))
            at = u - block * _field(job, U_BLOCK)
        for i in range(0, tiles_y, step):
            call_row(results, (job, v + i * tiles_x * _field(job, PIXEL), at, samples, i, min(i + step, tiles_y),
                               0, tiles_x, block, block + 1, m, piece, bias, out))  # fmt: skip


@loop
def run_weights(transform, job, weights, first_block, last_block, scratch, u):
    """`transformed_weights` at an address."""
    call_row(transform, (job, weights, first_block, last_block, scratch, u))


__all__ = [
    "CHUNK",
    "FIELDS",
    "panel_operands",
    "panel_results",
    "run_operands",
    "run_panels",
    "run_results",
    "run_weights",
    "transformed_weights",
]
