"""Lines of many taps, one axis a launch: their number is an argument, so one compile serves every length.

`down`: a thread owns four columns and eight output rows; a source row that it reads enters all eight sums, with a
window of eight taps that slides by one.  `across`: a block stages the samples of 128 outputs of eight rows in shared
memory, and a thread slides over them for four columns, four taps at a time.
"""

import functools

import numpy as np

from .cuda_cast import cast, load
from .cuda_target import SIMULATED, inline, kernel, load4, load4_shared, number, pointer, store4, types, written
from .cuda_text import chain_row, picker

__all__ = ["EACH", "LEAST_TAPS", "MOST_REACH", "TILE", "across_kernel", "down_kernel"]

#: output rows of a thread of `down`
EACH = 8
#: taps that the sliding window wants
LEAST_TAPS = EACH
#: columns and rows of a block of `across`, and samples between its first and last tap that are staged
TILE = (128, 8)
MOST_REACH = 512


def _store(accumulate, out, vector):
    """store(dst, at, c, width, t): four sums, those inside the row."""
    to = cast(accumulate, out)
    values = [f"to(t[{v}])" for v in range(4)]
    far = [v if vector else 32 * v for v in range(4)]
    lines = ["def store(dst, at, c, width, t):", f"    if int32(c + int32({far[3]})) < width:"]
    if vector:
        lines.append(f"        store4(dst, at, ({', '.join(values)}))")
    else:
        lines += [f"        dst[at + uint64({far[v]})] = {values[v]}" for v in range(4)]
    lines += ["    else:", f"        dst[at] = {values[0]}"]
    for v in range(1, 3):
        lines += [
            f"        if int32(c + int32({far[v]})) < width:",
            f"            dst[at + uint64({far[v]})] = {values[v]}",
        ]
    return inline("store", lines, to=to, store4=store4)


def _more(holes):
    """more(a, h, w): four columns' products added; holes: but where the tap is NaN, which says that it is left out."""
    sums = ", ".join(f"a[{v}] + w * h[{v}]" for v in range(4))
    skip = ["    if w != w:", "        return a"] if holes else []
    return inline("more", ["def more(a, h, w):", *skip, f"    return ({sums})"])


def _take(source, accumulate, vector, blank):
    """take(...): four columns of a source row, the last column again where the row has ended."""
    to = load(source, accumulate)
    lines = ["def take(src, rows, j, last_row, base, pitch, c, width, outside):", "    r = rows[min(j, last_row)]"]
    if blank:
        lines += ["    if r < int32(0):", "        return (outside, outside, outside, outside)"]
    lines.append("    at = base + uint64(uint32(r)) * uint64(pitch)")
    far = [v if vector else 32 * v for v in range(4)]
    lines.append(f"    if int32(c + int32({far[3]})) < width:")
    if vector:
        lines += [
            "        x = load4(src, at + uint64(uint32(c)))",
            "        return (to(x[0]), to(x[1]), to(x[2]), to(x[3]))",
        ]
    else:
        ends = ", ".join(f"to(src[at + uint64(uint32(c)) + uint64({far[v]})])" for v in range(4))
        lines.append(f"        return ({ends})")
    ends = ", ".join(f"to(src[at + uint64(uint32(min(int32(c + int32({f})), int32(width - int32(1)))))])" for f in far)
    lines.append(f"    return ({ends})")
    return inline("take", lines, to=to, load4=load4)


def _down_lines(vector):
    lines = [
        "def down(src, dst, rows, taps, count, height, width, last_row, src_pitch, dst_pitch, src_batch, dst_batch, "
        "spread, y_first, outside):"
    ]
    say = lines.append
    say("    t = int32(cuda.blockIdx.x * cuda.blockDim.x + cuda.threadIdx.x)")
    say("    c = int32(t * int32(4))" if vector else "    c = int32(((t >> int32(5)) << int32(7)) + (t & int32(31)))")
    say("    g = uint32(cuda.blockIdx.y * cuda.blockDim.y + cuda.threadIdx.y) + uint32(y_first)")
    say(f"    y = {chain_row(f'int32({EACH})')}")
    say("    if c >= width or y >= height:")
    say("        return")
    say("    z = uint64(cuda.blockIdx.z)")
    say("    base = z * uint64(src_batch)")
    say("    j = y")
    take = "h = take(src, rows, j, last_row, base, src_pitch, c, width, outside)"
    lines += [f"    t{k} = taps[{k}]" for k in range(EACH - 1)]
    lines += [f"    a{m} = nothing" for m in range(EACH)]
    for s in range(EACH - 1):
        say(f"    {take}")
        say("    j = int32(j + spread)")
        lines += [f"    a{m} = more(a{m}, h, t{s - m})" for m in range(s + 1)]
    say(f"    s = int32({EACH - 1})")
    say("    while s < count:")
    say(f"        {take}")
    say("        j = int32(j + spread)")
    say(f"        t{EACH - 1} = taps[s]")
    lines += [f"        a{m} = more(a{m}, h, t{EACH - 1 - m})" for m in range(EACH)]
    lines += [f"        t{k} = t{k + 1}" for k in range(EACH - 1)]
    say("        s = int32(s + int32(1))")
    for e in range(EACH - 1):
        say(f"    {take}")
        say("    j = int32(j + spread)")
        lines += [f"    a{m} = more(a{m}, h, t{EACH - 1 + e - m})" for m in range(e + 1, EACH)]
    say("    o = z * uint64(dst_batch) + uint64(uint32(y)) * uint64(dst_pitch) + uint64(uint32(c))")
    for m in range(EACH):
        say(f"    store(dst, o, c, width, a{m})")
        if m < EACH - 1:
            say("    o = o + uint64(uint32(spread)) * uint64(dst_pitch)")
            say("    y = int32(y + spread)")
            say("    if y >= height:")
            say("        return")
    return lines


