"""The tile: separable filters of up to 33 taps an axis, both passes in one launch, through shared memory.

A block makes 128 columns (64 in float64) of up to 64 rows.  Eight source rows at a time are staged as numbers of the
sums' dtype, each sample loaded and converted once, whatever the alignment; their horizontal sums fill the tile; then a
thread adds the vertical taps for four columns of its rows, every value of the tile read once for all of them.

Taps are arguments and their number is in the text, as in `cuda_march`; so are those that are left out.
"""

import functools

import numpy as np

from .cuda_target import (
    SIMULATED,
    inline,
    kernel,
    load4_shared,
    number,
    pointer,
    store4_shared,
    tuple_of,
    types,
    written,
)
from .cuda_text import chain_row, dot, picker, storer

__all__ = ["WARPS", "Layout", "layout", "tile_kernel"]

#: rows of threads of a block
WARPS = 8
#: bytes of shared memory that every launch may have
SHARED = 49152


class Layout:
    """Sizes of a block: columns, rows a thread, samples of a staged row, rows of the tile."""

    def __init__(self, columns, each, reach, rows):
        self.columns, self.each, self.reach = columns, each, reach
        self.across = columns // 4
        self.staged = -(-(columns + reach) // self.across) * self.across
        self.rows = WARPS * each
        self.high = self.rows + rows - 1

    def bytes(self, size):
        return size * (WARPS * self.staged + self.high * self.columns)


@functools.cache
def layout(accumulate, rows, reach):
    """The `Layout` for ``rows`` vertical taps and a horizontal reach; None where shared memory does not hold it."""
    size = np.dtype(accumulate).itemsize
    for each in (8, 6, 4):
        made = Layout(512 // size, each, reach, rows)
        if made.bytes(size) <= SHARED:
            return made
    return None


def _rower(across, step, size):
    """row(stage, at, tx, wh): four horizontal sums; neighbours where taps are, else columns a block's width apart."""
    count = len(across)
    tap = ["" if kind == 2 else f"wh[{i}]" for i, kind in enumerate(across)]
    if step == 1:
        lines = ["def row(stage, at, wh):"]
        for m in range(-(-(count + 3) // 4)):
            lines.append(f"    v{m} = load4(stage, at + uint32({4 * m}))")
        sums = [dot([(f"v{(v + i) // 4}[{(v + i) % 4}]", tap[i]) for i in range(count) if across[i]]) for v in range(4)]
    else:
        lines = ["def row(stage, at, wh):"]
        sums = [
            dot([(f"stage[at + uint32({size * v + i * step})]", tap[i]) for i in range(count) if across[i]])
            for v in range(4)
        ]
    lines.append(f"    return ({', '.join(sums)})")
    return lines


def _lines(shape, down, across, step, vector, blank):
    """The kernel's text."""
    rows, columns, wide = len(down), shape.columns, shape.staged
    loads = wide // shape.across
    align = "" if SIMULATED else ", alignment=16"
    lines = [
        "def tile(src, dst, rows, cols, wv, wh, height, width, last_row, last_column, src_pitch, dst_pitch, "
        "src_batch, dst_batch, spread, y_first, outside):"
    ]
    say = lines.append
    say(f"    stage = cuda.shared.array({WARPS * wide}, ACC{align})")
    say(f"    sums = cuda.shared.array({shape.high * columns}, ACC{align})")
    say("    tx = int32(cuda.threadIdx.x)")
    say("    ty = int32(cuda.threadIdx.y)")
    say(f"    first = int32(cuda.blockIdx.x * int32({columns}))")
    for j in range(loads):
        say(f"    k{j} = cols[min(int32(first + tx + int32({j * shape.across})), last_column)]")
    say("    g = uint32(cuda.blockIdx.y) + uint32(y_first)")
    say(f"    top = {chain_row(f'int32({shape.rows})')}")
    say("    z = uint64(cuda.blockIdx.z)")
    say("    base = z * uint64(src_batch)")
    say(f"    here = uint32(ty * int32({wide}) + tx)")
    say("    i = ty")
    say(f"    while int32(i - ty) < int32({shape.high}):")
    say("        r = rows[min(int32(top + int32(i * spread)), last_row)]")
    stage = [f"stage[here + uint32({j * shape.across})] = pick(src, at, k{j}, outside)" for j in range(loads)]
    if blank:
        say("        if r < int32(0):")
        lines += [f"            stage[here + uint32({j * shape.across})] = outside" for j in range(loads)]
        say("        else:")
        say("            at = base + uint64(uint32(r)) * uint64(src_pitch)")
        lines += ["            " + one for one in stage]
    else:
        say("        at = base + uint64(uint32(r)) * uint64(src_pitch)")
        lines += ["        " + one for one in stage]
    say("        cuda.syncthreads()")
    say(f"        if i < int32({shape.high}):")
    if step == 1:
        say(f"            s = row(stage, uint32(ty * int32({wide}) + tx * int32(4)), wh)")
        say(f"            store4(sums, uint32(i * int32({columns}) + tx * int32(4)), s)")
    else:
        say("            s = row(stage, here, wh)")
        for v in range(4):
            say(f"            sums[uint32(i * int32({columns}) + tx + int32({v * shape.across}))] = s[{v}]")
    say("        cuda.syncthreads()")
    say(f"        i = int32(i + int32({WARPS}))")
    say(f"    c = int32(first + tx{' * int32(4)' if vector else ''})")
    say(f"    y = int32(top + int32(ty * int32({shape.each})) * spread)")
    say("    if c >= width or y >= height:")
    say("        return")
    say("    o = z * uint64(dst_batch) + uint64(uint32(y)) * uint64(dst_pitch) + uint64(uint32(c))")
    say("    step_down = uint64(uint32(spread)) * uint64(dst_pitch)")
    say(f"    full = int32(c + int32({4 if vector else 3 * shape.across + 1})) <= width")
    say(f"    b = uint32(ty * int32({shape.each * columns}) + tx{' * int32(4)' if vector else ''})")
    for s in range(shape.each + rows - 1):
        say(f"    h = take(sums, b + uint32({s * columns}))")
        for m in range(max(0, s - rows + 1), min(shape.each - 1, s) + 1):
            kind = down[s - m]
            if kind == 2:
                say(f"    a{m} = h")
            elif not any(down[: s - m]):
                say(f"    a{m} = first_of(h, wv[{s - m}])" if kind else f"    a{m} = nothing")
            elif kind:
                say(f"    a{m} = more(a{m}, h, wv[{s - m}])")
        m = s - rows + 1
        if m >= 0:
            say("    if full:")
            say(f"        store(dst, o, c, width, a{m})")
            say("    else:")
            say(f"        store_edge(dst, o, c, width, a{m})")
            if m < shape.each - 1:
                say("    o = o + step_down")
                say("    y = int32(y + spread)")
                say("    if y >= height:")
                say("        return")
    return lines


@functools.lru_cache(maxsize=128)
def tile_kernel(source, accumulate, out, down, across, step, vector, blank):
    """Vertical taps times horizontal taps; down, across: for each tap 0 (it is left out), 1, or 2 (it is one).

    Arguments of the kernel, after the arrays and tables: vertical taps, horizontal taps; ...
    """
    shape = layout(accumulate, len(down), (len(across) - 1) * step)
    zero = number(accumulate)(0)
    far = [v if vector else shape.across * v for v in range(4)]
    take = (
        ["def take(sums, at):", "    return load4(sums, at)"]
        if vector
        else [
            "def take(sums, at):",
            f"    return ({', '.join(f'sums[at + uint32({v * shape.across})]' for v in range(4))})",
        ]
    )
    scope = {
        "row": inline("row", _rower(across, step, shape.across), load4=load4_shared, zero=zero),
        "pick": picker(source, accumulate),
        "take": inline("take", take, load4=load4_shared),
        "first_of": inline("first_of", ["def first_of(h, w):", f"    return ({_each('w * h[{}]')})"]),
        "more": inline("more", ["def more(a, h, w):", f"    return ({_each('a[{}] + w * h[{}]')})"]),
        "store4": store4_shared,
        "store": storer(accumulate, out, far, vector, False),
        "store_edge": storer(accumulate, out, far, False, True),
        "nothing": (zero,) * 4,
        "ACC": number(accumulate),
    }
    function = written("tile", _lines(shape, down, across, step, vector, blank), **scope)
    i32, i64 = types.int32, types.int64
    table = pointer(np.int32)
    taps = tuple_of(accumulate, len(down)), tuple_of(accumulate, len(across))
    tail = (*(i32,) * 4, *(i64,) * 4, *(i32,) * 2, number(accumulate))
    return kernel(function, (pointer(source), pointer(out), table, table, *taps, *tail))


def _each(text):
    return ", ".join(text.replace("{}", str(v)) for v in range(4))
