"""Padded strips: rows of several channels copied into scratch, borders filled, columns dealt out by their residue.

A strip is ``[channel][row][residue][column]``: padded column t of a row stands at residue ``t % every``, column
``t // every``, so that samples a stride apart are neighbours.  Samples are only moved: a loop knows their size alone.
"""

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from .blocks import call_row, fetch
from .jit import loop
from .vec import I32, count, scalar_type

# constants of a specialisation, see jit.Loop.address
ITEM = np.int32
SIZE = 0
EVERY = WIDE = ()

#: marks a row that holds zeros, in a table of row offsets
ZERO_ROW = -(2**63)


@intrinsic
def put(typingctx, address, value, item_t):
    """Store one sample."""

    def codegen(context, builder, sig, args):
        at = builder.inttoptr(args[0], scalar_type(item_t.dtype).as_pointer())
        builder.store(args[1], at).align = 1
        return context.get_dummy_value()

    return types.void(types.intp, item_t.dtype, item_t), codegen


@intrinsic
def deal(typingctx, source, target, pitch, lanes, item_t, every):
    """One vector for each residue: target[r * pitch + q] = source[q * every + r], q < lanes (a tuple of Nones)."""
    n, f = count(lanes), count(every)

    def codegen(context, builder, sig, args):
        source, target, pitch = args[:3]
        item = scalar_type(item_t.dtype)
        size = item_t.dtype.bitwidth // 8
        wide = ir.VectorType(item, n)
        parts = []
        for v in range(f):
            at = builder.add(source, ir.Constant(source.type, v * n * size))
            part = builder.load(builder.inttoptr(at, wide.as_pointer()))
            part.align = 1
            parts.append(part)
        for r in range(f):
            value = parts[r] if f == 1 else _picked(builder, parts, r, n, f)
            at = builder.add(target, builder.mul(pitch, ir.Constant(pitch.type, r)))
            builder.store(value, builder.inttoptr(at, wide.as_pointer())).align = 1
        return context.get_dummy_value()

    return types.void(types.intp, types.intp, types.intp, lanes, item_t, every), codegen


def _picked(builder, parts, r, n, f):
    """Every f-th sample from r on of the parts taken together."""
    value, have = None, 0
    for v, part in enumerate(parts):
        here = [q for q in range(n) if v * n <= q * f + r < (v + 1) * n]
        if not here:
            continue
        if value is None:
            lanes = [here[q] * f + r - v * n if q < len(here) else 0 for q in range(n)]
            value = builder.shuffle_vector(part, part, ir.Constant(ir.VectorType(I32, n), lanes))
        else:
            lanes = [n + q * f + r - v * n if q in here else q for q in range(n)]
            value = builder.shuffle_vector(value, part, ir.Constant(ir.VectorType(I32, n), lanes))
        have += len(here)
    return value


@loop
def strip_row(source, target, pitch, before, n, left, right, after):
    """One padded row: ``before`` samples through the table at ``left``, n of the source, ``after`` through ``right``.

    pitch: bytes from one residue to the next; source == 0: a row of zeros.  Tables: int64 source samples, -1: zero.
    """
    f = len(EVERY)
    if source == 0:
        for t in range(before + n + after):
            put(target + (t % f) * pitch + (t // f) * SIZE, ITEM(0), ITEM)
        return
    for t in range(before):
        e = fetch(left + 8 * t, np.int64)
        value = ITEM(0)
        if e >= 0:
            value = fetch(source + e * SIZE, ITEM)
        put(target + (t % f) * pitch + (t // f) * SIZE, value, ITEM)
    # up to the first whole group of residues, whole vectors of groups, and what is left
    t = before
    end = before + n
    base = source - before * SIZE
    while t < end and t % f:
        put(target + (t % f) * pitch + (t // f) * SIZE, fetch(base + t * SIZE, ITEM), ITEM)
        t += 1
    group = len(WIDE) * f
    if end - t >= group:
        while t < end - group:
            deal(base + t * SIZE, target + (t // f) * SIZE, pitch, WIDE, ITEM, EVERY)
            t += group
        last = t + (end - group - t) // f * f
        deal(base + last * SIZE, target + (last // f) * SIZE, pitch, WIDE, ITEM, EVERY)
        t = last + group
    while t < end:
        put(target + (t % f) * pitch + (t // f) * SIZE, fetch(base + t * SIZE, ITEM), ITEM)
        t += 1
    for p in range(after):
        e = fetch(right + 8 * p, np.int64)
        value = ITEM(0)
        if e >= 0:
            value = fetch(source + e * SIZE, ITEM)
        t = end + p
        put(target + (t % f) * pitch + (t // f) * SIZE, value, ITEM)


@loop
def strip(source, plane, channels, rows, n_rows, target, channel_pitch, row_pitch, pitch, before, n, left, right,
          after, row):  # fmt: skip
    """``n_rows`` padded rows of ``channels`` channels.

    rows: address of an int64 table of byte offsets of the source rows (ZERO_ROW: zeros); plane: bytes from a channel
    to the next; row: address of `strip_row`; channel_pitch, row_pitch, pitch: bytes in the target.
    """
    for c in range(channels):
        for r in range(n_rows):
            offset = fetch(rows + 8 * r, np.int64)
            at = 0 if offset == ZERO_ROW else source + c * plane + offset
            call_row(row, (at, target + c * channel_pitch + r * row_pitch, pitch, before, n, left, right, after))


__all__ = ["ZERO_ROW", "strip", "strip_row"]
