"""Convolutions over many channels as a matrix product whose factors are gathered as they are needed (implicit GEMM).

A block of 128 threads makes 128 pixels of 64 output channels.  Eight input channels of one tap at a time are staged in
shared memory, each thread's share of the next eight on its way while these are multiplied; a thread adds 8 pixels x 8
channels in registers, from four 128-bit reads of shared memory for 64 products.

Weights come repacked as (group, tap, channel in, channel out), with channels out up to a multiple of 64, whatever
lies there.  Pixels are numbered across rows; borders, strides and dilations are tables, as in `cuda_channels`.
"""

import functools

import numpy as np

from .cuda_cast import cast, load
from .cuda_target import (
    SIMULATED,
    inline,
    kernel,
    load4,
    load4_shared,
    number,
    pointer,
    store4,
    store4_shared,
    types,
    written,
)

__all__ = ["FACTS", "FILTERS", "PIXELS", "THREADS", "gemm_kernel"]

#: output channels, pixels and threads of a block, and input channels of a step
FILTERS, PIXELS, THREADS, DEPTH = 64, 128, 128, 8
#: what the table ``facts`` holds
FACTS = (
    "count", "group_in", "group_out", "groups", "pixels", "width", "stride_y", "stride_x", "src_pitch",
    "src_plane", "src_batch", "wide", "dst_plane", "dst_batch", "bias",
)  # fmt: skip


def _step(buffer):
    """One step's products, from half ``buffer`` of the shared arrays."""
    lines = []
    for k in range(DEPTH):
        lines.append(f"p = eight(samples, {buffer} * uint32({DEPTH * PIXELS}) + uint32({k * PIXELS}) + tx, 64)")
        lines.append(f"w = eight(factors, {buffer} * uint32({DEPTH * FILTERS}) + uint32({k * FILTERS}) + ty, 32)")
        lines += [f"a{f} = more(a{f}, p, w[{f}])" for f in range(8)]
    return lines


def _staged(buffer):
    """Put the thread's share into half ``buffer`` of the shared arrays."""
    at = f"{buffer} * uint32({DEPTH * PIXELS}) + uint32(t)"
    lines = [f"samples[{at} + uint32({j * PIXELS})] = v[{j}]" for j in range(DEPTH)]
    return [*lines, f"store4_shared(factors, {buffer} * uint32({DEPTH * FILTERS}) + uint32(t * int32(4)), u)"]


def _lines():
    """The kernel's text."""
    fact = {name: f"facts[{k}]" for k, name in enumerate(FACTS)}
    align = "" if SIMULATED else ", alignment=16"
    lines = ["def gemm(src, weight, bias, dst, rows, cols, taps, facts, z_first):"]
    say = lines.append
    say(f"    samples = cuda.shared.array({2 * DEPTH * PIXELS}, ACC{align})")
    say(f"    factors = cuda.shared.array({2 * DEPTH * FILTERS}, ACC{align})")
    say("    t = int32(cuda.threadIdx.x)")
    say("    tx = uint32((t & int32(15)) * int32(4))")
    say("    ty = uint32((t >> int32(4)) * int32(4))")
    say(f"    depth = int32({fact['group_in']})")
    say(f"    count = int32({fact['count']})")
    say(f"    pixels = {fact['pixels']}")
    say("    z = int64(cuda.blockIdx.z) + z_first")
    say("    part = int64(cuda.blockIdx.y)")
    say(f"    group = z % {fact['groups']}")
    say(f"    n = z // {fact['groups']}")
    # the pixel that this thread gathers
    say(f"    here = int64(cuda.blockIdx.x) * int64({PIXELS})")
    say("    q = min(here + int64(t), pixels - int64(1))")
    say(f"    top = int32(q // {fact['width']}) * int32({fact['stride_y']})")
    say(f"    left = int32(q % {fact['width']}) * int32({fact['stride_x']})")
    say(f"    base = n * {fact['src_batch']} + group * int64(depth) * {fact['src_plane']}")
    say(f"    plane = {fact['src_plane']}")
    # and the four factors
    say(f"    wide = {fact['wide']}")
    say("    mine = t >> int32(4)")
    say(f"    f = (group * int64(count * depth) + int64(mine)) * wide + part * int64({FILTERS}) + int64(tx)")
    lines += [f"    a{f} = nothing" for f in range(8)]
    say("    k = int32(0)")
    say("    c = int32(0)")
    say("    r = rows[int32(top + taps[0])]")
    say("    j = cols[int32(left + taps[1])]")
    say(f"    at = base + int64(r) * {fact['src_pitch']} + int64(j)")
    say("    good = r >= int32(0) and j >= int32(0)")
    say("    v = gather(src, at, plane, depth, good)")
    say("    u = four(weight, f, mine < depth)")
    lines += ["    " + line for line in _staged("uint32(0)")]
    say("    cuda.syncthreads()")
    say("    half = uint32(0)")
    say("    going = True")
    say("    while going:")
    say(f"        c = int32(c + int32({DEPTH}))")
    say(f"        at = at + plane * int64({DEPTH})")
    say(f"        f = f + wide * int64({DEPTH})")
    say("        if c >= depth:")
    say("            f = f - int64(int32(c - depth)) * wide")
    say("            c = int32(0)")
    say("            k = int32(k + int32(1))")
    say("            if k < count:")
    say("                r = rows[int32(top + taps[int32(k * int32(2))])]")
    say("                j = cols[int32(left + taps[int32(k * int32(2) + int32(1))])]")
    say(f"                at = base + int64(r) * {fact['src_pitch']} + int64(j)")
    say("                good = r >= int32(0) and j >= int32(0)")
    say("        going = k < count")
    say("        if going:")
    say("            v = gather(src, at, plane, int32(depth - c), good)")
    say("            u = four(weight, f, mine < int32(depth - c))")
    lines += ["        " + line for line in _step("half")]
    say("        half = uint32(1) - half")
    say("        if going:")
    lines += ["            " + line for line in _staged("half")]
    say("        cuda.syncthreads()")
    say(f"    most = int64({fact['group_out']})")
    say(f"    first = part * int64({FILTERS}) + int64(ty)")
    say(f"    o = n * {fact['dst_batch']} + (group * most + first) * {fact['dst_plane']} + here + int64(tx)")
    say("    left_pixels = pixels - here - int64(tx)")
    for f in range(8):
        g = f if f < 4 else 28 + f
        say(f"    if first + int64({g}) < most:")
        say("        b = zero")
        say(f"        if {fact['bias']} != 0:")
        say(f"            b = to_bias(bias[group * most + first + int64({g})])")
        say(f"        store(dst, o + int64({g}) * {fact['dst_plane']}, left_pixels, a{f}, b)")
    return lines


