"""The sample of a given rank in every window, many windows at a time.

Samples become integer keys in the same order, in padded rows of scratch; a vector's lanes are neighbouring windows.
Any rank of any set of taps is found by halving: count the keys up to the middle of what is still possible, and draw
the bounds in to keys that are there, until they meet.  Medians of few samples go through a network of exchanges.
"""

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from .blocks import call_row, move
from .cpu_separable import CONSTANT_ROW
from .jit import helper, loop
from .rank_extremes import raise_flag, table_entry
from .vec import Emitter, count, scalar_type

# constants of a specialisation, see jit.Loop.address
SRC = KEY = NETWORK = VECTORS = ()
SRC_SIZE = KEY_SIZE = LANES = BLOCK = 0
ONE = (None,)
#: bytes that may be read and written behind a row of keys
SLACK = 512


@intrinsic
def to_keys(typingctx, source, target, src_t, key_t, narrow):
    """Keys of one vector of samples; whether floats among them are NaN or -0, whose order is a matter of its own."""

    def codegen(context, builder, sig, args):
        src, key = src_t.dtype, key_t.dtype
        e = Emitter(builder, key, 1 if count(narrow) else None)
        odd = ir.Constant(ir.IntType(1), 0)
        if isinstance(src, types.Float):
            bits = e.load(args[0], key)
            top = key.bitwidth - 1
            low = e.filled(bits, (1 << top) - 1)
            size = builder.and_(bits, low)
            infinity = 0x7F800000 if src.bitwidth == 32 else 0x7FF0000000000000
            nan = builder.icmp_unsigned(">", size, e.filled(bits, infinity))
            odd = builder.or_(nan, builder.icmp_unsigned("==", bits, e.filled(bits, -(1 << top))))
            mask = ir.IntType(e.n)
            odd = builder.icmp_unsigned("!=", builder.bitcast(odd, mask), ir.Constant(mask, 0))
            value = builder.xor(bits, builder.and_(builder.ashr(bits, e.filled(bits, top)), low))
        else:
            value = widened(e, args[0], src)
        e.store(args[1], value, key)
        return odd

    return types.boolean(types.intp, types.intp, src_t, key_t, narrow), codegen


def widened(e, address, src):
    raw = ir.VectorType(scalar_type(src), e.n)
    v = e.b.load(e.pointer(address, raw))
    v.align = 1
    if src.bitwidth == e.acc.bitwidth:
        return v
    return (e.b.sext if src.signed else e.b.zext)(v, e.vector)


@intrinsic
def from_keys(typingctx, source, target, src_t, key_t, narrow):
    """Samples of one vector of keys."""

    def codegen(context, builder, sig, args):
        src, key = src_t.dtype, key_t.dtype
        e = Emitter(builder, key, 1 if count(narrow) else None)
        v = e.load(args[0], key)
        if isinstance(src, types.Float):
            top = key.bitwidth - 1
            v = builder.xor(v, builder.and_(builder.ashr(v, e.filled(v, top)), e.filled(v, (1 << top) - 1)))
        elif src.bitwidth < key.bitwidth:
            v = builder.trunc(v, ir.VectorType(scalar_type(src), e.n))
        builder.store(v, builder.inttoptr(args[1], v.type.as_pointer())).align = 1
        return context.get_dummy_value()

    return types.void(types.intp, types.intp, src_t, key_t, narrow), codegen


@loop
def key_row(source, keys, samples, flag):
    """keys[:samples] of a row; the int64 at ``flag`` becomes 1 where one is NaN or -0."""
    i = 0
    odd = 0
    if samples >= LANES:
        while i < samples:
            j = min(i, samples - LANES)
            odd += to_keys(source + j * SRC_SIZE, keys + j * KEY_SIZE, SRC, KEY, ())
            i += LANES
    while i < samples:
        odd += to_keys(source + i * SRC_SIZE, keys + i * KEY_SIZE, SRC, KEY, ONE)
        i += 1
    if odd:
        raise_flag(flag)


