"""The march: four output rows at once, left to right, in registers.

Each vector of source samples is loaded once; neighbouring columns are two vectors side by side, shifted against each
other in registers.  Nothing is stored but the output and no load is repeated at another alignment; four rows are read
and written in step, which the memory serves best (2048 x 2048 float32: half to two thirds of the time of a line that
is stored and read again).  Sums are added in the order of `blocks.vertical`, `blocks.horizontal` and `blocks.window`.
"""

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from .blocks import ordered_sums
from .vec import I32, Emitter, count


def _shifted(e, columns, samples, reach=None):
    """The vector that begins ``samples`` behind the first of ``columns``, vectors that lie side by side.

    With ``reach`` the last of them begins that many samples behind the first: it reads no more than the taps do.
    """
    whole, part = divmod(samples, e.n)
    if part == 0 and (reach is None or whole < len(columns) - 1):
        return columns[whole]
    if whole == len(columns) - 1:
        return columns[-1]
    back = (len(columns) - 1) * e.n - reach if reach is not None and whole + 1 == len(columns) - 1 else 0
    lanes = [part + lane + (back if part + lane >= e.n else 0) for lane in range(e.n)]
    return e.b.shuffle_vector(columns[whole], columns[whole + 1], ir.Constant(ir.VectorType(I32, e.n), lanes))


def _addresses(e, table, n, more):
    """The first n addresses of a table, each with ``more`` bytes added."""
    return [e.b.add(e.integer(table, k), more) for k in range(n)]


