"""The column march: a thread owns four columns (or two) and walks down the image, every source row loaded once.

`direct`: a row's window goes into the pending sums of all output rows that it belongs to.  `separable`: a row's
horizontal sums enter a ring of as many rows as there are vertical taps.  Both keep everything in registers: no shared
memory, no barrier, half the traffic of two launches.

Layouts: "wide", four neighbouring columns by wide loads and stores, for rows that lie at multiples of 16 bytes (of
4 for bytes); "lane", columns 32 apart, for all others, for interleaved channels and for taps that are spread out: every
access of a warp is one run of samples; "near", neighbouring columns sample by sample, for windows of so many taps that
columns which share no samples would load more than they add.  A dilated kernel marches down every d-th row.

The text of a kernel is written out for its number of taps (a ring whose slots have names needs no moves); the taps
themselves are arguments, so another kernel of the same size compiles nothing.  Taps that are not to be counted are
left out of the text, so that they multiply no infinity.
"""

import functools

import numpy as np

from .cuda_cast import load
from .cuda_target import inline, kernel, load4, number, pointer, tuple_of, types, written
from .cuda_text import chain_row, dot, picker, storer

__all__ = ["MANY_WORDS", "MOST_WORDS", "columns_each", "direct_kernel", "separable_kernel", "words_of"]

#: taps, in words of 32 bits, from which on columns must share their samples, and beyond which a thread has one column
MANY_WORDS, MOST_WORDS = 50, 100


def words_of(taps, accumulate):
    """Registers that so many taps take where the compiler keeps them there, as it does from sm_90 on."""
    return taps * np.dtype(accumulate).itemsize // 4


def columns_each(layout, columns, words):
    """Columns of a thread: four, or as many as fit the registers beside the taps."""
    if layout != "lane":
        return 4 if words <= 81 else 2
    return 4 if columns <= 5 and words < MANY_WORDS else 2 if words <= 64 else 1


