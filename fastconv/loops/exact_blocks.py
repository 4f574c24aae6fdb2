"""Blocks of sums whose every bit is fixed: in double, each product and each addition rounded, in a given order.

The order of a line of taps is the one that `scipy.ndimage.correlate1d` keeps (its C source, NI_Correlate1D): an odd
number of symmetric or antisymmetric taps starts at the middle, then takes the farthest pair and goes inward, the two
samples of a pair joined before the product with the left one's weight; any other taps start at the last, then go from
the left.  A window's sum starts at zero and takes its taps in C order (NI_Correlate).  No product is fused into an
addition.  Results are stored as C casts them: floats round, integers drop the fraction and wrap.

Tokens as in `blocks`; ``fold`` is () for any taps, (None,) for symmetric and (None, None) for antisymmetric ones.
"""

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from .vec import I32, I64, Emitter, count, scalar_type

#: taps (or pairs) that one turn of a run-time loop unrolls, one such loop after the other
CHUNKS = (4, 1)
LINE_CHUNKS = (8, 4, 1)


class Exact(Emitter):
    """An Emitter of doubles that stores as C casts, and never contracts."""

    def __init__(self, builder, n=None):
        super().__init__(builder, types.float64, n)

    def converted(self, v, dtype):
        """Doubles as another dtype: floats round to nearest, integers truncate toward zero and wrap."""
        b = self.b
        if dtype == types.float64:
            return v
        if isinstance(dtype, types.Float):
            return b.fptrunc(v, ir.VectorType(scalar_type(dtype), self.n))
        if dtype == types.uint64:  # C's compilers take 2**63 off what a signed integer cannot hold
            high = b.fcmp_ordered(">=", v, self.filled(v, 2.0**63))
            less = b.select(high, b.fsub(v, self.filled(v, 2.0**63)), v)
            v = b.fptosi(less, ir.VectorType(I64, self.n))
            return b.xor(v, b.select(high, self.filled(v, -(2**63)), self.filled(v, 0)))
        wide = I64 if dtype.bitwidth == 64 or dtype == types.uint32 else I32
        v = b.fptosi(v, ir.VectorType(wide, self.n))
        if dtype.bitwidth < wide.width:
            v = b.trunc(v, ir.VectorType(ir.IntType(dtype.bitwidth), self.n))
        return v

    def widened(self, v, dtype):
        """Values of a dtype as doubles."""
        b = self.b
        if dtype == types.float64:
            return v
        if isinstance(dtype, types.Float):
            return b.fpext(v, self.vector)
        return (b.sitofp if dtype.signed else b.uitofp)(v, self.vector)

    def squared(self, v, dtype):
        """Squares of values of a dtype (float, or integer of at most 16 bits), as its own product leaves them."""
        b = self.b
        if isinstance(dtype, types.Float):
            return self.through(b.fmul(v, v), dtype)
        whole = self.converted(v, dtype)  # the product may pass what a cast from double holds: multiply and wrap
        return self.widened(b.mul(whole, whole), dtype)

    def through(self, v, dtype):
        """Doubles as they come back after having been stored as another dtype."""
        return self.widened(self.converted(v, dtype), dtype)


class Points(Exact):
    """An Exact that casts as NI_Correlate does: what is negative by its magnitude (which uint64 alone can tell)."""

    def converted(self, v, dtype):
        if dtype != types.uint64:
            return super().converted(v, dtype)
        whole = super().converted(self.call("fabs", v), dtype)
        positive = self.b.fcmp_ordered(">", v, self.zero())
        return self.b.select(positive, whole, self.b.sub(self.filled(whole, 0), whole))


def _indexed(e, k, more=0):
    """A tap number (base, j) + more as a number known now or an LLVM value."""
    base, j = k
    return j + more if base is None else e.plus(base, j + more)


