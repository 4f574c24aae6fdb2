"""Straight-line blocks of vectors: the few things that every CPU loop does to a row.

Arguments that end in ``_t`` are dtype tokens; ``taps``, ``fold``, ``rows`` and ``vectors`` are tuples of Nones.
``taps`` () means a count known only at run time.  ``fold``: () any taps, (None,) symmetric, (None, None)
antisymmetric, where each pair of samples shares one multiplication.  Weights are tables in the accumulate dtype.
"""

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from .vec import I32, Emitter, count, scalar_type

CHUNK = 4  # taps (or pairs) that one turn of a run-time loop unrolls


def _signature(n, *tokens):
    return types.void(*[types.intp] * n, *tokens)


def ordered_sums(e, fold, taps, out, sample, weights):
    """Sums over ``taps`` taps for each of ``out`` outputs: ``sample(k, r)`` is tap k's vector for output r."""
    sums = [e.zero() for _ in range(out)]
    join = e.add if fold == 1 else e.sub
    middle = taps // 2
    alone = range(taps) if not fold else range(middle, middle + 1) if fold == 1 else ()
    for k in alone:
        sums = [e.fma(sample(k, r), weights(k), s) for r, s in enumerate(sums)]
    for k in range(1, middle + 1) if fold else ():
        both = [join(sample(middle + k, r), sample(middle - k, r)) for r in range(out)]
        sums = [e.fma(x, weights(middle + k), s) for x, s in zip(both, sums, strict=True)]
    return sums


def accumulate(e, fold, taps, n, out, sample, weight):
    """Sums over taps for each of ``out`` outputs: ``sample(k, r)`` is tap k's vector for output r.

    ``k`` is a pair ``(base, j)``: an LLVM tap number (or None) plus a number known now.
    """
    if taps:
        return ordered_sums(e, fold, taps, out, lambda k, r: sample((None, k), r), lambda k: weight((None, k)))
    b = e.b
    sums = [e.zero() for _ in range(out)]

    join = e.add if fold == 1 else e.sub

    def tap(sums, k):
        w = weight(k)
        return [e.fma(sample(k, r), w, s) for r, s in enumerate(sums)]

    def pair(sums, high, low):  # two taps share a weight
        w = weight(high)
        return [e.fma(join(sample(high, r), sample(low, r)), w, s) for r, s in enumerate(sums)]

    # a count known at run time: CHUNK at a time, then one at a time
    one, chunk = e.const(1), e.const(CHUNK)
    if not fold:
        whole = b.and_(n, e.const(-CHUNK))

        def turn(i, sums):
            for j in range(CHUNK):
                sums = tap(sums, (i, j))
            return sums

        sums = e.repeat(e.const(0), whole, chunk, sums, turn)
        return e.repeat(whole, n, one, sums, lambda i, s: tap(s, (i, 0)))
    middle = b.lshr(n, one)
    if fold == 1:
        sums = tap(sums, (middle, 0))
    whole = b.and_(middle, e.const(-CHUNK))

    def pairs(width):
        def turn(i, sums):
            high, low = b.add(middle, e.plus(i, 1)), b.sub(middle, e.plus(i, width))
            for j in range(width):
                sums = pair(sums, (high, j), (low, width - 1 - j))
            return sums

        return turn

    sums = e.repeat(e.const(0), whole, chunk, sums, pairs(CHUNK))
    return e.repeat(whole, middle, one, sums, pairs(1))


def index_of(e, k, more=0):
    """A tap number (base, j) + more as a number known now or an LLVM value."""
    base, j = k
    return j + more if base is None else e.plus(base, j + more)


@intrinsic
def vertical(typingctx, table, x, w, n, line, pitch, src_t, acc_t, taps, fold, rows, narrow):
    """line[r] = sum over k of w[k] * row[r + k][x:], r < rows, for one vector of samples.

    ``table``: address of int64 row addresses, n + rows - 1 of them; ``x``: byte offset in those rows;
    ``line``: address of the first result, ``pitch`` bytes to the next; ``narrow`` (None,): one sample, not a vector.
    """

    def codegen(context, builder, sig, args):
        table, x, w, n, line, pitch = args[:6]
        e = Emitter(builder, acc_t.dtype, 1 if count(narrow) else None)
        seen = {}

        def sample(k, r):
            base, j = k
            key = (id(base), j + r)
            if key not in seen:
                row = e.integer(table, index_of(e, k, r))
                seen[key] = (base, e.load(builder.add(row, x), src_t.dtype))
            return seen[key][1]

        out = count(rows)
        sums = accumulate(e, count(fold), count(taps), n, out, sample, lambda k: e.weight(w, index_of(e, k)))
        for r, s in enumerate(sums):
            e.store(builder.add(line, e.times(pitch, r)), s, acc_t.dtype)
        return context.get_dummy_value()

    return _signature(6, src_t, acc_t, taps, fold, rows, narrow), codegen