@functools.lru_cache(maxsize=64)
def down_kernel(source, accumulate, out, vector, blank, holes=False):
    """Taps down the columns, any number from `LEAST_TAPS` on, any distance between them; holes: some are NaN."""
    zero = number(accumulate)(0)
    function = written(
        "down", _down_lines(vector), take=_take(source, accumulate, vector, blank), more=_more(holes),
        store=_store(accumulate, out, vector), nothing=(zero,) * 4,
    )  # fmt: skip
    i32, i64 = types.int32, types.int64
    arrays = pointer(source), pointer(out), pointer(np.int32), pointer(accumulate)
    return kernel(function, (*arrays, *(i32,) * 4, *(i64,) * 4, i32, i32, number(accumulate)))


def _across_lines(vector):
    columns, high = TILE
    wide = columns + MOST_REACH + 8
    align = "" if SIMULATED else ", alignment=16"
    lines = [
        "def across(src, dst, cols, taps, count, step, height, width, last_column, src_pitch, dst_pitch, src_batch, "
        "dst_batch, y_first, outside):"
    ]
    say = lines.append
    say(f"    stage = cuda.shared.array({wide * high}, ACC{align})")
    say("    tx = int32(cuda.threadIdx.x)")
    say("    ty = int32(cuda.threadIdx.y)")
    say(f"    first = int32(cuda.blockIdx.x * int32({columns}))")
    say(f"    y = int32(int32(cuda.blockIdx.y) * int32({high}) + ty + y_first)")
    say("    z = uint64(cuda.blockIdx.z)")
    say("    at = z * uint64(src_batch) + uint64(uint32(min(y, int32(height - int32(1))))) * uint64(src_pitch)")
    say(f"    line = int32(ty * int32({wide}))")
    say(f"    end = int32(int32({columns} + 4) + int32((count - int32(1)) * step))")
    say("    i = tx")
    say("    while i < end:")
    say("        k = cols[min(int32(first + i), last_column)]")
    say("        stage[uint32(line + i)] = pick(src, at, k, outside)")
    say("        i = int32(i + int32(32))")
    say("    cuda.syncthreads()")
    say(f"    c = int32(first + tx{' * int32(4)' if vector else ''})")
    say("    if c >= width or y >= height:")
    say("        return")
    say("    a = nothing")
    say("    i = int32(0)")
    if vector:
        say("    p = uint32(line + tx * int32(4))")
        say("    x = load4s(stage, p)")
        say("    while int32(i + int32(4)) <= count:")
        say("        p = uint32(p + uint32(4))")
        say("        n = load4s(stage, p)")
        say("        a = four(a, x, n, load4(taps, i))")
        say("        x = n")
        say("        i = int32(i + int32(4))")
        say("    if i < count:")
        say("        n = load4s(stage, uint32(p + uint32(4)))")
        say("        a = one(a, x, taps[i])")
        for k in (1, 2):
            say(f"        if int32(i + int32({k})) < count:")
            say(f"            a = one(a, moved{k}(x, n), taps[int32(i + int32({k}))])")
    else:
        say("    p = uint32(line + tx)")
        say("    while i < count:")
        say("        a = one(a, lanes(stage, p), taps[i])")
        say("        p = uint32(p + uint32(step))")
        say("        i = int32(i + int32(1))")
    say("    o = z * uint64(dst_batch) + uint64(uint32(y)) * uint64(dst_pitch) + uint64(uint32(c))")
    say("    store(dst, o, c, width, a)")
    return lines


def _window(k):
    """Four samples from the k-th on, of the eight in x and n."""
    return [f"x[{v + k}]" if v + k < 4 else f"n[{v + k - 4}]" for v in range(4)]


@functools.lru_cache(maxsize=64)
def across_kernel(source, accumulate, out, vector, holes=False):
    """Taps along the rows, `MOST_REACH` samples between the first and the last at most; vector: neighbouring taps.

    holes: some are NaN, and left out.
    """
    zero = number(accumulate)(0)
    parts = [_window(k) for k in range(4)]
    sums = [" + ".join([f"a[{v}]", *(f"w[{k}] * {parts[k][v]}" for k in range(4))]) for v in range(4)]
    lanes = ", ".join(f"stage[p + uint32({32 * v})]" for v in range(4))
    four = ["def four(a, x, n, w):", f"    return ({', '.join(sums)})"]
    if holes:
        four = ["def four(a, x, n, w):"]
        four += [f"    a = one(a, ({', '.join(parts[k])}), w[{k}])" for k in range(4)]
        four.append("    return a")
    scope = {
        "pick": picker(source, accumulate),
        "one": _more(holes),
        "moved1": inline("moved1", ["def moved1(x, n):", f"    return ({', '.join(parts[1])})"]),
        "moved2": inline("moved2", ["def moved2(x, n):", f"    return ({', '.join(parts[2])})"]),
        "lanes": inline("lanes", ["def lanes(stage, p):", f"    return ({lanes})"]),
        "store": _store(accumulate, out, vector),
        "load4": load4,
        "load4s": load4_shared,
        "four": inline("four", four, one=_more(holes)),
        "nothing": (zero,) * 4,
        "ACC": number(accumulate),
    }
    function = written("across", _across_lines(vector), **scope)
    i32, i64 = types.int32, types.int64
    arrays = pointer(source), pointer(out), pointer(np.int32), pointer(accumulate)
    return kernel(function, (*arrays, *(i32,) * 5, *(i64,) * 4, i32, number(accumulate)))
