"""The march: four output rows at once, left to right, in registers.

Each vector of source samples is loaded once, or at each tap where that costs nothing but loads; sums over rows that
lie side by side are shifted against each other in registers.  Nothing is stored but the output; four rows are read
and written in step, which the memory serves best (2048 x 2048 float32: half to two thirds of the time of a line that
is stored and read again).  Sums are added in the order of `blocks.vertical`, `blocks.horizontal` and `blocks.window`.

Near the ends of a row the same vectors are permuted into what the border makes of them: there is no padded copy.
"""

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from .blocks import ordered_sums
from .memory import line_ahead
from .vec import I32, I64, Emitter, count

#: A row's plan is a table of int64 that begins with: how many vectors of outputs lie near its ends; the value outside,
#: in its first bytes; the samples of padding in front; the last output at which whole vectors may begin; the output
#: before which they end.  So many words, and then for each vector of outputs near the ends: its first output; for
#: each vector of columns under it the padded sample it is read from; for each lane of those the lane of what is read,
#: or -1 for the value outside, in integers as wide as the sums.
PLAN_WORDS = 5
#: weights that stay in registers; of more, each is read where it is needed
KEPT = 9
#: taps along a row that are shifted in registers whatever the source
SHIFTED = 3
#: vectors of a line of sums over rows, and vectors that they are summed before they are needed
LINE, LINE_LEAD = 32, 3
#: bytes before which memory is asked for a row that is not in the caches
AHEAD = 512


def shifted(e, columns, samples):
    """The vector that begins ``samples`` behind the first of ``columns``, vectors that lie side by side."""
    whole, part = divmod(samples, e.n)
    if part == 0:
        return columns[whole]
    lanes = ir.Constant(ir.VectorType(I32, e.n), [part + lane for lane in range(e.n)])
    return e.b.shuffle_vector(columns[whole], columns[whole + 1], lanes)


def addresses(e, table, n, more):
    """The first n addresses of a table, each with ``more`` bytes added."""
    return [e.b.add(e.integer(table, k), more) for k in range(n)]


def _store(e, address, v, dtype, stream):
    """Store a sum; with ``stream`` a whole cache line, past the caches."""
    v = e.converted(v, dtype)
    store = e.b.store(v, e.pointer(address, v.type))
    store.align = e.n * dtype.bitwidth // 8 if stream else 1
    if stream:
        store.set_metadata("nontemporal", e.b.module.add_metadata([I32(1)]))


def _ask(e, addresses, i, size):
    """Ask the memory for sample i of rows that are read in order, in bytes of ``size``, and of what follows it."""
    for address in addresses:
        line_ahead(e.b, e.plus(e.b.add(address, e.times(i, size)), AHEAD), ())


def _permuted(e, v, lanes, outside):
    """``v[lanes]``, and ``outside`` where the lane is negative."""
    name = "hi" if e.whole else {types.float32: "sf", types.float64: "df"}[e.acc]
    name = f"llvm.x86.avx512.permvar.{name}.512"
    module = e.b.module
    found = module.globals.get(name) or ir.Function(module, ir.FunctionType(v.type, [v.type, lanes.type]), name)
    inside = e.b.icmp_signed(">=", lanes, ir.Constant(lanes.type, None))
    return e.b.select(inside, e.b.call(found, [v, lanes]), outside)


def _ends(e, plan, ahead, near):
    """The outputs near the ends of a row, some of which lie inside and are made again.

    ``near(i, starts, border)`` makes and stores a vector of outputs from vectors of columns read at ``starts``,
    ``border(k, v)`` being what lies in the k-th of them.  They come first: what has passed the caches is far away.
    """
    b = e.b
    outside = e.weight(e.plus(plan, 8), 0)
    lanes_type = ir.VectorType(ir.IntType(e.acc.bitwidth), e.n)
    lanes_at = 8 * (ahead + 2)
    size = lanes_at + (ahead + 1) * e.n * e.size

    def end_of_row(t, _):
        at = b.add(e.plus(plan, 8 * PLAN_WORDS), e.times(t, size))

        def border(k, v):
            lanes = b.load(e.pointer(e.plus(at, lanes_at + k * e.n * e.size), lanes_type))
            lanes.align = 8
            return _permuted(e, v, lanes, outside)

        near(e.integer(at, 0), [e.integer(at, 1 + k) for k in range(ahead + 1)], border)
        return []

    e.repeat(e.const(0), e.integer(plan, 0), e.const(1), [], end_of_row)


