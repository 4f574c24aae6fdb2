"""Depthwise convolution: every output plane is one filter over one input plane.

A block is a few output rows of one vector (or two) of columns.  Each source vector is loaded once for each tap column
and serves every output row that it reaches; rows come through a table of offsets, so borders, strides and dilation
are only other tables.  Where the border is zeros and the column stride is 1 or 2, rows are read where they lie and
the outermost vectors are loaded under a mask; otherwise rows are first gathered, padded, into a strip that stays in
cache, one run of samples for each remainder of the column stride.
"""

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from .blocks import call_row, fetch
from .channels_strip import ZERO_ROW
from .jit import loop
from .vec import I32, Emitter, count

# constants of a specialisation, see jit.Loop.address
ACC = TALL = WIDE = ROWS = VECTORS = STEP = APART = ()
LANES = 0
ONE, FOUR = (None,), (None,) * 4


def _lane_mask(e, bits):
    """The low bits of an LLVM int64 as a vector of one-bit lanes."""
    narrow = bits if e.n == 64 else e.b.trunc(bits, ir.IntType(e.n))
    return e.b.bitcast(narrow, ir.VectorType(ir.IntType(1), e.n))


def _masked(e, name, types_, result, args):
    kind = f"v{e.n}f{e.size * 8}"
    full = f"llvm.masked.{name}.{kind}.p0"
    module = e.b.module
    found = module.globals.get(full) or ir.Function(module, ir.FunctionType(result, types_), full)
    return e.b.call(found, args)


def load_masked(e, address, mask):
    """One vector whose lanes outside the mask are zero and not read."""
    p = e.pointer(address, e.vector)
    return _masked(
        e, "load", [p.type, I32, mask.type, e.vector], e.vector, [p, ir.Constant(I32, e.size), mask, e.zero()]
    )


def store_masked(e, address, v, mask):
    """Store the lanes inside the mask."""
    p = e.pointer(address, e.vector)
    args = [v, p, ir.Constant(I32, e.size), mask]
    _masked(e, "store", [e.vector, p.type, I32, mask.type], ir.VoidType(), args)


class _Block:
    """Writes the sums of one block of output rows and their stores.

    ``apart``: samples from an output's column to the next one's: 2 deals out pairs of vectors as they are loaded.
    """

    def __init__(self, builder, args, acc_t, tall, wide, rows, vectors, step, apart):
        source, zero, offsets, pace, self.shifts, self.w, self.bias, target, pitch = args[:9]
        self.e = e = Emitter(builder, acc_t.dtype)
        self.acc = acc_t.dtype
        self.tall, self.wide, self.rows, self.step, self.apart = map(count, (tall, wide, rows, step, apart))
        self.vectors = vectors
        self.sources = []
        for r in range((self.rows - 1) * self.step + self.tall):
            offset = e.integer(builder.add(offsets, e.times(pace, r)), 0)
            empty = builder.icmp_signed("==", offset, e.const(ZERO_ROW))
            self.sources.append(builder.select(empty, zero, builder.add(source, offset)))
        self.targets = [builder.add(target, e.times(pitch, r)) for r in range(self.rows)]
        self.start = e.weight(self.bias, 0)
        self.columns = [e.integer(self.shifts, k) for k in range(0, self.wide, self.apart)]
        taps = self.tall * self.wide
        self.kept = [e.weight(self.w, t) for t in range(taps)] if taps <= 9 else None

    def _weight(self, t):
        return self.kept[t] if self.kept else self.e.weight(self.w, t)

    def _samples(self, row, kx, x, read):
        """Vectors of the samples under tap columns kx .. kx + apart: [tap][vector]."""
        e = self.e
        size = e.n * e.size
        at = e.b.add(row, x)
        if self.apart == 1:
            return [[read(e.plus(at, v * size), kx) for v in range(self.vectors)]]
        pairs = [[read(e.plus(at, (2 * v + i) * size), kx + i) for i in range(2)] for v in range(self.vectors)]
        taken = []
        for parity in range(min(2, self.wide - kx)):
            lanes = ir.Constant(ir.VectorType(I32, e.n), list(range(parity, 2 * e.n, 2)))
            taken.append([e.b.shuffle_vector(a, b, lanes) for a, b in pairs])
        return taken

    def sums(self, x, read):
        """[row][vector] of the outputs whose first source samples lie ``x`` bytes from the rows' beginnings."""
        e = self.e
        sums = [[self.start] * self.vectors for _ in range(self.rows)]
        for column, kx in zip(self.columns, range(0, self.wide, self.apart), strict=True):
            shifted = e.b.add(x, column)
            for r, row in enumerate(self.sources):
                reached = [o for o in range(self.rows) if 0 <= r - o * self.step < self.tall]
                if not reached:
                    continue
                for i, samples in enumerate(self._samples(row, kx, shifted, read)):
                    for o in reached:
                        w = self._weight((r - o * self.step) * self.wide + kx + i)
                        sums[o] = [e.fma(x, w, s) for x, s in zip(samples, sums[o], strict=True)]
        return sums