@loop
def sample_row(keys, target, samples):
    """Samples of a row of keys."""
    i = 0
    if samples >= LANES:
        while i < samples:
            j = min(i, samples - LANES)
            from_keys(keys + j * KEY_SIZE, target + j * SRC_SIZE, SRC, KEY, ())
            i += LANES
    while i < samples:
        from_keys(keys + i * KEY_SIZE, target + i * SRC_SIZE, SRC, KEY, ONE)
        i += 1


@loop
def key_ends(keys, samples, left, n_left, right, n_right, constant):
    """Keys before and behind a row from it, through tables of int64 at addresses; -1: the one at ``constant``."""
    for p in range(n_left):
        e = table_entry(left, p)
        move(constant if e < 0 else keys + e * KEY_SIZE, keys + (p - n_left) * KEY_SIZE, KEY, KEY)
    for p in range(n_right):
        e = table_entry(right, p)
        move(constant if e < 0 else keys + e * KEY_SIZE, keys + (samples + p) * KEY_SIZE, KEY, KEY)


def _ordered(e):
    """less-or-equal, minimum and maximum of vectors of keys."""
    b = e.b
    compare = b.icmp_signed if e.acc.signed else b.icmp_unsigned
    low, high = ("smin", "smax") if e.acc.signed else ("umin", "umax")
    return (
        lambda x, y: compare("<=", x, y),
        lambda x, y: e.call(low, x, y),
        lambda x, y: e.call(high, x, y),
    )


@intrinsic
def by_halving(typingctx, table, x, n, rank, out, key_t, vectors):
    """out[:vectors] = the key of 0-based ``rank`` among those at table[t] + x, t < n."""

    def codegen(context, builder, sig, args):
        table, x, n, rank, out = args[:5]
        b = builder
        e = Emitter(b, key_t.dtype)
        v_ = count(vectors)
        less, low, high = _ordered(e)
        zero, one = e.const(0), e.const(1)
        wanted = e.splat(b.trunc(rank, e.vector.element) if e.size < 8 else rank)

        def keys(t):
            at = b.add(e.integer(table, t), x)
            return [e.load(e.plus(at, e.size * e.n * v), key_t.dtype) for v in range(v_)]

        def bounds(t, found):
            new = keys(t)
            return [
                *(low(a, k) for a, k in zip(found[:v_], new, strict=True)),
                *(high(a, k) for a, k in zip(found[v_:], new, strict=True)),
            ]

        first = keys(zero)
        start = e.repeat(one, n, one, [*first, *first], bounds)

        entry = b.block
        head, after = b.append_basic_block("halve"), b.append_basic_block("found")
        inner, done = b.append_basic_block("count"), b.append_basic_block("met")
        b.branch(head)
        b.position_at_end(head)
        bound = [b.phi(e.vector) for _ in start]
        for phi, value in zip(bound, start, strict=True):
            phi.add_incoming(value, entry)
        lows, highs = bound[:v_], bound[v_:]
        apart = None
        for a, z in zip(lows, highs, strict=True):
            d = b.xor(a, z)
            apart = d if apart is None else b.or_(apart, d)
        bits = ir.IntType(e.n)
        open_ = b.bitcast(b.icmp_unsigned("!=", apart, e.zero()), bits)
        b.cbranch(b.icmp_unsigned("!=", open_, ir.Constant(bits, 0)), inner, done)
        b.position_at_end(inner)
        middles = [b.add(a, b.lshr(b.sub(z, a), e.filled(a, 1))) for a, z in zip(lows, highs, strict=True)]

        def turn(t, state):
            counts, below, above = state[:v_], state[v_ : 2 * v_], state[2 * v_ :]
            new = []
            for k, m, c, lo, hi in zip(keys(t), middles, counts, below, above, strict=True):
                up_to = less(k, m)
                new.append(
                    (
                        b.sub(c, b.sext(up_to, e.vector)),
                        b.select(up_to, high(lo, k), lo),
                        b.select(up_to, hi, low(hi, k)),
                    )
                )
            return [part[i] for i in range(3) for part in new]

        state = e.repeat(zero, n, one, [*[e.zero()] * v_, *lows, *highs], turn)
        last = b.block
        for v in range(v_):
            enough = b.icmp_unsigned(">", state[v], wanted)
            bound[v].add_incoming(b.select(enough, lows[v], state[2 * v_ + v]), last)
            bound[v_ + v].add_incoming(b.select(enough, state[v_ + v], highs[v]), last)
        b.branch(head)
        b.position_at_end(done)
        b.branch(after)
        b.position_at_end(after)
        for v in range(v_):
            e.store(e.plus(out, e.size * e.n * v), lows[v], key_t.dtype)
        return context.get_dummy_value()

    return types.void(*[types.intp] * 5, key_t, vectors), codegen


