"""Transposed convolution by output phases, with any border: what falls on the padding is folded back onto the image."""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np

from fastconv.backends.handoff import Now, few_parts, now, share
from fastconv.backends.sweeps.common import nones, token
from fastconv.core.border import CONSTANT, source_index
from fastconv.core.channels import ChannelProblem
from fastconv.core.scratch import scratch
from fastconv.core.threads import run
from fastconv.loops import channels_polyphase as loops
from fastconv.loops.vec import lanes

from .lines import SLACK, address, lines, work_ns

__all__ = ["PolyphaseExecutor", "phase_taps"]

#: bytes of padded source rows worked on at a time
STRIP_BYTES = 192 * 1024
#: phases that one tile deals out
DEALT = 4
#: products of one task, and how many are worth handing out at all
TASK_PRODUCTS = 64_000_000
SERIAL_PRODUCTS = 4_000_000


def phase_taps(size: int, stride: int, dilation: int, base: int) -> list[list[tuple[int, int]]]:
    """For each phase f the taps k that reach outputs ``stride * t + f``, and the source sample less t of each.

    ``base`` is the padding in front of the output.

    >>> phase_taps(3, 2, 1, 1)
    [[(1, 0)], [(0, 1), (2, 0)]]
    """
    return [
        [(k, (f + base - k * dilation) // stride) for k in range(size) if (f + base - k * dilation) % stride == 0]
        for f in range(stride)
    ]


class _Axis:
    """The phases of one axis: their taps, and how far before and behind an output's t they read."""

    def __init__(self, p: ChannelProblem, axis: int) -> None:
        columns = source_index(p.out_shape[axis], p.before[axis], p.after[axis], p.mode)
        before, after = p.before[axis], p.after[axis]
        outside = np.concatenate([columns[:before], columns[len(columns) - after :]])
        #: whether padding stands for samples of the image
        self.folds = bool((outside >= 0).any())
        self.targets = columns
        self.n = p.out_shape[axis]
        self.stride = p.stride[axis]
        self.size, self.dilation, self.front, self.n_in = p.size[axis], p.dilation[axis], before, p.shape[axis]

    def settle(self, folds: bool) -> None:
        """Count outputs from the image's beginning, or from the padding's where it is folded."""
        base = 0 if folds else self.front
        self.outputs = len(self.targets) if folds else self.n
        self.taps = phase_taps(self.size, self.stride, self.dilation, base)
        offsets = [offset for taps in self.taps for _, offset in taps]
        self.low, self.high = min([0, *offsets]), max([0, *offsets])
        self.steps = -(-self.outputs // self.stride)
        self.after = max(0, self.steps + self.high - self.n_in)


class _Tables:
    """What does not depend on the weights' values."""

    def __init__(self, p: ChannelProblem) -> None:
        y, x = _Axis(p, 0), _Axis(p, 1)
        self.folds = y.folds or x.folds
        y.settle(self.folds)
        x.settle(self.folds)
        self.y, self.x = y, x
        size = p.dtype.itemsize
        n = lanes(size)
        li = self.lines = lines(p.shape, (-y.low, -x.low), (y.after, x.after), CONSTANT, size)
        reach = y.high - y.low
        channels = p.group_in
        fit = STRIP_BYTES // (channels * li.row * size) - reach
        self.chunk = max(1, min(y.steps, fit))
        self.chunk = -(-y.steps // -(-y.steps // self.chunk)) if y.steps else 1
        pitch = (self.chunk + reach) * li.row
        self.channel_strip = pitch + (16 if pitch % 1024 == 0 else 0)
        self.strip_samples = channels * self.channel_strip + SLACK
        # phases and vectors of a tile
        self.groups = [x.taps] if x.stride <= DEALT else [[taps] for taps in x.taps]
        phases = len(self.groups[0])
        # narrow rows are summed as one, the padding between them too, where that fills vectors better
        together = (self.chunk - 1) * li.row + x.steps
        alone = x.steps / (-(-x.steps // n) * n)
        filled = self.chunk * x.steps / (-(-together // n) * n)
        flat = not self.folds and len(self.groups) == 1 and filled > 1.1 * alone
        vectors = 2 if (together if flat else x.outputs // phases) >= 2 * n else 1
        most = max(1, (24 if n * size == 64 else 12) // (phases * vectors))
        self.blocks = _split(p.group_out, min(most, 6 if vectors == 2 else 12))
        self.kinds = sorted(set(self.blocks))
        self.patterns = [self._pattern(group) for group in self.groups]
        functions = [
            [
                loops.polyphase_row.address(
                    ACC=token(p.dtype), PATTERN=pattern, BLOCK=nones(kind), VECTORS=nones(vectors), LANES=n, SIZE=size
                )
                for pattern in self.patterns
            ]
            for kind in self.kinds
        ]
        self.functions = np.array(functions, np.int64)
        self.most = max([1, *(len(taps) for taps in y.taps)])
        self.tap_rows = np.zeros((y.stride, self.most), np.int64)
        for f, taps in enumerate(y.taps):
            self.tap_rows[f, : len(taps)] = [(offset - y.low) * li.row * size for _, offset in taps]
        self.row_counts = np.array([len(taps) for taps in y.taps], np.int64)
        row = (together * phases if flat else x.outputs) + SLACK
        rows = (1 if self.folds else 0) + (len(self.groups) + 1 if len(self.groups) > 1 else 0)
        rows += int(flat)
        self.scratch_samples = max(self.blocks, default=1) * (1 + row * rows) if rows else 0
        some = {"ACC": token(p.dtype), "SIZE": size}
        plain = loops.interleave_row.address(**some) if len(self.groups) > 1 or flat else 0
        fill = loops.fill_row.address(**some) if self.folds else 0
        fold = loops.fold_row.address(**some) if self.folds else 0
        self.fold_rows, self.fold_columns = y.targets, x.targets
        values = {
            "channels": channels, "size": size, "plane_in": li.plane,
            "plane_out": p.out_shape[0] * p.out_shape[1] * size, "stride": y.stride, "height": y.outputs,
            "width": x.outputs, "row_out": p.out_shape[1] * size, "chunk": self.chunk, "low": reach,
            "image_rows": address(li.rows), "row_strip": li.row * size, "channel_strip": self.channel_strip * size,
            "before": len(li.left), "n_in": li.n, "left": address(li.left), "right": address(li.right),
            "after": len(li.right), "strip_row": li.function, "tap_rows": address(self.tap_rows),
            "most_rows": self.most, "row_counts": address(self.row_counts), "functions": address(self.functions),
            "n_functions": len(self.groups), "row_scratch": row * size, "folds": int(self.folds),
            "fold_rows": address(self.fold_rows), "fold_columns": address(self.fold_columns), "interleave": plain,
            "fill": fill, "fold": fold, "flat": phases if flat else 0, "steps": x.steps,
        }  # fmt: skip
        self.job = np.array([values[name] for name in loops.FIELDS], np.int64)
        table = np.zeros((1, 3), np.int64)
        self.driver = loops.polyphase.compiled(self.job, table, *(0,) * 10)

    def alike(self, first: int, last: int) -> list[tuple[int, int]]:
        """The blocks first..last in one range, or where rows are folded in ranges of blocks of one size."""
        change = next((i for i in range(first + 1, last) if self.blocks[i] != self.blocks[i - 1]), last)
        return [(first, change), (change, last)] if self.folds and change < last else [(first, last)]

    def _pattern(self, group: list[list[tuple[int, int]]]) -> tuple[Any, ...]:
        """For each offset from the lowest on, which phases of a group have a tap there."""
        width = self.x.high - self.x.low + 1
        there = [{offset - self.x.low for _, offset in taps} for taps in group]
        return tuple(tuple(nones(int(o in each)) for each in there) for o in range(width))

    def pack(self, p: ChannelProblem, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The weights in the order in which tiles read them, for every group, and the table of blocks."""
        columns = []
        for group in self.groups:
            taps = sorted((offset, f, k) for f, each in enumerate(group) for k, offset in each)
            columns.append([k for _, _, k in taps])
        parts, table, at, channel = [], [], 0, 0
        w = weight.reshape(p.groups, p.group_in, p.group_out, *p.size)
        for many in self.blocks:
            row = [channel, many, self.kinds.index(many)]
            for ordered in self.y.taps:
                ky = [k for k, _ in ordered]
                for kx in columns:
                    part = w[:, :, channel : channel + many][:, :, :, ky][..., kx]  # group, in, out, ky, kx
                    part = np.ascontiguousarray(part.transpose(0, 1, 3, 4, 2)).reshape(p.groups, -1)
                    parts.append(part)
                    row.append(at)
                    at += part.shape[1] * w.itemsize
            table.append(row)
            channel += many
        packed = np.ascontiguousarray(np.concatenate(parts, axis=1))
        return packed, np.array(table, np.int64)


def _split(count: int, most: int) -> list[int]:
    """``count`` output channels in blocks of at most ``most``, of two neighbouring sizes."""
    if count == 0:
        return []
    blocks = -(-count // most)
    small, more = divmod(count, blocks)
    return [small + 1] * more + [small] * (blocks - more)


_settled = lru_cache(maxsize=64)(_Tables)


class PolyphaseExecutor:
    """Transposed convolutions: vectors of columns, every phase of a few output channels at once."""

    name = "polyphase"

    def __init__(self, problem: ChannelProblem, weight: np.ndarray) -> None:
        p = self.problem = problem
        if 0 in (p.batch, p.c_in, p.c_out, *p.out_shape, *p.shape):
            return
        self.tables = _settled(p)
        self.weight, self.blocks = self.tables.pack(p, np.asarray(weight, p.dtype))
        self.no_bias = np.zeros(p.c_out, p.dtype)
        self.parts: dict[int, list[tuple[int, ...]]] = {}

    @staticmethod
    def serves(problem: ChannelProblem) -> str:
        return "" if problem.kind == "transposed" else "it serves transposed convolutions only"

    @staticmethod
    def scratch_bytes(problem: ChannelProblem) -> int:
        t = _settled(problem)
        return (t.strip_samples + t.scratch_samples) * problem.dtype.itemsize + problem.weight_bytes

    @staticmethod
    def worker_bytes(problem: ChannelProblem) -> int:
        """Of those, what each worker takes."""
        return PolyphaseExecutor.scratch_bytes(problem) - problem.weight_bytes

    def _tasks(self, workers: int) -> list[tuple[int, ...]]:
        """(sample, group, block range, row range) of each task."""
        p, t = self.problem, self.tables
        count, steps = len(t.blocks), t.y.steps
        pairs = [(n, g) for n in range(p.batch) for g in range(p.groups)]
        few = 1 if t.folds and p.products <= SERIAL_PRODUCTS else few_parts(work_ns(p.products, p.dtype), workers)
        if few == 1:
            return [(n, g, 0, count, 0, steps) for n, g in pairs]
        wanted = few or max(workers, -(-p.products // TASK_PRODUCTS))
        if workers > 1 and not few:
            wanted = max(wanted, min(4 * workers, p.products // SERIAL_PRODUCTS))
        each = -(-wanted // len(pairs))
        rows = 1 if t.folds else min(each, max(1, steps // max(1, min(t.chunk, 8))))
        columns = min(count, -(-each // rows))
        row_cuts = [steps * i // rows for i in range(rows + 1)]
        cuts = [count * i // columns for i in range(columns + 1)]
        return [(n, g, a, b, c, d) for n, g in pairs for c, d in pairwise(row_cuts) for a, b in pairwise(cuts)]

    def execute(self, x: np.ndarray, out: np.ndarray, bias: np.ndarray | None, workers: int) -> None:
        if out.size == 0:
            return
        p = self.problem
        if x.size == 0:
            out[...] = 0 if bias is None else bias[:, None, None]
            return
        t = self.tables
        parts = self.parts.get(workers)
        if parts is None:
            parts = self.parts[workers] = self._tasks(workers)
        size = p.dtype.itemsize
        source, target, w = address(x), address(out), address(self.weight)
        start = address(self.no_bias if bias is None else bias)
        group_in, group_out = p.group_in * t.lines.plane, p.group_out * p.out_shape[0] * p.out_shape[1] * size
        pitch = self.weight.shape[1] * size

        def part(i: int, call: Now) -> None:
            n, g, b0, b1, t0, t1 = parts[i]
            strip = scratch("polyphase_strip", t.strip_samples, p.dtype)
            room = 0
            if t.scratch_samples:
                rows = scratch("polyphase_rows", t.scratch_samples, p.dtype)
                rows[: max(t.blocks)] = 0  # what sums begin with before they are folded
                room = address(rows)
            k = n * p.groups + g
            # folded rows lie behind as many zeros as a block has channels: blocks of two sizes would tread on them
            for first, last in t.alike(b0, b1):
                call(
                    t.driver, t.job, self.blocks, source + k * group_in, target + k * group_out, w + g * pitch,
                    start + g * p.group_out * size, address(strip), room, first, last, t0, t1,
                )  # fmt: skip
                if t.folds:
                    rows[: max(t.blocks)] = 0

        if t.folds:  # its zeros are written between calls
            run(lambda i: part(i, now), len(parts), workers)
        else:
            share(part, len(parts), workers, work_ns(p.products, p.dtype))