@intrinsic
def horizontal(typingctx, line, step, w, n, out, some, acc_t, out_t, taps, fold, vectors, unit, partial):
    """out[x:] = sum over k of w[k] * line[x + k * step:], for ``vectors`` vectors of samples.

    ``line``: address of the first tap's first sample; ``step``: bytes between taps (``unit`` (None,): one sample).
    ``partial`` (None,): one vector of which only the first ``some`` samples are stored.
    """

    def codegen(context, builder, sig, args):
        line, step, w, n, out, some = args[:6]
        e = Emitter(builder, acc_t.dtype)
        if count(unit):
            step = e.const(e.size)
        v_ = count(vectors)
        seen = {}

        def sample(k, v):
            base, j = k
            # neighbouring taps of neighbouring vectors are the same samples where taps are one sample apart
            together = count(unit) and base is None
            key = (None, v * e.n + j) if together else (id(base), j, v)
            if key not in seen and count(unit) and v_ > 1 and base is not None and j > 0:
                # shifted in registers: nearly every load at such a place would take two cache lines
                a, c = (sample((base, 0), i) for i in (v, v + 1))
                lanes = ir.Constant(ir.VectorType(I32, e.n), [j + lane for lane in range(e.n)])
                seen[key] = (base, builder.shuffle_vector(a, c, lanes))
            if key not in seen:
                at = e.plus(line, e.size * key[1]) if together else e.plus(start(k), e.size * e.n * v)
                seen[key] = (base, e.load(at, acc_t.dtype))
            return seen[key][1]

        starts = {}

        def start(k):
            base, j = k
            key = (id(base), j)
            if key not in starts:
                i = index_of(e, k)
                far = e.times(step, i) if isinstance(i, int) else builder.mul(step, i)
                starts[key] = (base, builder.add(line, far))
            return starts[key][1]

        sums = accumulate(e, count(fold), count(taps), n, v_, sample, lambda k: e.weight(w, index_of(e, k)))
        width = out_t.dtype.bitwidth // 8
        for v, s in enumerate(sums):
            if count(partial):
                e.store_some(out, s, out_t.dtype, some)
            else:
                e.store(e.plus(out, width * e.n * v), s, out_t.dtype)
        return context.get_dummy_value()

    return _signature(6, acc_t, out_t, taps, fold, vectors, unit, partial), codegen


@intrinsic
def window(typingctx, table, x, w, n, out, some, src_t, acc_t, out_t, vectors, partial):
    """out = sum over t < n of w[t] * samples at (table[t] + x), for ``vectors`` vectors of samples.

    ``table``: address of the int64 address of each tap's first sample; any set of taps, in any dimensions.
    """

    def codegen(context, builder, sig, args):
        table, x, w, n, out, some = args[:6]
        e = Emitter(builder, acc_t.dtype)
        v_ = count(vectors)
        narrow = src_t.dtype.bitwidth // 8
        width = out_t.dtype.bitwidth // 8

        def turn(t, sums):
            at = builder.add(e.integer(table, t), x)
            wt = e.weight(w, t)
            return [e.fma(e.load(e.plus(at, narrow * e.n * v), src_t.dtype), wt, s) for v, s in enumerate(sums)]

        sums = e.repeat(e.const(0), n, e.const(1), [e.zero()] * v_, turn)
        for v, s in enumerate(sums):
            if count(partial):
                e.store_some(out, s, out_t.dtype, some)
            else:
                e.store(e.plus(out, width * e.n * v), s, out_t.dtype)
        return context.get_dummy_value()

    return _signature(6, src_t, acc_t, out_t, vectors, partial), codegen


@intrinsic
def fetch(typingctx, address, dtype_t):
    """The number of the token's dtype at an address."""

    def codegen(context, builder, sig, args):
        v = builder.load(builder.inttoptr(args[0], scalar_type(dtype_t.dtype).as_pointer()))
        v.align = 1
        return v

    return dtype_t.dtype(types.intp, dtype_t), codegen