@intrinsic
def depthwise_block(typingctx, source, zero, offsets, pace, shifts, w, bias, target, pitch, x0, x1, acc_t, tall, wide,
                    rows, vectors, step, apart):  # fmt: skip
    """Outputs x0..x1 (a block's width at least) of a few rows of one plane.

    source: address that the offsets count from; zero: of a row of zeros; offsets: address of the first row's byte
    offset, ``pace`` bytes from one row of taps to the next, ``step`` of them from one output row to the next; shifts:
    bytes to each column of taps; w: the taps; bias: address of what every sum begins with; target: of the first
    output row, ``pitch`` bytes to the next.
    """

    def codegen(context, builder, sig, args):
        block = _Block(builder, args, acc_t, tall, wide, rows, count(vectors), step, apart)
        e = block.e
        x0, x1 = args[9:11]
        width = e.const(block.vectors * e.n)
        last = builder.sub(x1, width)

        def turn(x, _):
            x = builder.select(builder.icmp_signed("<", x, last), x, last)  # the last one overlaps
            at = e.times(x, e.size)
            sums = block.sums(e.times(at, block.apart), lambda a, _: e.load(a, acc_t.dtype))
            for row, line in zip(block.targets, sums, strict=True):
                for v, s in enumerate(line):
                    e.store(e.plus(builder.add(row, at), v * e.n * e.size), s, acc_t.dtype)
            return []

        e.repeat(x0, x1, width, [], turn)
        return context.get_dummy_value()

    return types.void(*[types.intp] * 11, acc_t, tall, wide, rows, vectors, step, apart), codegen


