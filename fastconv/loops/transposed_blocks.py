"""Blocks of the transposed pass: squares of samples turned over, and sums along a row whose neighbours are vectors."""

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from .blocks import accumulate, index_of
from .vec import I32, Emitter, count


@intrinsic
def turn_square(typingctx, source, source_pitch, target, target_pitch, acc_t):
    """As many rows as a vector has samples, turned over: target[j][i] = source[i][j]; pitches in bytes.

    log2 of that number of steps, each of which exchanges the off-diagonal halves of ever smaller squares.
    """

    def codegen(context, builder, sig, args):
        source, source_pitch, target, target_pitch = args[:4]
        e = Emitter(builder, acc_t.dtype)
        rows = [e.load(builder.add(source, e.times(source_pitch, i)), acc_t.dtype) for i in range(e.n)]
        half = e.n // 2
        while half:
            for i in (i for i in range(e.n) if not i & half):
                a, b = rows[i], rows[i + half]
                upper = [lane if not lane & half else e.n + lane - half for lane in range(e.n)]
                lower = [lane + half if not lane & half else e.n + lane for lane in range(e.n)]
                rows[i], rows[i + half] = (
                    builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(I32, e.n), lanes))
                    for lanes in (upper, lower)
                )
            half //= 2
        for i, row in enumerate(rows):
            e.store(builder.add(target, e.times(target_pitch, i)), row, acc_t.dtype)
        return context.get_dummy_value()

    return types.void(*[types.intp] * 4, acc_t), codegen


@intrinsic
def across(typingctx, source, step, w, n, target, acc_t, fold, rows):
    """target[r * step] = sum over k of w[k] * source[(k + r) * step], r < rows: every item a vector.

    ``step``: bytes; the sums are added in the order of `blocks.horizontal`.
    """

    def codegen(context, builder, sig, args):
        source, step, w, n, target = args[:5]
        e = Emitter(builder, acc_t.dtype)
        seen = {}

        def sample(k, r):
            base, j = k
            key = (id(base), j + r)
            if key not in seen:
                at = builder.add(source, builder.mul(step, index_of(e, (base, j + r))))
                seen[key] = (base, e.load(at, acc_t.dtype))
            return seen[key][1]

        sums = accumulate(e, count(fold), 0, n, count(rows), sample, lambda k: e.weight(w, index_of(e, k)))
        for r, s in enumerate(sums):
            e.store(builder.add(target, e.times(step, r)), s, acc_t.dtype)
        return context.get_dummy_value()

    return types.void(*[types.intp] * 5, acc_t, fold, rows), codegen


__all__ = ["across", "turn_square"]
