"""The direct convolution of column stride 2 with neighbouring pixels in the lanes: samples are dealt out in registers.

No row is copied: each row under a tile is read where it lies, a pair of vectors at a time, whose even and odd samples
go to two taps.  All output channels of a block take them at once, so few channels are needed for that to be cheap.
"""

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from .blocks import call_row, fetch
from .channels_depthwise import _lane_mask, load_masked, store_masked
from .channels_strip import ZERO_ROW
from .jit import loop
from .vec import I8, I32, I64, Emitter, count

# constants of a specialisation, see jit.Loop.address
ACC = np.float32
BLOCK = WIDE = PART = ()

#: pairs of vectors from what is read to what is asked for
AHEAD = 2


def _prefetch(e, address):
    """Ask for a line of memory that will be read soon; it need not exist."""
    pointer, module = e.pointer(address, I8), e.b.module
    name = "llvm.prefetch.p0"
    fnty = ir.FunctionType(ir.VoidType(), [pointer.type, I32, I32, I32])
    found = module.globals.get(name) or ir.Function(module, fnty, name)
    e.b.call(found, [pointer, *(ir.Constant(I32, value) for value in (0, 3, 1))])


@intrinsic
def strided_tile(
    typingctx, x, plane, rows, pace, tall, channels, zero, w, bias, target, plane_out, masks, acc_t, block, wide, part
):
    """target[j] = bias[j] + the sum over channels, rows and ``wide`` columns of one vector of outputs, j < block.

    x: address of the first channel's first sample, plus the bytes to the one under the tile's first tap; plane: bytes
    from a channel to the next; rows: of int64 bytes to the row under each tap (ZERO_ROW: the one at ``zero``), ``pace``
    bytes apart; w: weights [channel][row][column][j].  part (None,): at ``masks`` stand the lanes to store and, for
    each vector, those to load.
    """

    def codegen(context, builder, sig, args):
        x, plane, rows, pace, tall, channels, zero, w, bias, target, plane_out, masks = args[:12]
        e = Emitter(builder, acc_t.dtype)
        j_, k_ = count(block), count(wide)
        vectors = 2 * (-(-k_ // 2))
        lane = None
        if count(part):
            lane = [_lane_mask(e, e.integer(masks, i)) for i in range(1 + vectors)]

        def load(at, i):
            at = e.plus(at, (i // 2 * 2 + i % 2 * e.n) * e.size)
            return e.load(at, acc_t.dtype) if lane is None else load_masked(e, at, lane[1 + i])

        def picked(a, b, odd):
            return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(I32, e.n), [2 * i + odd for i in range(e.n)]))

        def row(t, values, x):
            w, *sums = values
            offset = builder.load(e.pointer(builder.add(rows, builder.mul(t, pace)), I64))
            nothing = builder.icmp_signed("==", offset, e.const(ZERO_ROW))
            at = builder.select(nothing, zero, builder.add(x, offset))
            for i in (0, 1):  # rows far apart are too many for the machine to see that they go on
                _prefetch(e, e.plus(at, (2 * AHEAD + i) * e.n * e.size))
            for pair in range(0, k_, 2):
                a, b = load(at, pair), load(at, pair + 1)
                for k in range(pair, min(pair + 2, k_)):
                    samples = picked(a, b, k - pair)
                    for j in range(j_):
                        weight = e.weight(w, k * j_ + j)
                        sums[j] = e.fma(samples, weight, sums[j])
            return [e.plus(w, k_ * j_ * e.size), *sums]

        def channel(_, values):
            x, *rest = values
            rest = e.repeat(e.const(0), tall, e.const(1), rest, lambda t, inner: row(t, inner, x))
            return [builder.add(x, plane), *rest]

        start = [e.weight(bias, j) for j in range(j_)]
        _, _, *sums = e.repeat(e.const(0), channels, e.const(1), [x, w, *start], channel)
        for value in sums:
            if lane is None:
                e.store(target, value, acc_t.dtype)
            else:
                store_masked(e, target, value, lane[0])
            target = builder.add(target, plane_out)
        return context.get_dummy_value()

    return types.void(*[types.intp] * 12, acc_t, block, wide, part), codegen


@loop
def strided_part(x, plane, rows, pace, tall, channels, zero, w, bias, target, plane_out, masks):
    """See `strided_tile`."""
    strided_tile(x, plane, rows, pace, tall, channels, zero, w, bias, target, plane_out, masks, ACC, BLOCK, WIDE, PART)


#: what a job's table of integers holds, in this order; functions are addresses of `strided_part`
FIELDS = (
    "plane", "rows", "pace", "tall", "channels", "zero", "plane_out", "stride", "row_out", "size", "tiles", "lanes",
    "edges", "edge_step", "blocks", "block", "taller", "each", "high", "low", "high_part", "low_part",
)  # fmt: skip


@loop
def strided_rows(job, x, w, bias, target, y0, y1):
    """Output rows y0..y1 of one group of one sample.

    job: table of what `FIELDS` names.  x: address of the sample under the first tap of output (0, 0); edges: for each
    tile of a row int64 masks, ``edge_step`` bytes apart, after one that is 0 where none are needed; channels are cut
    into blocks of ``block``, the first ``taller`` one more; each: bytes of the weights of one output channel.
    """
    (plane, rows, pace, tall, channels, zero, plane_out, stride, row_out, size, tiles, lanes, edges, edge_step, blocks,
     block, taller, each, high, low, high_part, low_part) = (
        job[0], job[1], job[2], job[3], job[4], job[5], job[6], job[7], job[8], job[9], job[10], job[11], job[12],
        job[13], job[14], job[15], job[16], job[17], job[18], job[19], job[20], job[21])  # fmt: skip
    for y in range(y0, y1):
        table = rows + 8 * y * stride
        for i in range(tiles):
            masks = edges + i * edge_step
            part = fetch(masks, np.int64) != 0
            at = 2 * i * lanes * size
            for b in range(blocks):
                o = b * block + min(b, taller)
                whole, masked = (high, high_part) if b < taller else (low, low_part)
                function = masked if part else whole
                call_row(function, (x + at, plane, table, pace, tall, channels, zero + at, w + o * each,
                                    bias + o * size, target + o * plane_out + y * row_out + i * lanes * size, plane_out,
                                    masks + 8))  # fmt: skip


__all__ = ["FIELDS", "strided_part", "strided_rows", "strided_tile"]