def line_sums(e, fold, taps, n, out, sample, weight, chunks=CHUNKS):
    """The sums of ``out`` outputs over a line of taps, in the order of the module's text.

    ``sample(k, r)``: tap k's vector for output r; ``weight(k)``: its coefficient in every lane.  k is a pair
    ``(base, j)``: an LLVM tap number (or None) plus a number known now.  taps: their number, 0: ``n`` at run time.
    """
    b = e.b

    def products(k):
        w = weight(k)
        return [b.fmul(sample(k, r), w) for r in range(out)]

    def tap(sums, k):
        w = weight(k)
        return [b.fadd(s, b.fmul(sample(k, r), w)) for r, s in enumerate(sums)]

    join = b.fadd if fold == 1 else b.fsub

    def pair(sums, low, high):
        w = weight(low)
        both = [join(sample(low, r), sample(high, r)) for r in range(out)]
        return [b.fadd(s, b.fmul(x, w)) for s, x in zip(sums, both, strict=True)]

    if taps:
        if not fold:
            sums = products((None, taps - 1))
            for k in range(taps - 1):
                sums = tap(sums, (None, k))
            return sums
        sums = products((None, taps // 2))
        for k in range(taps // 2):
            sums = pair(sums, (None, k), (None, taps - 1 - k))
        return sums

    one = e.const(1)
    last = b.sub(n, one)
    middle = b.lshr(n, one)
    stop = middle if fold else last
    sums = products((middle if fold else last, 0))

    def turns(width):
        def turn(i, sums):
            high = b.sub(last, i)
            for j in range(width):
                sums = pair(sums, (i, j), (high, -j)) if fold else tap(sums, (i, j))
            return sums

        return turn

    begin = e.const(0)
    for width in chunks:
        end = stop if width == 1 else b.and_(stop, e.const(-width))
        sums = e.repeat(begin, end, e.const(width), sums, turns(width))
        begin = end
    return sums


def finished(e, s, finish, address, through):
    """What is stored for sum ``s`` at an address: see `FINISH` of exact_rows."""
    s = e.through(s, through)
    if finish in (2, 3, 4):
        s = e.squared(s, through)
    if finish in (1, 3, 4):
        s = e.through(e.b.fadd(e.load(address, through), s), through)
    if finish == 4:
        s = e.call("sqrt", s)
    return s


def _signature(n, *tokens):
    return types.void(*[types.intp] * n, *tokens)


@intrinsic
def exact_down(typingctx, table, x, w, n, outs, out_x, out_t, line, finish, taps, fold, rows, narrow):
    """One vector of the sums over taps down rows of doubles, for ``rows`` neighbouring outputs.

    table: address of the int64 addresses of n + rows - 1 rows; x: byte offset in them; outs: address of the int64
    addresses of the outputs, ``out_x`` bytes are added.  line (None,): doubles are stored, as they come back from
    ``out_t``; else samples of ``out_t``.  narrow (None,): one sample, not a vector.
    """

    def codegen(context, builder, sig, args):
        table, x, w, n, outs, out_x = args[:6]
        e = Exact(builder, 1 if count(narrow) else None)
        seen = {}

        def sample(k, r):
            base, j = k
            key = (id(base), j + r)
            if key not in seen:
                row = e.integer(table, _indexed(e, k, r))
                seen[key] = (base, e.load(builder.add(row, x), types.float64))
            return seen[key][1]

        sums = line_sums(e, count(fold), count(taps), n, count(rows), sample, lambda k: e.weight(w, _indexed(e, k)))
        for r, s in enumerate(sums):
            at = builder.add(e.integer(outs, r), out_x)
            if count(line):
                e.store(at, e.through(s, out_t.dtype), types.float64)
            else:
                e.store(at, finished(e, s, count(finish), at, out_t.dtype), out_t.dtype)
        return context.get_dummy_value()

    return _signature(6, out_t, line, finish, taps, fold, rows, narrow), codegen


@intrinsic
def exact_along(typingctx, line, step, w, n, out, out_t, to_line, finish, taps, fold, near, vectors, narrow):
    """Sums over taps ``step`` bytes apart along a line of doubles, for ``vectors`` vectors of neighbouring outputs.

    near (None,): the taps are neighbours, and the line lies at a multiple of a vector's bytes (else it is slower).
    Vectors of taps that lie across two lines of the cache cost two loads each: every other one is then put together
    from vectors that do not, which taps share.
    """

    def codegen(context, builder, sig, args):
        line, step, w, n, out = args[:5]
        e = Exact(builder, 1 if count(narrow) else None)
        starts = {}

        def start(k):
            base, j = k
            key = (id(base), j)
            if key not in starts:
                i = _indexed(e, k)
                far = e.times(step, i) if isinstance(i, int) else builder.mul(step, i)
                starts[key] = (base, builder.add(line, far))
            return starts[key][1]

        whole = {}

        def aligned(base, v):
            """Vector v of those that begin at tap ``base``."""
            key = (id(base), v)
            if key not in whole:
                whole[key] = (base, e.load(e.plus(start((base, 0)), e.size * e.n * v), types.float64))
            return whole[key][1]

        wide = count(near) and e.n == 8 and not count(taps)

        def sample(k, v):
            base, j = k
            if wide and base is not None and 0 <= j < e.n and (count(fold) or j % 2):
                index = ir.Constant(ir.VectorType(I32, e.n), list(range(j, j + e.n)))
                return builder.shuffle_vector(aligned(base, v), aligned(base, v + 1), index)
            return e.load(e.plus(start(k), e.size * e.n * v), types.float64)

        chunks = LINE_CHUNKS if wide else CHUNKS
        sums = line_sums(
            e, count(fold), count(taps), n, count(vectors), sample, lambda k: e.weight(w, _indexed(e, k)), chunks
        )
        dtype = types.float64 if count(to_line) else out_t.dtype
        for v, s in enumerate(sums):
            at = e.plus(out, dtype.bitwidth // 8 * e.n * v)
            s = e.through(s, out_t.dtype) if count(to_line) else finished(e, s, count(finish), at, out_t.dtype)
            e.store(at, s, dtype)
        return context.get_dummy_value()

    return _signature(5, out_t, to_line, finish, taps, fold, near, vectors, narrow), codegen


@intrinsic
def exact_window(typingctx, table, x, w, n, outs, out_x, out_t, vectors, narrow):
    """outs + out_x = 0 + the sum over t < n of w[t] * the doubles at table[t] + x, for ``vectors`` vectors."""

    def codegen(context, builder, sig, args):
        table, x, w, n, outs, out_x = args[:6]
        e = Points(builder, 1 if count(narrow) else None)
        v_ = count(vectors)

        def turn(t, sums):
            at = builder.add(e.integer(table, t), x)
            wt = e.weight(w, t)
            far = e.size * e.n
            return [
                builder.fadd(s, builder.fmul(e.load(e.plus(at, far * v), types.float64), wt))
                for v, s in enumerate(sums)
            ]

        sums = e.repeat(e.const(0), n, e.const(1), [e.zero()] * v_, turn)
        width = out_t.dtype.bitwidth // 8
        for v, s in enumerate(sums):
            e.store(builder.add(outs, e.plus(out_x, width * e.n * v)), s, out_t.dtype)
        return context.get_dummy_value()

    return _signature(6, out_t, vectors, narrow), codegen


@intrinsic
def exact_move(typingctx, source, target, source_t, target_t, narrow):
    """A vector (narrow (None,): one sample) from an address to another, as C casts it by way of double."""

    def codegen(context, builder, sig, args):
        e = Exact(builder, 1 if count(narrow) else None)
        e.store(args[1], e.load(args[0], source_t.dtype), target_t.dtype)
        return context.get_dummy_value()

    return _signature(2, source_t, target_t, narrow), codegen


@intrinsic
def put(typingctx, address, value):
    """Store an int64 at an address."""

    def codegen(context, builder, sig, args):
        builder.store(args[1], builder.inttoptr(args[0], I64.as_pointer())).align = 1
        return context.get_dummy_value()

    return _signature(2), codegen


__all__ = [
    "Exact",
    "Points",
    "exact_along",
    "exact_down",
    "exact_move",
    "exact_window",
    "finished",
    "line_sums",
    "put",
]
