"""A convolution as shorter ones that follow each other, band by band: what lies between them never exists whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from fastconv.core.channels import LEAST_BYTES, ChannelProblem
from fastconv.core.scratch import scratch
from fastconv.core.stages import Stage, stage_problems
from fastconv.core.threads import run

from .lines import SLACK, address, lines

__all__ = ["FactoredExecutor"]

#: bytes of gathered rows and of what lies between the stages: a part of the second-level cache
BAND_BYTES = 512 * 1024
#: what an executor takes for its strips, at most
STRIP_BYTES = 192 * 1024
SERIAL_PRODUCTS = 4_000_000


class FactoredExecutor:
    """Stages whose weights are factors of a problem's: see `fastconv.plan.channel_factors`."""

    name = "separable"

    def __init__(self, problem: ChannelProblem, stages: Sequence[Stage]) -> None:
        from . import executor

        p = self.problem = problem
        steps = [stage.step for stage in stages]
        alone = all(step.groups in (p.c_in, p.c_out) for step in steps) and p.groups == p.c_in
        #: channels that are worked on together: those of depthwise stages have nothing to do with each other
        self.channels, self.band = p.c_in, p.out_shape[0]
        limit = min(BAND_BYTES, max(p.memory_limit, LEAST_BYTES) // 2)
        rows = p.out_shape[0]
        while alone and self.channels > 1 and self._bytes(steps, rows) * self.channels > limit * p.c_in:
            self.channels = next(c for c in range(self.channels // 2, 0, -1) if p.c_in % c == 0)
        while self.band > 1 and self._bytes(steps, self.band) * self.channels > limit * p.c_in:
            self.band = -(-self.band // 2)
        parts = p.c_in // self.channels
        #: rows need not be gathered: the first stage reads the image where it lies
        self.whole = self.band == p.out_shape[0] and "y" in steps[0].axes
        self.made: list[list[Any]] = []
        problems = stage_problems(p, steps, self.band)
        self.problems = [self._part(q, parts) for q in problems]
        if self.whole:
            first = replace(self.problems[0], shape=p.shape)
            self.problems[0] = replace(first, before=(p.before[0], first.before[1]), after=(p.after[0], first.after[1]))
        for k in range(parts):
            self.made.append(
                [
                    executor(stage.method)(q, np.split(stage.weight, parts)[k])
                    for stage, q in zip(stages, self.problems, strict=True)
                ]
            )
        self.rows = lines(p.shape, (p.before[0], 0), (p.after[0], 0), p.mode, p.dtype.itemsize)
        most = max(p.memory_limit, LEAST_BYTES)
        each = self._bytes(steps, self.band) * self.channels // p.c_in + len(steps) * min(STRIP_BYTES, limit // 4)
        self.most_workers = max(1, most // each)

    def _bytes(self, steps: Any, rows: int) -> int:
        """Of the rows that are gathered for a band of all channels, and of what the stages make of them."""
        problems = stage_problems(self.problem, steps, rows)
        return problems[0].input_bytes + sum(q.output_bytes for q in problems)

    @staticmethod
    def _part(problem: ChannelProblem, parts: int) -> ChannelProblem:
        if parts == 1:
            return problem
        c_in, c_out, groups = (n // parts for n in (problem.c_in, problem.c_out, problem.groups))
        return replace(problem, c_in=c_in, c_out=c_out, groups=groups)

    def execute(self, x: np.ndarray, out: np.ndarray, bias: np.ndarray | None, workers: int) -> None:
        p = self.problem
        bands = -(-p.out_shape[0] // self.band)
        tasks = [(n, k, i) for n in range(p.batch) for k in range(len(self.made)) for i in range(bands)]

        def task(index: int) -> None:
            n, k, i = tasks[index]
            # the last band overlaps the one before it
            y = min(i * self.band, p.out_shape[0] - self.band)
            self._piece(x[n], out[n], bias, k, y, 1 if len(tasks) > 1 else workers)

        run(task, len(tasks), workers if p.products >= SERIAL_PRODUCTS else 1)

    def _piece(self, x: np.ndarray, out: np.ndarray, bias: np.ndarray | None, k: int, y: int, workers: int) -> None:
        p, c = self.problem, self.channels
        first, last = self.problems[0], len(self.problems) - 1
        source = x[k * c : (k + 1) * c]
        at = y * p.stride[0]
        if self.whole:
            rows = source[None]
        else:
            held = scratch("factored_rows", c * first.shape[0] * first.shape[1] + SLACK, p.dtype)
            table = self.rows.rows[at : at + first.shape[0]]
            self.rows.fill(address(source), c, table, address(held))
            rows = held[: c * first.shape[0] * first.shape[1]].reshape(1, c, *first.shape)
        each = out.shape[0] // len(self.made)
        target = out[k * each : (k + 1) * each, y : y + self.band]
        for s, (q, executor) in enumerate(zip(self.problems, self.made[k], strict=True)):
            if s == last and self.band == p.out_shape[0]:
                made = target[None]
            else:
                made = scratch(f"factored_{s}", q.c_out * q.out_shape[0] * q.out_shape[1], p.dtype)
                made = made.reshape(1, q.c_out, *q.out_shape)
            start = None if bias is None or s < last else bias[k * each : (k + 1) * each]
            executor.execute(rows, made, start, workers)
            rows = made
        if self.band != p.out_shape[0]:
            target[...] = rows[0]

    @staticmethod
    def serves(problem: ChannelProblem) -> str:
        return "" if problem.kind == "conv" else "it serves convolutions, not their adjoints"
