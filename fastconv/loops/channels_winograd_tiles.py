"""Winograd's (Cook and Toom's) transforms on vectors, and the turns between images and channel vectors.

A vector holds one sample of ``lanes`` neighbouring channels, so a tile's samples may lie anywhere: dilation and
borders cost nothing.  ``outs`` and ``taps`` (tuples of Nones) name F(outs, taps) along one axis, which reads
n = outs + taps - 1 samples; F(m, 1) is the identity, F(1, r) the plain sum.  Points: F(2, 2) 0, 1, inf; F(2, 3) and F(3, 2) 0, +-1, inf;
F(2, 4) and F(4, 2) 0, +-a, 1/a, inf; F(4, 3) and F(2, 5) 0, +-a, +-1/a, inf with a = sqrt(1/2): a fifth of the error of
0, +-1, +-2.

``step`` (a tuple of Nones) says how an axis moves: 1, outputs follow each other as samples do; 2, a stride of 2: even
taps read even samples and odd taps odd ones, so that F(outs, taps / 2) does for each and the sums are added; 3 and 4,
the adjoint of that, for padding of even and of odd size: even and odd outputs are two convolutions of the same samples.

References: Winograd, Arithmetic Complexity of Computations (1980); Lavin and Gray, "Fast Algorithms for
Convolutional Neural Networks" (2016), whose B, G and A these are.
"""

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from .vec import I32, Emitter, count

A = 0.5**0.5
B = 2.0**0.5
#: numbers of a sum of products that one turn of its loop adds
UNROLLED = 4