@intrinsic
def window_block(typingctx, table, x, w, columns, taps, slices, outs, out_x, src_t, acc_t, out_t, rows, vectors):
    """Neighbouring output rows of a kernel whose rows all have the same ``columns``: each load serves several.

    The kernel has at least as many rows as the block.  ``table``: addresses of slices x (kernel rows + rows - 1) x
    columns samples; ``taps`` is kernel rows x columns, the weights ``w`` are slices x taps; ``outs``: table of the
    outputs' addresses, ``out_x`` bytes are added.  Every output adds its taps in the order in which `window` does.
    """

    def codegen(context, builder, sig, args):
        table, x, w, columns, taps, slices, outs, out_x = args[:8]
        e = Emitter(builder, acc_t.dtype)
        r_, v_ = count(rows), count(vectors)
        narrow, width = src_t.dtype.bitwidth // 8, out_t.dtype.bitwidth // 8
        one = e.const(1)
        shifts = [e.times(columns, r) for r in range(r_)]
        everything = builder.add(taps, shifts[-1])

        def turn(first, at, low, high):
            """One source sample of every vector, for outputs low..high."""

            def add(i, sums):
                samples_at = builder.add(e.integer(table, builder.add(first, i)), x)
                samples = [e.load(e.plus(samples_at, narrow * e.n * v), src_t.dtype) for v in range(v_)]
                for r in range(low, high):
                    weight = e.weight(w, builder.add(at, builder.sub(i, shifts[r])))
                    for v in range(v_):
                        sums[r * v_ + v] = e.fma(samples[v], weight, sums[r * v_ + v])
                return sums

            return add

        def each(s, sums):
            first, at = builder.mul(s, everything), builder.mul(s, taps)
            # source rows that only the first outputs reach, those that all do, those that only the last do
            edges = [*shifts, *(builder.add(taps, shift) for shift in shifts)]
            reached = [(0, r + 1) for r in range(r_)] + [(r, r_) for r in range(1, r_)]
            for start, stop, outputs in zip(edges[:-1], edges[1:], reached, strict=True):
                sums = e.repeat(start, stop, one, sums, turn(first, at, *outputs))
            return sums

        sums = e.repeat(e.const(0), slices, one, [e.zero()] * (r_ * v_), each)
        for r in range(r_):
            to = builder.add(e.integer(outs, r), out_x)
            for v in range(v_):
                e.store(e.plus(to, width * e.n * v), sums[r * v_ + v], out_t.dtype)
        return context.get_dummy_value()

    return _signature(8, src_t, acc_t, out_t, rows, vectors), codegen


@intrinsic
def move(typingctx, source, target, source_t, target_t):
    """One sample from an address to another, converted."""

    def codegen(context, builder, sig, args):
        e = Emitter(builder, target_t.dtype, 1)
        e.store(args[1], e.load(args[0], source_t.dtype), target_t.dtype)
        return context.get_dummy_value()

    return _signature(2, source_t, target_t), codegen


@intrinsic
def scatter(typingctx, sums, index, out, offset, acc_t, out_t):
    """The sum numbered by the int64 at ``index`` goes to out + the int64 at ``offset``, in the output's dtype."""

    def codegen(context, builder, sig, args):
        sums, index, out, offset = args[:4]
        e = Emitter(builder, acc_t.dtype, 1)
        at = builder.add(sums, builder.mul(e.integer(index, 0), e.const(e.size)))
        e.store(builder.add(out, e.integer(offset, 0)), e.load(at, acc_t.dtype), out_t.dtype)
        return context.get_dummy_value()

    return _signature(4, acc_t, out_t), codegen


@intrinsic
def call_row(typingctx, function, arguments):
    """Call the compiled loop at address ``function`` with a tuple of int64 arguments.

    Lets one driver run many row functions, so that what is compiled adds up instead of multiplying.
    """
    types_ = tuple(arguments)

    def codegen(context, builder, sig, args):
        conv = context.call_conv
        fnty = conv.get_function_type(types.none, types_)
        callee = builder.inttoptr(args[0], fnty.as_pointer())
        values = [builder.extract_value(args[1], i) for i in range(len(types_))]
        ret = cgutils.alloca_once(builder, fnty.args[0].pointee)
        exc = cgutils.alloca_once(builder, fnty.args[1].pointee)
        builder.store(ir.Constant(fnty.args[1].pointee, None), exc)
        builder.call(callee, [ret, exc, *values])
        return context.get_dummy_value()

    return types.void(types.intp, arguments), codegen


__all__ = [
    "accumulate",
    "call_row",
    "fetch",
    "horizontal",
    "index_of",
    "move",
    "ordered_sums",
    "scatter",
    "vertical",
    "window",
    "window_block",
]
