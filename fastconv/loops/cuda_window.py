"""A window in any number of dimensions: what the column march does not serve.  One thread an output sample.

Where all of a window lies inside the image its samples are one table of offsets away from its first one; at an edge
each tap's place along each filtered dimension goes through the border table.  All indices are 64-bit.
"""

import functools

import numpy as np

from .cuda_cast import cast, load
from .cuda_target import kernel, number, pointer, types, written

__all__ = ["FACTS", "window_kernel"]

#: what the table ``facts`` holds for each dimension of the array, in this order
FACTS = ("size", "step", "stride", "start", "low", "high", "before")


def _lines(filtered):
    """The kernel's text; filtered: for each dimension its place among the filtered ones, -1 where it is none."""
    dims, count = len(filtered), sum(f >= 0 for f in filtered)
    lines = ["def window(src, dst, table, places, offsets, taps, count, total, facts, outside):"]
    say = lines.append
    say("    at = uint64(cuda.blockIdx.x) * uint64(cuda.blockDim.x) + uint64(cuda.threadIdx.x)")
    say("    if at >= uint64(total):")
    say("        return")
    say("    rest = at")
    say("    base = int64(0)")
    say("    inside = True")
    for e in reversed(range(dims)):
        fact = {name: f"facts[{e * len(FACTS) + k}]" for k, name in enumerate(FACTS)}
        if e:
            say(f"    n = uint64({fact['size']})")
            say("    here = int64(rest % n)")
            say("    rest = rest // n")
        else:
            say("    here = int64(rest)")
        if filtered[e] < 0:
            say(f"    base += here * {fact['step']}")
            continue
        f = filtered[e]
        say(f"    here = here * {fact['stride']}")
        say(f"    p{f} = {fact['start']} + here")
        say(f"    step{f} = {fact['step']}")
        say(f"    inside = inside and here >= {fact['low']} and here <= {fact['high']}")
        say(f"    first{f} = (here - {fact['before']}) * step{f}")
    say("    sums = nothing")
    say("    k = int32(0)")
    say("    if inside:")
    say(f"        base += {' + '.join(f'first{f}' for f in range(count))}")
    say("        while k < count:")
    say("            sums += taps[k] * load(src[base + offsets[k]])")
    say("            k = int32(k + int32(1))")
    say("    else:")
    say("        while k < count:")
    for f in range(count):
        say(f"            r{f} = table[p{f} + places[int32(k * int32({count})) + int32({f})]]")
    say("            value = outside")
    say(f"            if {' and '.join(f'r{f} >= 0' for f in range(count))}:")
    say(f"                value = load(src[base + {' + '.join(f'r{f} * step{f}' for f in range(count))}])")
    say("            sums += taps[k] * value")
    say("            k = int32(k + int32(1))")
    say("    dst[at] = cast(sums)")
    return lines


@functools.lru_cache(maxsize=64)
def window_kernel(source, accumulate, out, filtered):
    """The kernel of a window over the dimensions where ``filtered`` is not -1."""
    function = written(
        "window", _lines(filtered), load=load(source, accumulate), cast=cast(accumulate, out),
        nothing=number(accumulate)(0), int64=types.int64,
    )  # fmt: skip
    table, i64 = pointer(np.int64), types.int64
    tail = (types.int32, i64, table, number(accumulate))
    return kernel(function, (pointer(source), pointer(out), table, table, table, pointer(accumulate), *tail))