def exchanges(n):
    """Batcher's merge exchange: pairs of places that sort n keys."""
    pairs = []
    t = max(1, (n - 1).bit_length())
    p = 1 << (t - 1)
    while p > 0:
        q, r, d = 1 << (t - 1), 0, p
        while d > 0:
            pairs += [(i, i + d) for i in range(n - d) if i & p == r]
            d, q, r = q - p, q >> 1, p
        p >>= 1
    return pairs


def selection(n, rank):
    """The exchanges that the key of one rank needs: (i, j, keep the smaller, keep the larger)."""
    needed, kept = {rank}, []
    for i, j in reversed(exchanges(n)):
        small, large = i in needed, j in needed
        if small or large:
            kept.append((i, j, small, large))
            needed |= {i, j}
    return kept[::-1]


@intrinsic
def by_network(typingctx, table, x, out, key_t, network):
    """out = the median key among those at table[t] + x, for one vector; ``network``: as many Nones as taps."""

    def codegen(context, builder, sig, args):
        table, x, out = args[:3]
        e = Emitter(builder, key_t.dtype)
        _, low, high = _ordered(e)
        n = count(network)
        held = [e.load(builder.add(e.integer(table, t), x), key_t.dtype) for t in range(n)]
        for i, j, small, large in selection(n, n // 2):
            a, z = held[i], held[j]
            if small:
                held[i] = low(a, z)
            if large:
                held[j] = high(a, z)
        e.store(out, held[n // 2], key_t.dtype)
        return context.get_dummy_value()

    return types.void(*[types.intp] * 3, key_t, network), codegen


@loop
def halving_row(table, n, rank, out, samples):
    """The key of a rank for each of ``samples`` windows; rows and ``out`` have SLACK behind them."""
    i = 0
    while i < samples:
        by_halving(table, i * KEY_SIZE, n, rank, out + i * KEY_SIZE, KEY, VECTORS)
        i += BLOCK


@loop
def network_row(table, n, rank, out, samples):
    """The median of n keys, n a constant of the specialisation."""
    i = 0
    while i < samples:
        by_network(table, i * KEY_SIZE, out + i * KEY_SIZE, KEY, NETWORK)
        i += LANES


@loop
def ranks(
    src, row_offset, constant_row, first_row, planes, tap_plane, tap_row, tap_column, left, right, n,
    src_size, key_size, ky, rank, out, pitch, y0, y1, plane, chunk, strip, strip_pitch, line, table, constant_key,
    flag, odd, outside, keys, ends, choose, samples, settle,
):  # fmt: skip
    """Output rows y0..y1: the sample of ``rank`` among a footprint's taps.

    src, out: addresses; row_offset: byte offset of every padded row from src (CONSTANT_ROW: ``constant_row``);
    first_row[y]: padded row of the first tap; planes: what each plane that holds taps adds to it; tap_plane,
    tap_row, tap_column: each tap's plane, row and sample; n: samples of a row; ky: the window's rows; plane: rows
    after which the row axis begins anew; chunk: rows worked on at a time; strip: address of rows of keys,
    ``strip_pitch`` bytes apart; constant_key: address of the key outside; flag: address of an int64 that ``keys``
    sets; odd: whether NaN or -0 in a chunk are settled by ``settle``; outside: 1 where one may lie outside.
    """
    at = table.ctypes.data
    before = left.size * key_size
    y = y0
    while y < y1:
        end = min(y1, (y // plane + 1) * plane, y + chunk)
        rows = end - y + ky - 1
        flag[0] = outside
        for c in range(planes.size):
            base = first_row[y] + planes[c]
            for p in range(rows):
                offset = row_offset[base + p]
                source = constant_row if offset == CONSTANT_ROW else src + offset
                to = strip + (c * (chunk + ky) + p) * strip_pitch + before
                call_row(keys, (source, to, n, flag.ctypes.data))
                if left.size + right.size:
                    call_row(ends, (to, n, left.ctypes.data, left.size, right.ctypes.data, right.size, constant_key))
        for i in range(end - y):
            for t in range(tap_row.size):
                row = tap_plane[t] * (chunk + ky) + tap_row[t] + i
                table[t] = strip + row * strip_pitch + tap_column[t] * key_size
            call_row(choose, (at, tap_row.size, rank, line, n))
            if odd and flag[0]:
                call_row(settle, (at, tap_row.size, rank, line, n))
            call_row(samples, (line, out + (y + i) * pitch, n))
        y = end


@loop
def settle_row(table, n, rank, out, samples):
    """Windows that hold a NaN, or whose answer is a zero, as SciPy's own selection would have it."""
    held = np.empty(n, np.float64)
    for i in range(samples):
        at = i * KEY_SIZE
        odd = sample_of_key(out + at, SRC, KEY) == 0
        for t in range(n):
            v = sample_of_key(table_entry(table, t) + at, SRC, KEY)
            held[t] = v
            odd = odd or v != v
        if odd:
            key_of_sample(_select(held, n, rank), out + at, SRC, KEY)


def _flip(builder, bits):
    """A float's bits to its key, or back."""
    top = bits.type.width - 1
    mask = ir.Constant(bits.type, (1 << top) - 1)
    return builder.xor(bits, builder.and_(builder.ashr(bits, ir.Constant(bits.type, top)), mask))


@intrinsic
def sample_of_key(typingctx, address, src_t, key_t):
    """The float, as float64, whose key stands at an address."""

    def codegen(context, builder, sig, args):
        key, src = scalar_type(key_t.dtype), scalar_type(src_t.dtype)
        bits = builder.load(builder.inttoptr(args[0], key.as_pointer()))
        bits.align = 1
        value = builder.bitcast(_flip(builder, bits), src)
        return context.cast(builder, value, src_t.dtype, types.float64)

    return types.float64(types.intp, src_t, key_t), codegen


@intrinsic
def key_of_sample(typingctx, value, address, src_t, key_t):
    """Write the key of a float64, in the samples' dtype, at an address."""

    def codegen(context, builder, sig, args):
        key = scalar_type(key_t.dtype)
        value = context.cast(builder, args[0], types.float64, src_t.dtype)
        bits = _flip(builder, builder.bitcast(value, key))
        builder.store(bits, builder.inttoptr(args[1], key.as_pointer())).align = 1
        return context.get_dummy_value()

    return types.void(types.float64, types.intp, src_t, key_t), codegen


@helper
def _select(held, n, rank):
    """Hoare's selection about the first sample, comparison by comparison as SciPy does it."""
    low, high = 0, n - 1
    while low < high:
        pivot = held[low]
        i, j = low - 1, high + 1
        while True:
            j -= 1
            while held[j] > pivot:
                j -= 1
            i += 1
            while held[i] < pivot:
                i += 1
            if i >= j:
                break
            held[i], held[j] = held[j], held[i]
        kept = j - low + 1
        if rank < kept:
            high = j
        else:
            low = j + 1
            rank -= kept
    return held[low]


__all__ = ["SLACK", "halving_row", "key_ends", "key_row", "network_row", "ranks", "sample_row", "settle_row"]