class _Shape:
    """What the text depends on: taps along a row, their distance, samples in front, layout, constant rows."""

    def __init__(self, columns, step, left, layout, blank, words):
        self.columns, self.step, self.left, self.blank = columns, step, left, blank
        self.reach = (columns - 1) * step
        self.each = columns_each(layout, columns, words)
        self.together, self.wide = layout != "lane", layout == "wide"
        #: samples of a thread's window
        self.samples = self.each + self.reach if self.together else self.each * columns

        #: columns of a thread, from its first one
        self.far = [v if self.together else 32 * v for v in range(self.each)]

    def at(self, column, tap):
        """Place in the window of a tap of one of the columns."""
        return column + tap * self.step if self.together else column * self.columns + tap

    @property
    def halo(self):
        """Samples in front of and behind the first four that loads touch."""
        right = max(0, self.reach - self.left + self.each - 4)
        return tuple(1 if side == 1 else -(-side // 4) * 4 for side in (self.left, right))


def _loader(shape, source, accumulate):
    """fetch(src, at): the window of a thread's inner columns, ``at`` the first of them."""
    to = load(source, accumulate)
    if not shape.together:
        window = [
            f"to(src[at + uint64({32 * v}) + uint64({i}) * step])"
            for v in range(shape.each)
            for i in range(shape.columns)
        ]
        lines = ["def fetch(src, at, step):", f"    return ({', '.join(window)},)"]
        return inline("fetch", lines, to=to)
    before, after = shape.halo
    lines, names = ["def fetch(src, at, step):"], {}
    for first in range(-before if before > 1 else 0, 4 + (after if after > 1 else 0), 4):
        at = f"at + uint64({first})" if first >= 0 else f"at - uint64({-first})"
        lines.append(f"    v{(first + before) // 4 if before > 1 else first // 4} = load4(src, {at})")
        names.update({first + j: f"v{(first + before) // 4 if before > 1 else first // 4}[{j}]" for j in range(4)})
    if before == 1:
        names[-1] = "src[at - uint64(1)]"
    if after == 1:
        names[4] = "src[at + uint64(4)]"
    window = [f"to({names[j - shape.left]})" for j in range(shape.samples)]
    lines.append(f"    return ({', '.join(window)},)")
    return inline("fetch", lines, to=to, load4=load4 if shape.wide else _four)


_four = inline("four", ["def four(a, at):", f"    return ({', '.join(f'a[at + uint64({j})]' for j in range(4))})"])


def _gatherer(shape, source, accumulate):
    """gather(src, row, ...): the window at an edge, each sample through the table of columns."""
    if shape.together:
        places = [f"k[{j}]" for j in range(shape.samples)]
        head = "def gather(src, row, k, cols, c, step, last, outside):"
    else:
        places = [
            f"cols[min(int32(int32(c + int32({32 * v})) + int32(int32({i}) * step)), last)]"
            for v in range(shape.each)
            for i in range(shape.columns)
        ]
        head = "def gather(src, row, k, cols, c, step, last, outside):"
    window = [f"pick(src, row, {place}, outside)" for place in places]
    return inline("gather", [head, f"    return ({', '.join(window)},)"], pick=picker(source, accumulate))


def _emptier(shape):
    """empty(outside): the window of a row of constants; a function, because numba-cuda fails on some long tuples."""
    return inline("empty", ["def empty(outside):", f"    return ({', '.join(['outside'] * shape.samples)},)"])


def _skeleton(shape, taps, rows, body, opening=()):
    """The kernel's lines: who owns what, then the march twice, for inner columns and for those at an edge.

    body(fetched, stored): lines of the march, where fetched(n) gives the lines that put the n-th further row's window
    into ``x``, and stored(n, value) those that store the n-th further output row.
    """
    lines = [
        f"def march(src, dst, rows, cols, {', '.join(taps)}, height, width, inside, src_pitch, dst_pitch, src_batch, "
        "dst_batch, each, spread, step, left, y_first, outside):"
    ]
    say = lines.append
    say("    t = int32(cuda.blockIdx.x * cuda.blockDim.x + cuda.threadIdx.x)")
    say(
        f"    c = int32(t * int32({shape.each}))"
        if shape.together
        else f"    c = int32(((t >> int32(5)) * int32({32 * shape.each})) + (t & int32(31)))"
    )
    say("    g = uint32(cuda.blockIdx.y * cuda.blockDim.y + cuda.threadIdx.y) + uint32(y_first)")
    say(f"    y = {chain_row('each')}")
    say("    if c >= width or y >= height:")
    say("        return")
    say("    end = min(int32(y + int32(each * spread)), height)")
    say("    z = uint64(cuda.blockIdx.z)")
    lines += ["    " + line for line in opening]
    say("    base = z * uint64(src_batch)")
    say("    o = z * uint64(dst_batch) + uint64(uint32(y)) * uint64(dst_pitch) + uint64(uint32(c))")
    say("    down = uint64(uint32(spread)) * uint64(dst_pitch)")
    say("    far = uint64(step)")
    say("    i = y")
    if shape.together:
        before, after = shape.halo
        say(f"    if c >= int32({before}) and int32(c + int32({4 + after})) <= inside:")
        start = "uint64(uint32(c))"
    else:
        reach, far = f"int32(int32({shape.columns - 1}) * step)", 32 * (shape.each - 1)
        say(
            f"    if c >= left and int32(c + int32({far})) < width and "
            f"int32(int32(c + int32({far})) - left) + {reach} < inside:"
        )
        start = "uint64(uint32(int32(c - left)))"

    def fetched(edge):
        at = "base + uint64(uint32(r)) * uint64(src_pitch)"
        take = f"gather(src, {at}, k, cols, c, step, last, outside)" if edge else f"fetch(src, {at} + q, far)"
        found = ["r = rows[i]", "i = int32(i + spread)"]
        if not shape.blank:
            return [*found, f"x = {take}"]
        return [*found, "if r < int32(0):", "    x = empty(outside)", "else:", f"    x = {take}"]

    def stored(edge, value):
        return [
            f"{'store_edge' if edge else 'store'}(dst, o, c, width, {value})",
            "o = o + down",
            "y = int32(y + spread)",
        ]

    say(f"        q = {start}")
    lines += ["        " + line for line in body(fetched(False), lambda value: stored(False, value))]
    say("    else:")
    say(f"        last = int32(int32(width + int32(int32({shape.columns - 1}) * step)) - int32(1))")
    if shape.together:
        say("        k = (" + ", ".join(f"cols[min(int32(c + int32({j})), last)]" for j in range(shape.samples)) + ",)")
    else:
        say("        k = int32(0)")
    lines += ["        " + line for line in body(fetched(True), lambda value: stored(True, value))]
    return lines


def _ring(rows, prime, turn, value, fetched, stored):
    """The march: rows - 1 source rows ahead, then one source row and one output row at a time, ``rows`` to a turn."""
    lines = []
    for s in range(rows - 1):
        lines += [*fetched, *prime(s)]
    lines.append("while y < end:")
    for u in range(rows):
        inner = [*fetched, *turn(u), *stored(value(u))]
        if u < rows - 1:
            inner += ["if y >= end:", "    return"]
        lines += ["    " + line for line in inner]
    return lines


def _signature(source, accumulate, out, taps):
    i32, i64 = types.int32, types.int64
    table = pointer(np.int32)
    tail = (*(i32,) * 3, *(i64,) * 4, *(i32,) * 5, number(accumulate))
    return (pointer(source), pointer(out), table, table, *taps, *tail)


def _made(shape, source, accumulate, out, taps, rows, body, opening=(), **scope):
    """The kernel; taps: its own parameters and their types."""
    lines = _skeleton(shape, list(taps), rows, body, opening)
    scope.update(
        fetch=_loader(shape, source, accumulate),
        empty=_emptier(shape),
        gather=_gatherer(shape, source, accumulate),
        store=storer(accumulate, out, shape.far, shape.wide and shape.each == 4, False),
        store_edge=storer(accumulate, out, shape.far, False, True),
    )
    return kernel(written("march", lines, **scope), _signature(source, accumulate, out, tuple(taps.values())))


@functools.lru_cache(maxsize=256)
def direct_kernel(source, accumulate, out, mask, step, left, layout, blank, planes=False):
    """A dense window; mask: for each row of the kernel, which of its taps are not zero.

    Arguments of the kernel, after the arrays and tables: the taps row by row; planes: each plane has taps of its own,
    and the arguments are the addresses of all of them and of a number to add for each plane, whether there are such
    numbers, and how many planes there are before they begin again; ...
    """
    rows, columns = len(mask), len(mask[0])
    shape = _Shape(columns, step, left, layout, blank, words_of(rows * columns, accumulate))
    zero = number(accumulate)(0)
    adders = {}
    for j in range(rows):
        used = [i for i in range(columns) if mask[j][i]]
        sums = []
        for v in range(shape.each):
            terms = [(f"x[{shape.at(v, i)}]", f"w[{j * columns + i}]") for i in used]
            start = "" if j == 0 and not planes else f"a[{v}] + " if terms else f"a[{v}]"
            sums.append(start + (dot(terms) if terms or j == 0 else ""))
        lines = [f"def add{j}(a, x, w):", f"    return ({', '.join(sums)},)"]
        adders[f"add{j}"] = inline(f"add{j}", lines, zero=zero)

    def added(s, first):
        """The source row s enters the sums of output rows from ``first`` on."""
        lines = []
        for m in range(first, s + 1):
            j = s - m
            slot = f"a{m % rows}"
            lines.append(f"{slot} = add{j}({'blank' if j == 0 else slot}, x, w)")
        return lines

    def body(fetched, stored):
        march = _ring(
            rows,
            lambda s: added(s, 0),
            lambda u: added(u + rows - 1, u),
            lambda u: f"a{u % rows}",
            fetched,
            stored,
        )
        return [f"blank = ({('b, ' if planes else 'zero, ') * shape.each})", *march]

    if not planes:
        taps = {"w": tuple_of(accumulate, rows * columns)}
        return _made(shape, source, accumulate, out, taps, rows, body, zero=zero, **adders)
    to, one = load(source, accumulate), pointer(source)
    own = ", ".join(f"to(weights[at + uint64({k})])" for k in range(rows * columns))
    opening = [
        "plane = z % uint64(channels)",
        f"w = own(weights, plane * uint64({rows * columns}))",
        "b = zero",
        "if biased != int32(0):",
        "    b = to(bias[plane])",
    ]
    taps = {"weights": one, "bias": one, "biased": types.int32, "channels": types.int64}
    adders["own"] = inline("own", ["def own(weights, at):", f"    return ({own},)"], to=to)
    return _made(shape, source, accumulate, out, taps, rows, body, opening, zero=zero, to=to, **adders)


@functools.lru_cache(maxsize=256)
def separable_kernel(source, accumulate, out, down, across, step, left, layout, blank):
    """Vertical taps times horizontal taps; down, across: for each tap 0 (it is left out), 1, or 2 (it is one).

    Arguments of the kernel, after the arrays and tables: vertical taps, horizontal taps; ...
    """
    rows, columns = len(down), len(across)
    shape = _Shape(columns, step, left, layout, blank, words_of(rows + columns, accumulate))
    zero = number(accumulate)(0)

    def tap(name, kinds, i):
        return "" if kinds[i] == 2 else f"{name}[{i}]"

    sums = [
        dot([(f"x[{shape.at(v, i)}]", tap("wh", across, i)) for i in range(columns) if across[i]])
        for v in range(shape.each)
    ]
    row = inline("row", ["def row(x, wh):", f"    return ({', '.join(sums)},)"], zero=zero)
    names = ", ".join(f"h{j}" for j in range(rows))
    sums = [dot([(f"h{j}[{v}]", tap("wv", down, j)) for j in range(rows) if down[j]]) for v in range(shape.each)]
    column = inline("column", [f"def column(wv, {names}):", f"    return ({', '.join(sums)},)"], zero=zero)

    def body(fetched, stored):
        return _ring(
            rows,
            lambda s: [f"r{s} = row(x, wh)"],
            lambda u: [f"r{(u + rows - 1) % rows} = row(x, wh)"],
            lambda u: f"column(wv, {', '.join(f'r{(u + j) % rows}' for j in range(rows))})",
            fetched,
            stored,
        )

    taps = {"wv": tuple_of(accumulate, rows), "wh": tuple_of(accumulate, columns)}
    return _made(shape, source, accumulate, out, taps, rows, body, row=row, column=column)
