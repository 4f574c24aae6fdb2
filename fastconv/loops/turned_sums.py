"""Running sums of as many rows at once as a vector has samples: along a row whole vectors enter and leave.

Column sums slide down the rows of a group in registers; the squares of samples that they make are turned over, so that
neighbouring columns are neighbouring vectors; a window's sum is then the last one's, plus the vector that enters,
minus the one that leaves.  The sums are scaled and cast as vectors and turned back on their way to the output.
"""

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from .blocks import call_row
from .cpu_separable import CONSTANT_ROW
from .jit import helper, loop
from .memory import copied
from .vec import I32, Emitter, count

# constants of a specialisation, see jit.Loop.address
SRC = ACC = OUT = SCALE = STEP = ()
SRC_SIZE = ACC_SIZE = OUT_SIZE = LANES = 0


def _turned(builder, rows):
    """A square of samples turned over, each row a vector."""
    n = len(rows)

    def picked(a, b, lanes):
        return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(I32, n), lanes))

    if n * getattr(rows[0].type.element, "width", 64) <= 128:  # one instruction interleaves halves of 16 bytes
        low = [n * (i % 2) + i // 2 for i in range(n)]
        high = [lane + n // 2 for lane in low]
        half = 1
        while half < n:
            pairs = [(rows[i], rows[i + n // 2]) for i in range(n // 2)]
            rows = [picked(a, b, lanes) for a, b in pairs for lanes in (low, high)]
            half *= 2
        return rows
    rows = list(rows)
    half = n // 2
    while half:
        upper = [lane if not lane & half else n + lane - half for lane in range(n)]
        lower = [lane + half if not lane & half else n + lane for lane in range(n)]
        for i in (i for i in range(n) if not i & half):
            a, b = rows[i], rows[i + half]
            rows[i], rows[i + half] = picked(a, b, upper), picked(a, b, lower)
        half //= 2
    return rows


@intrinsic
def column_square(typingctx, table, x, columns, target, src_t, acc_t):
    """Column sums of a square: those above it, plus each row that enters, minus each that leaves; turned, to target.

    table: addresses of the rows that enter, then of those that leave; x: bytes into them; columns: the sums above the
    square, and afterwards its last row's.
    """

    def codegen(context, builder, sig, args):
        table, x, columns, target = args[:4]
        e = Emitter(builder, acc_t.dtype)
        sums = e.load(columns, acc_t.dtype)
        rows = []
        for r in range(e.n):
            new, old = (e.load(builder.add(e.integer(table, i), x), src_t.dtype) for i in (r, e.n + r))
            sums = e.add(sums, e.sub(new, old)) if e.whole else e.sub(e.add(sums, new), old)
            rows.append(sums)
        e.store(columns, sums, acc_t.dtype)
        for i, row in enumerate(_turned(builder, rows)):
            e.store(e.plus(target, i * e.n * e.size), row, acc_t.dtype)
        return context.get_dummy_value()

    return types.void(*[types.intp] * 4, src_t, acc_t), codegen


@intrinsic
def sum_squares(typingctx, enters, leaves, state, scale, outs, x, squares, acc_t, scale_t, out_t, step):
    """Window sums of ``squares`` squares of outputs, times the scale, turned back and stored.

    enters, leaves: addresses of vectors, one for each output; state: address of the ``step`` last sums; outs: address
    of the rows' addresses; x: bytes into them.
    """

    def codegen(context, builder, sig, args):
        enters, leaves, state, scale, outs, x, squares = args[:7]
        b = builder
        e = Emitter(b, acc_t.dtype)
        f = Emitter(b, scale_t.dtype, e.n)
        vector = e.n * e.size
        chains = count(step)
        factor = f.weight(scale, 0)
        places = [e.integer(outs, r) for r in range(e.n)]

        def square(i, sums):
            at = b.mul(i, e.const(e.n * vector))
            new, old = b.add(enters, at), b.add(leaves, at)
            columns = []
            for k in range(e.n):
                both = e.sub(*(e.load(e.plus(a, k * vector), acc_t.dtype) for a in (new, old)))
                sums = [*sums[1:], e.add(sums[0], both)]
                s = b.sitofp(sums[-1], f.vector) if e.whole else sums[-1]
                columns.append(f.converted(b.fmul(s, factor), out_t.dtype))
            to = b.add(x, b.mul(i, e.const(e.n * out_t.dtype.bitwidth // 8)))
            for place, row in zip(places, _turned(b, columns), strict=True):
                b.store(row, e.pointer(b.add(place, to), row.type)).align = 1
            return sums

        sums = [e.load(e.plus(state, c * vector), acc_t.dtype) for c in range(chains)]
        for c, s in enumerate(e.repeat(e.const(0), squares, e.const(1), sums, square)):
            e.store(e.plus(state, c * vector), s, acc_t.dtype)
        return context.get_dummy_value()

    return types.void(*[types.intp] * 7, acc_t, scale_t, out_t, step), codegen


@intrinsic
def add_vector(typingctx, target, source, acc_t):
    """target += source, a vector each."""

    def codegen(context, builder, sig, args):
        e = Emitter(builder, acc_t.dtype)
        e.store(args[0], e.add(*(e.load(a, acc_t.dtype) for a in args[:2])), acc_t.dtype)
        return context.get_dummy_value()

    return types.void(types.intp, types.intp, acc_t), codegen


@loop
def turned_columns(table, x, columns, target, squares):
    """`column_square` for neighbouring squares: x, columns and target are the first one's; x in samples."""
    for i in range(squares):
        at = i * LANES
        column_square(table, (x + at) * SRC_SIZE, columns + at * ACC_SIZE, target + at * LANES * ACC_SIZE, SRC, ACC)


@loop
def turned_starts(turned, size, step, state):
    """state[c] = sum of the first ``size`` - 1 vectors of chain c, ``step`` apart, c < step."""
    vector = LANES * ACC_SIZE
    for c in range(step):
        copied(turned - vector, state + c * vector, vector)
        for k in range(size - 1):
            add_vector(state + c * vector, turned + (c + k * step) * vector, ACC)


@loop
def turned_row(enters, leaves, state, scale, outs, x, squares):
    """`sum_squares`; x in samples."""
    sum_squares(enters, leaves, state, scale, outs, x * OUT_SIZE, squares, ACC, SCALE, OUT, STEP)


@helper
def _alone(
    src, row_offset, constant_row, first, nv, nh, step, before, left, right, n_in, out, n_out,
    line, numbers, slide1, sums1, plain1,
):  # fmt: skip
    """One row by itself, as `cpu_sums.sum_rows` does it where nothing is known of the row above."""
    whole = line.ctypes.data
    columns = whole + line.itemsize * before
    scale = numbers.ctypes.data
    total = scale + numbers.itemsize
    line[before : before + n_in] = 0
    for k in range(nv):
        offset = row_offset[first + k]
        call_row(slide1, (columns, constant_row if offset == CONSTANT_ROW else src + offset, 0, n_in))
    for p in range(before):
        line[p] = numbers[2] if left[p] < 0 else line[before + left[p]]
    for p in range(right.size):
        line[before + n_in + p] = numbers[2] if right[p] < 0 else line[before + right[p]]
    call_row(sums1, (whole, nh, step, scale, total, out, n_out))
    if numbers[1] - numbers[1] != 0:
        call_row(plain1, (whole, nh, step, scale, total, out, n_out))


@loop
def sum_groups(
    src, row_offset, constant_row, first_row, nv, nh, step, before, left, right, least, n_in,
    out, out_offset, n_out, y0, y1, origin, restart, square, src_size, out_size, tile, columns, turned, state, table,
    zeros, spare, line, numbers, enter1, slide1, starts1, turned_columns1, turned_row1, sums1, plain1,
):  # fmt: skip
    """Output rows y0..y1 of a box of nv x nh samples, ``square`` at a time.

    Arguments as in `cpu_sums.sum_rows`, and: least: source samples that ``left`` draws on; tile: columns worked on at
    a time, whole squares; columns: the running sums, those of the last square once more behind them; turned: scratch,
    a vector for each padded sample, ``step`` in front and a square behind; state: ``step`` vectors; table: scratch of
    three squares of addresses; zeros: a source row of zeros; spare: scratch of as many output rows as a square holds
    samples, each a square long, and of one whole row; enter1: `cpu_sums.slide_row` for the sums of ``columns``.
    """
    size = columns.itemsize
    vector = square * size
    room = turned.ctypes.data + step * vector
    whole = n_in // square * square
    padded = before + n_in + right.size
    turned[: step * square] = 0
    turned[(step + padded) * square :] = 0
    rows, outs = table.ctypes.data, table.ctypes.data + 16 * square
    squares = n_out // square
    spares = spare.ctypes.data
    fresh = True
    y = y0
    while y < y1:
        if restart > 0 and (origin + y) % restart == 0:
            fresh = True
        many = 1
        most = min(square, y1 - y)
        if restart > 0:
            most = min(most, restart - (origin + y) % restart)
        while many < most and first_row[y + many] == first_row[y] + many:
            many += 1
        if y > y0 and first_row[y] != first_row[y - 1] + 1:
            fresh = True
        first = first_row[y]
        if fresh:
            columns[:] = 0
            for k in range(nv - 1):
                offset = row_offset[first + k]
                row = constant_row if offset == CONSTANT_ROW else src + offset
                call_row(enter1, (columns.ctypes.data, row, 0, whole))
                call_row(enter1, (columns.ctypes.data + whole * size, row + (n_in - square) * src_size, 0, square))
        for r in range(square):
            table[r] = table[square + r] = zeros
            table[2 * square + r] = spares + square * square * out_size
            if r < many:
                offset = row_offset[first + r + nv - 1]
                table[r] = constant_row if offset == CONSTANT_ROW else src + offset
                table[2 * square + r] = out + out_offset[y + r]
                if r > 0 or not fresh:
                    offset = row_offset[first + r - 1]
                    table[square + r] = constant_row if offset == CONSTANT_ROW else src + offset
        fresh = False
        done = 0  # columns that are turned, and outputs written
        made = 0
        while done < whole:
            goal = min(whole, max(done + tile, (least + square - 1) // square * square))
            call_row(turned_columns1, (rows, done, columns.ctypes.data + done * size,
                                       room + (before + done) * vector, (goal - done) // square))  # fmt: skip
            first_tile = done == 0
            done = goal
            ready = before + done
            if done == whole:
                call_row(turned_columns1, (rows, n_in - square, columns.ctypes.data + whole * size,
                                           room + (before + n_in - square) * vector, 1))  # fmt: skip
                for p in range(right.size):
                    e = right[p]
                    to = room + (before + n_in + p) * vector
                    if e < 0:
                        at = (step + before + n_in + p) * square
                        turned[at : at + square] = numbers[2]
                    else:
                        copied(room + (before + e) * vector, to, vector)
                ready = padded
            if first_tile:
                for p in range(before):
                    e = left[p]
                    if e < 0:
                        turned[(step + p) * square : (step + p + 1) * square] = numbers[2]
                    else:
                        copied(room + (before + e) * vector, room + p * vector, vector)
                call_row(starts1, (room, nh, step, state.ctypes.data))
            more = squares - made if done == whole else max(0, min(squares, (ready - (nh - 1) * step) // square) - made)
            x = made * square
            call_row(turned_row1, (room + (x + (nh - 1) * step) * vector, room + (x - step) * vector, state.ctypes.data,
                                   numbers.ctypes.data, outs, x, more))  # fmt: skip
            made += more
        rest = n_out - squares * square
        if rest:
            x = squares * square
            for r in range(many):
                table[r] = table[2 * square + r] + x * out_size
            for r in range(square):
                table[2 * square + r] = spares + r * square * out_size
            call_row(turned_row1, (room + (x + (nh - 1) * step) * vector, room + (x - step) * vector, state.ctypes.data,
                                   numbers.ctypes.data, outs, 0, 1))  # fmt: skip
            for r in range(many):
                copied(spares + r * square * out_size, table[r], rest * out_size)
        good = True
        for i in range(step * square):
            if state[i] - state[i] != 0:
                good = False
        if not good:
            for r in range(many):
                _alone(src, row_offset, constant_row, first + r, nv, nh, step, before, left, right, n_in,
                       out + out_offset[y + r], n_out, line, numbers, slide1, sums1, plain1)  # fmt: skip
            fresh = True
        y += many


__all__ = ["sum_groups", "turned_columns", "turned_row", "turned_starts"]
