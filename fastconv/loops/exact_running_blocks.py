"""Blocks of running sums as `scipy.ndimage.uniform_filter1d` keeps them (its C source, NI_UniformFilter1D).

The total of the first window is taken from 0.0 on, sample by sample; for each further output the difference of the
sample that enters and the one that leaves is added to it.  The output is the total divided by the size, rounded.

The division: with r = 1 / size rounded and q = t * r, the remainder t - q * size is exact, and q + remainder * r is off
by less than 2**-50 of the last place before it is rounded.  A total of 53 bits over an integer below 2**49 is never
that near the middle of two doubles, so the result is the quotient, rounded as a division rounds it (Markstein, "IA-64
and Elementary Functions", 2000, ch. 8).  It takes three operations where a division takes the time of ten, but holds
only where nothing overflows or is subnormal: ``divide`` (None,) divides.
"""

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from .exact_blocks import Exact
from .vec import I8, I16, I32, count, scalar_type


def _signature(n, *tokens):
    return types.void(*[types.intp] * n, *tokens)


def _divisor(e, numbers):
    """(size, 1 / size) in every lane: two doubles at an address."""
    return e.weight(numbers, 0), e.weight(numbers, 1)


def _quotient(e, t, divisor):
    size, reciprocal = divisor
    q = e.b.fmul(t, reciprocal)
    rest = e.call("fma", e.b.fneg(q), size, t)
    return e.call("fma", rest, reciprocal, q)


def _quotients(e, totals, divisor, divide, store):
    """Hand every total over the size to ``store(k, quotient)``.

    A total that is not finite stays so, hence the last one tells whether the quick way serves.
    """
    b = e.b
    if divide:
        for k, t in enumerate(totals):
            store(k, b.fdiv(t, divisor[0]))
        return
    last = totals[-1]
    bad = b.fcmp_unordered("uno", b.fsub(last, last), e.zero())
    any_bad = b.icmp_unsigned("!=", b.bitcast(bad, ir.IntType(e.n)), ir.Constant(ir.IntType(e.n), 0))
    with b.if_else(any_bad, likely=False) as (slow, quick):
        with slow:
            for k, t in enumerate(totals):
                store(k, b.fdiv(t, divisor[0]))
        with quick:
            for k, t in enumerate(totals):
                store(k, _quotient(e, t, divisor))


def _shuffled(e, a, c, lanes_):
    return e.b.shuffle_vector(a, c, ir.Constant(ir.VectorType(I32, len(lanes_)), lanes_))


