"""Winograd's algorithm: F(2x2, 3x3), F(4x4, 3x3) and F(2x2, 5x5), any dilation, border and groups.

With a stride of 2, and for the adjoint of such a convolution, even and odd samples (or outputs) have algorithms of
their own, with half the taps each.
"""

from __future__ import annotations

import numpy as np

from fastconv.core.channels import ChannelProblem
from fastconv.core.scratch import scratch
from fastconv.core.threads import run
from fastconv.loops import channels_winograd as loops

from .lines import address, folds
from .winograd_panels import Layout, layout

__all__ = ["GatheredExecutor", "Winograd2Executor", "Winograd3Executor", "Winograd4Executor"]

#: multiplications of a task, at least: a few milliseconds
TASK = 2**26
#: input samples from which the transformed image is made by several workers
MANY = 2**18


class _WinogradExecutor:
    """F(outs x outs) for one problem and one set of weights."""

    name = "winograd"
    #: what it takes is known without compiling, does not shrink, and it keeps its workers within it
    fixed_scratch = True
    outs = 0
    #: kernel sizes that it serves: of stride 1, and of stride 2 or its adjoint
    sizes: tuple[int, ...] = ()
    halved: tuple[int, ...] = ()

    def __init__(self, problem: ChannelProblem, weight: np.ndarray, plan: Layout | None = None) -> None:
        self.problem = problem
        self.layout = plan = plan or layout(problem, self.outs)
        self._operands = loops.panel_operands.address(**plan.constants)
        self._results = loops.panel_results.address(**plan.constants)
        self._transform = loops.transformed_weights.address(**plan.constants)
        self._run = loops.run_panels.compiled(*(0,) * 10)
        self._first = loops.run_operands.compiled(*(0,) * 8)
        self._second = loops.run_results.compiled(*(0,) * 12)
        self._job = address(plan.job)
        self._weight = weight
        self._kept: np.ndarray | None = None
        #: no block has room for channels that are not there, whose weights must be zeros
        self._whole = plan.blocks * len(plan.constants["IN"]) == problem.group_in
        if not plan.shared:
            self.keep()

    def keep(self) -> None:
        """Transform all weights now, and keep that."""
        p, plan = self.problem, self.layout
        if self._kept is not None:
            return
        kept = (np.empty if self._whole else np.zeros)(plan.weights, p.dtype)
        start = loops.run_weights.compiled(*(0,) * 7)
        room = scratch("winograd", max(plan.scratch, plan.turned) // p.dtype.itemsize, p.dtype)
        size = p.dtype.itemsize
        for g in range(p.groups):
            at = address(self._weight) + g * p.group_out * p.group_in * p.taps * size
            to = address(kept) + g * plan.out_blocks * plan.block * size
            start(self._transform, self._job, at, 0, plan.out_blocks, address(room), to)
        self._kept = kept

    def execute(self, x: np.ndarray, out: np.ndarray, bias: np.ndarray | None, workers: int) -> None:
        p, plan = self.problem, self.layout
        padded = np.zeros((p.groups, plan.bias), p.dtype)
        if bias is not None:
            padded[:, : p.group_out] = bias.reshape(p.groups, p.group_out)
        while workers > 1 and plan.total(workers) > p.memory_limit:
            workers -= 1
        (self._blocks if plan.shared else self._panels)(x, out, padded, workers)

    def _panels(self, x: np.ndarray, out: np.ndarray, bias: np.ndarray, workers: int) -> None:
        p, plan = self.problem, self.layout
        assert self._kept is not None
        products = p.products // plan.panels
        tasks = min(plan.panels, max(1, p.products // TASK)) if products < TASK else plan.panels
        if workers > 1 and tasks < 4 * workers:
            tasks = min(plan.panels, 4 * workers)
        fixed = self._operands, self._results, self._job, address(x), address(self._kept), address(bias), address(out)

        def task(index: int) -> None:
            room = scratch("winograd", plan.scratch // p.dtype.itemsize, p.dtype)
            first, last = (plan.panels * k // tasks for k in (index, index + 1))
            self._run(*fixed, address(room), first, last)

        run(task, tasks, workers)

    def _blocks(self, x: np.ndarray, out: np.ndarray, bias: np.ndarray, workers: int) -> None:
        p, plan = self.problem, self.layout
        size = p.dtype.itemsize
        v = address(scratch("winograd image", plan.image // size, p.dtype))
        kept = self._kept
        plane, out_plane = (h * w * size for h, w in (p.shape, p.out_shape))
        for g in range(p.groups):
            weights = address(self._weight) + g * p.group_out * p.group_in * p.taps * size
            u = 0 if kept is None else address(kept) + g * plan.out_blocks * plan.block * size
            at = address(bias) + g * plan.bias * size
            for n in range(0, p.batch, plan.samples):
                source = address(x) + (n * p.c_in + g * p.group_in) * plane
                to = address(out) + (n * p.c_out + g * p.group_out) * out_plane
                samples = min(plan.samples, p.batch - n)
                self._samples(source, to, samples, v, weights, u, at, workers)

    def _samples(self, source: int, to: int, samples: int, v: int, weights: int, u: int, at: int, workers: int) -> None:
        """One group of a few samples: their transformed tiles, then block after block of output channels."""
        p, plan = self.problem, self.layout
        size = p.dtype.itemsize

        def operands(index: int, parts: int = 1) -> None:
            room = address(scratch("winograd", plan.scratch // size, p.dtype))
            first, last = (plan.blocks * k // parts for k in (index, index + 1))
            self._first(self._operands, self._job, source, samples, first, last, room, v)

        def results(index: int) -> None:
            room = address(scratch("winograd", plan.scratch // size, p.dtype))
            mine = u
            if not u:
                block = scratch("winograd weights", plan.block, p.dtype)
                mine = address(block)
                if not self._whole:
                    block.fill(0)
            self._second(0 if u else self._transform, self._results, self._job, v, weights, mine, samples,
                         index, index + 1, room, at, to)  # fmt: skip

        if workers > 1 and samples * p.group_in * p.shape[0] * p.shape[1] >= MANY:
            run(lambda index: operands(index, plan.blocks), plan.blocks, workers)
        else:
            operands(0)
        run(results, plan.out_blocks, workers)

    @classmethod
    def serves(cls, problem: ChannelProblem) -> str:
        if problem.stride not in ((1, 1), (2, 2)) or (problem.kind, problem.stride) == ("transposed", (1, 1)):
            return "only for convolutions of stride 1 or 2, and adjoints of stride 2"
        halves = problem.stride == (2, 2)
        if halves and problem.dilation != (1, 1):
            return "not for a stride and a dilation at once"
        if problem.kind == "transposed" and folds(problem):
            return "only zeros may stand around the image of an adjoint"
        served = cls.halved if halves else cls.sizes
        if problem.size not in [(k, k) for k in served]:
            return f"only for kernels of {' or '.join(f'{k} x {k}' for k in served) or 'stride 2'}"
        return ""

    @classmethod
    def scratch_bytes(cls, problem: ChannelProblem) -> int:
        return layout(problem, cls.outs).total(1)


class GatheredExecutor(_WinogradExecutor):
    """Tiles of a single sample: the plain sum, over products with every tap that are made before they are added."""

    name = "gathered"
    outs = 1
    halved = (2, 3, 4, 5, 6, 7)


class Winograd2Executor(_WinogradExecutor):
    """F(2x2, 3x3) and F(2x2, 5x5)."""

    name = "winograd2"
    outs = 2
    sizes = (3, 5)
    halved = (3, 4, 5, 7)


class Winograd3Executor(_WinogradExecutor):
    """F(3x3, 2x2) and F(3x3, 1x1): for kernels halved."""

    name = "winograd3"
    outs = 3
    halved = (3, 4)


class Winograd4Executor(_WinogradExecutor):
    """F(4x4, 3x3)."""

    name = "winograd4"
    outs = 4
    sizes = (3,)
    halved = (3, 4)