# one axis: lists of vectors to lists of vectors ------------------------------------------------------------------
class _Axis:
    """The transforms of F(outs, taps) with an emitter's vectors."""

    def __init__(self, e, outs, taps):
        self.e = e
        self.outs, self.taps = outs, taps
        self.n = outs + taps - 1

    def _fma(self, c, x, y):
        return self.e.fma(self.e.filled(x, c), x, y)

    def _mul(self, c, x):
        return self.e.b.fmul(self.e.filled(x, c), x)

    def image(self, d):
        """B^T d: n samples to n."""
        e = self.e
        if 1 in (self.taps, self.outs):
            return d
        if self.n == 3:
            return [e.sub(d[0], d[1]), d[1], e.sub(d[2], d[1])]
        if self.n == 4:
            return [e.sub(d[0], d[2]), e.add(d[1], d[2]), e.sub(d[2], d[1]), e.sub(d[1], d[3])]
        if self.n == 5:
            near, far = self._fma(-B, d[2], d[3]), self._fma(-B, d[1], d[2])
            third = self._fma(-A * A, d[1], d[3])
            return [
                self._fma(-A * A, self._fma(-B, d[0], d[1]), near),
                self._fma(A, far, near),
                self._fma(-A, far, near),
                third,
                self._fma(-B, third, self._fma(-A * A, d[2], d[4])),
            ]
        even, odd = self._fma(-B * B, d[2], d[4]), self._fma(-B * B, d[1], d[3])
        far, farther = self._fma(-A * A, d[2], d[4]), self._fma(-A * A, d[1], d[3])
        s = A * A + B * B
        return [
            self._fma(-s, d[2], e.add(d[0], d[4])),
            self._fma(A, odd, even),
            self._fma(-A, odd, even),
            self._fma(B, farther, far),
            self._fma(-B, farther, far),
            self._fma(-s, d[3], e.add(d[1], d[5])),
        ]

    def weights(self, g):
        """G g: taps to n."""
        e = self.e
        if self.outs == 1:
            return g
        if self.taps == 1:
            return g * self.n
        if self.n == 3:
            return [g[0], e.add(g[0], g[1]), g[1]]
        if self.n == 4 and self.taps == 2:
            even = self._mul(0.5, g[0])
            return [g[0], self._fma(0.5, g[1], even), self._fma(-0.5, g[1], even), g[1]]
        if self.n == 4:
            even = self._mul(0.5, e.add(g[0], g[2]))
            return [g[0], self._fma(0.5, g[1], even), self._fma(-0.5, g[1], even), g[2]]
        if self.n == 5:
            return self._weights_of_five(g)
        found = [g[0]]
        for p, q in ((A, B), (B, A)):
            scale = 1 / (2 * p**2 * (p**2 - q**2))  # 1 / the product of p's distances from the other points
            even = self._fma(scale * p**2, g[2], self._mul(scale, g[0]))
            odd = self._mul(scale * p, g[1])
            if self.taps == 5:
                even = self._fma(scale * p**4, g[4], even)
                odd = self._fma(scale * p**3, g[3], odd)
            found += [e.add(even, odd), e.sub(even, odd)]
        return [*found, g[-1]]

    def _weights_of_five(self, g):
        points = (0.0, A, -A, B)
        found = []
        for p in points:
            scale = 1.0
            for q in points:
                scale /= p - q if p != q else 1.0
            value = self._mul(scale, g[0])
            for k in range(1, self.taps if p else 1):
                value = self._fma(scale * p**k, g[k], value)
            found.append(value)
        return [*found, g[-1]]

    def result(self, m):
        """A^T m: n products to outs."""
        e = self.e
        if self.outs == 1:
            total = m[0]
            for v in m[1:]:
                total = e.add(total, v)
            return [total]
        if self.taps == 1:
            return m
        if self.n == 3:
            return [e.add(m[0], m[1]), e.add(m[1], m[2])]
        if self.n == 4 and self.outs == 3:
            both = e.add(m[1], m[2])
            return [e.add(m[0], both), e.sub(m[1], m[2]), e.sub(both, m[3])]
        if self.n == 4:
            return [e.add(e.add(m[0], m[1]), m[2]), e.sub(e.sub(m[1], m[2]), m[3])]
        if self.n == 5:
            both, across = e.add(m[1], m[2]), e.sub(m[1], m[2])
            found = [e.add(e.add(m[0], both), m[3])]
            for k in range(1, self.outs):
                found.append(self._fma(A**k, across if k % 2 else both, self._mul(B**k, m[3])))
            found[-1] = e.add(found[-1], m[4])
            return found
        near, across = e.add(m[1], m[2]), e.sub(m[1], m[2])
        far, farther = e.add(m[3], m[4]), e.sub(m[3], m[4])
        first = e.add(e.add(near, far), m[0])
        if self.outs == 2:
            return [first, self._fma(A, across, self._fma(B, farther, m[5]))]
        return [
            first,
            self._fma(A, across, self._mul(B, farther)),
            self._fma(A * A, near, self._mul(B * B, far)),
            self._fma(A**3, across, self._fma(B**3, farther, m[5])),
        ]


