"""Images that no loop reads as they lie (float16, integers, views of any strides), brought into scratch piece by piece.

A piece is a band of output rows of one sample, of some groups or of some output channels of one group: the rows of the
image that it needs are gathered in the sums' dtype, with the rows that a border puts around them, an executor convolves
them like an image of its own, and the sums go where they belong.  Bands begin at whole tiles, so that pieces of float32
and float64 give the same bits as an image in plain memory does, and they never depend on the number of workers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from fastconv.core.border import CONSTANT, canonical_mode, source_index
from fastconv.core.channels import LEAST_BYTES, ChannelProblem
from fastconv.core.scratch import scratch
from fastconv.core.threads import run

from .lines import folds

__all__ = ["Block", "Load", "Pieces", "Store", "cut", "load", "store"]

#: work that is not worth handing out: products
SERIAL_PRODUCTS = 4_000_000
#: what more workers are worth: overhead of the pieces divided by this
WORTH = {4: 1.4, 2: 1.2, 1: 1.0}
#: what an executor may take for its strips and panels, where it does not say
STRIP_BYTES, PANEL_BYTES = 256 * 1024, 512 * 1024
#: what NumPy takes where rows of a view are added
BUFFER_BYTES = 96 * 1024

Load = Callable[[np.ndarray, np.ndarray], None]
Store = Callable[[np.ndarray, np.ndarray], None]


class Chunk(NamedTuple):
    """As many (padded) output rows as a band has, computed from the padded image row ``first`` on.

    own: they are the band's rows.  rows, onto: those that are folded, and the band's rows onto which they are.
    """

    first: int
    own: bool = True
    rows: tuple[int, ...] = ()
    onto: tuple[int, ...] = ()


class Block(NamedTuple):
    """Groups g0..g1, or of a single group the output channels o0..o1; the first ``skip`` of them were done before."""

    g0: int
    g1: int
    o0: int
    o1: int
    skip: int

    def weights(self, p: ChannelProblem, weight: np.ndarray) -> np.ndarray:
        """The block's part of a problem's weights."""
        if p.kind == "transposed":
            return weight[self.g0 * p.group_in : self.g1 * p.group_in, self.o0 : self.o1]
        if self.g1 - self.g0 > 1:
            return weight[self.g0 * p.group_out : self.g1 * p.group_out]
        return weight[self.g0 * p.group_out + self.o0 : self.g0 * p.group_out + self.o1]

    def outs(self, p: ChannelProblem) -> slice:
        """The block's output channels."""
        if self.g1 - self.g0 > 1:
            return slice(self.g0 * p.group_out, self.g1 * p.group_out)
        return slice(self.g0 * p.group_out + self.o0, self.g0 * p.group_out + self.o1)


def load(target: np.ndarray, source: np.ndarray) -> None:
    """Bring samples to the sums' dtype."""
    np.copyto(target, source, casting="same_kind")


def store(target: np.ndarray, sums: np.ndarray) -> None:
    """Bring sums to the output's dtype."""
    with np.errstate(over="ignore"):
        np.copyto(target, sums, casting="same_kind")


