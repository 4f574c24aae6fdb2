"""The direct convolution with neighbouring pixels in the lanes: a few output channels times a few vectors of pixels.

Weights are read where they lie, one sample spread over a vector, so nothing is packed: for few channels, where the
weights are few and rows are long, and for 1 x 1 kernels of any number of channels.
"""

import numpy as np
from numba import types
from numba.extending import intrinsic

from .blocks import call_row
from .channels_depthwise import store_masked
from .channels_polyphase import below
from .jit import loop
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


@loop
def wide(
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


__all__ = ["wide", "wide_part", "wide_tile"]