class _Strided:
    """Two samples on for each output: even taps on even samples, odd taps on odd ones."""

    def __init__(self, e, outs, taps):
        self.e = e
        self.parts = [_Axis(e, outs, (taps + 1) // 2), _Axis(e, outs, taps // 2)]

    def image(self, d):
        return [v for i, part in enumerate(self.parts) for v in part.image(d[i::2])]

    def weights(self, g):
        return [v for i, part in enumerate(self.parts) for v in part.weights(g[i::2])]

    def result(self, m):
        even, odd = (part.result(products) for part, products in zip(self.parts, self._cut(m), strict=True))
        return [self.e.add(x, y) for x, y in zip(even, odd, strict=True)]

    def _cut(self, m):
        return m[: self.parts[0].n], m[self.parts[0].n :]


class _Expanded(_Strided):
    """Two outputs on for each sample: output 2 t + f sums the taps k of f + odd - k even, over samples t + that / 2."""

    def __init__(self, e, outs, taps, odd):
        self.e = e
        reached = [[k for k in reversed(range(taps)) if (f + odd - k) % 2 == 0] for f in range(2)]
        firsts = [(f + odd - ks[0]) // 2 for f, ks in enumerate(reached)]
        self.firsts = [first - min(firsts) for first in firsts]
        self.reached = reached
        self.parts = [_Axis(e, outs, len(ks)) for ks in reached]

    def image(self, d):
        parts = zip(self.parts, self.firsts, strict=True)
        return [v for part, first in parts for v in part.image(d[first : first + part.n])]

    def weights(self, g):
        return [v for part, ks in zip(self.parts, self.reached, strict=True) for v in part.weights([g[k] for k in ks])]

    def result(self, m):
        even, odd = (part.result(products) for part, products in zip(self.parts, self._cut(m), strict=True))
        return [v for pair in zip(even, odd, strict=True) for v in pair]


def _axis(e, outs, taps, step):
    step = count(step)
    if step == 1:
        return _Axis(e, outs, taps)
    return _Strided(e, outs, taps) if step == 2 else _Expanded(e, outs, taps, step - 3)


def axis_counts(outs, taps, step):
    """(samples read, products, samples from a tile to the next, outputs made) of one axis; ``step`` as a number.

    >>> axis_counts(2, 3, 1), axis_counts(2, 3, 2), axis_counts(2, 3, 4)
    ((4, 4, 2, 2), (5, 5, 4, 2), (3, 5, 2, 4))
    """
    if step == 1:
        return outs + taps - 1, outs + taps - 1, outs, outs
    products = 2 * outs + taps - 2
    if step == 2:
        return 2 * outs + taps - 2, products, 2 * outs, outs
    axis = _Expanded(None, outs, taps, step - 3)
    samples = max(first + part.n for part, first in zip(axis.parts, axis.firsts, strict=True))
    return samples, products, outs, 2 * outs


def _both(grid, down, across):
    """Transform the columns of grid[row][column] with ``down``, then the rows with ``across``."""
    columns = [down(list(column)) for column in zip(*grid, strict=True)]
    return [across(list(row)) for row in zip(*columns, strict=True)]


def _signature(n, *tokens):
    return types.void(*[types.intp] * n, *tokens)


def _emitter(builder, acc_t, lanes):
    return Emitter(builder, acc_t.dtype, count(lanes))


@intrinsic
def tile_image(typingctx, source, down, right, to, step, acc_t, lanes, outs, taps_y, taps_x, step_y, step_x):
    """Product operand k of a tile at to + k * step; its sample (i, j) is a vector at source + i * down + j * right."""

    def codegen(context, builder, sig, args):
        source, down, right, to, step = args[:5]
        e = _emitter(builder, acc_t, lanes)
        y, x = (_axis(e, count(outs), count(t), s) for t, s in ((taps_y, step_y), (taps_x, step_x)))
        ny, nx = (axis_counts(count(outs), count(t), count(s)) for t, s in ((taps_y, step_y), (taps_x, step_x)))
        rows = [e.plus(source, e.times(down, i)) for i in range(ny[0])]
        columns = [e.times(right, j) for j in range(nx[0])]
        grid = [[e.load(e.plus(row, column), acc_t.dtype) for column in columns] for row in rows]
        for row in _both(grid, y.image, x.image):
            for v in row:
                e.store(to, v, acc_t.dtype)
                to = builder.add(to, step)
        return context.get_dummy_value()

    return _signature(5, acc_t, lanes, outs, taps_y, taps_x, step_y, step_x), codegen


@intrinsic
def tile_weights(typingctx, source, to, step, acc_t, lanes, outs, taps_y, taps_x, step_y, step_x):
    """Product operand k of one input channel at to + k * step, from a vector for each tap, one after another."""

    def codegen(context, builder, sig, args):
        source, to, step = args[:3]
        e = _emitter(builder, acc_t, lanes)
        y, x = (_axis(e, count(outs), count(t), s) for t, s in ((taps_y, step_y), (taps_x, step_x)))
        width = e.n * e.size

        def tap(i, j):
            return e.load(e.plus(source, (i * count(taps_x) + j) * width), acc_t.dtype)

        grid = [[tap(i, j) for j in range(count(taps_x))] for i in range(count(taps_y))]
        for row in _both(grid, y.weights, x.weights):
            for v in row:
                e.store(to, v, acc_t.dtype)
                to = builder.add(to, step)
        return context.get_dummy_value()

    return _signature(3, acc_t, lanes, outs, taps_y, taps_x, step_y, step_x), codegen


@intrinsic
def tile_result(typingctx, products, step, bias, to, down, right, acc_t, lanes, outs, taps_y, taps_x, step_y, step_x):
    """Outputs (i, j) of a tile at to + i * down + j * right, from product k at products + k * step; plus ``bias``."""

    def codegen(context, builder, sig, args):
        at, step, bias, to, down, right = args[:6]
        e = _emitter(builder, acc_t, lanes)
        y, x = (_axis(e, count(outs), count(t), s) for t, s in ((taps_y, step_y), (taps_x, step_x)))
        ny, nx = (axis_counts(count(outs), count(t), count(s)) for t, s in ((taps_y, step_y), (taps_x, step_x)))
        grid = []
        for _ in range(ny[1]):
            grid.append([])
            for _ in range(nx[1]):
                grid[-1].append(e.load(at, acc_t.dtype))
                at = builder.add(at, step)
        more = e.load(bias, acc_t.dtype)
        for i, row in enumerate(_both(grid, y.result, x.result)):
            for j, v in enumerate(row):
                e.store(e.plus(builder.add(to, e.times(down, i)), e.times(right, j)), e.add(v, more), acc_t.dtype)
        return context.get_dummy_value()

    return _signature(6, acc_t, lanes, outs, taps_y, taps_x, step_y, step_x), codegen


# turns -----------------------------------------------------------------------------------------------------------
def _shuffle(e, x, y, order):
    return e.b.shuffle_vector(x, y, ir.Constant(ir.VectorType(I32, e.n), order))


def _transposed(e, rows):
    """The columns of n vectors of n samples: pairs within 128 bits first, then parts of 128 bits."""
    n = e.n
    part = min(n, 16 // e.size)  # samples in 128 bits

    def interleave(x, y, unit, high):
        """Units of the low (or high) half of every 128 bits of x and y, by turns."""
        order = []
        for start in range(0, n, part):
            for u in range(part // unit // 2):
                first = start + high * part // 2 + u * unit
                order += [first + i for i in range(unit)] + [n + first + i for i in range(unit)]
        return _shuffle(e, x, y, order)

    unit = 1
    while unit < part:  # vector r + u holds columns u of `2 * unit` rows, in every part
        out = [None] * n
        for block in range(0, n, 2 * unit):
            for i in range(unit):
                x, y = rows[block + i], rows[block + unit + i]
                out[block + 2 * i], out[block + 2 * i + 1] = (interleave(x, y, unit, high) for high in (0, 1))
        rows, unit = out, 2 * unit
    span = 1
    while span * part < n:  # swap parts of 128 bits between vectors ``span`` blocks apart
        out = [None] * n
        for r in range(n):
            block = r // part
            if block // span % 2:
                continue
            x, y = rows[r], rows[r + span * part]
            lows, highs = [], []
            for s in range(n // part):
                at = s // span % 2
                lows += [(s if not at else n // part + s - span) * part + i for i in range(part)]
                highs += [(s + span if not at else n // part + s) * part + i for i in range(part)]
            out[r], out[r + span * part] = _shuffle(e, x, y, lows), _shuffle(e, x, y, highs)
        rows, span = out, 2 * span
    return rows


def _mask(e, some):
    """Lanes below ``some``."""
    iota = ir.Constant(ir.VectorType(ir.IntType(64), e.n), list(range(e.n)))
    undef = ir.Constant(iota.type, ir.Undefined)
    zeros = ir.Constant(ir.VectorType(I32, e.n), [0] * e.n)
    limit = e.b.shuffle_vector(e.b.insert_element(undef, some, ir.Constant(I32, 0)), undef, zeros)
    return e.b.icmp_signed("<", iota, limit)


def _masked(e, name, result, arguments):
    kind = "f32" if e.size == 4 else "f64"
    full = f"llvm.masked.{name}.v{e.n}{kind}.p0"
    found = e.b.module.globals.get(full) or ir.Function(
        e.b.module, ir.FunctionType(result, [a.type for a in arguments]), full
    )
    return e.b.call(found, arguments)


def _load_some(e, address, mask):
    align = ir.Constant(I32, 1)
    return _masked(e, "load", e.vector, [e.pointer(address, e.vector), align, mask, e.zero()])


def _store_some(e, address, v, mask):
    _masked(e, "store", ir.VoidType(), [v, e.pointer(address, e.vector), ir.Constant(I32, 1), mask])


@intrinsic
def turn(typingctx, source, source_pitch, to, to_pitch, rows, columns, acc_t, lanes, some):
    """Row j at to + j * to_pitch = column j of ``lanes`` rows of samples at source + i * source_pitch.

    some (None,): only ``rows`` rows and ``columns`` columns are read, the rest are zeros; (None,) * 2: only
    ``columns`` rows of ``rows`` samples are written.
    """

    def codegen(context, builder, sig, args):
        source, source_pitch, to, to_pitch, rows, columns = args[:6]
        e = _emitter(builder, acc_t, lanes)
        found = []
        wide = _mask(e, columns if count(some) == 1 else rows) if count(some) else None

        def mask(i, limit):
            there = builder.icmp_signed("<", e.const(i), limit)
            return builder.select(there, wide, ir.Constant(wide.type, None))

        for i in range(e.n):
            if count(some) == 1:
                found.append(_load_some(e, source, mask(i, rows)))
            else:
                found.append(e.load(source, acc_t.dtype))
            source = builder.add(source, source_pitch)
        for j, v in enumerate(_transposed(e, found)):
            if count(some) == 2:
                _store_some(e, to, v, mask(j, columns))
            else:
                e.store(to, v, acc_t.dtype)
            to = builder.add(to, to_pitch)
        return context.get_dummy_value()

    return _signature(6, acc_t, lanes, some), codegen


@intrinsic
def put_zeros(typingctx, to, acc_t, lanes):
    """One vector of zeros."""

    def codegen(context, builder, sig, args):
        e = _emitter(builder, acc_t, lanes)
        e.store(args[0], e.zero(), acc_t.dtype)
        return context.get_dummy_value()

    return _signature(1, acc_t, lanes), codegen


# products --------------------------------------------------------------------------------------------------------
@intrinsic
def product_block(typingctx, a, a_turn, b, turns, out, acc_t, lanes, rows, vectors, inner):
    """out[i] = sum over k of a(k, i) * b[k], for ``rows`` rows i of ``vectors`` vectors: a tile of registers.

    k runs over ``turns`` times ``inner`` numbers: a(k, i) is sample k % inner at a + (k // inner) * a_turn, rows
    ``inner`` samples apart; b[k] and out[i] are ``vectors`` vectors, one row after another.
    """

    def codegen(context, builder, sig, args):
        a, a_turn, b, turns, out = args[:5]
        e = _emitter(builder, acc_t, lanes)
        r_, v_, k_ = count(rows), count(vectors), count(inner)
        width = e.n * e.size

        def turn(_, carried):
            *sums, a, b = carried

            def some(k, carried):
                *sums, b = carried
                at = builder.add(a, e.times(k, e.size))
                for kk in range(UNROLLED):
                    row = [e.load(e.plus(b, (kk * v_ + v) * width), acc_t.dtype) for v in range(v_)]
                    for i in range(r_):
                        w = e.weight(e.plus(at, (i * k_ + kk) * e.size), 0)
                        for v in range(v_):
                            sums[i * v_ + v] = e.fma(w, row[v], sums[i * v_ + v])
                return [*sums, e.plus(b, UNROLLED * v_ * width)]

            *sums, b = e.repeat(e.const(0), e.const(k_), e.const(UNROLLED), [*sums, b], some)
            return [*sums, builder.add(a, a_turn), b]

        sums = [e.zero()] * (r_ * v_)
        *sums, _, _ = e.repeat(e.const(0), turns, e.const(1), [*sums, a, b], turn)
        for i, v in enumerate(sums):
            e.store(e.plus(out, i * width), v, acc_t.dtype)
        return context.get_dummy_value()

    return _signature(5, acc_t, lanes, rows, vectors, inner), codegen


__all__ = ["axis_counts", "product_block", "put_zeros", "tile_image", "tile_result", "tile_weights", "turn"]