def _whole_row(e, samples, begin, reach, step, carried, main, final):
    """Every output of a row: ``main`` from ``begin`` on, ``final`` where it would read beyond the last tap's samples.

    ``main(i, carried)`` makes ``step`` outputs at i, and reads whole vectors; ``final(i)`` makes one vector of them.
    The vector before ``begin`` comes last: it overlaps the ones that ``main`` makes, and so do those at the end.
    """
    b = e.b
    size = e.const(e.n)
    beyond = -(-reach // e.n) * e.n
    room = b.sub(b.add(samples, e.const(reach - beyond)), begin)
    end = b.add(begin, b.mul(b.sdiv(room, e.const(step)), e.const(step)))
    e.repeat(begin, end, e.const(step), carried, main)

    def rest(i, _):
        last = b.sub(samples, size)
        at = b.select(b.icmp_signed("<", i, last), i, last)
        final(b.select(b.icmp_signed("<", i, samples), at, e.const(0)))
        return []

    e.repeat(end, b.add(samples, size), size, [], rest)


@intrinsic
def march_separable(
    typingctx, table, x, wv, wh, outs, out_x, samples, begin,
    src_t, acc_t, out_t, down, down_fold, along, along_fold, step, rows,
):  # fmt: skip
    """out[r][i] = sum over j of wh[j] * sum over k of wv[k] * row[r + k][x + i + j * step], for i < ``samples``.

    ``table``, ``outs``: tables of the addresses of down + rows - 1 source rows and of the output rows; ``x``,
    ``out_x``: bytes to add; ``begin``: an output, less than a vector from the first, from which on whole vectors of
    source samples are read.  Nothing is read that no tap lies on; `least_samples` outputs at least.
    """

    def codegen(context, builder, sig, args):
        table, x, wv, wh, outs, out_x, samples, begin = args[:8]
        e = Emitter(builder, acc_t.dtype)
        nv, nh, r_, gap = (count(n) for n in (down, along, rows, step))
        narrow, width = src_t.dtype.bitwidth // 8, out_t.dtype.bitwidth // 8
        reach = (nh - 1) * gap
        ahead = -(-reach // e.n)
        sources, targets = _addresses(e, table, nv + r_ - 1, x), _addresses(e, outs, r_, out_x)
        vertical = [e.weight(wv, k) for k in range(nv)]
        horizontal = [e.weight(wh, k) for k in range(nh)]

        def column(i, more):
            """The sums over rows of one vector of columns, for each output row."""
            at = e.times(e.plus(i, more), narrow)
            loaded = [e.load(builder.add(source, at), src_t.dtype) for source in sources]
            return ordered_sums(e, count(down_fold), nv, r_, lambda k, r: loaded[k + r], vertical.__getitem__)

        def store(i, columns, reach=None):
            def sample(k, r):
                return _shifted(e, [c[r] for c in columns], k * gap, reach)

            at = e.times(i, width)
            sums = ordered_sums(e, count(along_fold), nh, r_, sample, horizontal.__getitem__)
            for to, s in zip(targets, sums, strict=True):
                e.store(builder.add(to, at), s, out_t.dtype)

        def main(i, carried):
            columns = [carried[k : k + r_] for k in range(0, ahead * r_, r_)]
            columns.append(column(i, ahead * e.n))
            store(i, columns)
            return [v for c in columns[1:] for v in c]

        def final(i):
            store(i, [*(column(i, k * e.n) for k in range(ahead)), column(i, reach)], reach)

        first = [v for k in range(ahead) for v in column(begin, k * e.n)]
        _whole_row(e, samples, begin, reach, e.n, first, main, final)
        return context.get_dummy_value()

    tokens = (src_t, acc_t, out_t, down, down_fold, along, along_fold, step, rows)
    return types.void(*[types.intp] * 8, *tokens), codegen


@intrinsic
def march_dense(
    typingctx, table, x, w, outs, out_x, samples, begin, src_t, acc_t, out_t, down, along, step, cross, rows, vectors
):  # fmt: skip
    """out[r][i] = sum over k, j of w[k, j] * row[r + k][x + i + j * step], for i < ``samples``.

    See `march_separable`; ``vectors`` of each row are summed at once.  ``cross`` (None,): only the middle row and the
    middle column have taps, and ``w`` holds nothing else.
    """

    def codegen(context, builder, sig, args):
        table, x, w, outs, out_x, samples, begin = args[:7]
        e = Emitter(builder, acc_t.dtype)
        nv, nh, r_, gap = (count(n) for n in (down, along, rows, step))
        narrow, width = src_t.dtype.bitwidth // 8, out_t.dtype.bitwidth // 8
        reach = (nh - 1) * gap
        ahead = -(-reach // e.n)
        sources, targets = _addresses(e, table, nv + r_ - 1, x), _addresses(e, outs, r_, out_x)
        taps = [(k, j) for k in range(nv) for j in range(nh) if not count(cross) or k == nv // 2 or j == nh // 2]
        kept = {tap: e.weight(w, t) for t, tap in enumerate(taps)} if len(taps) <= KEPT else {}

        def weight(tap):
            return kept.get(tap) or e.weight(w, taps.index(tap))

        def block(i, v_, starts, reach=None):
            """``v_`` vectors of every output row, from source vectors that begin at ``starts``."""
            sums = [[e.zero()] * v_ for _ in range(r_)]
            for p, source in enumerate(sources):
                at = builder.add(source, e.times(i, narrow))
                loaded = [e.load(e.plus(at, start * narrow), src_t.dtype) for start in starts]
                for j in range(nh):
                    samples = None
                    for r in range(r_):
                        if (p - r, j) in taps:
                            samples = samples or [
                                _shifted(e, loaded[v : v + ahead + 1], j * gap, reach) for v in range(v_)
                            ]
                            tap = weight((p - r, j))
                            sums[r] = [e.fma(sample, tap, s) for sample, s in zip(samples, sums[r], strict=True)]
            at = e.times(i, width)
            for to, row in zip(targets, sums, strict=True):
                for v, s in enumerate(row):
                    e.store(e.plus(builder.add(to, at), v * e.n * width), s, out_t.dtype)

        def main(i, _):
            block(i, count(vectors), [v * e.n for v in range(count(vectors) + ahead)])
            return []

        def final(i):
            block(i, 1, [*(k * e.n for k in range(ahead)), reach], reach)

        _whole_row(e, samples, begin, reach, count(vectors) * e.n, [], main, final)
        return context.get_dummy_value()

    tokens = (src_t, acc_t, out_t, down, along, step, cross, rows, vectors)
    return types.void(*[types.intp] * 7, *tokens), codegen


#: weights that stay in registers; of more, each is read where it is needed
KEPT = 9


def least_samples(taps: int, step: int, lanes: int) -> int:
    """Outputs of a row that a march has room in."""
    return 2 * lanes + -(-(taps - 1) * step // lanes) * lanes


__all__ = ["KEPT", "least_samples", "march_dense", "march_separable"]
