"""Chains of 1-D passes made ready once for arrays of given strides and dtypes, and run on the package's workers."""

from __future__ import annotations

from math import prod

import numpy as np

from fastconv.core.address import address
from fastconv.core.threads import run as run_tasks
from fastconv.core.threads import worker_count

from .steps import Finish, Line, cut
from .sweeps import SweepStep
from .tables import SERIAL_NS, Task, parts

__all__ = ["LinesJob"]


class LinesJob:
    """Passes in their order on images of one shape, dtype and strides, into C-contiguous outputs of one dtype.

    lines: at least one pass; cval: what lies outside, a double; finish: what the last pass does with its result,
    which only a chain of one step (see `steps`) may do.
    """

    def __init__(
        self, lines: tuple[Line, ...], shape: tuple[int, ...], strides: tuple[int, ...], source: np.dtype,
        out: np.dtype, cval: float, finish: Finish = Finish.STORE,
    ) -> None:  # fmt: skip
        out_strides = tuple(out.itemsize * prod(shape[i + 1 :]) for i in range(len(shape)))
        steps = cut(lines, shape, strides)
        self.single = len(steps) == 1
        assert self.single or finish == Finish.STORE
        self.steps = [
            SweepStep(step, shape, out_strides if step.in_place else strides, out if step.in_place else source, out,
                      cval, finish)
            for step in steps
        ]  # fmt: skip
        self.size = prod(shape)
        self.cost = [self.size * step.cost for step in self.steps]
        self.whole: list[Task] = [(0, s.n_units, 0, s.n_rows, 0, s.n_line) for s in self.steps]
        self.shared: dict[int, list[list[Task]]] = {}
        self.warm = False

    def execute(self, image: np.ndarray, out: np.ndarray, workers: int | None = None) -> None:
        """Fill ``out``, which shares no memory with the image."""
        source, target = address(image), address(out)
        for i, step in enumerate(self.steps):
            if self.cost[i] <= SERIAL_NS:
                step.run(source, target, self.whole[i])
            else:
                tasks = self._tasks(i, worker_count(workers))
                if not self.warm:  # the driver is compiled on the caller's thread
                    step.run(source, target, tasks[0])
                    tasks = tasks[1:]
                at = source
                run_tasks(lambda k, at=at, step=step, tasks=tasks: step.run(at, target, tasks[k]), len(tasks),  # type: ignore[misc]
                          worker_count(workers))  # fmt: skip
            source = target
        self.warm = True

    def _tasks(self, i: int, workers: int) -> list[Task]:
        found = self.shared.get(workers)
        if found is None:
            found = self.shared[workers] = [
                step.tasks(parts(cost, workers)) for step, cost in zip(self.steps, self.cost, strict=True)
            ]
        return found[i]
