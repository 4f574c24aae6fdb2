"""The direct convolution with neighbouring pixels in the lanes: a few output channels times a few vectors of pixels.

Weights are read where they lie, one sample spread over a vector, so nothing is packed: for few channels, where the
weights are few and rows are long, and for 1 x 1 kernels of any number of channels.
"""

import numpy as np
from numba import types
from numba.extending import intrinsic

from .blocks import call_row, fetch
from .channels_depthwise import store_masked
from .channels_polyphase import below
from .channels_strip import ZERO_ROW
from .jit import helper, loop
from .vec import Emitter, count

# constants of a specialisation, see jit.Loop.address
ACC = np.float32
BLOCK = VECTORS = SINGLE = ()


@intrinsic
def wide_tile(
    typingctx, x, channel, taps, n_taps, channels, w, w_pitch, bias, target, plane, left, acc_t, block, vectors, single
):
    """target[j] = bias[j] + sum over c, t of w[j][c][t] * samples at x + c * channel + taps[t], j < block.

    x, w, bias, target: addresses; taps: of the int64 byte offsets (``single`` (None,): one tap, at 0); channel, plane:
    bytes between channels of the image and of the output; w_pitch: bytes from the weights of one output channel to the
    next one's; left: samples to store, of ``vectors`` vectors of neighbours.
    """

    def codegen(context, builder, sig, args):
        x, channel, taps, n_taps, channels, w, w_pitch, bias, target, plane, left = args[:11]
        e = Emitter(builder, acc_t.dtype)
        j_, v_ = count(block), count(vectors)
        zero, one = e.const(0), e.const(1)
        ahead = [e.times(w_pitch, j) for j in range(j_)]

        def tap(at, w, sums):
            samples = [e.load(e.plus(at, e.size * e.n * v), acc_t.dtype) for v in range(v_)]
            new = []
            for j in range(j_):
                weight = e.weight(e.plus(w, ahead[j]), 0)
                new += [e.fma(samples[v], weight, sums[j * v_ + v]) for v in range(v_)]
            return new

        def each(c, values):
            at, w, *sums = values
            if count(single):
                sums = tap(at, w, sums)
                w = e.plus(w, e.size)
            else:

                def inner(t, values):
                    w, *sums = values
                    return [e.plus(w, e.size), *tap(builder.add(at, e.integer(taps, t)), w, sums)]

                w, *sums = e.repeat(zero, n_taps, one, [w, *sums], inner)
            return [builder.add(at, channel), w, *sums]

        start = [e.weight(bias, j) for j in range(j_) for _ in range(v_)]
        _, _, *sums = e.repeat(zero, channels, one, [x, w, *start], each)
        whole = builder.icmp_signed(">=", left, e.const(v_ * e.n))
        with builder.if_else(whole) as branches:
            for branch, masked in zip(branches, (False, True), strict=True):
                with branch:
                    to = target
                    for j in range(j_):
                        for v in range(v_):
                            at = e.plus(to, e.size * e.n * v)
                            if masked:
                                store_masked(e, at, sums[j * v_ + v], below(e, e.plus(left, -v * e.n)))
                            else:
                                e.store(at, sums[j * v_ + v], acc_t.dtype)
                        to = builder.add(to, plane)
        return context.get_dummy_value()

    return types.void(*[types.intp] * 11, acc_t, block, vectors, single), codegen


@loop
def wide_part(x, channel, taps, n_taps, channels, w, w_pitch, bias, target, plane, left):
    """See `wide_tile`."""
    wide_tile(x, channel, taps, n_taps, channels, w, w_pitch, bias, target, plane, left, ACC, BLOCK, VECTORS, SINGLE)


