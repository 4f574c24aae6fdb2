"""Convolutions over channels: a thread makes four pixels of up to eight output channels, in registers.

Taps are a table: for each its place in the padded source, along both axes, and its place in a weight's plane.  So one
loop serves every stride, dilation, border and group, and each phase of a transposed convolution (whose output pixels
lie a stride apart).  The columns of a thread are 32 apart: a warp reads and writes runs of samples.
"""

import functools

import numpy as np

from .cuda_cast import cast, load
from .cuda_target import inline, kernel, number, pointer, types, written

__all__ = ["BLOCK", "FACTS", "MOST_FILTERS", "channels_kernel"]

#: output channels of a thread
MOST_FILTERS = 8
#: threads of a block: a warp along the row, four rows
BLOCK = (32, 4)
#: what the table ``facts`` holds
FACTS = (
    "count", "group_in", "group_out", "parts", "groups", "height", "width", "stride_y", "stride_x", "src_pitch",
    "src_plane", "src_batch", "w_group", "w_out", "w_in", "dst_pitch", "dst_step", "dst_plane", "dst_batch", "bias",
)  # fmt: skip


def _lines(filters):
    """The kernel's text."""
    fact = {name: f"facts[{k}]" for k, name in enumerate(FACTS)}
    lines = ["def channels(src, weight, bias, dst, rows, cols, taps, facts, y_first, z_first):"]
    say = lines.append
    say("    lane = int32(int32(cuda.blockIdx.x) * int32(128) + cuda.threadIdx.x)")
    say(f"    y = int32(int32(cuda.blockIdx.y) * int32({BLOCK[1]}) + cuda.threadIdx.y + y_first)")
    say(f"    width = int32({fact['width']})")
    say(f"    if lane >= width or y >= int32({fact['height']}):")
    say("        return")
    say("    z = int32(int32(cuda.blockIdx.z) + z_first)")
    say(f"    parts = int32({fact['parts']})")
    say("    part = int32(z % parts)")
    say(f"    group = int32(int32(z // parts) % int32({fact['groups']}))")
    say(f"    n = int64(int32(int32(z // parts) // int32({fact['groups']})))")
    say(f"    first = int32(part * int32({filters}))")
    say(f"    most = int32({fact['group_out']})")
    say(f"    sy = int32({fact['stride_y']})")
    say(f"    sx = int32({fact['stride_x']})")
    say(f"    count = int32({fact['count']})")
    say(f"    depth = int32({fact['group_in']})")
    say("    last = int32(width - int32(1))")
    lines += [f"    x{v} = int32(min(int32(lane + int32({32 * v})), last) * sx)" for v in range(4)]
    say("    top = int32(y * sy)")
    lines += [f"    a{f} = nothing" for f in range(filters)]
    say(f"    base = n * {fact['src_batch']} + int64(group) * int64(depth) * {fact['src_plane']}")
    # a channel beyond the last one computes the last one again and stores nothing
    for f in range(filters):
        say(
            f"    w{f} = int64(group) * {fact['w_group']} + "
            f"int64(min(int32(first + int32({f})), int32(most - int32(1)))) * {fact['w_out']}"
        )
    say("    c = int32(0)")
    say("    while c < depth:")
    say("        k = int32(0)")
    say("        while k < count:")
    say("            r = rows[int32(top + taps[int32(k * int32(3))])]")
    say("            if r >= int32(0):")
    say("                at = int32(k * int32(3))")
    say("                j = taps[int32(at + int32(1))]")
    say("                p = int64(taps[int32(at + int32(2))])")
    say(f"                line = base + int64(r) * {fact['src_pitch']}")
    columns = ", ".join(f"pick(src, line, cols[int32(x{v} + j)])" for v in range(4))
    say(f"                s = ({columns})")
    lines += [f"                a{f} = more(a{f}, s, to_weight(weight[w{f} + p]))" for f in range(filters)]
    say("            k = int32(k + int32(1))")
    say(f"        base = base + {fact['src_plane']}")
    lines += [f"        w{f} = w{f} + {fact['w_in']}" for f in range(filters)]
    say("        c = int32(c + int32(1))")
    say("    channel = int64(group) * int64(most) + int64(first)")
    say(f"    o = n * {fact['dst_batch']} + channel * {fact['dst_plane']} + int64(y) * {fact['dst_pitch']}")
    say(f"    o = o + int64(lane) * {fact['dst_step']}")
    say(f"    far = int64(32) * {fact['dst_step']}")
    for f in range(filters):
        say(f"    if int32(first + int32({f})) < most:")
        say("        b = zero")
        say(f"        if {fact['bias']} != 0:")
        say(f"            b = to_bias(bias[channel + int64({f})])")
        say(f"        store(dst, o, far, lane, width, a{f}, b)")
        if f < filters - 1:
            say(f"    o = o + {fact['dst_plane']}")
    return lines


@functools.lru_cache(maxsize=32)
def channels_kernel(source, weight, bias, out_dtype, accumulate, filters):
    """The kernel for arrays of these dtypes and ``filters`` output channels a thread."""
    to, out, zero = load(source, accumulate), cast(accumulate, out_dtype), number(accumulate)(0)
    store = ["def store(dst, at, far, c, width, t, b):", "    dst[at] = out(t[0] + b)"]
    for v in range(1, 4):
        store += [
            f"    if int32(c + int32({32 * v})) < width:",
            f"        dst[at + int64({v}) * far] = out(t[{v}] + b)",
        ]
    pick = [
        "def pick(src, line, k):",
        "    if k < int32(0):",
        "        return zero",
        "    return to(src[line + int64(k)])",
    ]
    sums = ", ".join(f"a[{v}] + w * s[{v}]" for v in range(4))
    scope = {
        "pick": inline("pick", pick, to=to, zero=zero, int64=types.int64),
        "more": inline("more", ["def more(a, s, w):", f"    return ({sums})"]),
        "store": inline("store", store, out=out, int64=types.int64),
        "to_weight": load(weight, accumulate),
        "to_bias": load(bias, accumulate),
        "zero": zero,
        "nothing": (zero,) * 4,
        "int64": types.int64,
    }
    function = written("channels", _lines(filters), **scope)
    arrays, table = map(pointer, (source, weight, bias, out_dtype)), pointer(np.int32)
    return kernel(function, (*arrays, table, table, table, pointer(np.int64), types.int32, types.int32))