def _transposed(e, v):
    """Lane j of vector i and lane i of vector j change places."""
    n, d = len(v), 1
    if v[0].type.element == I16 and n == 8:  # halves interleaved: one instruction each
        low = [j // 2 + n * (j % 2) for j in range(n)]
        for _ in range(3):
            pairs = [(v[i], v[i + n // 2]) for i in range(n // 2)]
            v = [_shuffled(e, *pair, [j + k for j in low]) for pair in pairs for k in (0, n // 2)]
        return v
    while d < n:
        for i in range(n):
            if not i & d:
                a, c = v[i], v[i + d]
                v[i] = _shuffled(e, a, c, [j if not j & d else n + j - d for j in range(n)])
                v[i + d] = _shuffled(e, a, c, [j + d if not j & d else n + j for j in range(n)])
        d *= 2
    return v


def _turned_samples(e, v, dtype):
    """Vectors of samples of a dtype, transposed: bytes go as 16-bit integers, which takes fewer shuffles."""
    if dtype.bitwidth > 8:
        return _transposed(e, v)
    wide = ir.VectorType(I16, e.n)
    return [e.b.trunc(x, ir.VectorType(I8, e.n)) for x in _transposed(e, [e.b.zext(x, wide) for x in v])]


@intrinsic
def total_down(typingctx, offsets, base, n, total, numbers, out, src_t, out_t, divide, narrow):
    """The total of n rows at base + offsets[k] (int64 at an address), for one vector, and its first output."""

    def codegen(context, builder, sig, args):
        offsets, base, n, total, numbers, out = args[:6]
        e = Exact(builder, 1 if count(narrow) else None)

        def turn(k, sums):
            return [builder.fadd(sums[0], e.load(builder.add(base, e.integer(offsets, k)), src_t.dtype))]

        sums = e.repeat(e.const(0), n, e.const(1), [e.zero()], turn)
        e.store(total, sums[0], types.float64)
        _quotients(e, sums, _divisor(e, numbers), count(divide), lambda k, q: e.store(out, q, out_t.dtype))
        return context.get_dummy_value()

    return _signature(6, src_t, out_t, divide, narrow), codegen


@intrinsic
def run_down(typingctx, enter, leave, base, total, numbers, out, out_row, src_t, out_t, rows, divide, narrow):
    """``rows`` further outputs of one vector of samples, ``out_row`` bytes apart.

    enter, leave: addresses of the int64 offsets from ``base`` of the rows that enter and leave; total: address of the
    vector's totals.
    """

    def codegen(context, builder, sig, args):
        enter, leave, base, total, numbers, out, out_row = args[:7]
        e = Exact(builder, 1 if count(narrow) else None)
        t = e.load(total, types.float64)
        totals = []
        for r in range(count(rows)):
            new, old = (e.load(builder.add(base, e.integer(at, r)), src_t.dtype) for at in (enter, leave))
            t = builder.fadd(t, builder.fsub(new, old))
            totals.append(t)
        e.store(total, t, types.float64)
        _quotients(e, totals, _divisor(e, numbers), count(divide),
                   lambda r, q: e.store(builder.add(out, e.times(out_row, r)), q, out_t.dtype))  # fmt: skip
        return context.get_dummy_value()

    return _signature(7, src_t, out_t, rows, divide, narrow), codegen


def _lanes_gathered(e, table, x, dtype):
    """One sample of every line: those at table[r] + x."""
    one = Exact(e.b, 1)
    v = ir.Constant(e.vector, ir.Undefined)
    for r in range(e.n):
        sample = one.load(e.b.add(e.integer(table, r), x), dtype)
        v = e.b.insert_element(v, e.b.extract_element(sample, I32(0)), I32(r))
    return v


@intrinsic
def gather_block(typingctx, table, x, to, src_t, lines):
    """As many neighbouring samples as there are lines, of every line (at table[r] + x): a vector for each sample.

    A single line: a vector of neighbouring samples.
    """

    def codegen(context, builder, sig, args):
        table, x, to = args[:3]
        if count(lines) == 1:
            e = Exact(builder)
            e.store(to, e.load(builder.add(e.integer(table, 0), x), src_t.dtype), types.float64)
            return context.get_dummy_value()
        e = Exact(builder, count(lines))
        raw = ir.VectorType(scalar_type(src_t.dtype), e.n)
        v = []
        for r in range(e.n):
            v.append(builder.load(e.pointer(builder.add(e.integer(table, r), x), raw)))
            v[-1].align = 1
        for k, samples in enumerate(_turned_samples(e, v, src_t.dtype)):
            e.store(e.plus(to, 8 * e.n * k), e.widened(samples, src_t.dtype), types.float64)
        return context.get_dummy_value()

    return _signature(3, src_t, lines), codegen


@intrinsic
def gather_one(typingctx, table, x, to, src_t, lines):
    """One sample of every line: a vector."""

    def codegen(context, builder, sig, args):
        e = Exact(builder, count(lines))
        e.store(args[2], _lanes_gathered(e, args[0], args[1], src_t.dtype), types.float64)
        return context.get_dummy_value()

    return _signature(3, src_t, lines), codegen


@intrinsic
def fill_one(typingctx, number, to, lines):
    """The double at an address in every lane."""

    def codegen(context, builder, sig, args):
        e = Exact(builder, count(lines))
        e.store(args[1], e.weight(args[0], 0), types.float64)
        return context.get_dummy_value()

    return _signature(2, lines), codegen


@intrinsic
def advance(typingctx, enter, leave, total, lines):
    """total += the vector that enters - the one that leaves."""

    def codegen(context, builder, sig, args):
        e = Exact(builder, count(lines))
        t, new, old = (e.load(at, types.float64) for at in (args[2], args[0], args[1]))
        e.store(args[2], builder.fadd(t, builder.fsub(new, old)), types.float64)
        return context.get_dummy_value()

    return _signature(3, lines), codegen


@intrinsic
def total_lines(typingctx, buffer, n, total, lines):
    """total = the sum of n vectors from 0.0 on."""

    def codegen(context, builder, sig, args):
        buffer, n, total = args[:3]
        e = Exact(builder, count(lines))

        def turn(k, sums):
            return [builder.fadd(sums[0], e.load(builder.add(buffer, e.times(k, 8 * e.n)), types.float64))]

        e.store(total, e.repeat(e.const(0), n, e.const(1), [e.zero()], turn)[0], types.float64)
        return context.get_dummy_value()

    return _signature(3, lines), codegen


@intrinsic
def store_total(typingctx, total, numbers, outs, x, out_t, lines, divide):
    """The output of every line (at outs[r] + x) from its total."""

    def codegen(context, builder, sig, args):
        total, numbers, outs, x = args[:4]
        e = Exact(builder, count(lines))
        t = [e.load(total, types.float64)]
        _quotients(e, t, _divisor(e, numbers), count(divide), lambda k, q: _scattered(e, q, outs, x, out_t.dtype))
        return context.get_dummy_value()

    return _signature(4, out_t, lines, divide), codegen


def _scattered(e, q, outs, x, dtype):
    whole = e.converted(q, dtype)
    for r in range(e.n):
        sample = e.b.extract_element(whole, I32(r))
        e.b.store(sample, e.pointer(e.b.add(e.integer(outs, r), x), sample.type)).align = 1


def _run_line(e, enter, leave, total, numbers, outs, x, dtype, divide, first):
    """A vector of outputs of one line: differences at once, the total sample by sample."""
    b, one = e.b, Exact(e.b, 1)
    steps = b.fsub(e.load(enter, types.float64), e.load(leave, types.float64))
    t = b.extract_element(one.load(total, types.float64), I32(0))
    totals = ir.Constant(e.vector, ir.Undefined)
    for k in range(e.n):
        if k or not first:
            t = b.fadd(t, b.extract_element(steps, I32(k)))
        totals = b.insert_element(totals, t, I32(k))
    one.store(total, one.splat(t), types.float64)
    at = b.add(e.integer(outs, 0), x)
    _quotients(e, [totals], _divisor(e, numbers), divide, lambda k, q: e.store(at, q, dtype))


@intrinsic
def run_lines(typingctx, enter, leave, total, numbers, outs, x, out_t, lines, divide, first):
    """As many further outputs of every line as there are lines, side by side.

    first (None,): the first output is that of the total as it is.  A single line: a vector of its outputs.
    """

    def codegen(context, builder, sig, args):
        enter, leave, total, numbers, outs, x = args[:6]
        if count(lines) == 1:
            _run_line(Exact(builder), *args[:6], out_t.dtype, count(divide), count(first))
            return context.get_dummy_value()
        e = Exact(builder, count(lines))
        t = e.load(total, types.float64)
        totals = []
        for k in range(e.n):
            if k or not count(first):
                new, old = (e.load(e.plus(at, 8 * e.n * k), types.float64) for at in (enter, leave))
                t = builder.fadd(t, builder.fsub(new, old))
            totals.append(t)
        e.store(total, t, types.float64)
        columns = []

        def store(k, q):
            columns.append(e.converted(q, out_t.dtype))
            if len(columns) == e.n:
                for r, samples in enumerate(_turned_samples(e, columns, out_t.dtype)):
                    at = e.pointer(builder.add(e.integer(outs, r), x), samples.type)
                    builder.store(samples, at).align = 1
                columns.clear()

        _quotients(e, totals, _divisor(e, numbers), count(divide), store)
        return context.get_dummy_value()

    return _signature(6, out_t, lines, divide, first), codegen


__all__ = [
    "advance", "fill_one", "gather_block", "gather_one", "run_down", "run_lines", "store_total", "total_down",
    "total_lines",
]  # fmt: skip
