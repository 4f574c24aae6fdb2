"""Winograd's algorithm: F(2x2, 3x3), F(4x4, 3x3) and F(2x2, 5x5), any dilation, border and groups.

With a stride of 2, and for the adjoint of such a convolution, even and odd samples (or outputs) have algorithms of
their own, with half the taps each.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import numpy as np

from fastconv.backends.handoff import Now, few_parts, share
from fastconv.core.channels import ChannelProblem
from fastconv.core.scratch import scratch
from fastconv.loops import channels_winograd as loops

from .lines import address, folds
from .winograd_panels import Layout, layout

__all__ = ["GatheredExecutor", "Winograd2Executor", "Winograd3Executor", "Winograd4Executor"]

#: multiplications of a task, at least: a few milliseconds
TASK = 2**26
#: input samples from which the transformed image is made by several workers
MANY = 2**13
#: about what the transform of one takes, and one of the products that tiles spare, in nanoseconds
OPERAND_NS, PRODUCT_NS = 2.0, 0.01


class _Unit(NamedTuple):
    """One group of a few samples; all but their number are addresses."""

    source: int
    target: int
    samples: int
    weights: int
    kept: int
    bias: int


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
        self._several: _WinogradExecutor | None = None
        #: whether it has been executed: what was made of the weights is no longer a call's own
        self._again = False
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
        kept = self._again and self._kept is not None
        self._again = True
        several = self._for_several(workers, kept) if not plan.shared and plan.panels < workers else None
        while workers > 1 and several is None and plan.total(workers, kept) > p.memory_limit:
            workers -= 1
        if several is not None:
            several._blocks(x, out, padded, workers)
        else:
            (self._blocks if plan.shared else self._panels)(x, out, padded, workers)

    def _for_several(self, workers: int, kept: bool) -> _WinogradExecutor | None:
        """The executor that shares out blocks of output channels, where there are too few panels for the workers."""
        if self._several is None:
            plan = layout(self.problem, self.outs, True)
            if plan.constants == self.layout.constants and plan.block == self.layout.block:
                self._several = type(self)(self.problem, self._weight, plan)
                self._several._kept = self._kept
        found = self._several
        made = 0 if kept else self.layout.weights * self.problem.dtype.itemsize
        if found is None or found.layout.total(workers, True) + made > self.problem.memory_limit:
            return None
        return found

    def _panels(self, x: np.ndarray, out: np.ndarray, bias: np.ndarray, workers: int) -> None:
        p, plan = self.problem, self.layout
        assert self._kept is not None
        products = p.products // plan.panels
        tasks = min(plan.panels, max(1, p.products // TASK)) if products < TASK else plan.panels
        if workers > 1 and tasks < 4 * workers:
            tasks = min(plan.panels, few_parts(p.products * PRODUCT_NS, workers) or 4 * workers)
        fixed = self._operands, self._results, self._job, address(x), address(self._kept), address(bias), address(out)

        def task(index: int, call: Now) -> None:
            room = scratch("winograd", plan.scratch // p.dtype.itemsize, p.dtype)
            first, last = (plan.panels * k // tasks for k in (index, index + 1))
            call(self._run, *fixed, address(room), first, last)

        share(task, tasks, workers, p.products * PRODUCT_NS)

    def _blocks(self, x: np.ndarray, out: np.ndarray, bias: np.ndarray, workers: int) -> None:
        p, plan = self.problem, self.layout
        size = p.dtype.itemsize
        kept = self._kept
        plane, out_plane = (h * w * size for h, w in (p.shape, p.out_shape))
        units = [(g, n) for g in range(p.groups) for n in range(0, p.batch, plan.samples)]

        def unit(index: int) -> _Unit:
            g, n = units[index]
            return _Unit(
                address(x) + (n * p.c_in + g * p.group_in) * plane,
                address(out) + (n * p.c_out + g * p.group_out) * out_plane,
                min(plan.samples, p.batch - n),
                address(self._weight) + g * p.group_out * p.group_in * p.taps * size,
                0 if kept is None else address(kept) + g * plan.out_blocks * plan.block * size,
                address(bias) + g * plan.bias * size,
            )

        def alone(index: int, call: Now) -> None:
            one, v = unit(index), self._image()
            self._samples_operands(one, v, 1, 0, call)
            for block in range(plan.out_blocks):
                self._samples_results(one, v, block, call)

        total = plan.total(workers, kept is not None) + (workers - 1) * plan.image
        if len(units) >= workers and total <= p.memory_limit:
            share(alone, len(units), workers, p.products * PRODUCT_NS)
            return
        v = self._image()
        for index in range(len(units)):
            one = unit(index)
            samples = one.samples * p.group_in * p.shape[0] * p.shape[1]
            parts = plan.blocks if samples >= MANY else 1
            share(partial(self._samples_operands, one, v, parts), parts, workers, samples * OPERAND_NS)
            ns = p.products * PRODUCT_NS / len(units)
            share(partial(self._samples_results, one, v), plan.out_blocks, workers, ns)

    def _image(self) -> int:
        """Scratch for the transformed tiles."""
        return address(scratch("winograd image", self.layout.image // self.problem.dtype.itemsize, self.problem.dtype))

    def _samples_operands(self, one: _Unit, v: int, parts: int, index: int, call: Now) -> None:
        """Transform a part of the input channels."""
        p, plan = self.problem, self.layout
        room = address(scratch("winograd", plan.scratch // p.dtype.itemsize, p.dtype))
        first, last = (plan.blocks * k // parts for k in (index, index + 1))
        call(self._first, self._operands, self._job, one.source, one.samples, first, last, room, v)

    def _samples_results(self, one: _Unit, v: int, index: int, call: Now) -> None:
        """A block of output channels."""
        p, plan = self.problem, self.layout
        room = address(scratch("winograd", plan.scratch // p.dtype.itemsize, p.dtype))
        mine = one.kept
        if not mine:
            block = scratch("winograd weights", plan.block, p.dtype)
            mine = address(block)
            if not self._whole:  # what is transformed leaves these zeros alone
                block.fill(0)
        call(self._second, 0 if one.kept else self._transform, self._results, self._job, v, one.weights, mine,
             one.samples, index, index + 1, room, one.bias, one.target)  # fmt: skip

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
