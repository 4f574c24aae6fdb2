"""The last step of a plan of several terms: add them, or take the root of their squares, and store the result."""

from numba import types
from numba.extending import intrinsic

from .blocks import call_row
from .jit import loop
from .vec import Emitter, count

# constants of a specialisation, see jit.Loop.address
ACC = OUT = ROOT = ()
ACC_SIZE = OUT_SIZE = LANES = 0
ONE = (None,)


@intrinsic
def combine(typingctx, table, n, x, out, some, acc_t, out_t, root, partial):
    """out = sum over n tables of samples at (table[i] + x), or the root of the sum of their squares (``root``)."""

    def codegen(context, builder, sig, args):
        table, n, x, out, some = args[:5]
        e = Emitter(builder, acc_t.dtype)
        squares = count(root)

        def turn(i, sums):
            v = e.load(builder.add(e.integer(table, i), x), acc_t.dtype)
            return [e.fma(v, v, sums[0]) if squares else e.add(v, sums[0])]

        (total,) = e.repeat(e.const(0), n, e.const(1), [e.zero()], turn)
        if squares:
            total = e.call("sqrt", total)
        if count(partial):
            e.store_some(out, total, out_t.dtype, some)
        else:
            e.store(out, total, out_t.dtype)
        return context.get_dummy_value()

    return types.void(*[types.intp] * 5, acc_t, out_t, root, partial), codegen


@loop
def combine_row(table, n, out, samples):
    """out[:samples] from n rows at the addresses in ``table``; the rows have a vector of slack."""
    i = 0
    while i + LANES <= samples:
        combine(table, n, i * ACC_SIZE, out + i * OUT_SIZE, 0, ACC, OUT, ROOT, ())
        i += LANES
    if i < samples:
        combine(table, n, i * ACC_SIZE, out + i * OUT_SIZE, samples - i, ACC, OUT, ROOT, ONE)


@loop
def combine_rows(parts, pitch, out, out_offset, rows, samples, function):
    """``rows`` output rows at out + out_offset[y] from the parts, whose rows lie ``pitch`` bytes apart.

    parts: addresses of the parts' first rows; they are moved on row by row, and back in the end.
    """
    for y in range(rows):
        call_row(function, (parts.ctypes.data, parts.size, out + out_offset[y], samples))
        for i in range(parts.size):
            parts[i] += pitch
    for i in range(parts.size):
        parts[i] -= rows * pitch


__all__ = ["combine_row", "combine_rows"]