@intrinsic
def depthwise_edge(typingctx, source, zero, offsets, pace, shifts, w, bias, target, pitch, x, masks, acc_t, tall, wide,
                   rows, step, apart):  # fmt: skip
    """One vector of outputs from column ``x`` on of a few rows, see `depthwise_block`.

    masks: address of int64 bit masks: of the outputs to store, then of each vector that is loaded for the columns of
    taps, from left to right (samples that lie in the row: the others are zero).
    """

    def codegen(context, builder, sig, args):
        block = _Block(builder, args, acc_t, tall, wide, rows, 1, step, apart)
        e = block.e
        x, masks = args[9:11]
        loads = -(-block.wide // block.apart) * block.apart
        stored, *loaded = [_lane_mask(e, e.integer(masks, k)) for k in range(loads + 1)]
        at = e.times(x, e.size)
        sums = block.sums(e.times(at, block.apart), lambda a, k: load_masked(e, a, loaded[k]))
        for row, (s,) in zip(block.targets, sums, strict=True):
            store_masked(e, builder.add(row, at), s, stored)
        return context.get_dummy_value()

    return types.void(*[types.intp] * 11, acc_t, tall, wide, rows, step, apart), codegen


@intrinsic
def depthwise_any(typingctx, source, offsets, pace, shifts, w, bias, target, x, mask, tall, wide, acc_t, vectors,
                  partial):  # fmt: skip
    """One output row's vectors from column ``x`` on, for any number of taps; ``partial`` stores under a mask."""

    def codegen(context, builder, sig, args):
        source, offsets, pace, shifts, w, bias, target, x, mask, tall, wide = args[:11]
        e = Emitter(builder, acc_t.dtype)
        v_, one, nought = count(vectors), e.const(1), e.const(0)
        at = e.times(x, e.size)

        def down(ky, sums):
            offset = e.integer(builder.add(offsets, builder.mul(pace, ky)), 0)
            row = builder.add(builder.add(source, offset), at)
            first = builder.mul(ky, wide)

            def along(kx, sums):
                samples = builder.add(row, e.integer(shifts, kx))
                weight = e.weight(w, builder.add(first, kx))
                loads = [e.load(e.plus(samples, v * e.n * e.size), acc_t.dtype) for v in range(v_)]
                return [e.fma(x, weight, s) for x, s in zip(loads, sums, strict=True)]

            return e.repeat(nought, wide, one, sums, along)

        sums = e.repeat(nought, tall, one, [e.weight(bias, 0)] * v_, down)
        to = builder.add(target, at)
        for v, s in enumerate(sums):
            if count(partial):
                store_masked(e, to, s, _lane_mask(e, mask))
            else:
                e.store(e.plus(to, v * e.n * e.size), s, acc_t.dtype)
        return context.get_dummy_value()

    return types.void(*[types.intp] * 11, acc_t, vectors, partial), codegen


@loop
def block_rows(source, zero, offsets, pace, shifts, w, bias, target, pitch, x0, x1, tall, wide):
    """See `depthwise_block`."""
    depthwise_block(source, zero, offsets, pace, shifts, w, bias, target, pitch, x0, x1, ACC, TALL, WIDE, ROWS,
                    VECTORS, STEP, APART)  # fmt: skip


@loop
def edge_rows(source, zero, offsets, pace, shifts, w, bias, target, pitch, x, masks, tall, wide):
    """See `depthwise_edge`."""
    depthwise_edge(source, zero, offsets, pace, shifts, w, bias, target, pitch, x, masks, ACC, TALL, WIDE, ROWS,
                   STEP, APART)  # fmt: skip


@loop
def any_rows(source, zero, offsets, pace, shifts, w, bias, target, pitch, x0, x1, tall, wide):
    """The block of any number of taps, one row: a vector at least, from rows with slack."""
    x = x0
    while x < x1:
        if x1 - x >= 4 * LANES:
            depthwise_any(source, offsets, pace, shifts, w, bias, target, x, 0, tall, wide, ACC, FOUR, ())
            x += 4 * LANES
        else:
            at = min(x, x1 - LANES)
            depthwise_any(source, offsets, pace, shifts, w, bias, target, at, 0, tall, wide, ACC, ONE, ())
            x += LANES


@loop
def any_edge(source, zero, offsets, pace, shifts, w, bias, target, pitch, x, masks, tall, wide):
    """Rows narrower than a vector, for any number of taps."""
    stored = fetch(masks, np.int64)
    depthwise_any(source, offsets, pace, shifts, w, bias, target, x, stored, tall, wide, ACC, ONE, ONE)


#: what a job's table of integers holds; `depthwise_planes` reads them in this order
FIELDS = (
    "channels", "multiplier", "plane_in", "plane_out", "taps", "size", "chunk", "rows", "group", "tall", "wide",
    "stride", "dilation", "row_out", "first", "last", "edges", "n_edges", "edge_step", "shifts", "image_rows",
    "work_rows", "zero", "row_strip", "pitch", "front", "before", "n_in", "left", "right", "after", "strip_row",
    "block", "edge",
)  # fmt: skip


@loop
def depthwise_planes(job, x, out, w, bias, strip, p0, p1, y0, y1):
    """Output rows y0..y1 of every filter of input planes p0..p1.

    job: table of what `FIELDS` names.  x, out, w, bias: addresses; channels: planes of an image; plane_in, plane_out,
    taps, size: bytes of a plane, a filter, a sample; chunk: output rows to a strip; rows: of a block, ``group`` rows
    apart; first, last: columns of whole blocks; edges: column and masks of each of the other vectors, ``edge_step``
    bytes apart; image_rows, work_rows: tables of byte offsets of padded rows, in the image and where they are read;
    zero: address of a row of zeros; front: bytes in front of an image row's samples; strip: 0 where rows are read in
    place, else scratch for padded rows of ``row_strip`` bytes, filled by ``strip_row``.
    """
    (channels, multiplier, plane_in, plane_out, taps, size, chunk, rows, group, tall, wide, stride, dilation, row_out,
     first, last, edges, n_edges, edge_step, shifts, image_rows, work_rows, zero, row_strip, pitch, front, before, n_in,
     left, right, after, strip_row, block, edge) = (
        job[0], job[1], job[2], job[3], job[4], job[5], job[6], job[7], job[8], job[9], job[10], job[11], job[12],
        job[13], job[14], job[15], job[16], job[17], job[18], job[19], job[20], job[21], job[22], job[23], job[24],
        job[25], job[26], job[27], job[28], job[29], job[30], job[31], job[32], job[33])  # fmt: skip
    for p in range(p0, p1):
        source = x + p * plane_in
        c = p % channels
        ya = y0
        while ya < y1:
            yb = ya + chunk if y1 - ya - chunk >= rows * group else y1
            low = 0
            base = source - front
            if strip != 0:
                low = ya * stride
                base = strip
                for r in range((yb - 1 - ya) * stride + (tall - 1) * dilation + 1):
                    offset = fetch(image_rows + 8 * (low + r), np.int64)
                    at = 0 if offset == ZERO_ROW else source + offset
                    call_row(strip_row, (at, strip + r * row_strip, pitch, before, n_in, left, right, after))
            for f in range(c * multiplier, (c + 1) * multiplier):
                target = out + (p * multiplier + f - c * multiplier) * plane_out
                for lead in range(group):
                    members = (yb - ya - lead + group - 1) // group
                    done = 0
                    while done < members:
                        y = ya + lead + group * min(done, members - rows)  # the last block overlaps
                        done += rows
                        offsets = work_rows + 8 * (y * stride - low)
                        to = target + y * row_out
                        if last > first:
                            call_row(block, (base, zero, offsets, 8 * dilation, shifts, w + f * taps, bias + f * size,
                                             to, group * row_out, first, last, tall, wide))  # fmt: skip
                        for e in range(n_edges):
                            column = edges + e * edge_step
                            call_row(edge, (base, zero, offsets, 8 * dilation, shifts, w + f * taps, bias + f * size,
                                            to, group * row_out, fetch(column, np.int64), column + 8, tall,
                                            wide))  # fmt: skip
            ya = yb


__all__ = [
    "FIELDS",
    "any_edge",
    "any_rows",
    "block_rows",
    "depthwise_planes",
    "edge_rows",
    "load_masked",
    "store_masked",
]