@helper
def _rows(
    x, channel, row, taps, n_taps, channels, w, w_pitch, bias, target, plane, out_row, rows, columns, size, lanes,
    tiles, vectors, wider, together, blocks, block, taller, wider_taller, wider_lower, narrow_taller, narrow_lower,
):  # fmt: skip
    """``rows`` rows of ``columns`` outputs of some output channels of a group.

    row, out_row: bytes from the first taps' rows of one output row to the next's, and between output rows.  A row is
    cut into ``tiles`` tiles of ``vectors`` vectors, the first ``wider`` of them one vector wider, and the channels into
    ``blocks`` blocks of ``block``, the first ``taller`` of them one channel more; the last four arguments are addresses
    of `wide_part` for each pair of these.  ``together`` tiles go through all blocks before the next ones do.
    """
    step = vectors * lanes
    for y in range(rows):
        for first in range(0, tiles, together):
            last = min(first + together, tiles)
            o = 0
            for j in range(blocks):
                for i in range(first, last):
                    p = i * step + min(i, wider) * lanes
                    if i < wider:
                        function = wider_taller if j < taller else wider_lower
                    else:
                        function = narrow_taller if j < taller else narrow_lower
                    call_row(function, (x + y * row + p * size, channel, taps, n_taps, channels, w + o * w_pitch,
                                        w_pitch, bias + o * size, target + o * plane + y * out_row + p * size, plane,
                                        columns - p))  # fmt: skip
                o += block + 1 if j < taller else block


@loop
def wide(
    x, channel, row, taps, n_taps, channels, w, w_pitch, bias, target, plane, out_row, rows, columns, size, lanes,
    tiles, vectors, wider, together, blocks, block, taller, wider_taller, wider_lower, narrow_taller, narrow_lower,
):  # fmt: skip
    """See `wide_bands`: one band, of samples that lie anywhere."""
    _rows(
        x,
        channel,
        row,
        taps,
        n_taps,
        channels,
        w,
        w_pitch,
        bias,
        target,
        plane,
        out_row,
        rows,
        columns,
        size,
        lanes,
        tiles,
        vectors,
        wider,
        together,
        blocks,
        block,
        taller,
        wider_taller,
        wider_lower,
        narrow_taller,
        narrow_lower,
    )


#: what a job's table of integers holds; `wide_bands` reads them in this order
FIELDS = (
    "band", "stride", "reach", "table", "plane_in", "channels", "channel", "strip_row_bytes", "pitch", "before", "n_in",
    "left", "right", "after", "strip_row", "taps", "n_taps", "w_pitch", "plane", "out_row", "columns", "size", "lanes",
    "tiles", "vectors", "wider", "together", "blocks", "block", "taller", "wider_taller", "wider_lower",
    "narrow_taller", "narrow_lower",
)  # fmt: skip


@loop
def wide_bands(job, x, w, bias, target, strip, y0, y1):
    """Output rows y0..y1 of one group of one sample, ``band`` rows at a time: padded rows into the strip, then `wide`.

    job: table of what `FIELDS` names; x, w, bias, target: addresses of the group's first channels.
    """
    (band, stride, reach, table, plane_in, channels, channel, row, pitch, before, n_in, left, right, after, strip_row,
     taps, n_taps, w_pitch, plane, out_row, columns, size, lanes, tiles, vectors, wider, together, blocks, block,
     taller) = (
        job[0], job[1], job[2], job[3], job[4], job[5], job[6], job[7], job[8], job[9], job[10], job[11], job[12],
        job[13], job[14], job[15], job[16], job[17], job[18], job[19], job[20], job[21], job[22], job[23], job[24],
        job[25], job[26], job[27], job[28], job[29])  # fmt: skip
    for ya in range(y0, y1, band):
        yb = min(y1, ya + band)
        for c in range(channels):
            for r in range((yb - 1 - ya) * stride + reach + 1):
                offset = fetch(table + 8 * (ya * stride + r), np.int64)
                at = 0 if offset == ZERO_ROW else x + c * plane_in + offset
                to = strip + c * channel + r * row
                call_row(strip_row, (at, to, pitch, before, n_in, left, right, after))
        _rows(strip, channel, stride * row, taps, n_taps, channels, w, w_pitch, bias, target + ya * out_row, plane,
              out_row, yb - ya, columns, size, lanes, tiles, vectors, wider, together, blocks, block, taller,
             job[30], job[31], job[32], job[33])  # fmt: skip


__all__ = ["FIELDS", "wide", "wide_bands", "wide_part", "wide_tile"]
