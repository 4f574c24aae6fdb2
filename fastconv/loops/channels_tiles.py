"""Register tiles of a convolution over channels: sums that stay in registers while every channel and tap goes by.

`deep_tile` has output channels in the lanes and a few pixels side by side, each of them one sample that is spread
over a vector: any stride, dilation and width cost the same, and an image of 7 x 7 wastes nothing.
`turned` transposes blocks between the two orders.
"""

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from .vec import I32, Emitter, count


def _signature(n, *tokens):
    return types.void(*[types.intp] * n, *tokens)


@intrinsic
def deep_tile(
    typingctx, x, channel, row, taps, n_taps, channels, w, start, pace, sums_at, acc_t, rows, pixels, vectors, step
):
    """sums[p] = start[p] + sum over c, t of w[c][t] * (the sample at x + c * channel + taps[t] + place of p).

    The places are ``rows`` rows ``row`` bytes apart of ``pixels`` samples, ``step`` samples apart; w holds
    ``vectors`` vectors of output channels for each c, t; start: ``vectors`` vectors for each pixel, ``pace`` bytes
    from one to the next (0: the same for all); sums_at: where the sums go, pixel after pixel.
    """

    def codegen(context, builder, sig, args):
        x, channel, row, taps, n_taps, channels, w, start, pace, sums_at = args[:10]
        e = Emitter(builder, acc_t.dtype)
        r_, p_, v_, s_ = count(rows), count(pixels), count(vectors), count(step)
        zero, one = e.const(0), e.const(1)
        vector = e.size * e.n

        def tap(at, w, sums):
            weights = [e.load(e.plus(w, vector * v), acc_t.dtype) for v in range(v_)]
            new = []
            for r in range(r_):
                for p in range(p_):
                    sample = e.splat(builder.load(e.pointer(e.plus(at, p * s_ * e.size), e.vector.element)))
                    i = (r * p_ + p) * v_
                    new += [e.fma(sample, weights[v], sums[i + v]) for v in range(v_)]
                if r + 1 < r_:
                    at = builder.add(at, row)
            return new

        def each(c, values):
            at, w, *sums = values

            def inner(t, values):
                w, *sums = values
                return [e.plus(w, v_ * vector), *tap(builder.add(at, e.integer(taps, t)), w, sums)]

            w, *sums = e.repeat(zero, n_taps, one, [w, *sums], inner)
            return [builder.add(at, channel), w, *sums]

        sums = []
        for _ in range(r_ * p_):
            sums += [e.load(e.plus(start, vector * v), acc_t.dtype) for v in range(v_)]
            start = builder.add(start, pace)
        _, _, *sums = e.repeat(zero, channels, one, [x, w, *sums], each)
        for i, s in enumerate(sums):
            e.store(e.plus(sums_at, i * vector), s, acc_t.dtype)
        return context.get_dummy_value()

    return _signature(10, acc_t, rows, pixels, vectors, step), codegen


def _transposed(builder, block):
    """n vectors of n lanes, lanes and vectors exchanged: log2(n) rounds of interleaving."""
    n = len(block)
    low = ir.Constant(ir.VectorType(I32, n), [i // 2 + (i % 2) * n for i in range(n)])
    high = ir.Constant(ir.VectorType(I32, n), [n // 2 + i // 2 + (i % 2) * n for i in range(n)])
    for _ in range(n.bit_length() - 1):
        new = []
        for i in range(n // 2):
            a, b = block[i], block[i + n // 2]
            new += [builder.shuffle_vector(a, b, low), builder.shuffle_vector(a, b, high)]
        block = new
    return block


@intrinsic
def turned(typingctx, source, pitch, some_in, target, plane, some_out, spare, acc_t, pixels):
    """target[j] = samples j of up to ``pixels`` vectors: vector p is read at source + p * pitch.

    One vector of samples for each p; target rows are ``plane`` bytes apart and get ``pixels`` samples each.
    Only the first ``some_in`` vectors are read (the others are read at ``spare``), and only the first ``some_out`` rows
    are stored (the others at ``spare``, room for a vector).
    """

    def codegen(context, builder, sig, args):
        source, pitch, some_in, target, plane, some_out, spare = args[:7]
        e = Emitter(builder, acc_t.dtype)
        p_ = count(pixels)
        read = []
        for p in range(e.n):
            if p < p_:
                inside = builder.icmp_signed("<", e.const(p), some_in)
                read.append(e.load(builder.select(inside, source, spare), acc_t.dtype))
                source = builder.add(source, pitch)
            else:
                read.append(e.zero())
        for j, vector in enumerate(_transposed(builder, read)):
            inside = builder.icmp_signed("<", e.const(j), some_out)
            at = builder.select(inside, target, spare)
            if p_ >= e.n:
                e.store(at, vector, acc_t.dtype)
            else:
                _store_first(e, at, vector, p_)
            target = builder.add(target, plane)
        return context.get_dummy_value()

    return _signature(7, acc_t, pixels), codegen


def _store_first(e, address, vector, n):
    """Store the first n lanes, n known now."""
    b, module = e.b, e.b.module
    kind = {4: "f32", 8: "f64"}[e.size]
    name = f"llvm.masked.store.v{e.n}{kind}.p0"
    mask = ir.Constant(ir.VectorType(ir.IntType(1), e.n), [int(i < n) for i in range(e.n)])
    pointer = e.pointer(address, vector.type)
    fnty = ir.FunctionType(ir.VoidType(), [vector.type, pointer.type, I32, mask.type])
    found = module.globals.get(name) or ir.Function(module, fnty, name)
    b.call(found, [vector, pointer, ir.Constant(I32, e.size), mask])


__all__ = ["deep_tile", "turned"]
