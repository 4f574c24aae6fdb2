"""Chains of 1-D passes made ready once for arrays of given strides and dtypes, and run on the package's workers."""

from __future__ import annotations

import numpy as np

from .job import Job
from .steps import Finish, Line, cut
from .sweeps import SweepStep
from .tables import c_strides

__all__ = ["LinesJob"]


class LinesJob(Job):
    """Passes in their order on images of one shape, dtype and strides, into C-contiguous outputs of one dtype.

    lines: at least one pass; cval: what lies outside, a double; finish: what the last pass does with its result,
    which only a chain of one step (see `steps`) may do.
    """

    def __init__(
        self, lines: tuple[Line, ...], shape: tuple[int, ...], strides: tuple[int, ...], source: np.dtype,
        out: np.dtype, cval: float, finish: Finish = Finish.STORE,
    ) -> None:  # fmt: skip
        out_strides = c_strides(shape, out.itemsize)
        steps = cut(lines, shape, strides)
        assert len(steps) == 1 or finish == Finish.STORE
        super().__init__([
            SweepStep(step, shape, out_strides if step.in_place else strides, out if step.in_place else source, out,
                      cval, finish)
            for step in steps
        ])  # fmt: skip
