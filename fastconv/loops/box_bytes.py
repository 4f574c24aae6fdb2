"""Means of bytes by whole numbers: sums in 16 bits, divided by a multiplication whose high half is kept.

For sums s of n bytes, n odd and at most 257, (s + n // 2) // n is the mean rounded to nearest (there are no ties), and
a sum with n // 2 added still fits 16 bits.  The division is exact for them all: see `backends.sweeps.box_bytes`.
"""

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from .jit import loop
from .vec import I32, Emitter, count

# constants of a specialisation, see jit.Loop.address
LANES = 0
ROWS = ()
FOUR, ONE = (None,) * 4, (None,)


@intrinsic
def box_means(typingctx, line, step, n, numbers, out, vectors, narrow):
    """Means of n 16-bit sums ``step`` bytes apart, for ``vectors`` vectors of outputs (narrow (None,): one sample).

    numbers: address of n // 2, the multiplier and the shift, as int16.
    """

    def codegen(context, builder, sig, args):
        line, step, n, numbers, out = args[:5]
        b = builder
        e = Emitter(b, types.int16, 1 if count(narrow) else None)
        far = 2 * e.n

        def read(at):
            return [e.load(e.plus(at, far * v), types.int16) for v in range(count(vectors))]

        def more(k, sums):
            return [b.add(s, x) for s, x in zip(sums, read(b.add(line, b.mul(step, k))), strict=True)]

        sums = e.repeat(e.const(1), n, e.const(1), read(line), more)
        half, multiplier, shift = (e.weight(numbers, i) for i in range(3))
        wide = ir.VectorType(I32, e.n)
        for v, s in enumerate(sums):
            s = b.zext(b.add(s, half), wide)
            high = b.trunc(b.lshr(b.mul(s, b.zext(multiplier, wide)), e.filled(s, 16)), e.vector)
            mean = b.trunc(b.lshr(high, shift), ir.VectorType(ir.IntType(8), e.n))
            b.store(mean, e.pointer(e.plus(out, e.n * v), mean.type)).align = 1
        return context.get_dummy_value()

    return types.void(*[types.intp] * 5, vectors, narrow), codegen


@intrinsic
def byte_sums(typingctx, table, x, n, line, pitch, rows, narrow):
    """Sums in 16 bits of n bytes, one below the other, for ``rows`` neighbouring outputs, ``pitch`` bytes apart.

    table: address of the addresses of the rows, x: bytes into them.  Each output but the first adds what enters to the
    one above it and takes away what leaves.
    """

    def codegen(context, builder, sig, args):
        table, x, n, line, pitch = args[:5]
        b = builder
        e = Emitter(b, types.int16, 1 if count(narrow) else None)

        def read(k):
            return e.load(b.add(e.integer(table, k), x), types.uint8)

        (total,) = e.repeat(e.const(1), n, e.const(1), [read(e.const(0))], lambda k, s: [b.add(s[0], read(k))])
        for r in range(count(rows)):
            if r:
                total = b.sub(b.add(total, read(b.add(n, e.const(r - 1)))), read(e.const(r - 1)))
            e.store(b.add(line, e.times(pitch, r)), total, types.int16)
        return context.get_dummy_value()

    return types.void(*[types.intp] * 5, rows, narrow), codegen


@loop
def box_columns(table, w, n, x, samples, line, pitch):
    """What `cpu_separable.vertical_row` gives for n taps of 1 on bytes, summed in 16 bits."""
    i = 0
    if samples >= LANES:
        while i < samples:
            j = min(i, samples - LANES)
            byte_sums(table, x + j, n, line + j * 2, pitch, ROWS, ())
            i += LANES
    while i < samples:
        byte_sums(table, x + i, n, line + i * 2, pitch, ROWS, ONE)
        i += 1


@loop
def box_row(line, step, w, n, out, samples):
    """out[:samples] = means of n sums ``step`` samples apart along a line; the numbers lie behind the n taps at w."""
    step *= 2
    numbers = w + 2 * n
    i = 0
    while i + 4 * LANES <= samples:
        box_means(line + i * 2, step, n, numbers, out + i, FOUR, ())
        i += 4 * LANES
    if samples >= LANES:
        while i < samples:
            j = min(i, samples - LANES)
            box_means(line + j * 2, step, n, numbers, out + j, ONE, ())
            i += LANES
    while i < samples:
        box_means(line + i * 2, step, n, numbers, out + i, ONE, ONE)
        i += 1


__all__ = ["box_columns", "box_row"]