@dataclass(frozen=True, eq=False)
class Pieces:
    """How one problem (of one sample) is cut: ``sub`` is the problem of every piece, ``band`` its output rows.

    table: the image row at every padded row, -1 where zeros stand.  chunks: what each band's rows are made of.
    columns: padded output columns, and those onto which what falls there is folded; None where nothing is folded.
    """

    problem: ChannelProblem
    sub: ChannelProblem
    method: str
    band: int
    blocks: tuple[Block, ...]
    most_workers: int
    table: np.ndarray
    chunks: tuple[tuple[Chunk, ...], ...]
    columns: tuple[tuple[int, int], ...] | None

    def execute(
        self,
        x: np.ndarray,
        out: np.ndarray,
        bias: np.ndarray | None,
        workers: int,
        make: Callable[[Block, ChannelProblem], Any],
        passes: tuple[tuple[Load, Store], ...] = ((load, store),),
        bands: range | None = None,
    ) -> None:
        """Convolve x (N, C, H, W) into out, both of any dtype and strides.

        make(block, sub): the executor of a block's weights.  passes: how samples are brought to the sums' dtype and
        what is done with the sums, one after the other for each piece.  bands: which ones; ``out`` holds their rows.
        """
        p = self.problem
        bands = range(len(self.chunks)) if bands is None else bands
        limit = 1 if p.products * len(x) < SERIAL_PRODUCTS else min(workers, self.most_workers)
        for block in self.blocks:
            executor = make(block, self.sub)
            part = None if bias is None else np.ascontiguousarray(bias[block.outs(p)])
            source = x[:, block.g0 * p.group_in : block.g1 * p.group_in]
            target = out[:, block.outs(p)][:, block.skip :]
            for moves in passes:
                self._block(executor, source, target, part, block.skip, moves, bands, limit)

    def _block(
        self,
        executor: Any,
        x: np.ndarray,
        out: np.ndarray,
        bias: np.ndarray | None,
        skip: int,
        moves: tuple[Load, Store],
        bands: range,
        workers: int,
    ) -> None:
        tasks = [(n, band) for n in range(len(x)) for band in bands]

        def task(k: int) -> None:
            n, band = tasks[k]
            y0 = (band - bands.start) * self.band
            to = out[n, :, y0 : min(y0 + self.band, out.shape[2])]
            self._piece(executor, x[n], to, bias, band, skip, moves, workers if len(tasks) == 1 else 1)

        run(task, len(tasks), workers)

    def _piece(
        self,
        executor: Any,
        x: np.ndarray,
        out: np.ndarray,
        bias: np.ndarray | None,
        band: int,
        skip: int,
        moves: tuple[Load, Store],
        workers: int,
    ) -> None:
        sub = self.sub
        rows = scratch("pieces_rows", sub.c_in * sub.shape[0] * sub.shape[1], sub.dtype)
        rows = rows.reshape(1, sub.c_in, *sub.shape)
        sums = scratch("pieces_sums", sub.c_out * sub.out_shape[0] * sub.out_shape[1], sub.dtype)
        sums = sums.reshape(1, sub.c_out, *sub.out_shape)
        if self.columns is None:
            self._gather(rows[0], x, self.chunks[band][0].first, moves[0])
            executor.execute(rows, sums, bias, workers)
            moves[1](out, sums[0, skip:, : out.shape[1]])
            return
        shape = sub.c_out, self.band, self.problem.out_shape[1]
        total = scratch("pieces_total", shape[0] * shape[1] * shape[2], sub.dtype).reshape(shape)
        total[...] = 0 if bias is None else bias[:, None, None]
        for chunk in self.chunks[band]:
            self._gather(rows[0], x, chunk.first, moves[0])
            executor.execute(rows, sums, None, workers)
            self._fold(total, sums[0], chunk)
        moves[1](out, total[skip:, : out.shape[1]])

    def _gather(self, target: np.ndarray, x: np.ndarray, first: int, move: Load) -> None:
        """Padded rows from ``first`` on: runs of neighbouring rows at once, zeros where nothing stands."""
        count = target.shape[1]
        index = self.table[first : first + count]
        at = 0
        while at < count:
            end = at + 1
            row = int(index[at])
            step = 0 if row < 0 else 1
            while end < count and index[end] == row + step * (end - at):
                end += 1
            if row < 0:
                target[:, at:end] = 0
            else:
                move(target[:, at:end], x[:, row : row + end - at])
            at = end

    def _fold(self, total: np.ndarray, sums: np.ndarray, chunk: Chunk) -> None:
        """Add a chunk's rows where they fall, each with what falls on the padding beside it."""
        before, n = self.problem.before[1], self.problem.out_shape[1]
        assert self.columns is not None
        pairs: list[tuple[Any, Any]] = list(zip(chunk.onto, chunk.rows, strict=True))
        if chunk.own:
            pairs.append((slice(None), slice(None)))
        for row, source in pairs:
            total[:, row] += sums[:, source, ..., before : before + n]
            for column, onto in self.columns:
                total[:, row, ..., onto] += sums[:, source, ..., column]


