"""The direct convolution with output channels in the lanes: register tiles over padded strips.

`deep` walks blocks of output channels, blocks
of input channels (so that the weights of both stay in the second-level cache), rows and tiles of pixels; sums of a
tile lie pixel after pixel and are transposed into the output when their last input channel is in.
"""

from .blocks import call_row, fetch
from .channels_strip import put
from .channels_tiles import deep_tile, turned
from .jit import loop

# constants of a specialisation, see jit.Loop.address
ACC = ()
ROWS = PIXELS = VECTORS = STEP = LANES_T = ()
SIZE = LANES = 0


@loop
def deep_row(x, channel, row, taps, n_taps, channels, w, start, pace, sums):
    """One tile of ROWS x PIXELS pixels, see `channels_tiles.deep_tile`."""
    deep_tile(x, channel, row, taps, n_taps, channels, w, start, pace, sums, ACC, ROWS, PIXELS, VECTORS, STEP)


@loop
def deep_store(sums, out, plane, out_row, some, spare):
    """Sums of a tile, pixel after pixel, into ``some`` <= VECTORS * LANES output channels ``plane`` bytes apart."""
    pixels = len(PIXELS)
    vectors = len(VECTORS)
    pitch = vectors * LANES * SIZE
    for r in range(len(ROWS)):
        for v in range(vectors):
            left = some - v * LANES
            if left > 0:
                at = sums + r * pixels * pitch + v * LANES * SIZE
                to = out + r * out_row + v * LANES * plane
                if pixels >= LANES:
                    p = 0
                    while p < pixels:  # the last group overlaps the one before it
                        q = min(p, pixels - LANES)
                        turned(at + q * pitch, pitch, LANES, to + q * SIZE, plane, left, spare, ACC, LANES_T)
                        p += LANES
                else:
                    turned(at, pitch, pixels, to, plane, left, spare, ACC, PIXELS)


@loop
def deep_pack(source, pitch, k, some, target, spare):
    """target[i] = weight i of ``some`` <= VECTORS * LANES output channels, i < k: rows ``pitch`` bytes apart turned.

    spare: a vector of zeros, which missing output channels read.
    """
    vectors = len(VECTORS)
    plane = vectors * LANES * SIZE
    for v in range(vectors):
        left = some - v * LANES
        at = source + v * LANES * pitch
        to = target + v * LANES * SIZE
        i = 0
        while i + LANES <= k:
            turned(at + i * SIZE, pitch, left, to + i * plane, plane, LANES, spare, ACC, LANES_T)
            i += LANES
        if i < k and k >= LANES:
            i = k - LANES
            turned(at + i * SIZE, pitch, left, to + i * plane, plane, LANES, spare, ACC, LANES_T)
        elif i < k:
            for j in range(LANES):
                for t in range(k):
                    value = fetch(at + j * pitch + t * SIZE, ACC) if j < left else fetch(spare, ACC)
                    put(to + t * plane + j * SIZE, value, ACC)


@loop
def deep_pack_blocks(source, pitch, k, some, lanes, size, target, blocks, zeros, pack, first):
    """Every block of one group: [block][k][lane] from ``some`` rows ``pitch`` bytes apart."""
    for b in range(first, blocks):
        call_row(
            pack,
            (source + b * lanes * pitch, pitch, k, min(lanes, some - b * lanes), target + b * k * lanes * size, zeros),
        )


@loop
def deep(
    x, channel, row, step, taps, n_taps, channels, most, w, w_pitch, packed, panel, start,
    rows, n_rows, pixels, n_pixels, some, lanes, size, out, plane, out_row, sums, tile, spare, zeros,
    b0, b1, tile_rows, tile_row, store_rows, store_row, pack,
):  # fmt: skip
    """Output rows of the blocks b0..b1 of ``lanes`` output channels each.

    x: address of the strip, tap (0, 0) of output (0, 0); channel, row, step: bytes between its channels, between output
    rows and between output columns; most: input channels of a block; w: weights packed [block][channel][tap][lane]
    where ``packed``, else the raw rows, ``w_pitch`` bytes apart, which ``pack`` turns into ``panel``; start: what the
    sums start with, [block][lane]; rows, pixels: of a tile; n_rows, n_pixels: of the output; some: output channels
    in all; sums: scratch for the tiles' sums, ``tile`` bytes each; tile_rows, tile_row: the tile's function and that
    of a single row (for the rows left over); store_rows, store_row: likewise.
    """
    for b in range(b0, b1):
        left = min(some - b * lanes, lanes)
        for c0 in range(0, channels, most):
            many = min(most, channels - c0)
            weights = w + (b * channels + c0) * n_taps * lanes * size
            if packed == 0:
                raw = w + b * lanes * w_pitch + c0 * n_taps * size
                call_row(pack, (raw, w_pitch, many * n_taps, left, panel, zeros))
                weights = panel
            last = c0 + many >= channels
            at = sums
            y = 0
            while y < n_rows:
                whole = y + rows <= n_rows
                p = 0
                while p < n_pixels:
                    q = min(p, n_pixels - pixels)
                    begin, pace = (start + b * lanes * size, 0) if c0 == 0 else (at, lanes * size)
                    here = x + c0 * channel + y * row + q * step
                    call_row(
                        tile_rows if whole else tile_row,
                        (here, channel, row, taps, n_taps, many, weights, begin, pace, at),
                    )
                    if last:
                        to = out + b * lanes * plane + y * out_row + q * size
                        call_row(store_rows if whole else store_row, (at, to, plane, out_row, left, spare))
                    if most < channels:
                        at += tile
                    p += pixels
                y += rows if whole else 1


__all__ = ["deep", "deep_pack", "deep_pack_blocks", "deep_row", "deep_store"]
