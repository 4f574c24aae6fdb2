"""The direct convolution of small images: what lies under each tap is laid out once, then it is a matrix product.

`gather_patches` writes B[k][pixel], one row of all output pixels for each coefficient k of a filter (channels, taps).
`patch_tile` multiplies it by weights that are read where they lie, a few rows of them times a few vectors of pixels.
Pixels that fill less than half a vector would waste its lanes: `lane_tile` has coefficients in the lanes instead, and
adds these up at the end.
"""

from itertools import pairwise

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from .blocks import call_row, fetch, move
from .channels_depthwise import _lane_mask, load_masked, store_masked
from .channels_polyphase import below
from .jit import helper, loop
from .vec import I32, Emitter, count

# constants of a specialisation, see jit.Loop.address
ACC = np.float32
SIZE = 4
BLOCK = VECTORS = PART = APART = PAIR = LAST = ()

#: for one vector of pixels, whose tile has many rows of weights: coefficients that a turn of the loop goes through, and
#: rows that take all of these before the next rows do, so that lines of theirs in one place of the cache stay there
UNROLLED, TOGETHER = 4, 14


def _signature(n, *tokens):
    return types.void(*[types.intp] * n, *tokens)


@intrinsic
def _deal_masked(typingctx, source, first, second, to, acc_t, apart, pair):
    """One vector at ``to``: every ``apart``-th sample from ``source`` on, those outside the masks zero and not read.

    pair (None,): they lie in two vectors, else in the first one.
    """

    def codegen(context, builder, sig, args):
        source, first, second, to = args[:4]
        e = Emitter(builder, acc_t.dtype)
        found = load_masked(e, source, _lane_mask(e, first))
        if count(apart) == 2:
            more = e.zero()
            if count(pair):
                more = load_masked(e, e.plus(source, e.size * e.n), _lane_mask(e, second))
            order = ir.Constant(ir.VectorType(I32, e.n), [2 * i for i in range(e.n)])
            found = builder.shuffle_vector(found, more, order)
        e.store(to, found, acc_t.dtype)
        return context.get_dummy_value()

    return _signature(4, acc_t, apart, pair), codegen


@loop
def gather_patches(x, plane, channels, table, entries, target, step):
    """Rows of outputs under every tap, of ``channels`` channels ``plane`` bytes apart.

    table: for each of ``entries`` rows four int64: bytes from the channel's first sample, masks of the samples of two
    vectors from there that lie in the image, and bytes from ``target``, ascending: what a vector has behind a row is
    overwritten by the next one.  step: bytes of the target from a channel to the next.
    """
    for _ in range(channels):
        for at in range(table, table + 32 * entries, 32):
            _deal_masked(x + fetch(at, np.int64), fetch(at + 8, np.int64), fetch(at + 16, np.int64),
                         target + fetch(at + 24, np.int64), ACC, APART, PAIR)  # fmt: skip
        x += plane
        target += step


@loop
def gather_last(source, pitch, k, some, target, row):
    """target[i][:k] = sample i of each of k rows ``pitch`` bytes apart, i < some; target rows: ``row`` bytes."""
    for _ in range(k):
        for i in range(some):
            move(source + i * SIZE, target + i * row, ACC, ACC)
        source += pitch
        target += SIZE


def _opaque(e, address):
    """The same address, which LLVM takes for another one: what was loaded there is loaded again."""
    fnty = ir.FunctionType(address.type, [address.type])
    return e.b.call(ir.InlineAsm(fnty, "", "=r,0"), [address])


