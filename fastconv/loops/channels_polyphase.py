"""Transposed convolution by output phases: each output is a sum over the few taps that reach it, and nothing is zero.

Output column ``stride * t + f`` takes the taps of phase f alone, from source columns ``t + offset``.  One tile is a
vector (or two) of t for a few output channels and every phase at once: a source vector is loaded once for all phases,
and the phases' sums are dealt into the output row as they are stored.
"""

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from .blocks import call_row, fetch, move
from .channels_depthwise import store_masked
from .channels_strip import ZERO_ROW, put
from .jit import loop
from .vec import I32, I64, Emitter, count

# constants of a specialisation, see jit.Loop.address
ACC = np.float32
PATTERN = BLOCK = VECTORS = ()
LANES = SIZE = 0
ONE = (None,)


def below(e, samples):
    """The lanes below a count, an LLVM int64."""
    wide = ir.VectorType(I64, e.n)
    first = e.b.insert_element(ir.Constant(wide, ir.Undefined), samples, ir.Constant(I32, 0))
    every = e.b.shuffle_vector(first, first, ir.Constant(ir.VectorType(I32, e.n), [0] * e.n))
    return e.b.icmp_signed("<", ir.Constant(wide, list(range(e.n))), every)


def dealt(e, parts):
    """Vectors whose samples, in order, are the parts' first samples, their second ones, and so on."""
    f, n = len(parts), e.n
    if f == 1:
        return parts
    result = []
    for m in range(f):
        value, have = None, {}
        for phase, part in enumerate(parts):
            here = {lane: (m * n + lane) // f for lane in range(n) if (m * n + lane) % f == phase}
            if value is None:
                lanes = [here.get(lane, 0) for lane in range(n)]
                value = e.b.shuffle_vector(part, part, ir.Constant(ir.VectorType(I32, n), lanes))
            else:
                lanes = [n + here[lane] if lane in here else lane for lane in range(n)]
                value = e.b.shuffle_vector(value, part, ir.Constant(ir.VectorType(I32, n), lanes))
            have.update(here)
        result.append(value)
    return result


@intrinsic
def polyphase_tile(typingctx, x, channels, channel_pitch, rows, n_rows, w, bias, target, pitch, left, acc_t, pattern,
                   block, vectors, partial):  # fmt: skip
    """One tile of the outputs of a few channels, all phases.

    x: address of the first sample under the first offset; channels, channel_pitch: of the source, bytes; rows: address
    of the ``n_rows`` byte offsets of the rows of taps; pattern: for each offset a tuple over phases of () or (None,):
    whether a tap lies there; w: [channel][row of taps][offset, phase of the taps][block]; bias: of the block's
    channels; target: of the first output, ``pitch`` bytes to the next channel; left: outputs to store (``partial``).
    """

    def codegen(context, builder, sig, args):
        x, channels, channel_pitch, rows, n_rows, w, bias, target, pitch, left = args[:10]
        e = Emitter(builder, acc_t.dtype)
        offsets = [[count(tap) for tap in phases] for phases in pattern]
        phases, many, v_ = len(offsets[0]), count(block), count(vectors)
        size, one, nought = e.n * e.size, e.const(1), e.const(0)
        step = e.const(sum(map(sum, offsets)) * many * e.size)

        def row(j, carried):
            w, *sums = carried
            base = builder.add(e.integer(rows, j), x_now[0])
            t = 0
            for o, present in enumerate(offsets):
                if not any(present):
                    continue
                samples = [e.load(e.plus(base, o * e.size + v * size), acc_t.dtype) for v in range(v_)]
                for f in range(phases):
                    if not present[f]:
                        continue
                    for k in range(many):
                        weight = e.weight(w, t * many + k)
                        for v in range(v_):
                            i = (f * many + k) * v_ + v
                            sums[i] = e.fma(samples[v], weight, sums[i])
                    t += 1
            return [builder.add(w, step), *sums]

        x_now = [x]

        def channel(c, carried):
            x, *others = carried
            x_now[0] = x
            return [builder.add(x, channel_pitch), *e.repeat(nought, n_rows, one, others, row)]

        first = [e.weight(bias, k) for k in range(many)]
        start = [first[k] for _ in range(phases) for k in range(many) for _ in range(v_)]
        _, _, *sums = e.repeat(nought, channels, one, [x, w, *start], channel)
        for k in range(many):
            to = builder.add(target, builder.mul(pitch, e.const(k)))
            for v in range(v_):
                parts = dealt(e, [sums[(f * many + k) * v_ + v] for f in range(phases)])
                for m, part in enumerate(parts):
                    at = (v * phases + m) * size
                    if count(partial):
                        store_masked(e, e.plus(to, at), part, below(e, builder.sub(left, e.const(m * e.n))))
                    else:
                        e.store(e.plus(to, at), part, acc_t.dtype)
        return context.get_dummy_value()

    return types.void(*[types.intp] * 10, acc_t, pattern, block, vectors, partial), codegen


@loop
def polyphase_row(x, channels, channel_pitch, rows, n_rows, w, bias, target, pitch, outputs):
    """One output row of a few channels, see `polyphase_tile`."""
    phases = len(PATTERN[0])
    t = 0
    whole = len(VECTORS) * LANES
    while (t + whole) * phases <= outputs:
        to = target + t * phases * SIZE
        polyphase_tile(x + t * SIZE, channels, channel_pitch, rows, n_rows, w, bias, to, pitch, 0, ACC, PATTERN, BLOCK,
                       VECTORS, ())  # fmt: skip
        t += whole
    while t * phases < outputs:
        to = target + t * phases * SIZE
        polyphase_tile(x + t * SIZE, channels, channel_pitch, rows, n_rows, w, bias, to, pitch, outputs - t * phases,
                       ACC, PATTERN, BLOCK, ONE, ONE)  # fmt: skip
        t += LANES


@loop
def interleave_row(source, pitch, target, phases, outputs):
    """target[t * phases + f] = sample t of the row at source + f * pitch bytes."""
    for f in range(phases):
        t = 0
        while t * phases + f < outputs:
            move(source + f * pitch + t * SIZE, target + (t * phases + f) * SIZE, ACC, ACC)
            t += 1


@loop
def fill_row(target, outputs, value):
    """``outputs`` copies of the sample at address ``value``."""
    for i in range(outputs):
        move(value, target + i * SIZE, ACC, ACC)


@loop
def fold_row(row, columns, width, target):
    """target[columns[q]] += row[q], q < width; -1: nowhere."""
    for q in range(width):
        to = fetch(columns + 8 * q, np.int64)
        if to >= 0:
            at = target + to * SIZE
            put(at, fetch(at, ACC) + fetch(row + q * SIZE, ACC), ACC)


#: what a job's table of integers holds; `polyphase` reads them in this order
FIELDS = (
    "channels", "size", "plane_in", "plane_out", "stride", "height", "width", "row_out", "chunk", "low", "image_rows",
    "row_strip", "channel_strip", "before", "n_in", "left", "right", "after", "strip_row", "tap_rows", "most_rows",
    "row_counts", "functions", "n_functions", "row_scratch", "folds", "fold_rows", "fold_columns", "interleave",
    "fill", "fold", "flat", "steps",
)  # fmt: skip


@loop
def polyphase(job, blocks, x, out, w, bias, strip, scratch, b0, b1, t0, t1):
    """Groups of rows t0..t1 of the output channels of blocks b0..b1, of one group of one sample.

    job: table of what `FIELDS` names; blocks: [block] of (channel, channels, functions' row) and of the weights'
    byte offsets by row phase and column function; x, out, bias: addresses of the group's first channels.
    Row ``stride * t + f`` has ``row_counts[f]`` rows of taps at ``tap_rows[f]``, byte offsets into the strip.  folds:
    the rows are those of a padded image and are added where the border's tables say.  flat: phases of a row that are
    narrow enough for all rows of a chunk to be summed as one, padding between them and all; 0: row by row.
    """
    (channels, size, plane_in, plane_out, stride, height, width, row_out, chunk, low, image_rows, row_strip,
     channel_strip, before, n_in, left, right, after, strip_row, tap_rows, most_rows, row_counts, functions,
     n_functions, row_scratch, folds, fold_rows, fold_columns, interleave, fill, fold, flat, steps) = (
        job[0], job[1], job[2], job[3], job[4], job[5], job[6], job[7], job[8], job[9], job[10], job[11], job[12],
        job[13], job[14], job[15], job[16], job[17], job[18], job[19], job[20], job[21], job[22], job[23], job[24],
        job[25], job[26], job[27], job[28], job[29], job[30], job[31], job[32])  # fmt: skip
    if folds:
        for b in range(b0, b1):
            for k in range(blocks[b, 1]):
                channel = blocks[b, 0] + k
                call_row(fill, (out + channel * plane_out, plane_out // size, bias + channel * size))
    for ta in range(t0, t1, chunk):
        tb = min(t1, ta + chunk)
        for c in range(channels):
            for r in range(tb - ta + low):
                offset = fetch(image_rows + 8 * (ta + r), np.int64)
                at = 0 if offset == ZERO_ROW else x + c * plane_in + offset
                to = strip + c * channel_strip + r * row_strip
                call_row(strip_row, (at, to, row_strip, before, n_in, left, right, after))
        for b in range(b0, b1):
            channel, many, kind = blocks[b, 0], blocks[b, 1], blocks[b, 2]
            for f in range(stride):
                if flat:
                    outputs = ((tb - ta - 1) * (row_strip // size) + steps) * flat
                    call_row(fetch(functions + 8 * kind, np.int64),
                             (strip, channels, channel_strip, tap_rows + 8 * f * most_rows,
                              fetch(row_counts + 8 * f, np.int64), w + blocks[b, 3 + f], bias + channel * size,
                              scratch, row_scratch, outputs))  # fmt: skip
                    for k in range(many):
                        for t in range(ta, min(tb, (height - f + stride - 1) // stride)):
                            source = scratch + k * row_scratch + (t - ta) * row_strip * flat
                            to = out + (channel + k) * plane_out + (t * stride + f) * row_out
                            call_row(interleave, (source, 0, to, 1, width))
                    continue
                for t in range(ta, tb):
                    y = t * stride + f
                    if y >= height:
                        continue
                    start = bias + channel * size
                    to, pitch = out + channel * plane_out + y * row_out, plane_out
                    if folds:
                        if fetch(fold_rows + 8 * y, np.int64) < 0:
                            continue
                        start, to, pitch = scratch, scratch + many * size, row_scratch
                    direct = to
                    for i in range(n_functions):
                        outputs = width
                        if n_functions > 1:  # one phase at a time, behind the rows that they are dealt into
                            outputs = (width - i + n_functions - 1) // n_functions
                            to = scratch + many * (size + row_scratch) + i * many * row_scratch
                            pitch = row_scratch
                        call_row(fetch(functions + 8 * (kind * n_functions + i), np.int64),
                                 (strip + (t - ta) * row_strip, channels, channel_strip, tap_rows + 8 * f * most_rows,
                                  fetch(row_counts + 8 * f, np.int64), w + blocks[b, 3 + f * n_functions + i], start,
                                  to, pitch, outputs))  # fmt: skip
                    if n_functions > 1:
                        for k in range(many):
                            row = direct + k * (row_scratch if folds else plane_out)
                            source = scratch + many * (size + row_scratch) + k * row_scratch
                            call_row(interleave, (source, many * row_scratch, row, n_functions, width))
                    if folds:
                        target = out + channel * plane_out + fetch(fold_rows + 8 * y, np.int64) * row_out
                        for k in range(many):
                            call_row(fold, (direct + k * row_scratch, fold_columns, width, target + k * plane_out))


__all__ = ["FIELDS", "fill_row", "fold_row", "interleave_row", "polyphase", "polyphase_row"]
