"""The march of means of bytes: sums in 16 bits, divided as in `box_bytes`, four output rows at once in registers."""

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from .blocks import fetch
from .jit import loop
from .march_blocks import addresses, by_columns, shifted, whole_row
from .vec import Emitter, count

# constants of a specialisation, see jit.Loop.address
DOWN = ALONG = STEP = ()
LANES = 1
FOUR = (None,) * 4


def _divided(e, s, half, multiplier, shift):
    """(s + half) * multiplier >> 16 >> shift, of unsigned 16-bit numbers, in bytes."""
    b = e.b
    # by name: where the multiplier is known outside the loop LLVM takes it apart into multiplications of 32 bits
    name = "llvm.x86.avx512.pmulhu.w.512"
    found = b.module.globals.get(name) or ir.Function(b.module, ir.FunctionType(e.vector, [e.vector] * 2), name)
    high = b.call(found, [b.add(s, half), multiplier])
    return b.trunc(b.lshr(high, shift), ir.VectorType(ir.IntType(8), e.n))


@intrinsic
def march_means(typingctx, table, numbers, outs, plan, lead, down, along, step, rows):
    """Means of down x along bytes, ``step`` bytes from one column to the next, for all outputs of ``rows`` rows.

    As `march_blocks.march_separable`; numbers: address of half the count, the multiplier and the shift, as int16.
    """

    def codegen(context, builder, sig, args):
        table, numbers, outs, plan, lead = args[:5]
        b = builder
        e = Emitter(b, types.int16)
        nv, nh, r_, gap = (count(n) for n in (down, along, rows, step))
        ahead = -(-(nh - 1) * gap // e.n)
        padding = e.times(e.integer(plan, 2), -1)
        sources, targets = addresses(e, table, nv + r_ - 1, padding), addresses(e, outs, r_, e.const(0))
        half, multiplier, shift = (e.weight(numbers, i) for i in range(3))

        def column(i):
            """The sums over rows of one vector of columns: each but the first from the one above it."""
            loaded = [e.load(b.add(source, i), types.uint8) for source in sources]
            sums = [loaded[0]]
            for v in loaded[1:nv]:
                sums[0] = b.add(sums[0], v)
            for r in range(1, r_):
                sums.append(b.sub(b.add(sums[-1], loaded[nv + r - 1]), loaded[r - 1]))
            return sums

        def sums_of(columns):
            found = []
            for r in range(r_):
                row = [c[r] for c in columns]
                total = row[0]
                for j in range(1, nh):
                    total = b.add(total, shifted(e, row, j * gap))
                found.append(total)
            return found

        def put(i, sums, streams=False):
            for to, s in zip(targets, sums, strict=True):
                v = _divided(e, s, half, multiplier, shift)
                b.store(v, e.pointer(b.add(to, i), v.type)).align = 1

        main, first, near = by_columns(e, ahead, r_, column, sums_of, put)

        whole_row(e, plan, lead, ahead, e.n, first, main, put, near, 0)
        return context.get_dummy_value()

    return types.void(*[types.intp] * 5, down, along, step, rows), codegen


@loop
def march_mean_rows(table, wv, wh, outs, plan):
    """outs[r][i] = mean of DOWN x ALONG bytes; the numbers that divide their sums lie behind the ALONG taps at wh."""
    lead = -fetch(table, np.int64) % LANES
    march_means(table, wh + 2 * len(ALONG), outs, plan, lead, DOWN, ALONG, STEP, FOUR)


__all__ = ["march_mean_rows"]