def _store_lines(vector):
    """store(dst, at, count, t, b): pixels 0 .. 3 and 64 .. 67, as far as there are any."""
    lines = ["def store(dst, at, count, t, b):"]
    for far, first in ((0, 0), (64, 4)):
        values = [f"out(t[{first + v}] + b)" for v in range(4)]
        if vector:
            lines.append(f"    if int64({far}) < count:")
            lines.append(f"        store4(dst, at + int64({far}), ({', '.join(values)}))")
            continue
        for v in range(4):
            lines += [f"    if int64({far + v}) < count:", f"        dst[at + int64({far + v})] = {values[v]}"]
    return lines


@functools.lru_cache(maxsize=32)
def gemm_kernel(source, weight, bias, out, accumulate, vector):
    """The kernel for arrays of these dtypes; vector: planes of the output lie at multiples of four samples."""
    to, zero, i64 = load(source, accumulate), number(accumulate)(0), types.int64
    to_weight = load(weight, accumulate)
    pick = ["def pick(src, at, good):", "    if not good:", "        return zero", "    return to(src[at])"]
    eight = ["def eight(a, at, far):", "    x = load4_shared(a, at)", "    y = load4_shared(a, at + uint32(far))"]
    eight.append(f"    return ({', '.join(f'{name}[{j}]' for name in 'xy' for j in range(4))})")
    taken = ", ".join(f"pick(src, at + plane * int64({j}), good and int32({j}) < depth)" for j in range(DEPTH))
    four = ["def four(weight, at, good):", "    if not good:", "        return none", "    x = load4(weight, at)"]
    four.append(f"    return ({', '.join(f'to_weight(x[{j}])' for j in range(4))})")
    scope = {
        "eight": inline("eight", eight, load4_shared=load4_shared),
        "more": inline(
            "more", ["def more(a, p, w):", f"    return ({', '.join(f'a[{v}] + w * p[{v}]' for v in range(8))})"]
        ),
        "gather": inline(
            "gather",
            ["def gather(src, at, plane, depth, good):", f"    return ({taken})"],
            pick=inline("pick", pick, to=to, zero=zero), int64=i64,
        ),
        "four": inline("four", four, load4=load4, to_weight=to_weight, none=(zero,) * 4),
        "store": inline("store", _store_lines(vector), out=cast(accumulate, out), store4=store4, int64=i64),
        "store4_shared": store4_shared,
        "to_bias": load(bias, accumulate),
        "zero": zero,
        "nothing": (zero,) * 8,
        "int64": i64,
        "ACC": number(accumulate),
    }  # fmt: skip
    function = written("gemm", _lines(), **scope)
    arrays, table = map(pointer, (source, weight, bias, out)), pointer(np.int32)
    return kernel(function, (*arrays, table, table, table, pointer(np.int64), i64))