def cut(
    problem: ChannelProblem,
    method: str,
    stored: tuple[int, int, int],
    extra: int = 0,
    counted: bool = True,
    room: tuple[int, int] = (0, 0),
) -> Pieces:
    """The best pieces within the memory that a call may take: a quarter of image and output, four times the weights.

    stored: bytes of a sample of image, weights and output as the caller has them.  extra: bytes of scratch beside each
    sample that is gathered or summed.  counted: whether what is made of the weights is.  room: another limit in bytes,
    and the most rows of a band, where they are not 0.
    """
    return _pieces(replace(problem, batch=1, method=method), problem.batch, stored, extra, counted, *room)


@lru_cache(maxsize=256)
def _pieces(
    p: ChannelProblem, batch: int, stored: tuple[int, int, int], extra: int, counted: bool, limit: int, most_rows: int
) -> Pieces:
    size = p.dtype.itemsize
    count = p.weight_bytes // size
    image, output = p.input_bytes // size * stored[0] * batch, p.output_bytes // size * stored[2] * batch
    limit = limit or max((image + output) // 4 + 4 * count * stored[1], LEAST_BYTES)
    limit = limit * 9 // 10 - LEAST_BYTES // 8  # tables and the like
    best: tuple[float, tuple[int, int], int, int] | None = None
    for blocking in _blockings(p):
        for band in _bands(p, most_rows):
            sub = _sub(p, blocking, band)
            blocks = -(-p.group_out // blocking[1]) * (p.groups // blocking[0])
            again = -(-p.group_out // blocking[1])
            held, each = _memory(p, sub, stored, extra, blocks)
            held = held if counted else 0
            bands = -(-p.out_shape[0] // band)
            overhead = again * (1 + p.reach[0] / (band * p.stride[0]) / 2) + 0.01 * blocks * bands
            overhead *= bands * band / p.out_shape[0]
            fits = next((w for w in WORTH if held + w * each <= limit), 0)
            rank = overhead / WORTH[fits] if fits else 1e9 + held + each
            if best is None or rank < best[0]:
                best = rank, blocking, band, max(1, (limit - held) // each)
    assert best is not None
    _, blocking, band, most = best
    return _cut(p, blocking, band, int(most))


def _blockings(p: ChannelProblem) -> Iterator[tuple[int, int]]:
    """(groups, output channels of a group) of a piece, from all of them down."""
    for groups in range(p.groups, 0, -1):
        if p.groups % groups == 0:
            yield groups, p.group_out
    outs = p.group_out
    while outs > 1:
        outs = -(-outs // 2)
        yield 1, outs


def _step(p: ChannelProblem) -> int:
    """Output rows of which a band is a multiple: whole tiles, and all phases."""
    tile = int(p.method[-1]) if p.method.startswith("winograd") else 1
    return tile * (p.stride[0] if p.kind == "transposed" else p.dilation[0] if tile > 1 else 1)


def _bands(p: ChannelProblem, most: int) -> Iterator[int]:
    step = _step(p)
    steps = max(1, min(-(-p.out_shape[0] // step), (most or p.out_shape[0]) // step))
    found = steps
    while True:
        yield found * step
        if found == 1:
            return
        found = -(-found // 2)


def _first_row(p: ChannelProblem, y: int) -> int:
    """Of a transposed problem: the first image row that padded output row y, and those behind it, read."""
    return min(-(-(y - p.reach[0]) // p.stride[0]), y // p.stride[0])


def _sub(p: ChannelProblem, blocking: tuple[int, int], band: int) -> ChannelProblem:
    """The problem of a piece."""
    groups, outs = blocking
    values: dict[str, Any] = {"c_in": groups * p.group_in, "c_out": groups * outs, "groups": groups}
    if p.kind != "transposed":
        rows = (band - 1) * p.stride[0] + p.reach[0] + 1
        values.update(shape=(rows, p.shape[1]), out_shape=(band, p.out_shape[1]))
        return replace(p, **values, before=(0, p.before[1]), after=(0, p.after[1]))
    y, s = p.before[0], p.stride[0]
    first = _first_row(p, y)
    rows = (y + band - 1) // s - first + 1
    before = y - first * s
    after = max(0, (rows - 1) * s + p.reach[0] + 1 - before - band)
    values.update(shape=(rows, p.shape[1]), mode=canonical_mode(CONSTANT))
    if folds(p):
        width = p.before[1] + p.out_shape[1] + p.after[1]
        return replace(p, **values, out_shape=(band, width), before=(before, 0), after=(after, 0))
    values.update(out_shape=(band, p.out_shape[1]), before=(before, p.before[1]), after=(after, p.after[1]))
    return replace(p, **values)


def _memory(
    p: ChannelProblem, sub: ChannelProblem, stored: tuple[int, int, int], extra: int, blocks: int
) -> tuple[int, int]:
    """Bytes held while a block is done, and of each worker."""
    from . import executor

    size = p.dtype.itemsize
    kind = executor(p.method)
    held = sub.weight_bytes // size * (size + extra) if stored[1] != size or extra or blocks > 1 else 0
    each = (sub.input_bytes // size) * (size + extra) + (sub.output_bytes // size) * (size + extra)
    if p.kind == "transposed" and folds(p):
        each += sub.output_bytes + min(3 * sub.output_bytes, BUFFER_BYTES)
    if getattr(kind, "fixed_scratch", False):  # of these it is known without compiling
        return held, each + kind.scratch_bytes(sub)
    row = sub.group_in * (sub.shape[1] + 2 * max(sub.reach[1], *sub.before, *sub.after) + 16) * size
    least = row * (sub.reach[0] + sub.stride[0] + 1)
    if p.method != "pointwise":
        each += max(min(STRIP_BYTES, sub.memory_limit // 4), least)
    if p.method == "deep":
        each += min(sub.output_bytes, STRIP_BYTES)
        held += min(2 * sub.weight_bytes, PANEL_BYTES)
    elif p.method == "polyphase":
        held += 2 * sub.weight_bytes  # while they are put in order
    return held, each


def _cut(p: ChannelProblem, blocking: tuple[int, int], band: int, most_workers: int) -> Pieces:
    groups, outs = blocking
    if outs == p.group_out:
        blocks = [Block(g, g + groups, 0, outs, 0) for g in range(0, p.groups, groups)]
    else:
        starts = [(g, o) for g in range(p.groups) for o in range(0, p.group_out, outs)]
        blocks = [Block(g, g + 1, at := min(o, p.group_out - outs), at + outs, o - at) for g, o in starts]
    bands = -(-p.out_shape[0] // band)
    sub, columns = _sub(p, blocking, band), None
    if p.kind != "transposed":
        table = source_index(p.shape[0], p.before[0], p.after[0], p.mode)
        found: list[tuple[Chunk, ...]] = [(Chunk(i * band * p.stride[0]),) for i in range(bands)]
    else:
        table = np.arange(p.shape[0])
        if folds(p):
            across = source_index(p.out_shape[1], p.before[1], p.after[1], p.mode)
            inside = range(p.before[1], p.before[1] + p.out_shape[1])
            columns = tuple((c, int(to)) for c, to in enumerate(across) if to >= 0 and c not in inside)
            found = [_folded(p, band, i) for i in range(bands)]
        else:
            found = [(Chunk(_first_row(p, p.before[0] + i * band)),) for i in range(bands)]
    front = max(0, *(-chunk.first for chunks in found for chunk in chunks))
    chunks = tuple(tuple(c._replace(first=c.first + front) for c in each) for each in found)
    last = max(chunk.first for each in chunks for chunk in each)
    full = np.full(max(last + sub.shape[0], front + len(table)), -1, np.int64)
    full[front : front + len(table)] = table
    return Pieces(p, sub, p.method, band, tuple(blocks), most_workers, full, chunks, columns)


def _folded(p: ChannelProblem, band: int, i: int) -> tuple[Chunk, ...]:
    """Chunks of padded output rows that hold what falls on the rows of band i, its own rows first."""
    targets = source_index(p.out_shape[0], p.before[0], p.after[0], p.mode)
    low, high = i * band, min((i + 1) * band, p.out_shape[0])
    place = np.arange(len(targets)) - p.before[0]
    folded = (targets >= low) & (targets < high) & (place != targets)
    found = []
    for j in [i, *sorted(set((place[folded] // band).tolist()) - {i})]:
        mine = np.flatnonzero(folded & (place // band == j))
        rows, onto = place[mine] - j * band, targets[mine] - low
        first = _first_row(p, p.before[0] + j * band)
        found.append(Chunk(first, j == i, tuple(rows.tolist()), tuple(onto.tolist())))
    return tuple(found)
