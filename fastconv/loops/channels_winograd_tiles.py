"""Winograd's (Cook and Toom's) transforms on vectors, and the turns between images and channel vectors.

A vector holds one sample of ``lanes`` neighbouring channels, so a tile's samples may lie anywhere: dilation and
borders cost nothing.  `channels_winograd_axes` has the transforms of one axis, and says what
``outs``, ``taps`` and ``step`` are.
"""

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from .channels_winograd_axes import axis_counts, axis_of
from .vec import I32, Emitter, count

#: numbers of a sum of products that one turn of its loop adds
UNROLLED = 4


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
        y, x = (axis_of(e, count(outs), count(t), s) for t, s in ((taps_y, step_y), (taps_x, step_x)))
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
        y, x = (axis_of(e, count(outs), count(t), s) for t, s in ((taps_y, step_y), (taps_x, step_x)))
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
        y, x = (axis_of(e, count(outs), count(t), s) for t, s in ((taps_y, step_y), (taps_x, step_x)))
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


__all__ = ["product_block", "put_zeros", "tile_image", "tile_result", "tile_weights", "turn"]
