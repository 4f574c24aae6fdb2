"""Passes made ready for arrays of given strides and dtypes, run one after the other on the package's workers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from fastconv.core.address import address
from fastconv.core.threads import SERIAL_NS, worker_count
from fastconv.core.threads import run as run_tasks

__all__ = ["Job", "OnePass"]

#: the longest task (Ctrl-C is heard between tasks), in nanoseconds
TASK_NS = 4_000_000


class OnePass(Protocol):
    """What a job runs: ``cost`` is in nanoseconds, roughly; ``whole`` is the task that is all of it."""

    cost: float
    whole: Any

    def tasks(self, wanted: int) -> list[Any]:
        """The pass in about so many parts."""
        ...

    def run(self, source: int, target: int, task: Any) -> None:
        """One part, from the array at an address into that at another."""
        ...


class Job:
    """Passes in their order: the first reads the image, each further one what the one before has left in the output."""

    def __init__(self, passes: Sequence[OnePass]) -> None:
        self.passes = passes
        self._shared: dict[int, list[list[Any]]] = {}
        self._warm = False

    def execute(self, image: np.ndarray, out: np.ndarray, workers: int | None = None) -> None:
        """Fill ``out``, which shares no memory with the image."""
        source, target = address(image), address(out)
        for i, each in enumerate(self.passes):
            if each.cost <= SERIAL_NS:
                each.run(source, target, each.whole)
            else:
                self._share(i, source, target, worker_count(workers))
            source = target
        self._warm = True

    def _share(self, i: int, source: int, target: int, workers: int) -> None:
        found = self._shared.get(workers)
        if found is None:
            found = self._shared[workers] = [each.tasks(_parts(each.cost, workers)) for each in self.passes]
        run, tasks = self.passes[i].run, found[i]
        if not self._warm:  # the driver is compiled on the caller's thread
            run(source, target, tasks[0])
            tasks = tasks[1:]
        run_tasks(lambda k: run(source, target, tasks[k]), len(tasks), workers)


def _parts(cost: float, workers: int) -> int:
    """In how many tasks work of ``cost`` nanoseconds is handed out."""
    return max(-(-int(cost) // TASK_NS), min(4 * workers, int(cost) // SERIAL_NS + 1))