def _inside(e, plan, lead, step):
    """Where the outputs begin and end that are made ``step`` at a time, ``lead`` of those inside left out in front."""
    b = e.b
    most, stop = e.integer(plan, 3), e.integer(plan, 4)
    begin = b.add(e.integer(plan, 2), lead)
    begin = b.select(b.icmp_signed("<", begin, most), begin, most)
    end = b.add(begin, b.mul(b.sdiv(b.sub(stop, begin), e.const(step)), e.const(step)))
    return begin, end


def _march(e, begin, end, step, first, main, put, streams):
    """Outputs begin..end, ``step`` at a time.

    ``main(i, carried)`` makes the outputs at i, carrying on from ``first(i)``, and gives what it carries on and those
    outputs; ``first`` also tells how many vectors they are.  ``put(i, outputs, streams)`` stores them, with
    ``streams`` past the caches.

    Outputs are stored a turn later, behind the next turn's loads: where the addresses of an output and of a source
    differ by some multiple of 4096 and a little, as those of two large arrays do, loads right behind a store would
    wait for it (3 x 3 taps of 2048 x 2048 float32: up to three times as long).
    """
    start, made = first(begin)

    def turn(i, carried):
        at, carried, waiting = carried[0], carried[1 : len(start) + 1], carried[len(start) + 1 :]
        carried, new = main(i, carried)
        put(at, waiting, streams)
        return [i, *carried, *new]

    last = e.repeat(begin, end, e.const(step), [begin, *start, *[e.zero()] * made], turn)
    put(last[0], last[len(start) + 1 :], streams)


def whole_row(e, plan, lead, ahead, step, first, main, put, near, streams):
    """Every output of a row, in registers: see `_ends`, `_inside` and `_march`."""
    _ends(e, plan, ahead, near)
    _march(e, *_inside(e, plan, lead, step), step, first, main, put, streams)


def _march_on_lines(e, begin, end, ahead, rows, column, sums_of, put, streams):
    """Outputs begin..end of many taps, a vector at a time, through lines of sums over rows in the nearest cache.

    Of bytes 9 x 9 taps take a fifth less time that way; rows as wide as their sums keep the cache busy by themselves.

    ``column(i)`` is the sums over rows of one vector of columns, for each of ``rows``; ``sums_of(line)`` the outputs
    whose first columns lie at the addresses ``line``.  Shifts in registers would cost as much as multiplications,
    loads cost nothing beside them; but those that span two vectors of a line wait until both are in the cache, so
    that columns are summed well ahead of the outputs under them.
    """
    b = e.b
    bytes_each = e.n * e.size
    lead = ahead + LINE_LEAD
    with b.goto_entry_block():
        room = b.alloca(e.vector, rows * (LINE + lead + 1))
        room.align = 64
    base = b.ptrtoint(room, I64)
    lines = [e.plus(base, r * (LINE + lead + 1) * bytes_each) for r in range(rows)]
    last = e.plus(end, (ahead - 1) * e.n)  # columns that outputs need

    def fill(i, at):
        i = b.select(b.icmp_signed("<", i, last), i, last)
        for line, s in zip(lines, column(i), strict=True):
            b.store(s, e.pointer(b.add(line, at), e.vector)).align = 64

    def early(k, _):
        fill(b.add(begin, e.times(k, e.n)), e.times(k, bytes_each))
        return []

    e.repeat(e.const(0), e.const(lead), e.const(1), [], early)

    def stretch(start, _):
        stop = e.plus(start, LINE * e.n)
        stop = b.select(b.icmp_signed("<", stop, end), stop, end)

        def turn(i, _):
            at = e.times(b.sub(i, start), e.size)
            fill(e.plus(i, lead * e.n), e.plus(at, lead * bytes_each))
            put(i, sums_of([b.add(line, at) for line in lines]), streams)
            return []

        e.repeat(start, stop, e.const(e.n), [], turn)

        def back(k, _):
            at = e.times(k, bytes_each)
            for line in lines:
                v = b.load(e.pointer(e.plus(b.add(line, at), LINE * bytes_each), e.vector))
                b.store(v, e.pointer(b.add(line, at), e.vector))
            return []

        e.repeat(e.const(0), e.const(lead), e.const(1), [], back)
        return []

    e.repeat(begin, end, e.const(LINE * e.n), [], stretch)