@intrinsic
def patch_tile(typingctx, x, pitch, w, w_pitch, k, bias, target, plane, left, acc_t, block, vectors, part):
    """target[j] = bias[j] + sum over i < k of w[j][i] * x[i], j < block: ``vectors`` vectors of pixels each.

    x: address of rows of pixels ``pitch`` bytes apart; w: of rows of weights ``w_pitch`` bytes apart; plane: bytes from
    an output channel to the next.  part (None,): only ``left`` pixels are there to be read, and are stored.
    """

    def codegen(context, builder, sig, args):
        x, pitch, w, w_pitch, k, bias, target, plane, left = args[:9]
        e = Emitter(builder, acc_t.dtype)
        j_, v_ = count(block), count(vectors)
        mask = below(e, e.plus(left, -(v_ - 1) * e.n)) if count(part) else None

        def pixels(at):
            found = []
            for v in range(v_):
                here = e.plus(at, e.size * e.n * v)
                whole = mask is None or v < v_ - 1
                found.append(e.load(here, acc_t.dtype) if whole else load_masked(e, here, mask))
            return found

        unrolled, groups = (UNROLLED, -(-j_ // TOGETHER)) if v_ == 1 else (1, 1)
        cuts = [j_ * g // groups for g in range(groups + 1)]

        def some(many):
            def body(_, values):
                at, w, *sums = values
                rows = [at]
                for _ in range(many):
                    rows.append(builder.add(rows[-1], pitch))
                row = w
                for first, last in pairwise(cuts):
                    lines = []
                    for _ in range(first, last):
                        lines.append(row)
                        row = builder.add(row, w_pitch)
                    for i in range(many):
                        samples = pixels(_opaque(e, rows[i]) if groups > 1 else rows[i])
                        for j in range(first, last):
                            weight = e.weight(lines[j - first], i)
                            for v in range(v_):
                                sums[j * v_ + v] = e.fma(samples[v], weight, sums[j * v_ + v])
                return [rows[-1], e.plus(w, many * e.size), *sums]

            return body

        sums = [e.weight(bias, j) for j in range(j_) for _ in range(v_)]
        whole = builder.and_(k, e.const(-unrolled))
        values = e.repeat(e.const(0), whole, e.const(unrolled), [x, w, *sums], some(unrolled))
        if unrolled > 1:
            values = e.repeat(whole, k, e.const(1), values, some(1))
        _, _, *sums = values
        for j in range(j_):
            for v in range(v_):
                at, value = e.plus(target, e.size * e.n * v), sums[j * v_ + v]
                if mask is None or v < v_ - 1:
                    e.store(at, value, acc_t.dtype)
                else:
                    store_masked(e, at, value, mask)
            target = builder.add(target, plane)
        return context.get_dummy_value()

    return _signature(9, acc_t, block, vectors, part), codegen


def _total(e, v):
    """The sum of a vector's lanes: halves added to each other."""
    n = e.n
    while n > 1:
        n //= 2
        low, high = (
            e.b.shuffle_vector(v, v, ir.Constant(ir.VectorType(I32, n), list(range(a, a + n)))) for a in (0, n)
        )
        v = e.b.fadd(low, high)
    return e.b.extract_element(v, ir.Constant(I32, 0))


@intrinsic
def lane_tile(typingctx, x, pitch, w, w_pitch, k, bias, target, plane, acc_t, block, last):
    """target[j][i] = bias[j] + sum over k of w[j][k] * x[i][k], j < block, i < last: coefficients in the lanes.

    x: address of rows of samples ``pitch`` bytes apart, readable to whole vectors; the others: see `patch_tile`.
    """

    def codegen(context, builder, sig, args):
        x, pitch, w, w_pitch, k, bias, target, plane = args[:8]
        e = Emitter(builder, acc_t.dtype)
        j_, i_ = count(block), count(last)
        vector = e.size * e.n

        def step(x, w, sums, mask):
            samples = []
            for _ in range(i_):
                samples.append(e.load(x, acc_t.dtype))
                x = builder.add(x, pitch)
            for j in range(j_):
                weights = e.load(w, acc_t.dtype) if mask is None else load_masked(e, w, mask)
                w = builder.add(w, w_pitch)
                for i in range(i_):
                    sums[j * i_ + i] = e.fma(samples[i], weights, sums[j * i_ + i])
            return sums

        def body(_, values):
            x, w, *sums = values
            return [e.plus(x, vector), e.plus(w, vector), *step(x, w, sums, None)]

        whole = builder.and_(k, e.const(-e.n))
        values = [x, w, *[e.zero()] * (i_ * j_)]
        x, w, *sums = e.repeat(e.const(0), whole, e.const(e.n), values, body)
        there = builder.icmp_signed("<", whole, k)
        before = builder.block
        with builder.if_then(there):
            more = step(x, w, list(sums), below(e, builder.sub(k, whole)))
            inside = builder.block
        for n, (old, new) in enumerate(zip(sums, more, strict=True)):
            sums[n] = builder.phi(old.type)
            sums[n].add_incoming(old, before)
            sums[n].add_incoming(new, inside)
        element = e.vector.element
        for j in range(j_):
            start = builder.load(e.pointer(e.plus(bias, j * e.size), element))
            for i in range(i_):
                value = builder.fadd(_total(e, sums[j * i_ + i]), start)
                builder.store(value, e.pointer(e.plus(target, i * e.size), element)).align = e.size
            target = builder.add(target, plane)
        return context.get_dummy_value()

    return _signature(8, acc_t, block, last), codegen


@loop
def patch_part(x, pitch, w, w_pitch, k, bias, target, plane, left):
    """See `patch_tile`."""
    patch_tile(x, pitch, w, w_pitch, k, bias, target, plane, left, ACC, BLOCK, VECTORS, PART)


@loop
def lane_part(x, pitch, w, w_pitch, k, bias, target, plane):
    """See `lane_tile`."""
    lane_tile(x, pitch, w, w_pitch, k, bias, target, plane, ACC, BLOCK, LAST)


#: what a job's table of integers holds, in this order; functions are addresses of `patch_part` and `lane_part`
FIELDS = (
    "k", "w_pitch", "pitch", "last_pitch", "plane", "size", "lanes", "tiles", "vectors", "wider", "pixels", "block",
    "taller", "last_block", "last_taller", "last_pixel", "wide_high", "wide_low", "narrow_high", "narrow_low",
    "part_high", "part_low", "last_high", "last_low",
)  # fmt: skip


@helper
def _last(job, last, pitch, w, w_pitch, k, bias, target, plane, size, block, taller, pixel, b):
    """Block b of the last pixels."""
    o = b * block + min(b, taller)
    function = job[22] if b < taller else job[23]
    call_row(function, (last, pitch, w + o * w_pitch, w_pitch, k, bias + o * size, target + o * plane + pixel * size,
                        plane))  # fmt: skip


@loop
def patch_rows(job, x, last, w, bias, target, b0, b1, l0, l1):
    """Blocks b0..b1 of output channels of one group of one sample; blocks l0..l1 of the last pixels.

    job: table of what `FIELDS` names; x: address of the rows of pixels, last: of those of `gather_last`; w, bias,
    target: of the group's first channels.  A row is cut into ``tiles`` tiles of ``vectors`` vectors, the first
    ``wider`` of them one vector wider; the last of them is a part where there is a function for it.  Channels are cut
    into blocks of ``block``, the first ``taller`` of them one more, and likewise for the last pixels.
    """
    (k, w_pitch, pitch, last_pitch, plane, size, lanes, tiles, vectors, wider, pixels, block, taller, last_block,
     last_taller, last_pixel) = (
        job[0], job[1], job[2], job[3], job[4], job[5], job[6], job[7], job[8], job[9], job[10], job[11], job[12],
        job[13], job[14], job[15])  # fmt: skip
    for b in range(b0, b1):
        o = b * block + min(b, taller)
        low = 0 if b < taller else 1
        for i in range(tiles):
            p = (i * vectors + min(i, wider)) * lanes
            function = job[16 + low] if i < wider else job[18 + low]
            if i + 1 == tiles and job[20 + low]:
                function = job[20 + low]
            call_row(function, (x + p * size, pitch, w + o * w_pitch, w_pitch, k, bias + o * size,
                                target + o * plane + p * size, plane, pixels - p))  # fmt: skip
        end = (b + 1) * block + min(b + 1, taller)
        # while their weights are still in cache
        while l0 < l1 and (b + 1 == b1 or (l0 + 1) * last_block + min(l0 + 1, last_taller) <= end):
            _last(job, last, last_pitch, w, w_pitch, k, bias, target, plane, size, last_block, last_taller, last_pixel,
                  l0)  # fmt: skip
            l0 += 1
    for b in range(l0, l1):  # where no pixels fill a vector
        _last(job, last, last_pitch, w, w_pitch, k, bias, target, plane, size, last_block, last_taller, last_pixel, b)


@loop
def run_gather(gather, gather_last, x, plane, channels, table, entries, target, step, pitch, whole, k, some, last, row,
               size):  # fmt: skip
    """`gather_patches` where there is a table, and `gather_last` of ``some`` pixels behind the first ``whole``."""
    if entries:
        call_row(gather, (x, plane, channels, table, entries, target, step))
    if some:
        call_row(gather_last, (target + whole * size, pitch, k, some, last, row))


__all__ = [
    "FIELDS",
    "gather_last",
    "gather_patches",
    "lane_part",
    "lane_tile",
    "patch_part",
    "patch_rows",
    "patch_tile",
    "run_gather",
]