def by_columns(e, ahead, rows, column, sums_of, put):
    """`main`, `first` and `near` of `whole_row` for sums of columns that are carried on from turn to turn.

    ``column(i)``: a vector for each of ``rows`` output rows; ``sums_of(columns)``: the outputs of ``ahead`` + 1.
    """

    def main(i, carried):
        columns = [carried[k : k + rows] for k in range(0, ahead * rows, rows)]
        columns.append(column(e.plus(i, ahead * e.n)))
        return [v for c in columns[1:] for v in c], sums_of(columns)

    def first(i):
        return [v for k in range(ahead) for v in column(e.plus(i, k * e.n))], rows

    def near(i, starts, border):
        put(i, sums_of([[border(k, v) for v in column(start)] for k, start in enumerate(starts)]))

    return main, first, near


@intrinsic
def march_separable(
    typingctx, table, wv, wh, outs, plan, lead,
    src_t, acc_t, out_t, down, down_fold, along, along_fold, step, rows, stream,
):  # fmt: skip
    """out[r][i] = sum over j of wh[j] * sum over k of wv[k] * row[r + k][i + j * step], for all outputs of a row.

    ``table``, ``outs``: tables of the addresses of down + rows - 1 source rows and of the output rows; ``plan``: what
    lies at the ends of all of them (`PLAN_WORDS`); ``lead``: see `_inside`.  Nothing outside the rows is read.
    ``stream`` (None,): outputs lie on multiples of a vector's size then, and are stored past the caches.
    """

    def codegen(context, builder, sig, args):
        table, wv, wh, outs, plan, lead = args[:6]
        e = Emitter(builder, acc_t.dtype)
        nv, nh, r_, gap = (count(n) for n in (down, along, rows, step))
        narrow, width = src_t.dtype.bitwidth // 8, out_t.dtype.bitwidth // 8
        ahead = -(-(nh - 1) * gap // e.n)
        # addresses of the first padded sample
        padding = e.times(e.integer(plan, 2), -narrow)
        sources, targets = addresses(e, table, nv + r_ - 1, padding), addresses(e, outs, r_, e.const(0))
        vertical = [e.weight(wv, k) for k in range(nv)]
        horizontal = [e.weight(wh, k) for k in range(nh)]

        def column(i):
            """The sums over rows of one vector of columns, for each output row."""
            at = e.times(i, narrow)
            loaded = [e.load(builder.add(source, at), src_t.dtype) for source in sources]
            return ordered_sums(e, count(down_fold), nv, r_, lambda k, r: loaded[k + r], vertical.__getitem__)

        def along_taps(sample):
            return ordered_sums(e, count(along_fold), nh, r_, sample, horizontal.__getitem__)

        def sums_of(columns):
            return along_taps(lambda k, r: shifted(e, [c[r] for c in columns], k * gap))

        def put(i, sums, streams=False):
            at = e.times(i, width)
            for to, s in zip(targets, sums, strict=True):
                _store(e, builder.add(to, at), s, out_t.dtype, streams)

        carry_on, first, near = by_columns(e, ahead, r_, column, sums_of, put)

        def main(i, carried):
            if count(stream):
                _ask(e, sources[nv - 1 :], i, narrow)
            return carry_on(i, carried)

        if nh > SHIFTED and not e.whole and narrow < e.size:

            def on_line(line):
                return along_taps(lambda k, r: e.load(e.plus(line[r], k * gap * e.size), acc_t.dtype))

            _ends(e, plan, ahead, near)
            begin, end = _inside(e, plan, lead, e.n)
            _march_on_lines(e, begin, end, ahead, r_, column, on_line, put, count(stream))
        else:
            whole_row(e, plan, lead, ahead, e.n, first, main, put, near, count(stream))
        return context.get_dummy_value()

    tokens = (src_t, acc_t, out_t, down, down_fold, along, along_fold, step, rows, stream)
    return types.void(*[types.intp] * 6, *tokens), codegen


@intrinsic
def march_dense(
    typingctx, table, w, outs, plan, lead, src_t, acc_t, out_t, down, along, step, cross, rows, vectors, stream
):  # fmt: skip
    """out[r][i] = sum over k, j of w[k, j] * row[r + k][i + j * step], for all outputs of a row.

    See `march_separable`; ``vectors`` of each row are summed at once.  ``cross`` (None,): only the middle row and the
    middle column have taps, and ``w`` holds nothing else.
    """

    def codegen(context, builder, sig, args):
        table, w, outs, plan, lead = args[:5]
        e = Emitter(builder, acc_t.dtype)
        nv, nh, r_, gap = (count(n) for n in (down, along, rows, step))
        narrow, width = src_t.dtype.bitwidth // 8, out_t.dtype.bitwidth // 8
        ahead = -(-(nh - 1) * gap // e.n)
        padding = e.times(e.integer(plan, 2), -narrow)
        sources, targets = addresses(e, table, nv + r_ - 1, padding), addresses(e, outs, r_, e.const(0))
        v_ = count(vectors)
        carries = src_t.dtype != acc_t.dtype  # what is converted, is converted once
        taps = [(k, j) for k in range(nv) for j in range(nh) if not count(cross) or k == nv // 2 or j == nh // 2]
        kept = {tap: e.weight(w, t) for t, tap in enumerate(taps)} if len(taps) <= KEPT else {}

        def weight(tap):
            return kept.get(tap) or e.weight(w, taps.index(tap))

        def block(many, samples):
            """``many`` vectors of every output row: ``samples(source)`` gives what lies under each column of taps."""
            sums = [[e.zero()] * many for _ in range(r_)]
            for p, source in enumerate(sources):
                under = samples(source)
                for j in range(nh):
                    for r in range(r_):
                        if (p - r, j) in taps:
                            tap = weight((p - r, j))
                            sums[r] = [e.fma(under(j, v), tap, s) for v, s in enumerate(sums[r])]
            return [s for row in sums for s in row]

        def put(i, sums, streams=False):
            at = e.times(i, width)
            many = len(sums) // r_
            for k, s in enumerate(sums):
                to = builder.add(targets[k // many], at)
                _store(e, e.plus(to, k % many * e.n * width), s, out_t.dtype, streams)

        def in_registers(loaded):
            made = {}

            def under(j, v):
                if (j, v) not in made:
                    made[j, v] = shifted(e, loaded[v : v + ahead + 1], j * gap)
                return made[j, v]

            return under

        def main(i, carried):
            if count(stream):
                _ask(e, sources[nv - 1 :], i, narrow)
            following = []

            def samples(source):
                at = builder.add(source, e.times(i, narrow))
                if carries:
                    loaded = carried[len(following) : len(following) + ahead]
                    loaded += [e.load(e.plus(at, (ahead + v) * e.n * narrow), src_t.dtype) for v in range(v_)]
                    following.extend(loaded[v_:])
                    return in_registers(loaded)
                made = {}

                def under(j, v):  # loads are free where the multiplications bind; shifts are not
                    begin = v * e.n + j * gap
                    if begin not in made:
                        made[begin] = e.load(e.plus(at, begin * narrow), src_t.dtype)
                    return made[begin]

                return under

            sums = block(v_, samples)
            return following, sums

        def first(i):
            ats = [builder.add(source, e.times(i, narrow)) for source in sources] if carries else []
            return [e.load(e.plus(at, v * e.n * narrow), src_t.dtype) for at in ats for v in range(ahead)], r_ * v_

        def near(i, starts, border):
            def samples(source):
                at = [builder.add(source, e.times(start, narrow)) for start in starts]
                return in_registers([border(k, e.load(a, src_t.dtype)) for k, a in enumerate(at)])

            put(i, block(1, samples))

        whole_row(e, plan, lead, ahead, v_ * e.n, first, main, put, near, count(stream))
        return context.get_dummy_value()

    tokens = (src_t, acc_t, out_t, down, along, step, cross, rows, vectors, stream)
    return types.void(*[types.intp] * 5, *tokens), codegen


__all__ = [
    "KEPT",
    "PLAN_WORDS",
    "addresses",
    "by_columns",
    "march_dense",
    "march_separable",
    "shifted",
    "whole_row",
]
